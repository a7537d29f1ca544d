"""The template engine of the page and the card. It escapes everything that is not marked as safe."""

import html
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from pipelines.report.wording import NOTHING, Cell, cell, count, percent, printable, shorten, signed, size

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


@lru_cache(maxsize=1)
def environment() -> "Environment":
    """Return the engine; an undefined name is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    engine = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    engine.filters.update(
        count=count,
        percent=percent,
        signed=signed,
        bytes=size,
        name=_name,
        distance=_distance,
        md=markdown,
        printable=printable,
    )
    return engine


def markdown(value: object, most: int = 80) -> Markup:
    """Return a value as one line of Markdown that shows exactly that value, also within a table cell."""
    text = html.escape(shorten(printable(str(value)[:2000]), most), quote=False)
    text = re.sub(r"([\\`*_\[\]#|~$])", r"\\\1", text).replace("://", ":&#47;/").replace("@", "&#64;")
    text = re.sub(r"(?i)(www)\.", r"\1&#46;", text)  # a forge makes links of these by itself
    return Markup(text or "*(empty)*")  # noqa: S704 (escaped above, for HTML and for Markdown)


def _name(text: str, most: int = 60) -> Cell:
    """Return a class, column or reason as a cell."""
    return cell(text, most)


def _distance(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3f}"
