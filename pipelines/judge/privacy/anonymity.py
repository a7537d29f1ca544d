"""How many made rows agree in the quasi-identifiers, and how many values they have of what is sensitive.

k-anonymity (Sweeney 2002) and distinct l-diversity (Machanavajjhala et al. 2007), of made rows alone: a group of one
made row points at somebody only if such a person is among the real rows, which is not asked here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.judge.privacy.sides import made_rows
from pipelines.source.fingerprint import mix, row_hashes
from pipelines.storage.workspace import Workspace
from schemas.plan import Plan
from schemas.privacy import Groups

Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Anonymity:
    """The smallest group, the fewest values of a sensitive column in one (None where none is declared), and counts."""

    k: int
    l: int | None  # noqa: E741 - it is called so
    groups: Groups


def measure_groups(plan: Plan, place: Workspace) -> Anonymity | None:
    """Look at all made rows, 8 bytes a row and column; None where no quasi-identifier is declared, or no row made."""
    asked = plan.privacy
    if asked is None or not asked.quasi_identifiers or not plan.makes_rows:
        return None
    quasi: list[Hashes] = []
    sensitive: list[list[Hashes]] = [[] for _ in asked.sensitive]
    for table in made_rows(plan, place):
        quasi.append(row_hashes(table.select(asked.quasi_identifiers)))
        for hashes, name in zip(sensitive, asked.sensitive, strict=True):
            hashes.append(row_hashes(table.select([name])))
    limits = asked.limits
    return group(
        np.concatenate(quasi), [np.concatenate(part) for part in sensitive], limits.k_anonymity, limits.l_diversity
    )


def group(quasi: Hashes, sensitive: list[Hashes], k: int | None, l: int | None) -> Anonymity:  # noqa: E741
    """Count groups of equal `quasi`, and the distinct values of each of `sensitive` in them."""
    keys, place, sizes = np.unique(quasi, return_inverse=True, return_counts=True)
    fewest = np.full(len(keys), np.iinfo(np.int64).max)
    for values in sensitive:
        pairs = np.unique(np.stack([place.astype(np.uint64), mix(values.copy())], axis=1), axis=0)
        fewest = np.minimum(fewest, np.bincount(pairs[:, 0].astype(np.int64), minlength=len(keys)))
    few = sizes[fewest < (l or 0)] if sensitive else np.zeros(0, np.int64)
    found = Groups(
        groups=len(keys), below_k=int(sizes[sizes < (k or 0)].sum()), below_l=int(few.sum()), rows=len(quasi)
    )
    return Anonymity(int(sizes.min()), int(fewest.min()) if sensitive else None, found)
