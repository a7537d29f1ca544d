"""Refuses near-duplicates among texts: no candidate may share most of its wording with a real or an accepted text.

Two texts are near-duplicates when their sets of shingles (runs of words, see `words`) have a Jaccard similarity of at
least `threshold` (Broder 1997). Candidates are compared with the real texts of all classes, and with accepted ones of
their own class.

The usual MinHash with locality-sensitive hashing misses some pairs, mostly those near the threshold; so it cannot
promise that none is left. The comparison with real texts is therefore an exact join (see `sets`) that misses none. The
driver only sees sketches of a fixed width. The sketch of a text with at most `num_perm` shingles is the shingles
themselves, which are compared exactly, too. The sketch of a longer text is its MinHash, which is compared with a margin
of four standard errors: rather one text too many is refused.
"""

import shutil
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from generators import base
from pipelines.source.fingerprint import mix
from pipelines.storage.arrays import map_array
from pipelines.validate.base import Batch, Novelty, Verdict
from pipelines.validate.duplicates import AdmitAll
from pipelines.validate.sets import Hashes, Indices, Postings, Sets, buckets, distinct, near_pairs, prefixes
from pipelines.validate.text.set_memory import NearTexts, pack
from pipelines.validate.text.words import hash_words, list_texts, shingles
from schemas.plan import Plan

_SLAB = 8_192  # real rows processed at once
_QUERIES_AT_ONCE = 1_024  # candidates searched at once
_BUCKETS = 1 << 18  # counters of how common shingles are; shingles may share one, which costs only speed
_ARRAYS = ("values", "starts", "keys", "rows")


class NearDuplicatesParams(base.Params):
    """How similar two texts may be, and what candidates are compared with."""

    threshold: float = Field(0.8, gt=0, le=1, description="Jaccard similarity from which texts are near-duplicates.")
    shingle: int = Field(3, ge=1, le=20, description="Words in a shingle (characters, in scripts without spaces).")
    num_perm: int = Field(128, ge=16, le=1024, description="Width of a sketch: texts of more shingles are estimated.")
    against_real: bool = Field(True, description="Refuse near-duplicates of real rows.")
    among_synthetic: bool = Field(True, description="Refuse those of rows of the same class accepted before.")


class NearDuplicates:
    """Refuses near-duplicates of real and of accepted texts.

    The sketches are uint64 of shape (rows, 1 + num_perm).

    Example:
        validate: [text, {name: near_duplicates, params: {threshold: 0.7}}]

    """

    name: ClassVar[str] = "near_duplicates"
    Params: ClassVar[type[base.Params]] = NearDuplicatesParams

    def __init__(self, params: NearDuplicatesParams, plan: Plan) -> None:
        self._params = params
        self._text = plan.profile.text
        self._ranks = np.zeros(_BUCKETS, np.uint32)
        self._real = Sets.of(np.zeros(0, np.uint64), np.zeros(0, np.int64))
        self._index = Postings.of(*prefixes(self._real, params.threshold))
        self._folder: TemporaryDirectory[str] | None = None

    def fit(self, real: Iterable[Batch]) -> None:
        """Index the real texts' shingles on disk; 24 bytes a row and a third of the index are in memory for a while.

        The same pass counts how common shingles are: rare ones come first in every set.
        """
        self._folder = TemporaryDirectory(prefix="makeweight-near-")
        folder = Path(self._folder.name)
        self._ranks = np.zeros(_BUCKETS, np.uint32)
        sizes, set_hashes = self._spool(real, folder / "values.bin")
        np.save(folder / "ranks.npy", self._ranks)
        if self._params.against_real and len(sizes):
            spooled: Hashes = np.memmap(folder / "values.bin", np.uint64, "r")
            _write_index(folder, Sets.of(spooled, sizes), _first_rows(set_hashes), self._ranks, self._params.threshold)
        (folder / "values.bin").unlink()
        self.load(folder)

    def check(self, batch: Batch) -> Verdict:
        """Refuse the near-duplicates of real rows."""
        near = np.zeros(batch.table.num_rows, np.bool_)
        start = 0
        for queries in self._shingle_sets(batch.table).slabs(_QUERIES_AT_ONCE):
            rows, _ = near_pairs(queries, self._real, self._index, self._params.threshold)
            near[start + rows] = True
            start += len(queries)
        count = int(near.sum())
        return Verdict(~near, {"close to a real row": count} if count else {})

    def sketch(self, batch: Batch) -> Hashes:
        """Return each text's number of shingles, then the shingles or their MinHash."""
        return pack(self._shingle_sets(batch.table), self._params.num_perm)

    def novelty(self) -> Novelty:
        """Return an empty memory, or one that admits all where synthetic rows are not compared."""
        params = self._params
        return NearTexts(params.threshold, params.num_perm) if params.among_synthetic else AdmitAll()

    def save(self, path: Path) -> None:
        """Copy the index: ranks.npy and, against real rows, values.npy, starts.npy, keys.npy and rows.npy."""
        if self._folder is None:
            raise RuntimeError("near_duplicates: save comes after fit")
        shutil.copytree(self._folder.name, path, dirs_exist_ok=True)

    def load(self, path: Path) -> None:
        """Map the index into memory: actors on one machine share its pages."""
        self._ranks = map_array(path / "ranks.npy")
        if (path / "values.npy").exists():
            values, starts, keys, rows = (map_array(path / f"{name}.npy") for name in _ARRAYS)
            self._real, self._index = Sets(values, starts), Postings(keys, rows)

    def _shingle(self, column: Any) -> Sets:
        return shingles(hash_words(list_texts(column)), self._params.shingle)

    def _shingle_sets(self, table: pa.Table) -> Sets:
        return distinct(self._shingle(table.column(self._text)), self._ranks)

    def _spool(self, real: Iterable[Batch], path: Path) -> tuple[Indices, Hashes]:
        """Write the shingles of all rows to disk and count them; return each row's number of shingles and hash."""
        sizes, set_hashes = [np.zeros(0, np.int64)], [np.zeros(0, np.uint64)]
        with open(path, "wb") as sink:
            for batch in real:
                for table in batch.table.to_batches(max_chunksize=_SLAB):
                    sets = distinct(self._shingle(table.column(self._text)))
                    sink.write(sets.values.tobytes())
                    np.add.at(self._ranks, buckets(sets.values, _BUCKETS), 1)
                    sizes.append(sets.sizes)
                    set_hashes.append(_hash_sets(sets))
        return np.concatenate(sizes), np.concatenate(set_hashes)


def _hash_sets(sets: Sets) -> Hashes:
    """Return a hash of each set, independent of its order."""
    scrambled = mix(sets.values.copy())
    return mix(np.add.reduceat(scrambled, sets.starts[:-1]) if len(sets) else scrambled)


def _first_rows(set_hashes: Hashes) -> Indices:
    """Return the first row of each distinct set, in order: copies need no second entry in the index."""
    return np.sort(np.unique(set_hashes, return_index=True)[1])


def _write_index(folder: Path, sets: Sets, rows: Indices, ranks: NDArray[np.uint32], threshold: float) -> None:
    """Write the sets of these rows, rare shingles first, and the postings of their prefixes; a slab at a time."""
    sizes = sets.sizes[rows]
    keys: list[Hashes] = []
    owners: list[Indices] = []
    np.save(folder / "starts.npy", Sets.of(sets.values, sizes).starts)
    with open(folder / "values.npy", "wb") as sink:
        np.lib.format.write_array_header_2_0(
            sink, {"descr": "<u8", "fortran_order": False, "shape": (int(sizes.sum()),)}
        )
        for start in range(0, len(rows), _SLAB):
            slab = distinct(sets.take(rows[start : start + _SLAB]), ranks)
            sink.write(slab.values.tobytes())
            prefix, owner = prefixes(slab, threshold)
            keys.append(prefix)
            owners.append(owner + start)
    index = Postings.of(np.concatenate(keys), np.concatenate(owners))
    np.save(folder / "keys.npy", index.keys)
    np.save(folder / "rows.npy", index.rows)
