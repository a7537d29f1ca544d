"""Plans texts."""

from pipelines.plan.label_candidates import Looked
from schemas.plan import SourceProfile


def row_width(profile: SourceProfile) -> int:
    """Return the bytes of a row."""
    return profile.row_bytes


def guess(looked: Looked, label: str | None) -> str | None:
    """Return the column of running text if it is the only one beside the class, or None."""
    others = [one for one in looked.columns if one.name != label and one.role == "feature"]
    return others[0].name if len(others) == 1 and others[0].is_text and not looked.nested else None
