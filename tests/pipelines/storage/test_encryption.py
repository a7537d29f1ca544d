"""Keys are read as tools print them, and shown nowhere."""

import base64

import pytest

from pipelines.storage.encryption import read_key
from tests.flows.test_encrypted_build import KEY, NAME

pytestmark = pytest.mark.usefixtures("in_process")


@pytest.mark.parametrize("text", [KEY.hex(), base64.b64encode(KEY).decode(), KEY[:16].hex().upper(), f" {KEY.hex()}\n"])
def test_keys_as_tools_print_them(monkeypatch, text):
    monkeypatch.setenv(NAME, text)
    key = read_key(NAME)
    assert key.secret in (KEY, KEY[:16])
    assert text.strip() not in repr(key)
    assert "secret" not in repr(key)
