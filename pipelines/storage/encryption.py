"""Encryption at rest: the key of a dataset's shards. It is read from the environment, and never written.

The shards are Parquet with modular encryption (https://parquet.apache.org/docs/file-format/data-pages/encryption/):
AES-GCM over the footer and all columns, with one key. Any Parquet reader with modular encryption can open them.
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
    """An AES key; its `repr` does not show it, so no message does."""

    secret: bytes = field(repr=False)

    def encryption(self) -> Any:
        """Return the properties to write a file with `pyarrow.parquet`."""
        from pyarrow.parquet import encryption

        return encryption.create_encryption_properties(self.secret)

    def decryption(self) -> Any:
        """Return the properties to read a file with `pyarrow.parquet`."""
        from pyarrow.parquet import encryption

        return encryption.create_decryption_properties(self.secret)


def read_key(name: str | None) -> Key | None:
    """Return the key in the environment variable `name`, or None if `name` is None: nothing is encrypted then.

    Raises SpecError if the variable is not set, or holds no key.
    """
    if name is None:
        return None
    text = os.environ.get(name, "").strip()
    secret = _decode_key(text)
    if len(secret) not in SIZES:
        got = f"has no key in it ({len(text)} characters)" if text else "is not set"
        problem = f"{told_variable(name)} {got}; it must hold 16, 24 or 32 bytes in hexadecimal or base64"
        raise SpecError(Fault(("output", "encryption_key_env"), f"{problem}, as `openssl rand -hex 32` prints them"))
    return Key(secret)


def _decode_key(text: str) -> bytes:
    """Return the bytes of a text in hexadecimal or base64; no bytes for any other text."""
    if re.fullmatch("[0-9a-fA-F]+", text) and len(text) in [2 * size for size in SIZES]:
        return bytes.fromhex(text)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
