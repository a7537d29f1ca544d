"""The subject of the checks: a class of validators, its parameters, and its examples. Promises nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.validate.base import Batch, Validator, Verdict
from pipelines.validate.checks.examples import Examples, batch_of_table, plan_of_table
from schemas.plan import Plan, Step
from schemas.spec import parse


@dataclass
class Subject:
    """A class of validators that is checked, its parameters, and its examples."""

    validator: type[Validator]
    params: Mapping[str, Any]
    examples: Examples

    @cached_property
    def plan(self) -> Plan:
        """A plan for the real rows that names only this validator."""
        step = Step(name=str(getattr(self.validator, "name", "")), params=dict(self.params))
        return plan_of_table(self.examples.real, self.examples.label, [step], self.examples.text)

    def make(self) -> Validator:
        """Return a new validator, not yet fitted."""
        return self.validator(parse(self.validator.Params, dict(self.params)), self.plan)

    def learn(self, batches: Sequence[Batch]) -> Validator:
        """Return a new validator, fitted on these batches."""
        made = self.make()
        made.fit(iter(batches))
        return made

    @cached_property
    def fitted(self) -> Validator:
        """A validator that was fitted on all real rows at once."""
        return self.learn([batch_of_table(self.examples.real)])

    @property
    def fresh(self) -> Batch:
        """The candidates in a batch that is new each time, so that no check spoils it for the next one."""
        return batch_of_table(self.examples.fresh)

    @cached_property
    def verdict(self) -> Verdict:
        """The verdict of the fitted validator on the candidates."""
        return self.fitted.check(self.fresh)

    def saved(self, folder: Path) -> Path:
        """Save the fitted validator into a new folder, and return the folder."""
        folder.mkdir()
        self.fitted.save(folder)
        return folder


def split_table(table: pa.Table, rows: int) -> list[Batch]:
    """Return a table in batches of `rows` rows."""
    return [batch_of_table(table.slice(start, rows)) for start in range(0, len(table), rows)]
