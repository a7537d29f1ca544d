"""Formats a proposed spec, a list of builds, and a comparison of two, for the terminal and as JSON."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pipelines.dataset.builds import FoundBuild
from pipelines.dataset.compare import ClassChange, Comparison
from pipelines.modality import modality_of
from pipelines.plan.column_notes import column_lines
from pipelines.plan.label_candidates import listed, told
from pipelines.plan.propose import Proposal
from pipelines.report.site import Site
from pipelines.report.wording import printable, size
from schemas.manifest import Manifest
from schemas.secrets import all_redacted

HASH = 64
"""Characters of a SHA-256 in hexadecimal."""


def proposal_lines(proposal: Proposal) -> list[str]:
    """Return lines on the source that `init` read, and on the next commands."""
    profile, plan = proposal.plan.profile, proposal.plan
    boxes = " boxes" if plan.boxes else ""
    lines = [
        f"source   {profile.path}: {profile.rows:,} {modality_of(plan).unit}, {plan.modality}, {profile.format}",
        f"class    {proposal.label}: {told(proposal.classes)}{boxes}",
    ]
    if proposal.candidates:
        lines += ["or       another column, by --label:", *(f"         {line}" for line in listed(proposal.candidates))]
    lines += [f"{'columns' if not number else '':<9}{line}" for number, line in enumerate(column_lines(plan))]
    lines += [f"note     {note}" for note in proposal.notes]
    return [*lines, f"written  {proposal.file}", *(f"next     {command}" for command in _next_commands(proposal))]


def proposal_json(proposal: Proposal) -> Any:
    """Return the same as JSON."""
    plan = proposal.plan
    return all_redacted(
        {
            "spec": proposal.file,
            "source": plan.profile.path,
            "format": plan.profile.format,
            "rows": plan.profile.rows,
            "modality": plan.modality,
            "generator": plan.generator.name,
            "label": proposal.label,
            "classes": proposal.classes,
            "candidates": {one.name: one.counts for one in proposal.candidates},
            "notes": proposal.notes,
            "next": _next_commands(proposal),
        }
    )


def _next_commands(proposal: Proposal) -> list[str]:
    return [f"makeweight {command} {proposal.file}" for command in ("plan", "build")]


def build_lines(builds: Sequence[FoundBuild]) -> list[str]:
    """Return a line for each build: state, rows, classes, size, when it was published, where it is."""
    rows = [_build_cells(build) for build in builds]
    widths = [max(len(row[column]) for row in rows) for column in range(5)] if rows else []
    told = [[row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:5], widths[1:], strict=True))]
            for row in rows]  # fmt: skip
    return ["  ".join([*cells, row[5]]) for cells, row in zip(told, rows, strict=True)]


def _build_cells(build: FoundBuild) -> list[str]:
    manifest, counted = build.manifest, ["", "", "", ""]
    if manifest:
        classes = len(_classes(manifest))
        counted = [
            f"{manifest.rows:,} rows",
            f"{classes:,} classes",
            size(build.bytes or 0),
            _format_time(build.published),
        ]
    detail = build.detail
    if build.writer:
        detail = f"host {build.writer.host!r}, process {build.writer.pid}, since {_format_time(build.writer.since)}"
    return [build.state, *counted, printable(_shorten_path(build.path)) + (f"  ({detail})" if detail else "")]


def _classes(manifest: Manifest) -> dict[str, int]:
    """Return the rows of each class; of marked images, boxes."""
    if manifest.boxes:
        return {name: boxes.reached for name, boxes in manifest.boxes.items()}
    return {name: counts.real + counts.synthetic for name, counts in manifest.counts.items()}


def _shorten_path(path: str) -> str:
    """Return the path relative to the working directory, if it is below."""
    here = os.getcwd() + os.sep
    return path.removeprefix(here) if path != here else path


def _format_time(seconds: float | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def builds_json(builds: Sequence[FoundBuild]) -> Any:
    """Return the same as JSON; times are in ISO 8601."""
    return [_build_json(build) for build in builds]


def _build_json(build: FoundBuild) -> dict[str, Any]:
    manifest, writer = build.manifest, build.writer
    told: dict[str, Any] = {"path": build.path, "state": build.state, "detail": build.detail or None}
    if writer:
        times = {"since": _format_iso(writer.since), "seen": _format_iso(writer.seen)}
        told["writer"] = {"host": writer.host, "pid": writer.pid, **times}
    if manifest:
        told |= {
            "name": manifest.name,
            "rows": manifest.rows,
            "classes": _classes(manifest),
            "bytes": build.bytes,
            "published": _format_iso(build.published),
            "generator": manifest.generator,
            "content_hash": manifest.content_hash,
            "versions": manifest.versions,
        }
    return told


def _format_iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def site_lines(site: Site) -> list[str]:
    """Return lines on the builds of the web page, and its path."""
    states = ", ".join(f"{builds:,} {state}" for state, builds in site.states.items()) or "no builds yet"
    return [f"builds   {states}", f"page     {site.page}"]


def site_json(site: Site) -> Any:
    """Return the same as JSON."""
    return {"page": site.page, "builds": site.builds, "states": site.states}


def comparison_lines(found: Comparison) -> list[str]:
    """Return a line for each difference of two datasets, old before new."""
    lines = ["the same rows, in the same order" if found.same else "different"]
    lines += [f"{name}: {_format_value(old)} → {_format_value(new)}" for name, (old, new) in found.fields.items()]
    lines += [f"column {name!r}: {change}" for name, change in found.columns.items()]
    lines += [f"class {name!r}: {_describe_change(one)}" for name, one in found.classes.items() if _has_changed(one)]
    same = sum(not _has_changed(one) for one in found.classes.values())
    lines += [f"{same:,} {'class has' if same == 1 else 'classes have'} the same counts"] if same else []
    if found.columns and found.rows:
        lines.append("rows are compared by the columns that both have")
    for origin, rows in found.rows.items():
        of = f" ({rows.replaced:,} of them with the _id of another)" if rows.replaced else ""
        lines.append(
            f"{printable(origin)} rows: {rows.same:,} same, {rows.added:,} added{of}, {rows.removed:,} removed"
        )
    return lines + [f"{name}: {old or 'none'} → {new or 'none'}" for name, (old, new) in found.versions.items()]


def _has_changed(one: ClassChange) -> bool:
    return (one.old_real, one.old_made) != (one.new_real, one.new_made)


def _describe_change(one: ClassChange) -> str:
    before, after = f"{one.old_real:,} real + {one.old_made:,} made", f"{one.new_real:,} real + {one.new_made:,} made"
    return f"{one.old:,} → {one.new:,} ({before} → {after})"


def _format_value(value: Any) -> str:
    """Return a value of a manifest as text; of a hash only the beginning."""
    if isinstance(value, str) and len(value) == HASH:
        return value[:12]
    if isinstance(value, dict):
        return ", ".join(f"{name} {rows:,}" for name, rows in value.items())
    return printable(", ".join(map(str, value)) if isinstance(value, list) else str(value))


def comparison_json(found: Comparison) -> Any:
    """Return the same as JSON."""
    return {
        "same": found.same,
        "old": {"name": found.old.name, "rows": found.old.rows, "content_hash": found.old.content_hash},
        "new": {"name": found.new.name, "rows": found.new.rows, "content_hash": found.new.content_hash},
        "fields": {name: {"old": old, "new": new} for name, (old, new) in found.fields.items()},
        "columns": found.columns,
        "classes": {name: asdict(one) for name, one in found.classes.items()},
        "rows": {origin: asdict(rows) for origin, rows in found.rows.items()},
        "versions": {name: {"old": old, "new": new} for name, (old, new) in found.versions.items()},
    }
