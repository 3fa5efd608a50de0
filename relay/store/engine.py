"""Opens the database, brings its tables up to date, and runs transactions in worker threads."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias, TypeVar

import alembic.command
import alembic.config
import alembic.script
import alembic.util
import trio
from sqlalchemy import Connection, Engine, NestedTransaction, make_url
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError, SQLAlchemyError

from relay.errors import ConfigError, RelayError
from relay.store.postgres import create_postgres_engine
from relay.store.sqlite import create_sqlite_engine

Transaction: TypeAlias = Connection
"""What a unit of work gets; it is committed when the work returns and undone when it raises."""

Savepoint: TypeAlias = NestedTransaction
"""What a transaction's `begin_nested` answers: from there on all can be undone without the rest."""

MAX_READERS = 4
MAX_WRITE_ATTEMPTS = 8
"""Of one unit of work, when another relay took the same slot between its look and its write."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_T = TypeVar("_T")


class StoreUnavailable(RelayError):
    """The database itself failed: the next unit of work would meet the same."""


def attempt(work: Callable[[], _T]) -> _T:
    """Runs `work`, again where another relay was quicker to take what it chose.

    Args:
        work: undoes what it did when it raises.

    Raises:
        RelayError: the database refused what it wrote.
        StoreUnavailable: the database cannot be used.
    """
    for number in range(1, MAX_WRITE_ATTEMPTS + 1):
        try:
            return work()
        except IntegrityError as exc:
            if number == MAX_WRITE_ATTEMPTS:
                raise RelayError("The relay's database refused a change.") from exc
        except DataError as exc:
            raise RelayError("The relay's database refused a change.") from exc
        except SQLAlchemyError as exc:
            raise StoreUnavailable("The relay's database cannot be used at the moment.") from exc
    raise AssertionError("unreachable")


class Store:
    """The database, for callers on Trio.

    Concurrency: any number of tasks. Writes run one at a time, reads beside them.
    Cancellation: takes effect before a transaction starts, else after it is committed and its result is lost.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reading = engine.execution_options(is_read_only=True)
        self._writer = trio.CapacityLimiter(1)
        self._readers = trio.CapacityLimiter(MAX_READERS)

    async def write(self, work: Callable[[Transaction], _T]) -> _T:
        """Runs `work` in a transaction of its own, durable when this returns.

        Args:
            work: runs in a worker thread, maybe more than once: it must have no effect but through its
                transaction.

        Raises:
            RelayError: the database refused what `work` wrote; nothing was changed.
            StoreUnavailable: the database failed, before the commit or at it.
            Exception: whatever `work` raises undoes it too.
        """
        return await trio.to_thread.run_sync(self._write, work, limiter=self._writer)

    async def read(self, work: Callable[[Transaction], _T]) -> _T:
        """Runs `work`, which must only read, on one consistent state of the database.

        Raises:
            StoreUnavailable: the database failed.
        """
        return await trio.to_thread.run_sync(self._read, work, limiter=self._readers)

    def _write(self, work: Callable[[Transaction], _T]) -> _T:
        def once() -> _T:
            with self._engine.begin() as transaction:
                return work(transaction)

        return attempt(once)

    def _read(self, work: Callable[[Transaction], _T]) -> _T:
        def once() -> _T:
            with self._reading.begin() as transaction:
                return work(transaction)

        return attempt(once)


@asynccontextmanager
async def open_store(url_or_path: str | Path) -> AsyncIterator[Store]:
    """A store whose tables are up to date.

    Args:
        url_or_path: a file (made if missing, mode 0600) or a database URL.

    Yields:
        The store; it is closed at the end.

    Raises:
        ConfigError: it cannot be opened, is no database of ours, or belongs to a newer relay.
    """
    engine = await trio.to_thread.run_sync(_open, url_or_path)
    try:
        yield Store(engine)
    finally:
        engine.dispose()  # closes files and sockets; nothing to wait for


def _open(url_or_path: str | Path) -> Engine:
    try:
        if isinstance(url_or_path, str) and "://" in url_or_path:
            engine = _create_engine(url_or_path)
        else:
            engine = create_sqlite_engine(Path(url_or_path))
    except OSError as exc:
        raise ConfigError(f"The database {url_or_path} cannot be opened: {exc.strerror}.") from exc
    try:
        with engine.begin() as connection:
            upgrade(connection)
    except alembic.util.CommandError as exc:
        engine.dispose()
        raise ConfigError("The database was made by a newer relay; use that one.") from exc
    except SQLAlchemyError as exc:
        engine.dispose()
        raise ConfigError("The database cannot be used: is it one of this relay, and is it running?") from exc
    return engine


def _create_engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            if not parsed.database:
                raise ConfigError("The database needs a file: sqlite:///PATH.")
            return create_sqlite_engine(Path(parsed.database))
        if parsed.get_backend_name() == "postgresql":
            return create_postgres_engine(parsed)
        raise ConfigError("The database must be SQLite or PostgreSQL.")
    except (ArgumentError, SQLAlchemyError, ImportError) as exc:
        raise ConfigError("The database's URL cannot be used.") from exc


def upgrade(connection: Connection, revision: str = "head") -> None:
    """Brings the tables up to a revision, the newest by default, within the connection's transaction."""
    config = _migrations()
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, revision)


def newest_revision() -> str:
    """What `upgrade` brings tables up to."""
    head = alembic.script.ScriptDirectory.from_config(_migrations()).get_current_head()
    if head is None:
        raise AssertionError("there are no migrations")
    return head


def _migrations() -> alembic.config.Config:
    config = alembic.config.Config()
    # % is configparser's own sign and may be in a path.
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
