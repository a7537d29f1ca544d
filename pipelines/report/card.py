"""The dataset's README.md: a Hugging Face dataset card (https://huggingface.co/docs/hub/datasets-cards).

Everything in it comes from the manifest. The licence is left out, since that of the source is not known.
"""

import re
from typing import Any

import yaml

from pipelines.plan.version_notes import succession
from pipelines.report.box_counts import box_rows
from pipelines.report.data import objects_column, split_ends
from pipelines.report.overview import LISTED_CLASSES, class_rows, headline
from pipelines.report.templating import environment
from pipelines.report.wording import printable
from schemas.manifest import Manifest

LISTED_COLUMNS = 200
_SIZES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B", "100B", "1T")


def render_card(manifest: Manifest, below: str = "") -> str:
    """Return the card, YAML header first; `below` is the dataset's path from the card: empty, or `v00002/`."""
    rows = class_rows(manifest)
    shown, rest = split_ends(rows, LISTED_CLASSES)
    boxes, boxes_left_out = split_ends(box_rows(manifest), LISTED_CLASSES)
    template = environment().get_template("card.md")
    body = template.render(
        manifest=manifest,
        below=below,
        headline=headline(manifest),
        rows=shown,
        rest=len(boxes_left_out if boxes else rest),
        boxes=boxes,
        attempts=sum(row.attempts for row in rows),
        made_now=sum(row.synthetic for row in rows) - sum(manifest.base.carried.values() if manifest.base else ()),
        succession=succession(manifest),
        objects=objects_column(manifest),
        columns=manifest.columns[:LISTED_COLUMNS],
        columns_left_out=max(0, len(manifest.columns) - LISTED_COLUMNS),
    )
    header = yaml.safe_dump(card_header(manifest, below), sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{header}---\n\n{body}"


def card_header(manifest: Manifest, below: str = "") -> dict[str, Any]:
    """Return the metadata that the Hugging Face hub and `datasets` read."""
    header = any(counts.synthetic for counts in manifest.counts.values())
    files = [{"split": split, "path": f"{below}{pattern}"} for split, pattern in _patterns(manifest).items()]
    return {
        "pretty_name": printable(manifest.name),
        "size_categories": [size_category(manifest.rows)],
        "task_categories": [_task(manifest)],
        "tags": [*([manifest.origin] if header else []), "makeweight", "class-balanced", manifest.modality],
        "configs": [{"config_name": "default", "data_files": files}],
    }


def _patterns(manifest: Manifest) -> dict[str, str]:
    """Return patterns that match the shards of each split, and no shard of another build in the same folder."""
    return {shard.split: re.sub(r"-\d{5}-of-\d{5}", "-*", shard.path) for shard in manifest.shards}


def _task(manifest: Manifest) -> str:
    """Return the hub's name for the dataset's task (https://huggingface.co/tasks)."""
    return "object-detection" if objects_column(manifest) is not None else f"{manifest.modality}-classification"


def size_category(rows: int) -> str:
    """Return the hub's name for a size: `n<1K`, `1K<n<10K` and so on to `n>1T`."""
    for power, size in enumerate(_SIZES, start=3):
        if rows < 10**power:
            return f"n<{size}" if power == 3 else f"{_SIZES[power - 4]}<n<{size}"
    return f"n>{_SIZES[-1]}"
