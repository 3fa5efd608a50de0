"""Everything that is true of PostgreSQL only: who may write when, and what a reader sees.

Several relays may use one database. Those that write take turns, by an advisory lock that ends with the
transaction: what a transaction read is still true when it writes, as with SQLite's one writer, no two of them
can wait for each other's rows for ever, and both continue one audit log. A transaction of a busy relay has
the events of many connections in it, so that the turns are no bottleneck before the disk is.
"""

from sqlalchemy import URL, Connection, Engine, create_engine, event

WRITERS_LOCK = 0x6164686F63  # "adhoc"


def create_postgres_engine(url: URL) -> Engine:
    """An engine on the database at `url`.

    Raises:
        sqlalchemy.exc.ArgumentError, ImportError: there is no such driver.
    """
    engine = create_engine(url, hide_parameters=True, pool_pre_ping=True)
    event.listen(engine, "begin", _begin)
    return engine


def _begin(connection: Connection) -> None:
    if connection.get_execution_options().get("is_read_only", False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    else:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})")
