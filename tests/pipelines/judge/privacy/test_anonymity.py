"""k-anonymity and l-diversity are those of the smallest group."""

import numpy as np

from pipelines.judge.privacy.anonymity import group


def hashes(values):
    return np.array(values, np.uint64)


def test_k_and_l_are_those_of_the_smallest_group_and_of_the_fewestvalues():
    quasi = hashes([1, 1, 1, 2, 2, 3, 3, 3, 3])
    illness = hashes([7, 8, 9, 7, 8, 5, 5, 5, 5])
    wage = hashes([1, 2, 3, 4, 4, 1, 2, 3, 4])
    found = group(quasi, [illness], k=3, l=2)
    assert (found.k, found.l) == (2, 1)
    assert found.groups.model_dump() == {"groups": 3, "below_k": 2, "below_l": 4, "rows": 9}
    assert group(quasi, [illness, wage], k=None, l=2).groups.below_l == 6
    assert group(quasi, [], k=None, l=None).l is None
