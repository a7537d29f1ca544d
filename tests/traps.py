"""Files that run code when they are unpickled: each leaves a mark, so that a test can say whether it ever was."""

import io
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np

from pipelines.fit.fitting import readable
from pipelines.storage.folder import Folder
from schemas.errors import MakeweightError


class Trap:
    """What touches its mark when it is unpickled."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return Path.touch, (Path(self.mark),)


def as_pickle(mark):
    """A plain pickle, as pickle, cloudpickle and joblib write it."""
    return pickle.dumps(Trap(mark))


def as_torch(mark):
    """A zip, as torch.save writes it."""
    import torch

    sink = io.BytesIO()
    torch.save({"weight": Trap(mark)}, sink)
    return sink.getvalue()


def as_old_torch(mark):
    """What torch.save wrote before there were zips."""
    import torch

    sink = io.BytesIO()
    torch.save({"weight": Trap(mark)}, sink, _use_new_zipfile_serialization=False)
    return sink.getvalue()


def as_numpy(mark):
    """An array of objects."""
    sink = io.BytesIO()
    np.save(sink, np.array([Trap(mark)], dtype=object), allow_pickle=True)
    return sink.getvalue()


def as_numpy_zip(mark, names=("kept",)):
    """Arrays of objects under these names, as np.savez writes them."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        for name in names:
            file.writestr(f"{name}.npy", as_numpy(mark))
    return sink.getvalue()


TRAPS = {"pickle": as_pickle, "torch": as_torch, "old torch": as_old_torch, "numpy": as_numpy}


def traps_for(file, mark):
    """Yield the bytes of every trap that a reader of such a file might fall into."""
    for make in TRAPS.values():
        yield make(mark)
    if file.suffix == ".npz":
        with np.load(file) as kept:
            yield as_numpy_zip(mark, [*kept.files, "one-more"])


def attack(folder, load, tmp_path):
    """Put every trap in the place of each file in turn, and load: no trap springs, and the error is one sentence.

    Returns the names of the files that a load without an error did not read.
    """
    mark, copy, ignored = tmp_path / "sprung", tmp_path / "attacked", set()
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        name = file.relative_to(folder)
        for trap in traps_for(file, mark):
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(folder, copy)
            (copy / name).write_bytes(trap)
            try:
                with readable(Folder(str(copy))):
                    load(copy)
            except MakeweightError as error:
                said = str(error)
            else:
                said = ""
                ignored.add(name.as_posix())
            assert not mark.exists(), f"{name} ran code"
            assert "\n" not in said, name
            assert not said or str(copy) in said, name
    return ignored
