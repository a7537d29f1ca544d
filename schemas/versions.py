"""What versions of one dataset hand on to one another."""

from pydantic import Field

from schemas.base import Noun
from schemas.machine import Machine

LATEST, SITE = "latest.json", "index.html"
"""What may lie beside the versions of a dataset: the name of the newest, and a page over all; then also a card."""

SITE_MARK = '<meta name="generator" content="makeweight site">'
"""By this such a page is known for one of ours."""


class Learnt(Noun):
    """A fitted model that a later version may use again: what it was fitted on decides whether it still may.

    `rows` of the source, the modelled `columns` as (name, type), the `classes` that it can make, and the library
    `versions` and the `machine` it was fitted by.
    """

    fingerprint: str
    rows: int
    columns: list[tuple[str, str]]
    classes: list[str]
    versions: dict[str, str]
    machine: Machine | None = None


class Record(Noun):
    """What is kept of a version beside its dataset.

    `recipe` is a hash of all that decides how rows are made; `next_row` is the number that the next new real row gets.
    """

    recipe: str
    next_row: int
    learnt: Learnt | None = None


class Base(Noun):
    """The version that another one was built on.

    `anew` says why nothing of it was kept, and `refitted` why the model was fitted anew; both are None where it went on
    as it was. `carried` counts the made rows of each class that were kept, `dropped` those that do not pass the
    validators any more, by class and reason.
    """

    version: str
    content_hash: str
    anew: str | None = None
    refitted: str | None = None
    carried: dict[str, int] = Field({})
    dropped: dict[str, dict[str, int]] = Field({})
