"""The web page as self-contained HTML: no network, no font; its one script is allowed by its hash alone.

All rows are in the page, so that it shows them without the script, too; the script sorts and searches them. Pure: same
rows, same bytes.
"""

import base64
import hashlib
import os
import posixpath
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote, urlsplit

from markupsafe import Markup

from pipelines.report.site.rows import NAMED, Counts, Row
from pipelines.report.templating import TEMPLATES, environment
from pipelines.report.wording import printable, shorten
from pipelines.storage.folder import is_uri
from schemas.evaluation import EVALUATION_PAGE
from schemas.manifest import REPORT, Manifest
from schemas.versions import SITE_MARK

GENERATOR = SITE_MARK
WIDE = 1000
"""Units that the picture of the classes is wide."""
HELPS = {True: "helps", False: "does not help", None: "cannot tell"}


@dataclass(frozen=True)
class Heading:
    """A column: its title, whether it is sorted as numbers, and whether the largest comes first."""

    title: str
    number: bool = False
    down: bool = False


HEADINGS = (
    Heading("dataset"),
    Heading("state"),
    Heading("modality"),
    Heading("rows", True, True),
    Heading("classes", True, True),
    Heading("made", True, True),
    Heading("size", True, True),
    Heading("published, UTC", True, True),
    Heading("evaluation"),
    Heading("privacy"),
    Heading("generator"),
    Heading("seed", True),
)
SORTED = "published, UTC"
"""The column that the rows are sorted by at first."""


def render_site(groups: Sequence[Sequence[Row]], title: str, out: str, now: float) -> str:
    """Return the whole page, for the folder `out`; `now` (seconds since 1970) is the time of the survey."""
    rows = [row for group in groups for row in group]
    script = (TEMPLATES / "site.js").read_text(encoding="utf-8")
    return (
        environment()
        .get_template("site.html")
        .render(
            title=title,
            groups=groups,
            headings=HEADINGS,
            sorted=SORTED,
            states=Counter(row.state for row in rows),
            rows=sum(row.manifest.rows for row in rows if row.manifest),
            bytes=sum(row.build.bytes or 0 for row in rows),
            now=format_time(now),
            generator=Markup(GENERATOR),  # noqa: S704 (a constant)
            script=Markup(script),  # noqa: S704 (a file of ours)
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            report=partial(_link, REPORT, out),
            evaluation=partial(_link, EVALUATION_PAGE, out),
            place=lambda row: shorten(printable(place(row.build.path, out)), 200),
            picture=picture,
            names=names,
            privacy=privacy,
            detail=detail,
            helps=HELPS,
            when=format_time,
        )
    )


def _link(name: str, out: str, row: Row) -> str:
    """Return the address of that file of the build, or an empty text if there is none."""
    return link(row.build.path, name, out) if name in row.build.files else ""


def picture(segments: Sequence[Counts]) -> list[tuple[str, str]]:
    """Return (look, SVG path) of the bars of the classes: rows before above; real and made rows after below."""
    before = _spans([(one.before,) for one in segments])
    after = _spans([(one.real, one.made) for one in segments])
    bars = {
        "before": _path([part[0] for part in before], 0),
        "real": _path([part[0] for part in after], 5),
        "synthetic": _path([part[1] for part in after], 5),
    }
    return [(look, path) for look, path in bars.items() if path]


def _spans(classes: Sequence[tuple[int, ...]]) -> list[list[tuple[int, int]]]:
    """Return (start, width) of each part of each class along the whole width, with a gap behind each class."""
    total, at, spans = max(1, sum(map(sum, classes))), 0, []
    for parts in classes:
        ends = [round(WIDE * (at + sum(parts[:n])) / total) for n in range(len(parts) + 1)]
        at += sum(parts)
        gap = 8 if len(classes) > 1 and ends[-1] < WIDE and ends[-1] - ends[0] > 16 else 0
        cut = [min(end, ends[-1] - gap) for end in ends]
        spans.append([(start, stop - start) for start, stop in pairwise(cut)])
    return spans


def _path(spans: Sequence[tuple[int, int]], top: int) -> str:
    return "".join(f"M{start} {top}h{width}v4h-{width}z" for start, width in spans if width)


def names(row: Row) -> str:
    """Return the names of the first classes, with their rows before and after."""
    listed = [
        f"{shorten(printable(name[:200]), 40)} {one.before:,} → {one.real + one.made:,}"
        for name, one in list(row.classes.items())[:NAMED]
    ]
    more = [f"… and {len(row.classes) - NAMED:,} more"] if len(row.classes) > NAMED else []
    return "\n".join([*listed, *more])


def privacy(manifest: Manifest) -> str:
    """Return the privacy figures in a few words."""
    found, spent = manifest.privacy, manifest.differential_privacy
    told = [f"epsilon {spent.epsilon:.3g}"] if spent else []
    if found and found.broken:
        told.append(f"{len(found.broken)} beyond limit")
    elif found:
        limits = any(figure.limit is not None for figure in found.figures)
        told.append("within limits" if limits else "measured" if found.figures else "not measured")
    return ", ".join(told)


def detail(row: Row) -> str:
    """Return what the state does not say; of a writer only the start time, since anybody may see the page."""
    writer = row.build.writer
    return f"since {format_time(writer.since)} UTC" if writer else shorten(printable(row.build.detail), 160)


def format_time(seconds: float) -> str:
    """Return a time in UTC, to the minute.

    >>> format_time(0)
    '1970-01-01 00:00'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


def link(build: str, name: str, out: str) -> str:
    """Return the address of the file `name` of a build, for a page in the folder `out`; both without credentials."""
    if is_uri(build) != is_uri(out):
        return _whole(build, name)
    if is_uri(build):
        there, here = urlsplit(build), urlsplit(out)
        same = (there.scheme, there.netloc, there.query) == (here.scheme, here.netloc, here.query)
        return _relative(there.path, quote(name), here.path) if same else _whole(build, name)
    return quote(_relative(build, name, out)) if is_below(build, out) else _whole(build, name)


def place(build: str, out: str) -> str:
    """Return how the page names the place of a build: from its own folder, if it is below."""
    return os.path.relpath(build, out) if is_below(build, out) else build


def is_below(build: str, out: str) -> bool:
    """Whether a build lies in the folder `out` or deeper."""
    return f"{build.rstrip('/')}/".startswith(f"{out.rstrip('/')}/")


def _relative(build: str, name: str, out: str) -> str:
    return posixpath.relpath(f"{build or '/'}/{name}", out or "/")


def _whole(build: str, name: str) -> str:
    if not is_uri(build):
        return Path(build, name).as_uri()
    parts = urlsplit(build)
    return f"{parts.scheme}://{parts.netloc}{parts.path}/{quote(name)}"
