"""Differential privacy: the budget is kept and told, nothing undeclared is made, and what would void it is refused."""

import os

os.environ.setdefault("MAKEWEIGHT_NOISE_KEY", "a secret of the tests")  # before Ray, whose workers inherit it

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import torch

from flows.build import build
from generators.tabular.dp_autoregressive import DPAutoregressive
from generators.tabular.dp_training import Schedule, least_noise, spent_epsilon
from pipelines.plan.planning import make_plan
from schemas.errors import GeneratorError, SpecError
from schemas.plan import SampleRequest
from schemas.spec import Spec, parse

COLUMNS = {
    "age": {"bounds": [18, 80], "nulls": False},
    "wage": {"bounds": [0, 100], "decimals": 1, "nulls": False},
    "town": {"categories": ["Ulm", "Bonn", "Kiel"], "nulls": False},
    "since": {"bounds": ["2020-01-01", "2021-12-31"]},
}
SMALL = {"epochs": 10, "learning_rate": 0.05, "hidden": 8, "embedding": 2, "bins": 8}
ROWS = 800


def people():
    """800 rows; one is of a town that was not declared, and older than the bounds."""
    rng = np.random.default_rng(3)
    rare = np.arange(ROWS) < 200
    age, town = rng.integers(18, 81, ROWS), rng.choice(["Ulm", "Bonn", "Kiel"], ROWS, p=[0.7, 0.2, 0.1])
    age[5], town = 117, town.astype(object)
    town[5] = "Atlantis"
    return pa.table(
        {
            "age": age,
            "wage": np.where(rare, rng.normal(70, 8, ROWS), rng.normal(40, 8, ROWS)).round(1),
            "town": pa.array(town.tolist()),
            "since": np.datetime64("2020-01-01") + rng.integers(0, 700, ROWS),
            "happy": rng.random(ROWS) < 0.8,
            "label": np.where(rare, "rare", "many"),
        }
    )


TABLE = people()


def make(**params):
    return DPAutoregressive(DPAutoregressive.Params(**({"epsilon": 8, "columns": COLUMNS} | SMALL | params)))


@pytest.fixture(scope="module")
def fitted():
    generator = make()
    generator.fit(TABLE, "label", 7)
    return generator


def sample(generator, stratum="rare", rows=2000):
    return generator.sample(SampleRequest(stratum=stratum, chunk=0, rows=rows, seed=5))


def test_the_budget_is_spent_and_no_more(fitted):
    budget = fitted.spent()
    assert 0.97 * 8 < budget.epsilon <= 8
    assert budget.delta == pytest.approx(0.1 / ROWS)
    assert (budget.declared_epsilon, budget.clip, budget.accountant, budget.steps) == (8, 1.0, "rdp", 250)
    assert spent_epsilon(budget.noise_multiplier, Schedule(ROWS, 250, 32), budget.delta) == budget.epsilon
    assert budget.sample_rate == 32 / ROWS


def test_the_accountant_agrees_with_what_is_known_of_the_gaussian_mechanism():
    """Without sampling, k steps are one step of noise / sqrt(k); Balle and Wang's exact epsilon lies just below."""
    everybody = Schedule(1000, 16, 1000)
    assert spent_epsilon(16.0, everybody, 1e-5) == pytest.approx(spent_epsilon(4.0, Schedule(1000, 1, 1000), 1e-5))
    assert 0.99 < spent_epsilon(4.0, Schedule(1000, 1, 1000), 1e-5) < 1.2
    assert spent_epsilon(4.0, Schedule(1000, 16, 10), 1e-5) < 0.2, "rows that are seldom in a batch lose less"


def test_values_are_of_the_declarations_and_a_rare_real_one_never_appears(fitted):
    for stratum in ("rare", "many"):
        made = sample(fitted, stratum)
        assert pc.min_max(made["age"]).as_py()["min"] >= 18
        assert pc.max(made["age"]).as_py() <= 80
        assert set(made["town"].to_pylist()) == {"Ulm", "Bonn", "Kiel"}
        assert pc.round(made["wage"], 1).equals(made["wage"])
        assert pc.max(made["since"]).as_py().year == 2021
    assert pc.mean(sample(fitted, "rare")["wage"]).as_py() > pc.mean(sample(fitted, "many")["wage"]).as_py() + 10


def test_numbers_that_are_declared_by_themselves_are_made_exactly():
    columns = COLUMNS | {"age": {"bounds": [18, 80], "categories": [18], "bins": 1}, "wage": {"categories": [0.0]}}
    generator = make(columns=columns)
    table = TABLE.set_column(0, "age", pa.array(np.where(np.arange(ROWS) % 2, 18, TABLE["age"]).tolist()))
    generator.fit(table, "label", 7)
    made = sample(generator)
    assert 0.3 < pc.mean(pc.equal(made["age"], 18)).as_py() < 0.7
    assert set(made["wage"].to_pylist()) <= {0.0, None}


@pytest.mark.filterwarnings("ignore:Full backward hook")
def test_gradients_are_those_of_each_row_alone():
    from opacus import GradSampleModule

    from generators.tabular.dp_training import freeze_unused
    from generators.tabular.network import Network

    torch.manual_seed(0)
    network = Network([2, 5, 3], [False] * 3, hidden=4, embedding=2, dropout=0)
    freeze_unused(network)
    codes = torch.tensor([[0, 4, 1], [1, 0, 2], [1, 3, 0]])
    module = GradSampleModule(network, loss_reduction="sum")
    module(codes).sum().backward()
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    found = [weight.grad_sample for weight in weights]
    module.remove_hooks()
    for row in range(3):
        alone = torch.autograd.grad(network(codes[row : row + 1]).sum(), weights)
        for all_rows, one in zip(found, alone, strict=True):
            torch.testing.assert_close(all_rows[row], one)


def test_batches_without_rows_are_noise_alone():
    generator = make(batch_rows=1, epochs=1, epsilon=1000)
    generator.fit(TABLE.slice(190, 20), "label", 1)
    assert sample(generator, rows=5).num_rows == 5


def test_noise_is_of_the_secret_the_seed_and_the_rows(fitted, monkeypatch):
    codes = np.zeros((3, 2), np.int64)
    seeds = {fitted._noise_seed(codes, 7), fitted._noise_seed(codes, 8), fitted._noise_seed(codes + 1, 7)}
    monkeypatch.setenv("MAKEWEIGHT_NOISE_KEY", "another secret of the tests")
    assert len(seeds | {fitted._noise_seed(codes, 7)}) == 4


def test_without_a_secret_nothing_is_fitted(monkeypatch):
    monkeypatch.setenv("MAKEWEIGHT_NOISE_KEY", "short")
    with pytest.raises(GeneratorError, match="'MAKEWEIGHT_NOISE_KEY' holds 5 characters; the noise must come from a s"):
        make().fit(TABLE, "label", 7)
    with pytest.raises(GeneratorError, match=r"'ELSE' is not set; .*: export it, as `openssl rand -hex 32` prints one"):
        make(noise_key_env="ELSE").fit(TABLE, "label", 7)


def test_an_epsilon_below_what_the_rows_allow_is_refused_and_the_one_named_is_not():
    with pytest.raises(GeneratorError) as caught:
        make(epsilon=0.01, epochs=2).fit(TABLE, "label", 7)
    message = str(caught.value)
    assert message.startswith("epsilon 0.01 asks for noise of ")
    assert " times the clipped gradient with 800 rows and 2 epochs: nothing would be learnt; raise epsilon" in message
    assert message.endswith(", give more rows or fewer epochs")
    named = float(message.split("at least about ")[1].split(",")[0])
    generator = make(epsilon=named, epochs=2)
    generator.fit(TABLE, "label", 7)
    assert generator.spent().epsilon <= named
    with pytest.raises(GeneratorError, match="epsilon 1e-09 asks for more noise than can be counted"):
        least_noise(1e-9, 1e-5, Schedule(ROWS, 250, 32), 1000, 10)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"columns": {}},
            r"'age' \(int64\), 'wage' \(double\), 'town' \(string\), 'since' .*; say for each, as in col",
        ),
        ({"delta": 0.01}, r"delta 0.01 is not less than 1 / rows, 0.0013 with 800 rows: .*; take 0.0001 or less"),
        ({"columns": COLUMNS | {"town": {"bounds": [1, 2]}}}, "columns: 'town' is of type string and has no bounds"),
        (
            {"columns": COLUMNS | {"age": {"bounds": [9, 2]}}},
            r"'age' has bounds \[9, 2\], the greater first; swap them",
        ),
        ({"columns": COLUMNS | {"since": {"bounds": ["x", "y"]}}}, "'since' is of type date32.*, and 'x' is not"),
    ],
)
def test_faulty_declarations_are_refused(params, message):
    with pytest.raises(GeneratorError, match=message):
        make(**params).check(TABLE.schema, "label", ROWS)


def test_a_misspelt_declaration_is_named():
    columns = {"agee" if name == "age" else name: told for name, told in COLUMNS.items()}
    with pytest.raises(GeneratorError, match=r"'age' \(int64\); say .*did you mean 'agee'\?"):
        make(columns=columns).check(TABLE.schema, "label", ROWS)


@pytest.fixture
def spec(tmp_path):
    def made(**parts) -> Spec:
        pa.csv.write_csv(TABLE, tmp_path / "people.csv")
        params = {"epsilon": 8, "columns": COLUMNS} | SMALL
        data = {
            "name": "people",
            "source": {"path": str(tmp_path / "people.csv"), "label": "label"},
            "generator": {"name": "dp_autoregressive", "params": params},
            "output": {"path": str(tmp_path / "out")},
        }
        return parse(Spec, data | parts)

    return made


def test_validators_that_look_at_real_rows_are_no_default_and_refused_by_name(spec):
    assert make_plan(spec()).validators == []
    with pytest.raises(SpecError) as caught:
        make_plan(spec(validate=["schema", "label_agreement"]))
    first, second = str(caught.value).splitlines()
    assert first.startswith("validate[0]: validator 'schema' looks at real rows, which differential privacy does not c")
    assert second.startswith("validate[1]: validator 'label_agreement' looks at real rows")


def test_undeclared_columns_and_drawn_rows_are_refused_by_the_plan(spec):
    generator = {"name": "dp_autoregressive", "fit_rows": 500, "params": {"epsilon": 8}}
    with pytest.raises(SpecError) as caught:
        make_plan(spec(generator=generator))
    first, second = str(caught.value).splitlines()
    assert first.startswith("generator.fit_rows: 500 of 800 rows would be drawn")
    assert first.endswith("; set it to 800 or more")
    assert second.startswith("generator.params: what these columns may hold is not declared")


@pytest.mark.usefixtures("in_process")
def test_a_build_tells_what_was_spent(spec):
    manifest = build(spec())
    budget = manifest.differential_privacy
    assert budget is not None
    assert budget.declared_epsilon == 8
    assert 7.7 < budget.epsilon <= 8
    out = Path(spec().output.path)
    assert json.loads((out / "manifest.json").read_text())["differential_privacy"] == budget.model_dump()
    assert (
        f"with differential privacy: epsilon {budget.epsilon:.4g}, delta 0.00013 spent."
        in (out / "README.md").read_text()
    )
    assert "real rows in the dataset are not protected" in (out / "report.html").read_text()
    made = pq.read_table(out / "data").filter(pc.field("_origin") == "synthetic")
    assert made.num_rows == 400
    assert set(made["town"].to_pylist()) == {"Ulm", "Bonn", "Kiel"}
