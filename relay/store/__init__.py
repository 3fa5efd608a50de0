"""The store: what survives a restart.

`open_store` gives a `Store`, which runs plain functions of a `Transaction` in worker threads. The queries are
functions in `session_rows`, `account_rows` and `audit_rows`; they know rows and records, no rules. Limits
are held by constraints (`tables`), so that they hold for any number of relays on one database. Only
`sqlite.py` knows SQLite.
"""

from relay.store.engine import (
    Savepoint,
    Store,
    StoreUnavailable,
    Transaction,
    attempt,
    newest_revision,
    open_store,
)

__all__ = [
    "Savepoint",
    "Store",
    "StoreUnavailable",
    "Transaction",
    "attempt",
    "newest_revision",
    "open_store",
]
