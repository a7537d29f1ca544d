"""Credentials in paths and addresses, and how they are kept out of whatever is shown or written down."""

import re
from typing import Any

HIDDEN = "***"


def redacted(text: str) -> str:
    """Return a path, or a message that quotes one, with the credentials in its URIs replaced by `***`.

    `s3://key:secret@bucket` becomes `s3://***@bucket`; query parameters that are named after a secret lose their value.
    """
    text = re.sub(r"://[^\s/@:]*:(?=\S)[^@\n]*?@", f"://{HIDDEN}@", text)
    return re.sub(r"(?i)([?&][^=&\s]*(?:key|secret|token|password|sig)[^=&\s]*=)[^&\s'\"]+", rf"\1{HIDDEN}", text)


def all_redacted(data: Any) -> Any:
    """Return data as JSON holds it, with every text in it redacted."""
    if isinstance(data, str):
        return redacted(data) if "://" in data else data
    if isinstance(data, dict):
        return {name: all_redacted(value) for name, value in data.items()}
    return [all_redacted(value) for value in data] if isinstance(data, list) else data


def refuse_redacted(path: str) -> str:
    """Return the path; raises ValueError for a URI whose credentials were left out where it was written down."""
    if f"://{HIDDEN}@" in path:
        raise ValueError(
            f"the credentials were left out where this spec was kept, got {path!r}; take them out of the URI, and give"
            " them in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
        )
    return path
