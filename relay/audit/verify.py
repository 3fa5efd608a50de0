"""Verification: whether the audit log is what the relay once wrote.

A chain is walked from its first row to its head, page by page, so that memory is bounded and a relay that
runs is not held up. Found are: a row whose content changed, one that is missing, added or in another place,
an end that was cut off or rewritten after it was signed, and fields that were emptied though retention did
not do it. docs/audit.md says what cannot be found.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from relay.audit.heads import KnownHead, is_signed
from relay.store import Store, StoreUnavailable, Transaction, audit_rows
from relay.store.audit_chain import EMPTY, Head, append, hash_fields
from relay.store.audit_rows import AuditQuery, ChainedRow, SignedHead
from relay.texts import mark

PAGE_ROWS: Final = 500
"""Verified between two looks at whatever else the worker threads have to do: some 5 ms."""

_UNREADABLE_ERRORS = (StoreUnavailable, ValueError, TypeError, KeyError)
"""What the database, its driver and the decoders make of a row that somebody edited."""

UNREADABLE = mark("Row {number} cannot be read; it was changed.")
MISSING = mark("Row {number} is missing.")
TWICE = mark("Row {number} is there twice.")
FIELDS_CHANGED = mark("The details of row {number} were changed.")
ROW_CHANGED = mark("Row {number} was changed, or one before it was replaced.")
EMPTIED = mark("The details of row {number} were deleted, but not by retention.")
ADDED = mark("Row {number} was added, but not by the relay.")
CUT = mark("The log ends before row {number}, which was there.")
REWRITTEN = mark("Row {number} is not the one that the relay signed.")
FORGED = mark("The signature of row {number} is not this relay's.")


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a chain.

    Attributes:
        number: of the row.
        sentence: English source text of the translations, with ``{number}`` in it.
    """

    number: int
    sentence: str

    def __str__(self) -> str:
        return self.sentence.format(number=self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of verifying a chain.

    Attributes:
        chain: which.
        rows: how many hold, from the first on.
        forgotten: how many of them have no fields any more.
        head: where it ends.
        problem: the first thing that is wrong; None if all is well.
    """

    chain: str
    rows: int
    forgotten: int
    head: Head
    problem: Problem | None

    @property
    def is_intact(self) -> bool:
        """True if nothing is wrong."""
        return self.problem is None


@dataclass(frozen=True, slots=True)
class _Ends:
    """How a chain ends, of one moment; `emptied` is the first row that somebody emptied."""

    head: Head
    last: int
    signed: SignedHead | None
    emptied: int | None


async def verify_chain(
    store: Store, chain: str, *, public_key: Ed25519PublicKey, known: Iterable[KnownHead] = ()
) -> Verdict:
    """Walks one chain.

    Args:
        store: an open store; rows may be added meanwhile.
        chain: a company's id, or "".
        public_key: the relay's.
        known: heads that were written down before; those of other chains are passed over.

    Raises:
        StoreUnavailable: the database cannot be read at all.
    """
    ends = await store.read(partial(_find_ends, chain=chain))
    signed = [head.signed for head in known if head.chain == chain]
    signed += [ends.signed] if ends.signed is not None else []
    walk = _Walk(chain, signed)
    problem: Problem | None = None
    for one in signed:
        if not is_signed(public_key, chain, one):
            problem = Problem(one.head.number, FORGED)
    while problem is None and walk.head.number < ends.head.number:
        problem = await _walk_page(store, walk, up_to=ends.head.number)
    if problem is None:
        problem = _compare_ends(walk, ends, signed)
    return Verdict(
        chain=chain, rows=walk.head.number, forgotten=walk.forgotten, head=walk.head, problem=problem
    )


async def verify_all(
    store: Store, *, public_key: Ed25519PublicKey, known: Iterable[KnownHead] = ()
) -> list[Verdict]:
    """Walks every chain that there is, or that `known` says there was."""
    kept = list(known)
    chains = set(await store.read(audit_rows.all_chains)) | {head.chain for head in kept}
    return [await verify_chain(store, chain, public_key=public_key, known=kept) for chain in sorted(chains)]


class _Walk:
    """How far a chain holds.

    Attributes:
        chain: which.
        head: of the rows that hold.
        forgotten: how many of those have no fields any more.
    """

    def __init__(self, chain: str, signed: Iterable[SignedHead]) -> None:
        self.chain = chain
        self.head = EMPTY
        self.forgotten = 0
        self._signed: dict[int, set[bytes]] = {}
        for one in signed:
            self._signed.setdefault(one.head.number, set()).add(one.head.hash)

    def step(self, found: ChainedRow) -> Problem | None:
        """Goes on by one row, or says what is wrong with it."""
        expected = self.head.number + 1
        if found.number != expected:
            return Problem(expected, MISSING) if found.number > expected else Problem(found.number, TWICE)
        row = found.row
        if found.salt is not None and hash_fields(found.salt, row.fields) != found.fields_hash:
            return Problem(expected, FIELDS_CHANGED)
        if found.salt is None and row.fields:
            return Problem(expected, FIELDS_CHANGED)
        head = append(
            self.head,
            chain=self.chain,
            at=row.at,
            session_id=row.session_id,
            actor=row.actor,
            action=row.action,
            fields_hash=found.fields_hash,
        )
        if head.hash != found.hash:
            return Problem(expected, ROW_CHANGED)
        if self._signed.get(expected, {head.hash}) != {head.hash}:
            return Problem(expected, REWRITTEN)
        self.head = head
        self.forgotten += found.salt is None
        return None


def _find_ends(tx: Transaction, *, chain: str) -> _Ends:
    # In this order: the head may have moved on when it is read, never back.
    last = audit_rows.last_number(tx, chain)
    return _Ends(
        audit_rows.head_of(tx, chain),
        last,
        audit_rows.signed_head_of(tx, chain),
        audit_rows.first_emptied(tx, chain),
    )


async def _walk_page(store: Store, walk: _Walk, *, up_to: int) -> Problem | None:
    after = walk.head.number

    def verify(tx: Transaction) -> Problem | None:
        page = audit_rows.next_rows(tx, walk.chain, AuditQuery(), after=after, up_to=up_to, limit=PAGE_ROWS)
        if not page:
            return Problem(after + 1, CUT)
        for found in page:
            problem = walk.step(found)
            if problem is not None:
                return problem
        return None

    try:
        return await store.read(verify)
    except _UNREADABLE_ERRORS as exc:
        unreadable = exc
    # One of the rows is not even of the right form. Which one, is found by asking for each.
    for number in range(after + 1, min(after + PAGE_ROWS, up_to) + 1):
        one = partial(
            audit_rows.next_rows,
            chain=walk.chain,
            query=AuditQuery(),
            after=number - 1,
            up_to=number,
            limit=1,
        )
        try:
            await store.read(one)
        except _UNREADABLE_ERRORS:
            return Problem(number, UNREADABLE)
    raise unreadable


def _compare_ends(walk: _Walk, ends: _Ends, signed: list[SignedHead]) -> Problem | None:
    if ends.last > ends.head.number:
        return Problem(ends.head.number + 1, ADDED)
    if walk.head != ends.head:
        return Problem(ends.head.number, ROW_CHANGED)
    for one in signed:
        if one.head.number > walk.head.number:
            return Problem(one.head.number, CUT)
    if walk.head == EMPTY and walk.chain:
        return Problem(1, MISSING)  # making a company is its first row
    if ends.emptied is not None:
        return Problem(ends.emptied, EMPTIED)
    return None
