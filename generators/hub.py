"""Models by a local folder or a hub id: which of the two a name is, and what is told when one cannot be had."""

import os

_LONGEST = 300


def is_path(place: str) -> bool:
    """Whether a name that leads to nothing here is meant as a path, and not as a hub id."""
    return place.startswith((".", "/", "~")) or place.count("/") > 1


def offline_note() -> str:
    """Return what to add to a failed download where the hub may not be asked at all."""
    return ", and HF_HUB_OFFLINE is set" if os.environ.get("HF_HUB_OFFLINE") in ("1", "true", "True") else ""


def said(error: Exception) -> str:
    """Return what a library says of a failure, on one line and not too long."""
    return " ".join(str(error).split())[:_LONGEST] or type(error).__name__
