"""Redaction: seconds for a megabyte of each text that is hard on patterns, and whether twice the text takes twice."""

import time

from schemas.secrets import redacted
from tests.benchmarks.common import machine

BYTES = 1_000_000
PIECES = ("?key", "://a:", "://a@", "://a:1/", "=", "&key=b", "authorization: bearer ", "hello world ")
PIECES += ('pwd="', "authorization: ", "://a:b \n@", "://a:b@\n", "user:a@", "x-api-key: ")


def seconds(piece: str, size: int) -> float:
    """Return the least of three times that so much of it takes."""
    text, times = piece * (size // len(piece)), []
    for _ in range(3):
        start = time.process_time()
        redacted(text)
        times.append(time.process_time() - start)
    return min(times)


def main() -> None:
    """Measure each."""
    for piece in PIECES:
        one, two = seconds(piece, BYTES), seconds(piece, 2 * BYTES)
        print(f"{piece!r}: {one:.3f} s for 1 MB, {two:.3f} s for 2 MB")
    print(f"redaction: linear, where the ratio is near 2 ({machine()})")


if __name__ == "__main__":
    main()
