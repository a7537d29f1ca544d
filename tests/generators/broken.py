"""A generator that keeps all promises, and for each promise some that break it alone."""

import os
import pickle
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from generators.base import Capabilities, Params
from generators.classes import check_class_known, check_class_sizes, split_classes
from generators.image.codec import Encoding, encode
from schemas.arrow import IMAGE, PARENT_ROW


class NoParams(Params):
    """It takes none."""


class Sound:
    """Draws the values of each column by themselves, from the rows of the class."""

    Params: ClassVar = NoParams
    capabilities: ClassVar = Capabilities(modalities=("tabular",))

    def __init__(self, params):
        self.params = params

    def fit(self, table, label, seed):
        """Keep the rows."""
        check_class_sizes(table, label, self.capabilities.min_class_rows, "sound")
        self.table, self.label, self.seed = table, label, seed
        self.rows = split_classes(table, label)

    def sample(self, request):
        """Draw the rows."""
        check_class_known(request.stratum, self.rows)
        rng = np.random.default_rng([request.seed, self.seed])
        rows = self.rows[request.stratum]
        columns = [column.take(pa.array(rng.integers(len(rows), size=request.rows))) for column in rows.columns]
        return pa.table(columns, schema=rows.schema)

    def save(self, path):
        """Write the rows, the label and the seed."""
        pq.write_table(self.table, path / "rows.parquet")
        (path / "label.txt").write_text(f"{self.label} {self.seed}")

    def load(self, path, device):
        """Read them."""
        label, seed = (path / "label.txt").read_text().split()
        self.fit(pq.read_table(path / "rows.parquet"), label, int(seed))


class SoundText(Sound):
    """Keeps all promises on texts."""

    capabilities: ClassVar = Capabilities(modalities=("text",))


class SoundImages(Sound):
    """Keeps all promises on images."""

    capabilities: ClassVar = Capabilities(modalities=("image",))


class SoundCopies(Sound):
    """Keeps all promises of an augmenting generator."""

    capabilities: ClassVar = Capabilities(modalities=("tabular",), origin="augmented", min_class_rows=2)

    def parents(self, rows, request):
        """Draw the rows' parents among those of the class."""
        own = np.flatnonzero(np.array(self.table[self.label].to_pylist()) == request.stratum)
        return np.random.default_rng(request.seed).choice(own, request.rows)

    def sample(self, request):
        """Name the parents."""
        check_class_known(request.stratum, self.rows)
        parents = pa.array(self.parents(self.table, request))
        return self.table.take(parents).append_column(PARENT_ROW, parents)


class LaxParams(BaseModel):
    """Takes what it does not know."""


class Lax(Sound):
    Params = LaxParams


class Bare(Sound):
    Params = dict


class Unmarked(Params):
    """Names a file in a text that is no more than that."""

    word_file: str | None = None


class Reaching(Sound):
    Params = Unmarked


class Restless(Sound):
    def fit(self, table, label, seed):
        super().fit(table, label, int.from_bytes(os.urandom(6)))

    def load(self, path, device):
        super().load(path, device)
        self.seed = int((path / "label.txt").read_text().split()[1])


class Meddling(Sound):
    def sample(self, request):
        np.random.random()
        return super().sample(request)


class Talking(Sound):
    def fit(self, table, label, seed):
        print("epoch 1")
        super().fit(table, label, seed)


class Muttering(Sound):
    def sample(self, request):
        os.write(2, b"a library's warning")
        return super().sample(request)


class Forgetful(Sound):
    def load(self, path, device):
        super().load(path, device)
        self.seed += 1


class Hashing(Sound):
    def sample(self, request):
        other = abs(hash(request.stratum)) % 2**32
        return super().sample(request.model_copy(update={"seed": request.seed ^ other}))


class Pickling(Sound):
    def save(self, path):
        (path / "model.pkl").write_bytes(pickle.dumps((self.table, self.label, self.seed)))

    def load(self, path, device):
        self.fit(*pickle.loads((path / "model.pkl").read_bytes()))  # noqa: S301 what must be found


class Private(Sound):
    capabilities: ClassVar = Capabilities(modalities=("tabular",), differentially_private=True)


class PrivateWithoutBudget(Private):
    def check(self, schema, label, rows):
        """Refuse nothing."""


class Short(Sound):
    def sample(self, request):
        return super().sample(request).slice(1)


class OtherClass(Sound):
    def sample(self, request):
        table = super().sample(request)
        number = table.schema.get_field_index(self.label)
        return table.set_column(number, self.label, pa.array(["other"] * len(table)))


class OtherType(Sound):
    def sample(self, request):
        table = super().sample(request)
        return table if "huge" not in table.column_names else table.set_column(
            table.schema.get_field_index("huge"), "huge", table["huge"].cast(pa.string())
        )  # fmt: skip


class Orphans(SoundCopies):
    def sample(self, request):
        return super().sample(request).drop_columns(PARENT_ROW)


class Foundlings(SoundCopies):
    def parents(self, rows, request):
        return (super().parents(rows, request) + 1) % len(rows)

    def sample(self, request):
        made = super().sample(request)
        number = made.schema.get_field_index(self.label)
        return made.set_column(number, self.label, pa.array([request.stratum] * len(made)))


class Lost(SoundCopies):
    def sample(self, request):
        made = super().sample(request)
        number = made.schema.get_field_index(PARENT_ROW)
        return made.set_column(number, PARENT_ROW, pa.array([10**6] * len(made)))


class Counting(Sound):
    asked = 0

    def sample(self, request):
        Counting.asked += 1
        return super().sample(request.model_copy(update={"seed": request.seed + Counting.asked}))


class Deaf(Sound):
    def sample(self, request):
        return super().sample(request.model_copy(update={"seed": 1}))


class Lenient(Sound):
    capabilities: ClassVar = Capabilities(modalities=("tabular",), min_class_rows=2)

    def fit(self, table, label, seed):
        check_class_sizes(table, label, 1, "lenient")
        self.table, self.label, self.seed = table, label, seed
        self.rows = split_classes(table, label)


class Demanding(Sound):
    def fit(self, table, label, seed):
        super().fit(table, label, seed)
        if min(len(rows) for rows in self.rows.values()) < 3:
            raise ValueError("n_neighbors > n_samples")


class Contrasting(Sound):
    def fit(self, table, label, seed):
        super().fit(table, label, seed)
        if len(self.rows) < 2:
            raise ValueError("the number of classes has to be greater than one")


class Unguarded(Sound):
    def sample(self, request):
        return super().sample(request) if request.stratum in self.rows else self.rows[request.stratum]


class Silent(Sound):
    def fit(self, table, label, seed):
        if len(table):
            super().fit(table, label, seed)


class Featured(Sound):
    def fit(self, table, label, seed):
        super().fit(table, label, seed)
        if table.num_columns < 2:
            raise ValueError("at least one array is required")


def changed(table, name, values):
    """Return the table with other values in one column, if it has that."""
    number = table.schema.get_field_index(name)
    return table if number < 0 else table.set_column(number, table.schema.field(number), values(table[name]))


class Beyond(Sound):
    def sample(self, request):
        return changed(super().sample(request), "whole", lambda column: pa.array([51] * len(column)))


class Inventing(Sound):
    def sample(self, request):
        return changed(super().sample(request), "digits", lambda column: pa.array(["7"] * len(column)))


class Conjuring(Sound):
    def sample(self, request):
        return changed(super().sample(request), "nothing", lambda column: pa.array([0.5] * len(column)))


class Speechless(SoundText):
    def sample(self, request):
        return changed(super().sample(request), "what was said", lambda texts: pa.array([" ", *texts.to_pylist()[1:]]))


def black(side, encoding):
    """Return a black image as a generator makes it."""
    return {"bytes": encode(np.zeros((side, side, 3), np.uint8), encoding), "path": None}


def with_first(table, image):
    """Return the table with another first image."""
    return changed(table, "what was seen", lambda images: pa.array([image, *images.to_pylist()[1:]], IMAGE))


class Shrinking(SoundImages):
    def sample(self, request):
        return with_first(super().sample(request), black(6, Encoding("png")))


class Recoding(SoundImages):
    def sample(self, request):
        return with_first(super().sample(request), black(12, Encoding("jpeg")))


class Mute(SoundImages):
    def sample(self, request):
        made = super().sample(request)
        jpeg = pa.field("what was seen", IMAGE, metadata=Encoding("jpeg").metadata())
        return made.cast(pa.schema([jpeg if field.name == "what was seen" else field for field in made.schema]))
