"""The audit log for others: CSV for spreadsheets, JSON Lines for programs and for verification.

Both are written page by page, so that a log of any length takes no memory. A spreadsheet runs cells that
begin like a formula, and some of them come from strangers (a computer's name): such cells get an apostrophe
before them (OWASP, "CSV Injection"). JSON Lines have what docs/audit.md needs to verify each row.
"""

import csv
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from io import StringIO
from typing import Final, Literal, TypeAlias

from relay.store import Store, audit_rows
from relay.store.audit_chain import canonical, write_time
from relay.store.audit_rows import AuditQuery, ChainedRow

PAGE_ROWS: Final = 500
Format: TypeAlias = Literal["csv", "jsonl"]
MEDIA_TYPES: Final[Mapping[Format, str]] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "jsonl": "application/jsonl; charset=utf-8",
}
COLUMNS: Final = ("number", "at", "actor", "actor_name", "action", "session", "fields", "hash")

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


async def export(
    store: Store, chain: str, query: AuditQuery, form: Format, *, names: Mapping[str, str]
) -> AsyncIterator[bytes]:
    """The rows of a chain, oldest first, as they are when the export begins.

    Args:
        store: an open store.
        chain: a company's id, or "".
        query: which of its rows.
        form: how to write them.
        names: of actors, by what the log calls them.

    Yields:
        A header (CSV), then some rows at a time; what is yielded may be joined.

    Raises:
        StoreUnavailable: the database failed.
    """
    last = (await store.read(partial(audit_rows.head_of, chain=chain))).number
    if form == "csv":
        yield _csv([COLUMNS])
    after = 0
    while after < last:
        read = partial(
            audit_rows.next_rows, chain=chain, query=query, after=after, up_to=last, limit=PAGE_ROWS
        )
        page = await store.read(read)
        if not page:
            return
        after = page[-1].number
        yield _csv([_cells(row, names) for row in page]) if form == "csv" else _lines(page, chain)


def defuse(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def _cells(stored: ChainedRow, names: Mapping[str, str]) -> list[str]:
    row = stored.row
    fields = json.dumps(dict(row.fields), ensure_ascii=False, sort_keys=True)
    texts = (
        str(stored.number),
        write_time(row.at),
        row.actor,
        names.get(row.actor, ""),
        row.action,
        row.session_id or "",
        fields,
        stored.hash.hex(),
    )
    return [defuse(text) for text in texts]


def _csv(rows: Sequence[Sequence[str]]) -> bytes:
    text = StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)  # RFC 4180 §2
    return text.getvalue().encode(errors="replace")


def _lines(page: Sequence[ChainedRow], chain: str) -> bytes:
    return b"".join(canonical(_object(row, chain)).encode() + b"\n" for row in page)


def _object(stored: ChainedRow, chain: str) -> dict[str, object]:
    row = stored.row
    return {
        "chain": chain,
        "number": stored.number,
        "at": write_time(row.at),
        "session": row.session_id,
        "actor": row.actor,
        "action": row.action,
        "fields": None if stored.salt is None else dict(row.fields),
        "salt": None if stored.salt is None else stored.salt.hex(),
        "fields_hash": stored.fields_hash.hex(),
        "hash": stored.hash.hex(),
    }
