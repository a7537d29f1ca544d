"""Filesystems that fsspec gives, such as Hugging Face's hub: what their HTTP clients raise comes as OSError.

pyarrow lets such errors pass as they are, and each client has classes of its own.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from pyarrow import fs

_CALLS = (
    "get_file_info", "get_file_info_selector", "open_input_stream", "open_input_file", "open_output_stream",
    "create_dir", "delete_dir", "delete_dir_contents", "delete_file",
)  # fmt: skip
_KINDS = {"TransportError", "HTTPError", "RequestException"}
"""How httpx, its successors and requests call what they raise where a server does not answer."""


def raise_os_errors(filesystem: fs.FileSystem) -> fs.FileSystem:
    """Return the filesystem, or one like it whose look-ups raise OSError where the network fails."""
    handler = getattr(filesystem, "handler", None)
    return fs.PyFileSystem(_Handler(handler.fs)) if isinstance(handler, fs.FSSpecHandler) else filesystem


def _convert_errors(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def called(*arguments: Any) -> Any:
        try:
            return call(*arguments)
        except OSError:
            raise
        except Exception as error:
            if _KINDS.isdisjoint(kind.__name__ for kind in type(error).__mro__):
                raise
            raise OSError(f"NETWORK_CONNECTION: {error}") from error

    return called


class _Handler(fs.FSSpecHandler):  # type: ignore[misc]
    """pyarrow's handler for fsspec, each of whose calls raises OSError if the network fails."""


for _name in _CALLS:
    setattr(_Handler, _name, _convert_errors(getattr(fs.FSSpecHandler, _name)))
