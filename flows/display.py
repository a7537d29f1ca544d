"""Shows the plan, a live line for each class while it fills, and the result on a terminal. Knows no step's inside."""

import time
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from flows.estimate import estimate_cells, estimate_headings
from flows.progress import Listener
from flows.screen import to_cell
from generators.base import TrainingProgress
from pipelines.fill.loop import StratumProgress
from pipelines.fit.held_out import expected_rows, holds_out
from pipelines.judge.evaluate.wording import TITLES, WORDS
from pipelines.judge.fidelity.wording import MEANING, format_figure
from pipelines.judge.privacy.wording import summary
from pipelines.modality import modality_notes
from pipelines.plan.version_notes import planned_succession, succession
from schemas.evaluation import BUILD, Interval, Utility
from schemas.fidelity import Fidelity
from schemas.manifest import Manifest
from schemas.plan import BoxCounts, Plan
from schemas.rates import Estimate
from schemas.terminal import escaped

PLAIN_SECONDS = 5.0
"""Seconds between two lines for a class, at least, if there is no terminal."""
SHOWN = 40
"""Classes that are listed one by one; the others are only counted."""
SPELLINGS = 3
"""The most classes with several spellings that are listed, and the most spellings of each."""
RAY = "ray      {}"
"""The line with the address of Ray's dashboard."""


def plan_notes(plan: Plan) -> list[str]:
    """Return notes on a plan that its table does not show, in sentences."""
    notes = [*planned_succession(plan), *_one_class(plan)]
    notes += [f"The source is written with {plan.profile.written}."] if plan.profile.written else []
    notes += modality_notes(plan)
    if plan.boxes:
        made = max((stratum.make / max(1, stratum.real) for stratum in plan.strata), default=0)
        notes.append(
            f"{sum(s.keep for s in plan.strata):,} real images stay, {sum(s.make for s in plan.strata):,} are made of"
            f" them, up to {made:,.0f} of one (balance.max_copies limits that)."
        )
    if plan.privacy:
        notes.append(_held_out(plan))
    return notes


def _one_class(plan: Plan) -> list[str]:
    """Return notes on texts of the source that are one class, so that nobody misses one of them in the table."""
    merged = plan.profile.merged
    if not merged:
        return []
    format_figure = [
        f"{' and '.join(map(repr, one.spellings[:SPELLINGS]))} of {one.column!r}" for one in merged[:SPELLINGS]
    ]
    more = f", and {len(merged) - SPELLINGS} more" if len(merged) > SPELLINGS else ""
    why = "blanks around a cell are left out, and numbers are known by what they are"
    return [f"One class each: {'; '.join(format_figure)}{more} ({why})."]


def _held_out(plan: Plan) -> str:
    """Return a note on how many rows the model does not learn from."""
    classes = sum(holds_out(plan, stratum) for stratum in plan.strata)
    if not classes:
        return "privacy: no class has enough real rows to hold some out, so what made rows give away is not measured."
    small = len(plan.strata) - classes
    few = f"; {small:,} class(es) have too few rows for that, and are not measured" if small else ""
    return (
        f"privacy: the model does not learn from some {expected_rows(plan):,} real rows of {classes:,} class(es){few}."
    )


def result_notes(manifest: Manifest) -> list[str]:
    """Return notes on a built dataset that its table does not show, in sentences."""
    return [*succession(manifest), *(summary(manifest.privacy) if manifest.privacy else [])]


def _counts(title: str, headings: Sequence[str]) -> Table:
    """Return an empty table of classes and counts."""
    table = Table(title=to_cell(title), title_justify="left")
    table.add_column("class")
    for heading in headings:
        table.add_column(heading, justify="right")
    return table


def _box_table(name: str, images: int, boxes: Mapping[str, BoxCounts], headings: Sequence[str]) -> Table:
    """Return a table of the boxes of each class: before, real, made, reached and asked for, under `headings`."""
    table = _counts(f"{name}: {images:,} images, boxes by class", [*headings, "off"])
    for class_, one in list(boxes.items())[:SHOWN]:
        numbers = (one.before, one.real, one.made, one.reached, one.target)
        table.add_row(to_cell(class_), *(f"{number:,}" for number in numbers), _off(one.reached, one.target))
    if len(boxes) > SHOWN:
        table.add_row(f"… and {len(boxes) - SHOWN:,} more", *[""] * 6)
    return table


def _off(reached: int, target: int) -> str:
    return f"{reached / target - 1:+.1%}" if target and reached != target else ""


def plan_table(plan: Plan, estimate: Estimate | None = None) -> Table:
    """Return a table of the rows that each stratum has, keeps, gets and ends with; for marked images, of boxes.

    With an `estimate`, the table has the time and the cost of each stratum too.
    """
    if plan.boxes:
        return _box_table(plan.name, plan.profile.rows, plan.boxes, ("real", "keep", "make", "planned", "target"))
    title = f"{plan.name}: {plan.profile.rows:,} rows by {', '.join(plan.by)}"
    table = _counts(title, ("real", "keep", "make", "target", *estimate_headings(estimate)))
    for stratum in plan.strata[:SHOWN]:
        numbers = (stratum.real, stratum.keep, stratum.make, stratum.target)
        table.add_row(
            to_cell(stratum.name), *(f"{rows:,}" for rows in numbers), *estimate_cells(estimate, [stratum.name])
        )
    if len(plan.strata) > SHOWN:
        rest = [stratum.name for stratum in plan.strata[SHOWN:]]
        table.add_row(f"… and {len(rest):,} more", "", "", "", "", *estimate_cells(estimate, rest))
    table.add_section()
    totals = [sum(getattr(stratum, part) for stratum in plan.strata) for part in ("real", "keep", "make", "target")]
    table.add_row(
        "all", *(f"{rows:,}" for rows in totals), *estimate_cells(estimate, [one.name for one in plan.strata])
    )
    return table


def result_table(manifest: Manifest) -> Table:
    """Return a table of each class's rows before and after and its acceptance rate; for marked images, of boxes."""
    if manifest.boxes:
        return _box_table(manifest.name, manifest.rows, manifest.boxes, ("before", "real", "made", "reached", "target"))
    title = f"{manifest.name}: {manifest.rows:,} rows, exactly on target"
    table = _counts(title, ("before", "real", "synthetic", "after", "accepted"))
    for name, counts in list(manifest.counts.items())[:SHOWN]:
        tried = manifest.attempts.get(name, 0)
        rate = f"{_rate(manifest.rejections.get(name, {}), tried):.0%}" if tried else ""
        rows = (manifest.source_counts[name], counts.real, counts.synthetic, counts.target)
        table.add_row(to_cell(name), *(f"{number:,}" for number in rows), rate)
    if len(manifest.counts) > SHOWN:
        table.add_row(f"… and {len(manifest.counts) - SHOWN:,} more", "", "", "", "", "")
    return table


def utility_table(name: str, utility: Utility) -> Table:
    """Return a table of the mean scores of classifiers after each remedy, each score above its 95% interval."""
    rows = {side: sum(counts.values()) for side, counts in utility.rows.items()}
    table = Table(title=to_cell(f"{name}: on {rows['test']:,} real held-out rows"), title_justify="left")
    table.add_column("learned from")
    for heading in WORDS.values():
        table.add_column(heading, justify="right", width=9)
    table.add_column("this build gains", justify="right", width=11)
    gains = {one.remedy: one.gain for one in utility.differences}
    for one in utility.figures:
        if one.classifier is None:
            figures = [_figure(getattr(one, measure)) for measure in WORDS]
            gain = _figure(gains[one.remedy], sign="+") if one.remedy in gains else ""
            table.add_row(TITLES[one.remedy], *figures, gain, style="bold" if one.remedy == BUILD else None)
    return table


def _figure(one: Interval, sign: str = "") -> str:
    """Return a figure and, below it, its interval, without zeros before the decimal point to keep it narrow."""
    ends = [] if one.low is None or one.high is None else [f"{end:{sign}.3f}" for end in (one.low, one.high)]
    short = " ".join(end.replace("0.", ".", 1) if abs(float(end)) < 1 else end for end in ends)
    return f"{one.mean:{sign}.3f}" + (f"\n[dim]{short}[/]" if short else "")


def fidelity_table(name: str, fidelity: Fidelity) -> Table:
    """Return a table of the figures of all classes together, and of the detector's AUC for each class."""
    table = Table(
        title=to_cell(f"{name}: {fidelity.origin} rows beside real ones in their place"), title_justify="left"
    )
    table.add_column("figure")
    table.add_column(fidelity.origin, justify="right")
    table.add_column("real", justify="right")
    table.add_column("says")
    for group in fidelity.groups:
        for one in group.overall() if group.kind != "columns" else []:
            table.add_row(
                to_cell(one.name), format_figure(one.made), format_figure(one.real), MEANING.get(one.name, "")
            )
    found = sorted((one for one in fidelity.detectors if one.auc is not None), key=lambda one: -(one.auc or 0))
    for detector in found[:SHOWN]:
        tells = ", ".join(list(detector.tells)[:3])
        says = f"given away by {tells}" if tells else "0.5: cannot be told apart"
        table.add_row(
            to_cell(f"detector AUC, class {detector.stratum}"),
            format_figure(detector.auc),
            format_figure(0.5),
            to_cell(says),
        )
    return table


def _rate(rejected: Mapping[str, int], tried: int) -> float:
    return 1 - sum(rejected.values()) / tried if tried else 1.0


def training_line(progress: TrainingProgress) -> str:
    """Return a line on the progress of a training."""
    held_out = f", held out {progress.held_out:.4g}" if progress.held_out is not None else ""
    return f"step {progress.step:,} of {progress.steps:,}, loss {progress.loss:.4g}{held_out}"


class _Rate(ProgressColumn):
    """The share of candidates that were kept."""

    def render(self, task: Task) -> Text:
        return Text(task.fields.get("kept", ""), style="dim")


class _Speed(ProgressColumn):
    """The number of rows accepted in a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f} rows/s" if speed else "", style="dim")


class LiveDisplay(Listener):
    """A live line for each class on a terminal: rows, acceptance rate, rows/s, time left."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=28),
            TextColumn("{task.completed:>9,.0f} of {task.total:,.0f}"),
            _Rate(),
            _Speed(),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
        )
        self._status = console.status("")
        self._console = console
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> "LiveDisplay":
        self._status.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()
        self._status.stop()

    def joined(self, dashboard: str | None) -> None:
        """Show where Ray's dashboard is."""
        if dashboard:
            self._console.print(RAY.format(dashboard), markup=False, highlight=False, soft_wrap=True)

    def noted(self, note: str) -> None:
        """Show the note above the live lines."""
        self._console.print(note, markup=False, highlight=False, soft_wrap=True)

    def step(self, name: str) -> None:
        """Show the name of the running step."""
        self._progress.stop()
        self._status.update(escaped(f"{name} …"))
        self._status.start()

    def trained(self, progress: TrainingProgress) -> None:
        """Show the progress of the training."""
        self._status.update(f"fit … {training_line(progress)}")

    def filling(self, plan: Plan, actors: int) -> None:
        """Show a line for each class that needs rows."""
        self._status.stop()
        self._console.print(f"[dim]{actors} actor(s), generator {plan.generator.name}[/]")
        needy = sorted((s for s in plan.strata if s.make), key=lambda s: -s.make)
        most = max(5, min(SHOWN, self._console.height - 6))
        for stratum in needy[:most]:
            self._bars[stratum.name] = self._progress.add_task(
                to_cell(stratum.name[:40]).plain, total=stratum.make, kept=""
            )
        self._progress.start()

    def filled(self, progress: StratumProgress) -> None:
        """Update the line of one class."""
        bar = self._bars.get(progress.name)
        if bar is not None:
            kept = f"{_rate(progress.rejected, progress.candidates):.0%} kept" if progress.candidates else ""
            self._progress.update(bar, completed=progress.accepted, kept=kept)


class PlainDisplay(Listener):
    """Occasional plain lines if there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = time.monotonic()

    def __enter__(self) -> "PlainDisplay":
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    def joined(self, dashboard: str | None) -> None:
        """Print the address of Ray's dashboard."""
        if dashboard:
            self._say(RAY.format(dashboard))

    def noted(self, note: str) -> None:
        """Print the note."""
        self._say(note)

    def step(self, name: str) -> None:
        """Print the name of the running step."""
        self._say(f"{name} …")

    def trained(self, progress: TrainingProgress) -> None:
        """Print the progress of the training if nothing was printed for a while."""
        now = time.monotonic()
        if now - self._last >= PLAIN_SECONDS:
            self._last = now
            self._say(f"fit: {training_line(progress)}")

    def filling(self, plan: Plan, actors: int) -> None:
        """Print the number of actors."""
        self._say(f"{actors} actor(s), generator {plan.generator.name}")

    def filled(self, progress: StratumProgress) -> None:
        """Print the progress of a class if it is full or nothing was printed for a while."""
        now = time.monotonic()
        if not progress.candidates or (progress.missing and now - self._last < PLAIN_SECONDS):
            return
        self._last = now
        kept = f"{_rate(progress.rejected, progress.candidates):.0%} of candidates kept"
        self._say(f"class {progress.name!r}: {progress.accepted:,} of {progress.target:,} rows, {kept}")

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
