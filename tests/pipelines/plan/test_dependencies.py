"""A user's own code, models and lists are part of what a build is: a change of one makes it another build."""

import json
import os
import sys
from textwrap import dedent

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest

from pipelines.dataset.publish import is_build_of, make_manifest
from pipelines.fit.fitting import model_fingerprint
from pipelines.plan.dependencies import outside, refuse_other_code
from pipelines.plan.planning import make_plan
from pipelines.storage.workspace import make_workspace
from schemas.errors import GeneratorError, SpecError
from schemas.plan import Step
from schemas.spec import Spec, parse

OWN = """
from generators.resample import Resample
{imports}

class Own(Resample):
    pass
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder on Python's path for modules, which are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith("own"):
            del sys.modules[name]


def plan_of(folder, generator, *, text=False, **parts):
    rows = 40
    table = {"label": ["a", "a", "a", "b"] * (rows // 4), "text": [f"some text {n} here" for n in range(rows)]}
    if not text:
        table = {"label": table["label"], "x": np.arange(rows) / 7}
    pa.csv.write_csv(pa.table(table), folder / "rows.csv")
    source = {"path": str(folder / "rows.csv"), "label": "label"} | ({"text": "text"} if text else {})
    data = {"name": "own", "source": source, "generator": generator, "output": {"path": str(folder / "out")}}
    return make_plan(parse(Spec, data | parts))


def identity(plan):
    return make_workspace(plan.name, plan).key, model_fingerprint(plan)


def write(folder, name, text):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text))


def test_changed_code_is_another_build_and_the_same_code_is_the_same(place):
    write(place, "own_one.py", OWN.format(imports=""))
    generator = {"name": "own_one:Own"}
    first, again = plan_of(place, generator), plan_of(place, generator)
    assert identity(first) == identity(again)
    manifest = make_manifest(first, [], [], "0")
    assert is_build_of(manifest, again)
    write(place, "own_one.py", OWN.format(imports="") + "\nMORE = 1\n")
    changed = plan_of(place, generator)
    assert set(identity(changed)).isdisjoint(identity(first))
    assert not is_build_of(manifest, changed)
    assert changed.spec_fingerprint == first.spec_fingerprint


@pytest.mark.parametrize(
    "imports", ["import own_help", "from own_help import f", "import own_pack.deep", "from own_pack import deep"]
)
def test_what_a_module_imports_from_beside_it_counts_too(place, imports):
    write(place, "own_two.py", OWN.format(imports=imports))
    write(place, "own_help.py", "import own_pack.deep\nf = 1\n")
    write(place, "own_pack/__init__.py", "from . import other\n")
    write(place, "own_pack/deep.py", "x = 1\n")
    write(place, "own_pack/other.py", "y = 1\n")
    write(place, "own_stranger.py", "z = 1\n")
    keys = [identity(plan_of(place, {"name": "own_two:Own"}))]
    for name in ("own_pack/deep.py", "own_pack/other.py", "own_pack/__init__.py"):
        with (place / name).open("a") as stream:
            stream.write("more = 1\n")
        keys.append(identity(plan_of(place, {"name": "own_two:Own"})))
    assert len(set(keys)) == 4
    write(place, "own_stranger.py", "z = 2\n")
    assert identity(plan_of(place, {"name": "own_two:Own"})) == keys[-1], "what it does not import is not looked at"


def test_code_that_is_in_no_file_is_refused(place, monkeypatch):
    import types

    module = types.ModuleType("own_nowhere")
    exec(OWN.format(imports=""), module.__dict__)  # noqa: S102 - as a notebook does
    monkeypatch.setitem(sys.modules, "own_nowhere", module)
    module.__spec__ = type(sys.__spec__)("own_nowhere", None)
    with pytest.raises(SpecError, match=r"generator\.name: the code of 'own_nowhere' is in no file, so that a change"):
        plan_of(place, {"name": "own_nowhere:Own"})


def test_an_actor_with_other_code_refuses_to_work(place):
    write(place, "own_three.py", OWN.format(imports=""))
    plan = plan_of(place, {"name": "own_three:Own"})
    refuse_other_code(plan)
    write(place, "own_three.py", OWN.format(imports="import os"))
    with pytest.raises(GeneratorError, match=r"generator\.name: the code is another one here than where the build"):
        refuse_other_code(plan)


def test_a_model_folder_and_a_word_list_are_known_by_what_is_in_them(place):
    write(place, "model/config.json", "{}")
    write(place, "model/sub/weights.bin", "1234")
    write(place, "words.txt", "darn\n")
    generator = {"name": "causal_lm", "params": {"model": str(place / "model")}}
    checks = ["text", {"inappropriate": {"file": str(place / "words.txt")}}]

    def key():
        plan = plan_of(place, generator, text=True, validate=checks)
        assert set(plan.outside) == {"generator.model", "validate.1.file"}
        return identity(plan)

    first = key()
    assert key() == first
    write(place, "words.txt", "drat\n")
    second = key()
    write(place, "model/sub/weights.bin", "1235")
    third = key()
    os.rename(place / "model/sub/weights.bin", place / "model/weights.bin")
    assert len({first, second, third, key()}) == 4


def test_a_hub_id_and_a_word_that_is_a_folder_by_chance_are_no_files(place, monkeypatch):
    monkeypatch.chdir(place)
    write(place, "gone/x", "1")
    plan = plan_of(place, {"name": "edit"}, text=True, validate=["text"])
    assert plan.outside == {}
    labelled = plan_of(place, {"name": "causal_lm", "params": {"model": "org/model"}}, text=True, validate=["text"])
    assert labelled.outside == {}


def test_a_dataset_of_an_earlier_version_is_complete_unless_what_made_it_is_unknown(place):
    write(place, "own_four.py", OWN.format(imports=""))
    for name, complete in (("resample", True), ("own_four:Own", False)):
        plan = plan_of(place, {"name": name})
        manifest = make_manifest(plan, [], [], "0")
        data = json.loads(manifest.model_dump_json())
        del data["outside"]
        older = type(manifest).model_validate(data)
        assert is_build_of(older, plan) is complete
        assert is_build_of(manifest, plan)


def test_files_deep_in_parameters_count_and_what_is_written_does_not(place):
    write(place, "font.ttf", "1")
    declared = [{"OneOf": [{"TextImage": {"font_path": str(place / "font.ttf")}}]}]
    asked = Step(name="augment", params={"transforms": declared})
    found = outside(asked, [], "image")
    assert set(found) == {"generator.transforms.0.OneOf.0.TextImage.font_path"}
    write(place, "font.ttf", "2")
    assert outside(asked, [], "image") != found
    write(place, "answers/one", "1")
    known = {"base_url": "http://localhost:1", "model": "m", "cache": str(place / "answers")}
    assert outside(Step(name="endpoint", params=known), [], "text") == {}


def test_a_class_of_ones_own_that_marks_nothing_is_looked_through_for_paths(place):
    write(place, "names.txt", "1")
    own = "from generators import base\nclass P(base.Params):\n    known: str\n    mode: str"
    write(place, "own_paths.py", OWN.format(imports=own) + "    Params = P\n")
    step = Step(name="own_paths:Own", params={"known": str(place / "names.txt"), "mode": "train"})
    assert set(outside(step, [], "tabular")) == {"generator.name", "generator.known"}
