"""A validator that keeps all promises, and for each promise some that break it alone."""

import os
import pickle
from dataclasses import replace

import numpy as np
from pydantic import BaseModel

from generators.base import Params
from pipelines.validate.base import Verdict, first_faults


class NoParams(Params):
    """It takes none."""


class Seen:
    """Remembers sketches."""

    def __init__(self):
        self.known = set()

    def admit(self, sketches):
        """Admit what is new."""
        new = np.array([one not in self.known for one in sketches.tolist()], np.bool_)
        self.known |= set(sketches.tolist())
        return new


class Sound:
    """Refuses copies of real rows."""

    name = "sound"
    Params = NoParams

    def __init__(self, params, plan):
        self.known = np.array([], np.uint64)

    def fit(self, real):
        """Keep the fingerprints."""
        self.known = np.unique(np.concatenate([batch.fingerprints for batch in real]))

    def check(self, batch):
        """Look for them."""
        return first_faults(len(batch.table), [("copy", np.isin(batch.fingerprints, self.known))])

    def save(self, path):
        """Write them."""
        np.save(path / "known.npy", self.known)

    def load(self, path):
        """Read them."""
        self.known = np.load(path / "known.npy", allow_pickle=False)

    def sketch(self, batch):
        """Return the fingerprints."""
        return batch.fingerprints

    def novelty(self):
        """Return an empty memory."""
        return Seen()


class Nameless(Sound):
    name = ""


class LaxParams(BaseModel):
    """Takes what it does not know."""


class Lax(Sound):
    Params = LaxParams


class Unmarked(Params):
    """Names a file in a text that is no more than that."""

    word_file: str | None = None


class Reaching(Sound):
    Params = Unmarked


class Counting(Sound):
    def check(self, batch):
        found = super().check(batch)
        return replace(found, keep=found.keep.astype(np.int64))


class Short(Sound):
    def check(self, batch):
        found = super().check(batch)
        return replace(found, keep=found.keep[1:])


class Harsh(Sound):
    def check(self, batch):
        return Verdict(np.zeros(len(batch.table), np.bool_))


class Twofold(Sound):
    def check(self, batch):
        found = super().check(batch)
        return replace(found, details={**found.details, **{f"again: {key}": n for key, n in found.details.items()}})


class Zeroing(Sound):
    def check(self, batch):
        found = super().check(batch)
        return replace(found, details={**found.details, "too long": 0})


class Neighbourly(Sound):
    def check(self, batch):
        keep = super().check(batch).keep
        keep[:1] = False
        return Verdict(keep)


class Impressed(Sound):
    def fit(self, real):
        self.known = next(iter(real)).fingerprints[:1000]


class Forgetful(Sound):
    def load(self, path):
        super().load(path)
        self.known = self.known[:0]


class Blurred(Sound):
    salt = 0

    def load(self, path):
        super().load(path)
        self.salt = 1

    def sketch(self, batch):
        return batch.fingerprints + np.uint64(self.salt)


class Restless(Sound):
    def save(self, path):
        super().save(path)
        (path / "made").write_bytes(os.urandom(8))


class Pickling(Sound):
    def save(self, path):
        (path / "known.pkl").write_bytes(pickle.dumps(self.known))

    def load(self, path):
        self.known = pickle.loads((path / "known.pkl").read_bytes())  # noqa: S301 what must be found


class Sorting(Sound):
    def check(self, batch):
        found = super().check(batch)
        batch.fingerprints.sort()
        return found


class Needy(Sound):
    def check(self, batch):
        batch.table.column(0)[0]
        return super().check(batch)


class Signed(Sound):
    def sketch(self, batch):
        return batch.fingerprints.view(np.int64)


class Amnesia(Seen):
    """Remembers nothing."""

    def admit(self, sketches):
        """Admit all."""
        return np.ones(len(sketches), np.bool_)


class Amnesiac(Sound):
    def novelty(self):
        return Amnesia()


class Envy(Seen):
    """Admits nothing."""

    def admit(self, sketches):
        """Admit none."""
        return np.zeros(len(sketches), np.bool_)


class Envious(Sound):
    def novelty(self):
        return Envy()
