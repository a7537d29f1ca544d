"""What a plan must know of texts."""

from schemas.plan import SourceProfile


def row_width(profile: SourceProfile) -> int:
    """Return the bytes of a row."""
    return profile.row_bytes
