"""Stores the answers of an endpoint and their cost on disk, shared by all processes of a machine. Knows no network.

One SQLite file in write-ahead mode holds the answers by the hash of their question, the tokens that each account (a
build, without its limits) has spent, the greatest cost of its calls under way, and when each endpoint may be called
next. So a limit holds for all actors together and over restarts. Write-ahead mode needs a local disk.
"""

import os
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from schemas.errors import GeneratorError

_TABLES = """
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, content TEXT, finish TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spent (account TEXT PRIMARY KEY, calls INT, input INT, output INT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reserved (id TEXT PRIMARY KEY, account TEXT, input INT, output INT, until REAL);
CREATE TABLE IF NOT EXISTS pace (name TEXT PRIMARY KEY, free REAL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Tokens:
    """The numbers of tokens that a model read and wrote.

    >>> (Tokens(10, 5) + Tokens(1, 1)).total
    17
    """

    input: int = 0
    output: int = 0

    @property
    def total(self) -> int:
        """The sum of both."""
        return self.input + self.output

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(self.input + other.input, self.output + other.output)


@dataclass(frozen=True)
class Answer:
    """The text of a model's answer (None if it refused), and why it ended (`stop`, `length`, `content_filter`)."""

    content: str | None
    finish: str


def default_cache_folder() -> Path:
    """Return the default folder of answers: $MAKEWEIGHT_CACHE, or a folder in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("MAKEWEIGHT_CACHE") or cache / "makeweight" / "answers")


class Answers:
    """An open store of answers, for use in one thread."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def get(self, key: str) -> Answer | None:
        """Return the answer stored under the key, or None."""
        row = self._database.execute("SELECT content, finish FROM answers WHERE key = ?", (key,)).fetchone()
        return Answer(*row) if row else None

    def spent(self, account: str) -> tuple[int, Tokens]:
        """Return the account's answered calls and their tokens."""
        query = "SELECT calls, input, output FROM spent WHERE account = ?"
        calls, *tokens = self._database.execute(query, (account,)).fetchone() or (0, 0, 0)
        return calls, Tokens(*tokens)

    def under_way(self, account: str) -> tuple[int, Tokens]:
        """Return the number and the greatest cost of calls under way, in any process; expired ones are removed."""
        self._database.execute("DELETE FROM reserved WHERE until < ?", (time.time(),))
        query = "SELECT count(*), total(input), total(output) FROM reserved WHERE account = ?"
        calls, read, written = self._database.execute(query, (account,)).fetchone()
        return calls, Tokens(int(read), int(written))

    def reserve(self, account: str, tokens: Tokens, seconds: float) -> str:
        """Reserve the greatest cost of a call until it is settled, or for `seconds`; return the reservation's id."""
        name = uuid.uuid4().hex
        row = (name, account, tokens.input, tokens.output, time.time() + seconds)
        self._database.execute("INSERT INTO reserved VALUES (?, ?, ?, ?, ?)", row)
        return name

    def release(self, reservation: str) -> None:
        """Remove the reservation of a call that got no answer and so cost nothing."""
        self._database.execute("DELETE FROM reserved WHERE id = ?", (reservation,))

    def settle(self, reservation: str, account: str, key: str, answer: Answer, tokens: Tokens) -> None:
        """Store the answer and count its cost, in one transaction."""
        with self.locked():
            self.release(reservation)
            self._database.execute(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?)", (key, answer.content, answer.finish)
            )
            self._database.execute(
                "INSERT INTO spent VALUES (?, 1, ?, ?) ON CONFLICT (account) DO UPDATE SET calls = calls + 1,"
                " input = input + excluded.input, output = output + excluded.output",
                (account, tokens.input, tokens.output),
            )

    def turn(self, name: str, amount: float, per_minute: float) -> float:
        """Take `amount` of what `name` allows per minute; return the seconds to wait before using it.

        Uses are spread evenly (the generic cell rate algorithm, without bursts).
        """
        with self.locked():
            row = self._database.execute("SELECT free FROM pace WHERE name = ?", (name,)).fetchone()
            now = time.time()
            free = max(now, row[0] if row else now)
            following = (name, free + amount * 60 / per_minute)
            self._database.execute("INSERT OR REPLACE INTO pace VALUES (?, ?)", following)
        return free - now

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from changing the store; the changes inside are kept whole or not at all."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")


@contextmanager
def open_answers(folder: Path) -> Iterator[Answers]:
    """Open the store in the folder, which is created if needed.

    Raises GeneratorError that names the file for anything that goes wrong with it.
    """
    file = folder / "answers.sqlite3"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = sqlite3.connect(file, timeout=60, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.executescript(_TABLES)
            yield Answers(database)
        finally:
            database.close()
    except (sqlite3.Error, OSError) as error:
        raise GeneratorError(
            f"the answer cache {str(file)!r} cannot be used: {error}; give another folder with generator.params.cache"
            " or MAKEWEIGHT_CACHE"
        ) from error
