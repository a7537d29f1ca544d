"""Tables with differential privacy: the autoregressive network, trained by DP-SGD to a declared (epsilon, delta).

The promise: whoever sees made rows, or the fitted model, learns hardly more about the cells of any one real row than if
the row had taken no part in training (zero-out neighbours: Ponomareva et al. 2023, arXiv:2303.00654). Its limits:

- Names, types and roles of columns, the value of constant columns, the greatest id, and the classes with their counts
  count as public: the plan and the manifest show them.
- The real rows of a dataset are published as they are, so they are not protected; only made rows are.
- The noise follows from a secret (`noise_key_env`). Whoever knows the secret, the model, and all rows of the source but
  one can compute that row. The noise depends on the rows, too, so that tonight's noise differs from last night's. Torch
  draws it; its generator is made for statistics and not for cryptography.
- The gate (`privacy:` in the spec) looks at real rows, so whether a dataset is published depends on them.
- Each model that is fitted on the same rows together with other rows, parameters or seeds spends its budget again.
"""

import hashlib
import hmac
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from generators.base import Capabilities
from generators.classes import check_class_known, check_class_sizes, class_numbers, rows_by_class
from generators.random import seeded
from generators.tabular.codes import encode
from generators.tabular.declared import declared_columns
from generators.tabular.dp_params import DPAutoregressiveParams
from schemas.errors import GeneratorError
from schemas.plan import SampleRequest
from schemas.privacy import BUDGET, PrivacyBudget
from schemas.secrets import told_variable

if TYPE_CHECKING:
    from generators.tabular.network import Network

_KEY_CHARACTERS = 16
_SMALL_TABLE_BATCHES = 32  # a small table's batch is such a part of it


class DPAutoregressive:
    """An autoregressive model of a table's columns, whose training is differentially private.

    Only that training reads the rows: the codes follow from what is declared of the columns, the number of steps is
    computed beforehand, and no loss is looked at. Training and sampling run on the CPU.

    Example:
        generator:
          name: dp_autoregressive
          params:
            epsilon: 4
            columns: {age: {bounds: [0, 99]}, colour: {categories: [red, blue]}}

    """

    Params = DPAutoregressiveParams
    capabilities: ClassVar[Capabilities] = Capabilities(
        modalities=("tabular",),
        max_chunk_rows=5_000,
        skips=frozenset({"schema", "duplicates", "near_duplicates", "label_agreement"}),
        differentially_private=True,
    )

    def __init__(self, params: DPAutoregressiveParams) -> None:
        self.params = params

    def check(self, schema: pa.Schema, label: str, rows: int) -> None:
        """Raise GeneratorError for what is wrong with a table of these columns and so many rows; no row is read."""
        declared_columns(schema, label, self.params.columns, self.params.bins)
        delta = self.params.delta
        if delta is not None and delta * rows >= 1:
            raise GeneratorError(
                f"delta {delta:g} is not less than 1 / rows, {1 / rows:.2g} with {rows:,} rows: it would allow to give"
                f" a whole row away; take {0.1 / rows:.1g} or less, or leave it out"
            )
        self._read_key()

    def _read_key(self) -> bytes:
        name = self.params.noise_key_env
        key = os.environ.get(name, "").strip()
        if len(key) < _KEY_CHARACTERS:
            got = f"holds {len(key)} characters" if key else "is not set"
            raise GeneratorError(
                f"{told_variable(name)} {got}; the noise must come from a secret of {_KEY_CHARACTERS} characters or"
                " more: export it, as `openssl rand -hex 32` prints one, and keep it to get the same rows again"
            )
        return key.encode()

    def fit(self, table: pa.Table, label: str, seed: int) -> None:
        """Train on the table within the budget; raises GeneratorError if the budget is too small to learn anything."""
        import torch

        from generators.tabular import dp_training

        check_class_sizes(table, label, self.capabilities.min_class_rows, "dp_autoregressive")
        self.check(table.schema, label, table.num_rows)
        self._schema, self._label = table.schema, label
        self._classes = list(rows_by_class(table[label]))
        codes = np.column_stack([class_numbers(table[label], self._classes), encode(self._declare_columns(), table)])
        with seeded(self._noise_seed(codes, seed)):
            self._network = self._new_network()
            self._network.start_at(torch.empty((0, codes.shape[1]), dtype=torch.int64))  # all codes alike
            dp_training.freeze_unused(self._network)
            self._budget = self._plan_budget(table.num_rows)
            if self._columns:
                schedule = self._make_schedule(table.num_rows)
                dp_training.train(
                    self._network, torch.from_numpy(codes), schedule, self._budget, self.params.learning_rate
                )

    def _declare_columns(self) -> list[Any]:
        self._columns = declared_columns(self._schema, self._label, self.params.columns, self.params.bins)
        return self._columns

    def _noise_seed(self, codes: NDArray[np.int64], seed: int) -> int:
        """Return the seed of noise and batches, from the secret and all that decides the model (as RFC 6979 does)."""
        description = json.dumps([seed, self.params.model_dump(mode="json"), self._schema.names, self._classes])
        digest = hmac.new(self._read_key(), description.encode() + b"\0" + codes.tobytes(), hashlib.sha256).digest()
        return int.from_bytes(digest[:8], "little")

    def _new_network(self) -> "Network":
        from generators.tabular.network import Network

        params = self.params
        sizes = [len(self._classes), *(column.size for column in self._columns)]
        return Network(sizes, [False] * len(sizes), hidden=params.hidden, embedding=params.embedding, dropout=0)

    def _make_schedule(self, rows: int) -> Any:
        from generators.tabular.dp_training import Schedule

        batch = min(self.params.batch_rows, max(_SMALL_TABLE_BATCHES, rows // _SMALL_TABLE_BATCHES))
        return Schedule(rows, max(1, self.params.epochs * rows // batch), batch)

    def _plan_budget(self, rows: int) -> PrivacyBudget:
        """Return the budget that training will spend; it is known beforehand."""
        from generators.tabular import dp_training

        params, schedule = self.params, self._make_schedule(rows)
        delta = params.delta or 0.1 / rows
        noise = epsilon = 0.0
        if self._columns:
            weights = dp_training.count_trained_weights(self._network)
            noise = dp_training.least_noise(params.epsilon, delta, schedule, weights, params.epochs)
            epsilon = dp_training.spent_epsilon(noise, schedule, delta)
        return PrivacyBudget(
            epsilon=epsilon,
            delta=delta,
            declared_epsilon=params.epsilon,
            noise_multiplier=noise,
            clip=params.clip,
            sample_rate=schedule.sample_rate,
            steps=schedule.steps if self._columns else 0,
            accountant=dp_training.ACCOUNTANT,
        )

    def spent(self) -> PrivacyBudget:
        """Return the budget that the training spent; sampling spends nothing."""
        return self._budget

    def sample(self, request: SampleRequest) -> pa.Table:
        """Return `request.rows` rows of the class; raises GeneratorError if the class was not in the table."""
        import torch

        check_class_known(request.stratum, self._classes)
        with seeded(request.seed) as rng:
            draws = torch.from_numpy(rng.random((request.rows, len(self._columns) + 1), np.float32))
            stratum = self._classes.index(request.stratum)
            codes = self._network.sample(stratum, {}, self._mark_forbidden_nulls(), draws).numpy()
            cells = {column.field.name: column.decode(codes[:, n], rng) for n, column in enumerate(self._columns, 1)}
        cells[self._label] = pa.repeat(pa.scalar(request.stratum), request.rows)
        return pa.Table.from_arrays([cells[name] for name in self._schema.names], schema=self._schema)

    def _mark_forbidden_nulls(self) -> dict[tuple[int, int], Any]:
        """Mark the null's code of each column that is declared without nulls, for each class."""
        import torch

        marks = {}
        for position, column in enumerate(self._columns, 1):
            if not column.nulls:
                marks[0, position] = torch.zeros((len(self._classes), column.size), dtype=torch.bool)
                marks[0, position][:, -1] = True
        return marks

    def save(self, path: Path) -> None:
        """Write the columns' types, the network's weights, the spent budget and `model.json`; no row and no secret."""
        from safetensors.torch import save_file

        pq.write_table(self._schema.empty_table(), path / "schema.parquet")
        save_file(self._network.state_dict(), path / "network.safetensors")
        (path / BUDGET).write_text(self._budget.model_dump_json())
        (path / "model.json").write_text(json.dumps({"label": self._label, "classes": self._classes}))

    def load(self, path: Path, device: str) -> None:  # noqa: ARG002 (it samples on the CPU)
        """Read what `save` wrote; the columns' codes follow from the parameters."""
        import torch  # noqa: F401 (its random state is put back only if it is there)
        from safetensors.torch import load_file

        model = json.loads((path / "model.json").read_text())
        self._label, self._classes = model["label"], model["classes"]
        self._schema = pq.read_schema(path / "schema.parquet")
        self._budget = PrivacyBudget.model_validate_json((path / BUDGET).read_text())
        self._declare_columns()
        with seeded(0):  # a network is filled with random weights before the file's are read
            self._network = self._new_network()
        self._network.load_state_dict(load_file(path / "network.safetensors"))
        self._network.eval()
