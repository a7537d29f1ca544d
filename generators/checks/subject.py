"""The subject of the checks: a class of generators, its parameters, and a table that it learns from."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from generators.base import Generator
from generators.checks.promises import Unheard, global_state
from generators.checks.tables import with_classes
from schemas.plan import SampleRequest
from schemas.spec import parse

SEED = 2**62 + 11
_REQUEST_SEED = 2**63 - 25


@dataclass
class Subject:
    """A class of generators that is checked, its parameters, and the table of one modality that it learns from."""

    generator: type[Generator]
    params: Mapping[str, Any]
    table: pa.Table
    label: str
    modality: str

    def make(self) -> Generator:
        """Return a new generator, not yet fitted."""
        return self.generator(parse(self.generator.Params, dict(self.params)))

    def learn(self, table: pa.Table) -> Generator:
        """Return a new generator, fitted on a table."""
        made = self.make()
        made.fit(table, self.label, SEED)
        return made

    def classes(self, counts: Mapping[str, int]) -> pa.Table:
        """Return rows of the table, relabelled to have these counts of each class."""
        return with_classes(self.table, self.label, counts)

    @cached_property
    def strata(self) -> list[str]:
        """The classes, the smallest first."""
        counts = pc.value_counts(self.table[self.label]).to_pylist()
        return [one["values"] for one in sorted(counts, key=lambda one: one["counts"])]

    @cached_property
    def fitted(self) -> Generator:
        """A generator that was fitted on the whole table."""
        return self.learn(self.table)

    @cached_property
    def observed(self) -> "Observed":
        """What a second generator did, after the first had loaded all libraries."""
        self.fitted.sample(self.request())
        before, unheard = global_state(), Unheard()
        with unheard:
            rows = self.learn(self.table).sample(self.request())
        after = global_state()
        changed = [name for name, state in before.items() if after[name] != state]
        return Observed(rows, changed, unheard.text)

    def request(self, stratum: str = "", chunk: int = 0, rows: int = 50) -> SampleRequest:
        """Return a request, by default for the smallest class."""
        return SampleRequest(stratum=stratum or self.strata[0], chunk=chunk, rows=rows, seed=_REQUEST_SEED + chunk)

    def saved(self, folder: Path) -> Path:
        """Save the fitted generator into a new folder, and return the folder."""
        folder.mkdir()
        self.fitted.save(folder)
        return folder


@dataclass(frozen=True)
class Observed:
    """What a generator did: its rows, the libraries whose global random state it changed, and what it printed."""

    rows: pa.Table
    changed: list[str]
    output: str
