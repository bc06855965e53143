"""The SQLite store: one writer thread that commits several callers' work together, and reads beside it.

`transact(work)` hands `work(rows)` to the writer; whatever waits there at that moment shares one transaction, each
piece in a savepoint of its own, so that one failing piece takes nothing of the others with it. The caller
resumes only after the commit: what it was told is durable (WAL, synchronous=FULL: one fsync a commit).

`read(work)` runs at once on a connection of the caller's thread: point reads in WAL wait for nobody.

Known limits: one process writes much; others (the command line) may write now and then and wait up to
BUSY_S for the lock. Source: sqlite.org/wal.html, sqlite.org/lang_savepoint.html.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import re
import sqlite3
import threading
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from sqlite_utils import Database

from mailgate.errors import MailgateError
from mailgate.store.schema import MIGRATIONS

T = TypeVar("T")
Row = Mapping[str, Any]

BUSY_S = 10.0
BATCH = 200
"""Pieces of work in one commit at the most: bounds the wait of the first."""


class StoreError(MailgateError):
    """The store cannot be opened or used; the text says why."""


def load_queries(text: str) -> dict[str, str]:
    """Statements by name from an annotated file: each begins with `-- name: NAME` and ends with a semicolon."""
    queries: dict[str, str] = {}
    for piece in text.split("-- name:")[1:]:
        name, _, statement = piece.partition("\n")
        queries[name.strip()] = statement.strip()
    return queries


def _every_query() -> dict[str, str]:
    """Of all annotated files that lie here."""
    found: dict[str, str] = {}
    for file in files("mailgate.store").iterdir():
        if file.name.endswith(".sql"):
            found |= load_queries(file.read_text(encoding="utf-8"))
    return found


_QUERIES = _every_query()


REMEMBERED = ("accounts", "addresses", "destinations", "book", "suppressions")
"""Tables whose rows are remembered beside the store (`mailgate.books`)."""

_STIRS = re.compile(rf"(?:^|\n)(?:INSERT INTO|UPDATE|DELETE FROM) (?:{'|'.join(REMEMBERED)})\b")
_STIRRING = frozenset(name for name, statement in _QUERIES.items() if _STIRS.search(statement))


class Rows:
    """The named statements on one connection."""

    __slots__ = ("_connection", "stirred")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.stirred = 0
        """Grows with each statement of this connection that changes what mail remembers (`REMEMBERED`)."""

    def one(self, query: str, **parameters: Any) -> Row | None:
        row = self._connection.execute(_QUERIES[query], parameters).fetchone()
        return None if row is None else dict(row)

    def all(self, query: str, **parameters: Any) -> list[Row]:
        return [dict(row) for row in self._connection.execute(_QUERIES[query], parameters)]

    def run(self, query: str, **parameters: Any) -> int:
        """How many rows were changed."""
        self.stirred += query in _STIRRING
        return self._connection.execute(_QUERIES[query], parameters).rowcount

    def foreign_commits(self) -> int:
        """A number that changes when another process has written (sqlite.org/pragma.html#pragma_data_version)."""
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def run_many(self, query: str, parameters: list[dict[str, Any]]) -> None:
        self.stirred += query in _STIRRING
        self._connection.executemany(_QUERIES[query], parameters)


def create(path: Path) -> None:
    """Make an empty store, readable by its owner only; one that is there already is left as it is."""
    path.touch(mode=0o600)
    Store(path).close()


class Store:
    """An open store. Open it after any fork, close it before the process ends."""

    def __init__(self, path: Path) -> None:
        """Brings the tables up to date. Raises StoreError where the file is missing or is no store."""
        if not path.exists():
            raise StoreError(f"{path}: there is no store; `mailgate init` makes one")
        self.path = path
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._work: queue.SimpleQueue[_Piece | None] = queue.SimpleQueue()
        try:
            connection = _connect(path, MIGRATIONS.apply)
        except sqlite3.Error as error:
            raise StoreError(f"{path}: {error}") from error
        self._closed = False
        self._writer = threading.Thread(target=self._write, args=(connection,), name="store", daemon=True)
        self._writer.start()

    async def transact(self, work: Callable[[Rows], T]) -> T:
        """Run `work` in a transaction; returns what it returned, once that is durable, or raises what it raised."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()

        def done(result: Any, error: BaseException | None) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
                loop.call_soon_threadsafe(_settle, future, result, error)

        self._put(_Piece(work, done))
        return await future

    def transact_now(self, work: Callable[[Rows], T]) -> T:
        """The same for a caller without an event loop (the command line)."""
        answer: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        self._put(_Piece(work, lambda result, error: answer.put((result, error))))
        result, error = answer.get()
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def read(self, work: Callable[[Rows], T]) -> T:
        """Run `work`, which only reads, on this thread's own connection."""
        rows: Rows | None = getattr(self._local, "rows", None)
        if rows is None:
            connection = _connect(self.path, lambda database: database.execute("PRAGMA query_only=1"))
            self._readers.append(connection)
            rows = self._local.rows = Rows(connection)
        return work(rows)

    def close(self) -> None:
        """Finish what is waiting and close; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self._work.put(None)
            self._writer.join()
            for connection in self._readers:
                connection.close()

    def _put(self, piece: _Piece) -> None:
        if self._closed:
            raise StoreError(f"{self.path}: the store is closed")
        self._work.put(piece)

    def _write(self, connection: sqlite3.Connection) -> None:
        rows = Rows(connection)
        more = True
        while more:
            pieces: list[_Piece] = []
            piece = self._work.get()
            while piece is not None:
                pieces.append(piece)
                if len(pieces) == BATCH:
                    break
                try:
                    piece = self._work.get_nowait()
                except queue.Empty:
                    break
            more = piece is not None
            if pieces:
                _commit(connection, rows, pieces)
        connection.close()


class _Piece:
    """Work that waits for the writer, and whom to tell."""

    __slots__ = ("done", "work")

    def __init__(self, work: Callable[[Rows], Any], done: Callable[[Any, BaseException | None], None]) -> None:
        self.work = work
        self.done = done


def _commit(connection: sqlite3.Connection, rows: Rows, pieces: list[_Piece]) -> None:
    """All pieces in one transaction, each in its own savepoint where they are several; everyone is told after the
    commit."""
    answers: list[tuple[Any, BaseException | None]]
    try:
        connection.execute("BEGIN IMMEDIATE")
        if len(pieces) == 1:
            answers = [_alone(connection, rows, pieces[0])]
        else:
            answers = [_in_savepoint(connection, rows, piece) for piece in pieces]
        if connection.in_transaction:
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        with contextlib.suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        failure = StoreError(f"the store did not take it: {error}")
        answers = [(None, failure)] * len(pieces)
    for piece, (result, error_or_none) in zip(pieces, answers, strict=True):
        piece.done(result, error_or_none)


def _alone(connection: sqlite3.Connection, rows: Rows, piece: _Piece) -> tuple[Any, BaseException | None]:
    """What the piece returned or raised; where it raised, the transaction is over."""
    try:
        return piece.work(rows), None
    except Exception as error:
        connection.execute("ROLLBACK")
        return None, error


def _in_savepoint(connection: sqlite3.Connection, rows: Rows, piece: _Piece) -> tuple[Any, BaseException | None]:
    """What the piece returned or raised; where it raised, what it had done is undone."""
    connection.execute("SAVEPOINT piece")
    try:
        return piece.work(rows), None
    except Exception as error:
        connection.execute("ROLLBACK TO piece")
        return None, error
    finally:
        connection.execute("RELEASE piece")


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():  # cancelled meanwhile; the work stands all the same
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _connect(path: Path, prepare: Callable[[Database], object]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=1")
        prepare(Database(connection))
    except BaseException:
        connection.close()
        raise
    return connection
