"""Counts how many made rows share their quasi-identifiers, and how many sensitive values they have.

k-anonymity (Sweeney 2002) and distinct l-diversity (Machanavajjhala et al. 2007), of made rows alone: a group of one
made row points at somebody only if such a person is among the real rows, which is not checked here.
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
    """The size of the smallest group, the fewest values of a sensitive column in a group, and counts of groups.

    `l` is None where no sensitive column is declared.
    """

    k: int
    l: int | None  # noqa: E741 - it is called so
    groups: Groups


def measure_groups(plan: Plan, workspace: Workspace) -> Anonymity | None:
    """Count the groups of all made rows, with 8 bytes a row and column; None without quasi-identifiers or made rows."""
    settings = plan.privacy
    if settings is None or not settings.quasi_identifiers or not plan.makes_rows:
        return None
    quasi: list[Hashes] = []
    sensitive: list[list[Hashes]] = [[] for _ in settings.sensitive]
    for table in made_rows(plan, workspace):
        quasi.append(row_hashes(table.select(settings.quasi_identifiers)))
        for hashes, name in zip(sensitive, settings.sensitive, strict=True):
            hashes.append(row_hashes(table.select([name])))
    limits = settings.limits
    return group(
        np.concatenate(quasi), [np.concatenate(part) for part in sensitive], limits.k_anonymity, limits.l_diversity
    )


def group(quasi: Hashes, sensitive: list[Hashes], k: int | None, l: int | None) -> Anonymity:  # noqa: E741
    """Count groups of equal `quasi`, and the distinct values of each of `sensitive` in them.

    >>> found = group(np.array([7, 7, 9], np.uint64), [np.array([1, 2, 3], np.uint64)], k=2, l=None)
    >>> found.k, found.l, found.groups.below_k
    (1, 1, 1)
    """
    keys, groups, sizes = np.unique(quasi, return_inverse=True, return_counts=True)
    fewest = np.full(len(keys), np.iinfo(np.int64).max)
    for values in sensitive:
        pairs = np.unique(np.stack([groups.astype(np.uint64), mix(values.copy())], axis=1), axis=0)
        fewest = np.minimum(fewest, np.bincount(pairs[:, 0].astype(np.int64), minlength=len(keys)))
    few = sizes[fewest < (l or 0)] if sensitive else np.zeros(0, np.int64)
    counts = Groups(
        groups=len(keys), below_k=int(sizes[sizes < (k or 0)].sum()), below_l=int(few.sum()), rows=len(quasi)
    )
    return Anonymity(int(sizes.min()), int(fewest.min()) if sensitive else None, counts)
