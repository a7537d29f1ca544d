import pyarrow as pa

from generators.resample import Resample
from schemas.plan import SampleRequest


def test_rows_are_real_ones_and_whole():
    table = pa.table({"a": list(range(50)), "y": ["x"] * 20 + ["z"] * 30, "b": [f"{n}!" for n in range(50)]})
    generator = Resample(Resample.Params())
    generator.fit(table, "y", 1)
    made = generator.sample(SampleRequest(stratum="x", chunk=0, rows=200, seed=1)).to_pydict()
    assert set(made["a"]) == set(range(20))
    assert made["b"] == [f"{n}!" for n in made["a"]]
