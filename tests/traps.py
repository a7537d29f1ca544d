"""What every reader of files that others may write must bear: a trap in the place of each of them."""

from generators.checks.traps import TRAPS, as_numpy, as_numpy_zip, as_old_torch, as_pickle, as_torch, attacks
from pipelines.fit.fitting import readable
from pipelines.storage.folder import Folder
from schemas.errors import MakeweightError

__all__ = ["TRAPS", "as_numpy", "as_numpy_zip", "as_old_torch", "as_pickle", "as_torch", "attack"]


def attack(folder, load, tmp_path):
    """Put every trap in the place of each file in turn, and load: no trap springs, and the error is one sentence.

    Returns the names of the files that a load without an error did not read.
    """
    ignored = set()
    for one in attacks(folder, tmp_path):
        try:
            with readable(Folder(str(one.folder))):
                load(one.folder)
        except MakeweightError as error:
            said = str(error)
        else:
            said = ""
            ignored.add(one.name)
        assert not one.mark.exists(), f"{one.name} ran code"
        assert "\n" not in said, one.name
        assert not said or str(one.folder) in said, one.name
    return ignored
