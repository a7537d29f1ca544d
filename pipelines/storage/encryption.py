"""Encryption at rest: the key of a dataset's shards, which comes from the environment and is written nowhere.

The shards are Parquet with modular encryption (https://parquet.apache.org/docs/file-format/data-pages/encryption/):
AES-GCM over the footer and all columns, with one key. Any Parquet reader that knows it opens them with that key.
"""

import base64
import binascii
import os
import re
from dataclasses import dataclass, field
from typing import Any

from schemas.errors import Fault, SpecError
from schemas.secrets import told_variable

SIZES = (16, 24, 32)
"""Bytes that a key of AES may have."""


@dataclass(frozen=True)
class Key:
    """A key of AES; it is handed to the tasks that write, and shows itself in no message."""

    secret: bytes = field(repr=False)

    def encryption(self) -> Any:
        """Return what `pyarrow.parquet` writes with."""
        from pyarrow.parquet import encryption

        return encryption.create_encryption_properties(self.secret)

    def decryption(self) -> Any:
        """Return what `pyarrow.parquet` reads with."""
        from pyarrow.parquet import encryption

        return encryption.create_decryption_properties(self.secret)


def read_key(name: str | None) -> Key | None:
    """Return the key that the environment variable `name` holds, or None where nothing is encrypted.

    Raises SpecError if there is no variable of that name, or if it holds no key.
    """
    if name is None:
        return None
    text = os.environ.get(name, "").strip()
    secret = _decoded(text)
    if len(secret) not in SIZES:
        got = f"has no key in it ({len(text)} characters)" if text else "is not set"
        problem = f"{told_variable(name)} {got}; it must hold 16, 24 or 32 bytes in hexadecimal or base64"
        raise SpecError(Fault(("output", "encryption_key_env"), f"{problem}, as `openssl rand -hex 32` prints them"))
    return Key(secret)


def _decoded(text: str) -> bytes:
    """Return the bytes that a text writes down, or none."""
    if re.fullmatch("[0-9a-fA-F]+", text) and len(text) in [2 * size for size in SIZES]:
        return bytes.fromhex(text)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
