"""Tables, column by column: small networks predict each column from the class and the columns before it.

The method is TabularARGN (Tiwald et al. 2025, arXiv 2501.12012). The class comes first, so that every row is of the
requested class and none is thrown away. All classes share the networks, so that a rare class learns from the frequent
ones.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from generators.base import Capabilities, Training, Unwatched
from generators.classes import check_class_known, check_class_sizes, class_numbers, hold_out, rows_by_class
from generators.random import seeded
from generators.tabular.codes import encode, learn_columns, load_columns, save_columns
from generators.tabular.params import AutoregressiveParams
from generators.tabular.zeros import find_zeros
from schemas.errors import GeneratorError, nearest
from schemas.plan import SampleRequest

if TYPE_CHECKING:
    from generators.tabular.network import Network

_HELD_OUT_SHARE, _FEWEST_ROWS = 0.1, 20
_LOOKS = 15  # at held-out rows, in a training


class Autoregressive:
    """An autoregressive model of a table's columns; numbers are cut into quantile bins and drawn from real ones again.

    Training runs on the CPU or a GPU, sampling on the CPU: sending a chunk of rows to the GPU takes longer than making
    it. Two values that never occur together, though chance would have brought ten rows with both, are never made
    together.

    Example:
        generator:
          name: autoregressive
          params: {epochs: 30, given: {country: France}}

    """

    Params = AutoregressiveParams
    capabilities: ClassVar[Capabilities] = Capabilities(
        modalities=("tabular",), max_chunk_rows=5_000, smooths_private=True
    )

    def __init__(self, params: AutoregressiveParams) -> None:
        self.params = params

    def fit(self, table: pa.Table, label: str, seed: int) -> None:
        """Train on the table; raises GeneratorError if it is empty or lacks a column that `given` names."""
        self.train(table, label, seed, Unwatched())

    def train(self, table: pa.Table, label: str, seed: int, training: Training) -> None:
        """Do what `fit` does; a training that was killed and goes on ends with the same model."""
        check_class_sizes(table, label, self.capabilities.min_class_rows, "autoregressive")
        self._learn_columns(table, label)
        classes = class_numbers(table[label], self._classes)
        codes = np.column_stack([classes, encode(self._columns, table)])
        self._zeros = find_zeros(codes, self._sizes(), self._smooth_flags())
        self._network = self._train_network(codes, seed, training)

    def _learn_columns(self, table: pa.Table, label: str) -> None:
        """Choose the columns' codes and order: the `given` columns come right after the class."""
        self._schema, self._label = table.schema, label
        self._classes = list(rows_by_class(table[label]))
        learnt = learn_columns(table, label, max_bins=self.params.max_bins, max_categories=self.params.max_categories)
        names = [column.field.name for column in learnt]
        for name in self.params.given:
            if name not in names:
                raise GeneratorError(f"given: the table has no column {name!r} to model{nearest(name, names)}")
        first = list(self.params.given)
        self._refuse_unseen(table)
        self._columns = sorted(learnt, key=lambda c: first.index(c.field.name) if c.field.name in first else len(first))

    def _refuse_unseen(self, table: pa.Table) -> None:
        """Raise GeneratorError for a given text or boolean that the table never holds."""
        for name in self.params.given:
            cell, arrow_type = self._given_cells(name, 1), table[name].type
            if (pa.types.is_string(arrow_type) or pa.types.is_boolean(arrow_type)) and not pc.any(
                pc.equal(table[name], cell[0])
            ).as_py():
                raise GeneratorError(f"given: column {name!r} never holds {cell[0].as_py()!r}")

    def _sizes(self) -> list[int]:
        return [len(self._classes), *(column.size for column in self._columns)]

    def _smooth_flags(self) -> list[bool]:
        return [False, *(column.smooth for column in self._columns)]

    def _new_network(self) -> "Network":
        from generators.tabular.network import Network

        params = self.params
        return Network(
            self._sizes(),
            self._smooth_flags(),
            hidden=params.hidden,
            embedding=params.embedding,
            dropout=params.dropout,
        )

    def _train_network(self, codes: NDArray[np.int64], seed: int, training: Training) -> "Network":
        import torch

        from generators.tabular.training import train

        held_out = hold_out(codes[:, 0], _HELD_OUT_SHARE, np.random.default_rng(seed), _FEWEST_ROWS)
        learnt = torch.from_numpy(codes[~held_out])
        counts = torch.bincount(learnt[:, 0], minlength=len(self._classes)).double()
        weights = (counts[learnt[:, 0]] ** -self.params.tail_weight).cumsum(0)
        with seeded(seed):
            network = self._new_network()
            network.start_at(learnt)
            if len(self._columns):
                settings = self._settings(len(learnt))
                train(network, learnt, weights, torch.from_numpy(codes[held_out]), settings, self._device(), training)
        return network

    def _device(self) -> str:
        import torch

        return "cuda" if self.params.gpu and torch.cuda.is_available() else "cpu"

    def _settings(self, rows: int) -> Any:
        """Return how to train: `epochs` passes, but at least `min_steps` steps, so that small tables are learnt."""
        from generators.tabular.training import Settings

        params = self.params
        batch = min(params.batch_rows, max(16, rows // 16))
        steps = min(params.max_steps, max(params.min_steps, params.epochs * rows // batch))
        return Settings(steps, batch, params.learning_rate, params.weight_decay, max(1, steps // _LOOKS))

    def sample(self, request: SampleRequest) -> pa.Table:
        """Return `request.rows` rows of the class; raises GeneratorError if the class was not in the table."""
        import torch

        check_class_known(request.stratum, self._classes)
        with seeded(request.seed) as rng:
            draws = torch.from_numpy(rng.random((request.rows, len(self._columns) + 1), np.float32))
            stratum = self._classes.index(request.stratum)
            codes = self._network.sample(stratum, self._given_codes(), self._zero_tensors(), draws).numpy()
            cells = {column.field.name: column.decode(codes[:, n], rng) for n, column in enumerate(self._columns, 1)}
        cells |= {name: self._given_cells(name, request.rows) for name in self.params.given}
        cells[self._label] = pa.repeat(pa.scalar(request.stratum), request.rows)
        return pa.Table.from_arrays([cells[name] for name in self._schema.names], schema=self._schema)

    def _given_codes(self) -> dict[int, int]:
        """Return the code of each given value, by its column's position."""
        return {
            position: int(column.encode(self._given_cells(column.field.name, 1))[0])
            for position, column in enumerate(self._columns[: len(self.params.given)], 1)
        }

    def _given_cells(self, name: str, rows: int) -> pa.Array:
        arrow_type, value = self._schema.field(name).type, self.params.given[name]
        try:
            return pa.repeat(pc.cast(pa.scalar(value), arrow_type), rows)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise GeneratorError(f"given: column {name!r} is of type {arrow_type}, got {value!r}") from error

    def save(self, path: Path) -> None:
        """Write the columns, the network's weights, the pairs of values that never occur together, and `model.json`."""
        from safetensors.torch import save_file

        pq.write_table(self._schema.empty_table(), path / "schema.parquet")
        save_columns(self._columns, path)
        save_file(self._network.state_dict(), path / "network.safetensors")
        zeros: dict[str, Any] = {f"{before}-{after}": pairs for (before, after), pairs in self._zeros.items()}
        np.savez_compressed(path / "zeros.npz", **zeros)
        (path / "model.json").write_text(json.dumps({"label": self._label, "classes": self._classes}))

    def load(self, path: Path, device: str) -> None:  # noqa: ARG002 (it samples on the CPU)
        """Read what `save` wrote."""
        import torch  # noqa: F401 (its random state is put back only if it is there)
        from safetensors.torch import load_file

        model = json.loads((path / "model.json").read_text())
        self._label, self._classes = model["label"], model["classes"]
        self._schema = pq.read_schema(path / "schema.parquet")
        self._columns = load_columns(path, self._schema)
        with np.load(path / "zeros.npz", allow_pickle=False) as file:
            self._zeros = {(int(a), int(b)): file[f"{a}-{b}"] for a, b in (name.split("-") for name in file.files)}
        with seeded(0):  # a network is filled with random weights before the file's are read
            self._network = self._new_network()
        self._network.load_state_dict(load_file(path / "network.safetensors"))
        self._network.eval()

    def _zero_tensors(self) -> dict[tuple[int, int], Any]:
        import torch

        return {pair: torch.from_numpy(flags) for pair, flags in self._zeros.items()}
