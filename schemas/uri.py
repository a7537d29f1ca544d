"""Refuses URIs that would be read as another path, before anything is read or written. Knows no filesystem.

A `#` ends the path of a URI, so names after it are ignored: a folder below a URI with `#` would be the same folder.
"""


def is_uri(path: str) -> bool:
    """Whether `path` names a filesystem, as in `s3://bucket/key`."""
    return "://" in path


def refuse_unclear(path: str) -> str:
    """Return the path; raises ValueError for a URI that would lose a part, or that names no folder or file."""
    if not is_uri(path):
        return path
    scheme, _, rest = path.partition("://")
    if "#" in path:
        raise ValueError(f"holds '#', and of a URI all that follows it is lost, got {path!r}; write it as %23")
    if scheme == "file" and "?" in path:
        raise ValueError(f"holds '?', and of a file's URI all that follows it is lost, got {path!r}; write it as %3F")
    if not rest.partition("?")[0].strip("/"):
        raise ValueError(f"names no folder and no bucket, got {path!r}; write it whole, as in s3://bucket/folder")
    return path


def refuse_unkept(path: str) -> str:
    """Return the path; raises ValueError for pyarrow's filesystem for tests, which ends with the process."""
    if path.startswith("mock:"):
        problem = f"is no place that keeps files, got {path!r}"
        raise ValueError(f"{problem}; give a path, or a URI such as s3://bucket/folder")
    return path
