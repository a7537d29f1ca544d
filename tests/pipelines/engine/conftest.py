"""A spec of a small table, which two actors make rows for."""

import pytest

from schemas.spec import Spec, parse


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\n" + "".join(f"{n % 17 / 7},{'ab'[n % 4 == 0]}\n" for n in range(60)))
    data = {
        "name": "t",
        "source": {"path": str(tmp_path / "t.csv"), "label": "y"},
        "generator": {"name": "resample", "actors": 2},
        "output": {"path": str(tmp_path / "out")},
    }
    return parse(Spec, data)
