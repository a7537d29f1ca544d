"""Credentials in paths, addresses and messages, and how they are kept out of whatever is shown or written down.

What is looked through may come from the data, and be of any size and form: so every step here takes time in proportion
to the text, with no quantifier inside another one and no start that reads on over the next one's text.
"""

import re
from functools import lru_cache
from typing import Any

HIDDEN = "***"

_NAMES = ("[?&;_-]key", "apikey", "accesskey", "keyid", "secret", "token", "password", "passwd", "pwd", "sig",
          "signature", "auth", "credential")  # fmt: skip
"""What the names of secrets end with, each of a fixed width: a lone `key=` is none, but `?key=` and `api_key=` are."""
_VALUE = r"""(?:'[^'\n]*+'|"[^"\n]*+"|['"]?[^&\s'"]++)"""
_SCHEMES = re.compile(
    r"""(?i)(authorization["']?[ \t]{0,3}[:=][ \t]{0,3}["']?)"""
    r"""(?:(bearer|basic|token)[ \t]{1,3}[^\s"']++|(digest|negotiate|aws4-hmac-sha256)[ \t][^\n"']*+)"""
)
_BEARER = re.compile(r"(?i)\bbearer[ \t]{1,3}[\w.~+/=-]{16,}+")
_PORT = r"""(?![0-9]{1,5}(?:[\s,;)\]'"]|[/?#][^@\s]{0,100}+\s))"""
_USER = re.compile(rf"://(?:[^\s/?#@:]++@|[^\s/@:]*+:(?!\s){_PORT}[^@]*+@)")
"""Before `@`: a token; or a name, a colon and a password, in which any sign may stand, since not all write it as they
should. A host with a port is none, when a blank follows before the `@`."""


def redacted(text: str) -> str:
    """Return a path, or a message that quotes one, with the credentials in it replaced by `***`.

    They are what stands before `@` in a URI (`s3://key:secret@bucket`, `https://TOKEN@host`), what is assigned to a
    name that is called after a secret (`?token=…`, `password=…`, `x-amz-credential=…`), and what an `Authorization`
    header holds. Takes time in proportion to the text.
    """
    if "://" in text and "@" in text:
        text = "\n".join(_without_users(line) if "@" in line else line for line in text.split("\n"))
    lowered = text.lower()
    if "=" in text:
        text = _assignments(tuple(name for name in _NAMES if f"{name.rpartition(']')[2]}=" in lowered), text)
    if "authorization" in lowered:
        text = _SCHEMES.sub(lambda found: f"{found[1]}{found[2] or found[3]} {HIDDEN}", text)
    return _BEARER.sub(f"Bearer {HIDDEN}", text) if "bearer" in lowered else text


def _assignments(names: tuple[str, ...], text: str) -> str:
    """Return the text with `***` for what is assigned to these names."""
    return _assigned(names).sub(f"={HIDDEN}", text) if names else text


@lru_cache
def _assigned(names: tuple[str, ...]) -> re.Pattern[str]:
    """Return what finds assignments to some names; only `=` is looked for, and then at what stands before it."""
    ends = "".join(sorted({name[-1] for name in names}))
    return re.compile(f"(?i)=(?!=)(?<=[{ends}]=)(?:{'|'.join(f'(?<={name}=)' for name in names)}){_VALUE}")


def _without_users(line: str) -> str:
    """Return a line with `***` for the user, the key or the token before the `@` of each address.

    Nothing beyond the last `@` is looked at, so that what begins like a user always ends, and no start reads in vain.
    """
    last = line.rfind("@") + 1
    return _USER.sub(f"://{HIDDEN}@", line[:last]) + line[last:]


def all_redacted(data: Any) -> Any:
    """Return data as JSON holds it, with every text in it redacted that holds a URI."""
    if isinstance(data, str):
        return redacted(data) if "://" in data else data  # a constraint or a prompt is not to be changed
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
