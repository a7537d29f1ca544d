"""The records that versions of one dataset pass to later ones."""

from pydantic import Field

from schemas.base import Noun
from schemas.machine import Machine

LATEST, SITE = "latest.json", "index.html"
"""Files that may lie beside the versions of a dataset: the newest one's name and a page over all; then also a card."""

SITE_MARK = '<meta name="generator" content="makeweight site">'
"""The mark of a page that makeweight wrote."""


class Learnt(Noun):
    """A fitted model, and the facts that decide whether a later version may use it again.

    These are the number of `rows` of the source, the modelled `columns` as (name, type), the `classes` that the model
    can make, and the library `versions` and the `machine` that fitted it.
    """

    fingerprint: str
    rows: int
    columns: list[tuple[str, str]]
    classes: list[str]
    versions: dict[str, str]
    machine: Machine | None = None


class Record(Noun):
    """The facts that are stored of a version beside its dataset.

    `recipe` is a hash of all that decides how rows are made; `next_row` is the number of the next new real row.
    """

    recipe: str
    next_row: int
    learnt: Learnt | None = None


class Base(Noun):
    """The version that another one was built on.

    `anew` says why nothing of it was kept, `refitted` why the model was fitted again; both are None if the rows and the
    model were kept. `carried` counts the made rows of each class that were kept, `dropped` those that no longer pass
    the validators, by class and reason.
    """

    version: str
    content_hash: str
    anew: str | None = None
    refitted: str | None = None
    carried: dict[str, int] = Field({})
    dropped: dict[str, dict[str, int]] = Field({})
