"""Everything that is true of SQLite only: the file, the pragmas, and when a transaction begins.

WAL lets readers read while one writes. ``synchronous=FULL`` makes every commit wait for the disk: a counted
try must survive a power cut, not only a SIGKILL. ``BEGIN IMMEDIATE`` takes the write lock before the first
read, so that what a transaction read is still true when it writes; Python's sqlite3 would begin later
by itself, hence its own transaction handling is off.
"""

import json
import os
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event

BUSY_TIMEOUT = 15.0
"""Seconds to wait for another process's write lock; a write takes milliseconds."""


def create_sqlite_engine(path: Path) -> Engine:
    """An engine on the file `path`, which is made with mode 0600 (and its folder with 0700) if it is missing.

    Raises:
        OSError: the file or folder cannot be made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # SQLite gives its -wal and -shm files the mode of the database.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    engine = create_engine(
        f"sqlite:///{path}",
        hide_parameters=True,
        connect_args={"timeout": BUSY_TIMEOUT},
        json_deserializer=_read_json,
        # Whichever connection writes, all others must read their pages again: so the same one writes again.
        pool_use_lifo=True,
    )
    event.listen(engine, "connect", _set_up_connection)
    event.listen(engine, "begin", _begin)
    return engine


def _read_json(text: str) -> Any:
    """A column's JSON; of a session's two lists most are empty."""
    return [] if text == "[]" else json.loads(text)


def _set_up_connection(connection: Any, record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "trusted_schema=OFF",
        "secure_delete=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    is_read_only = connection.get_execution_options().get("is_read_only", False)
    connection.exec_driver_sql("BEGIN" if is_read_only else "BEGIN IMMEDIATE")
