"""The recorder: who used which tool, and who was refused, written down soon and in bounded space.

What calls it carries bytes and must not wait: every method but `run` is synchronous and only takes a note.
`run` writes the notes half a second later, all in one transaction. A relay that is killed forgets what it
noted in that time; uses that were written and are open then are ended at the next start, at their last sign
of life, and marked as estimated.

Strangers decide how often they are refused, so a refusal gets no row of its own: of each kind there is at
most one row a minute, with a count, and beyond `MAX_KINDS` kinds of a minute all share one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Literal, NamedTuple

import structlog
import trio

from relay.errors import RelayError
from relay.people import CompanyId, TechnicianId
from relay.protocol.frames import Channel
from relay.sessions import SessionId
from relay.store import Store, Transaction, audit_rows, use_rows
from relay.store.audit_rows import AuditField, AuditRow
from relay.store.use_rows import Use

WRITE_DELAY: Final = 0.5
"""Seconds from a note to its row, so that what happens together is written together."""
RETRY_DELAY: Final = 5.0
"""Seconds until what the store did not take is tried again."""
REOPEN_WITHIN: Final = 2.0
"""Seconds after which a tool that is opened again is another use: a viewer that reconnects a stream, or
flickers on purpose, makes no rows."""
SIGN_OF_LIFE_INTERVAL: Final = 30.0
"""Seconds by which the estimated end of a use can be too early."""
REFUSALS_INTERVAL: Final = 60.0
"""Seconds between two rows of one kind of refusal."""
MAX_KINDS: Final = 1024
MAX_WAITING: Final = 4096
"""Ended uses that wait while the store fails; beyond it the oldest are given up, and the log says so."""
FLUSH_TIMEOUT: Final = 5.0
"""Seconds for the last rows when the relay stops."""

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """An attached viewer, as the audit names it.

    Attributes:
        connection: unique in this process.
        session_id, company_id: where.
        technician_id, technician_name: who.
        access: what they may do.
        reason: why they connect, as they said; may be empty.
    """

    connection: int
    session_id: SessionId
    company_id: CompanyId
    technician_id: TechnicianId
    technician_name: str
    access: Literal["view", "full"] = "full"
    reason: str = ""


@dataclass(slots=True, eq=False)
class _Using:
    """A use in memory.

    Attributes:
        attached, tool, began_at: what it is.
        streams: how many of the tool are open.
        ended_at: when the last one was closed; it may be opened again within `REOPEN_WITHIN`.
        is_over: it will not be.
        row_id: of its row; None while it has none.
        written_end: what the row has.
    """

    attached: Attached
    tool: Channel
    began_at: datetime
    streams: int = 1
    ended_at: datetime | None = None
    is_over: bool = False
    row_id: int | None = None
    written_end: datetime | None = None

    def record(self) -> Use:
        """As a row."""
        return Use(
            session_id=self.attached.session_id,
            company_id=self.attached.company_id,
            technician_id=self.attached.technician_id,
            technician_name=self.attached.technician_name,
            tool=self.tool.value,
            access=self.attached.access,
            reason=self.attached.reason,
            began_at=self.began_at,
            ended_at=self.ended_at,
        )


class _Kind(NamedTuple):
    """What refusals are counted by; all from closed sets or from what was authenticated."""

    action: str
    company_id: CompanyId | None
    session_id: SessionId | None
    actor: str
    reason: str


@dataclass(slots=True)
class _Refused:
    """Refusals of one kind.

    Attributes:
        count: those that are in no row yet.
        since: when the first of them was.
        due_at: when they may have one.
    """

    count: int
    since: datetime
    due_at: datetime


class Recorder:
    """Takes notes of what the audit must know, and writes them.

    Args:
        store: an open store.
        now: the clock, aware and in UTC.

    Concurrency: any task may call anything; `run` once.
    """

    def __init__(self, store: Store, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._noted = trio.Event()
        self._uses: dict[tuple[int, Channel], _Using] = {}
        self._over: list[_Using] = []  # will not change any more, not all written yet
        self._refused: dict[_Kind, _Refused] = {}

    def tool_opened(self, attached: Attached, tool: Channel) -> None:
        """A stream of a tool was opened; further ones are the same use."""
        key = attached.connection, tool
        known = self._uses.get(key)
        now = self._now()
        if known is not None and known.ended_at is None:
            known.streams += 1
            return
        if known is not None and known.ended_at is not None:
            if now - known.ended_at < timedelta(seconds=REOPEN_WITHIN):
                known.streams, known.ended_at = 1, None
                return
            self._finish(key)
        self._uses[key] = _Using(attached, tool, now)
        self._noted.set()

    def tool_closed(self, attached: Attached, tool: Channel) -> None:
        """A stream that was opened is closed, by whomever; the last one ends the use."""
        known = self._uses.get((attached.connection, tool))
        if known is None or known.ended_at is not None:
            return
        known.streams -= 1
        if known.streams == 0:
            known.ended_at = self._now()
            self._noted.set()

    def viewer_detached(self, attached: Attached) -> None:
        """The viewer is gone, and so are its tools."""
        for key in [(attached.connection, tool) for tool in Channel]:
            if key in self._uses:
                self._finish(key)

    def refused(
        self,
        action: str,
        *,
        company_id: CompanyId | None = None,
        session_id: SessionId | None = None,
        actor: str = "stranger",
        reason: str = "",
    ) -> None:
        """Something was refused.

        Args:
            action: one word, ``…_refused``.
            company_id, session_id: where, if that is known for certain.
            actor: as in `relay.store.audit_rows.AuditRow`.
            reason: one word of a closed set, nothing that anybody typed.
        """
        kind = _Kind(action, company_id, session_id, actor, reason)
        known = self._refused.get(kind)
        if known is None and len(self._refused) >= MAX_KINDS:
            kind = _Kind(action, None, None, "stranger", "")
            known = self._refused.get(kind)
        now = self._now()
        if known is None:
            self._refused[kind] = _Refused(1, now, now)
        else:
            if known.count == 0:
                known.since = now
            known.count += 1
        self._noted.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Writes what is noted, until cancelled; ready when what an earlier relay left open is ended.

        Cancellation: everything that is open counts as ended, and is written within `FLUSH_TIMEOUT`.
        """
        await self._close_abandoned(unseen_since=None)
        task_status.started()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._show_life)
                while True:
                    with trio.move_on_after(self._pause()):
                        await self._noted.wait()
                    await trio.sleep(WRITE_DELAY)
                    if not await self._try_to_write():
                        await trio.sleep(RETRY_DELAY)
        finally:
            for key in list(self._uses):
                self._finish(key)
            for refused in self._refused.values():
                refused.due_at = self._now()
            with trio.move_on_after(FLUSH_TIMEOUT, shield=True):
                await self._try_to_write()

    async def write(self) -> None:
        """Writes all that is noted and due, now.

        Raises:
            RelayError: the store failed; the notes are kept.
        """
        now = self._now()
        self._noted = trio.Event()
        for key, using in list(self._uses.items()):
            if using.ended_at is not None and now - using.ended_at >= timedelta(seconds=REOPEN_WITHIN):
                self._finish(key)
        over = list(self._over)
        uses = [*over, *self._uses.values()]
        new = [using for using in uses if using.row_id is None]
        added = [using.record() for using in new]
        ends = {
            using.row_id: using.ended_at
            for using in uses
            if using.row_id is not None and using.ended_at != using.written_end
        }
        kinds = [kind for kind, refused in self._refused.items() if refused.count and refused.due_at <= now]
        rows = [_opened_row(using) for using in new]
        rows += [_closed_row(using.record(), using.ended_at or now) for using in over]
        rows += [_refused_row(kind, self._refused[kind], now) for kind in kinds]
        if not (rows or ends):
            return

        def work(tx: Transaction) -> list[int]:
            ids = use_rows.insert_uses(tx, added, seen_at=now)
            use_rows.set_ends(tx, ends)
            audit_rows.add_all(tx, rows)
            return ids

        counts = {kind: self._refused[kind].count for kind in kinds}
        ids = await self._store.write(work)
        # No checkpoint from here: memory agrees with the store again.
        for using, row_id, use in zip(new, ids, added, strict=True):
            using.row_id, using.written_end = row_id, use.ended_at
        for using in uses:
            if using.row_id in ends:
                using.written_end = ends[using.row_id]
        written = set(map(id, over))
        self._over = [using for using in self._over if id(using) not in written]
        for kind, count in counts.items():
            self._refused[kind].count -= count
            self._refused[kind].since = now
            self._refused[kind].due_at = now + timedelta(seconds=REFUSALS_INTERVAL)

    def _finish(self, key: tuple[int, Channel]) -> None:
        using = self._uses.pop(key)
        using.ended_at = using.ended_at or self._now()
        self._over.append(using)
        if len(self._over) > MAX_WAITING:
            del self._over[0]
            log.error("a use of a tool was given up; the store does not take it")
        self._noted.set()

    def _pause(self) -> float:
        """Seconds until something is due that nobody will note."""
        now = self._now()
        waiting = [now + timedelta(seconds=REFUSALS_INTERVAL)]
        waiting += [refused.due_at for refused in self._refused.values() if refused.count]
        waiting += [
            using.ended_at + timedelta(seconds=REOPEN_WITHIN)
            for using in self._uses.values()
            if using.ended_at is not None
        ]
        # Kinds that were quiet for an interval are forgotten; they may have a row at once next time.
        for kind, refused in list(self._refused.items()):
            if not refused.count and refused.due_at <= now:
                del self._refused[kind]
        return max(0.0, (min(waiting) - now).total_seconds())

    async def _try_to_write(self) -> bool:
        try:
            await self.write()
        except RelayError:
            log.exception("uses of tools could not be written yet")
            self._noted.set()
            return False
        return True

    async def _show_life(self) -> None:
        while True:
            await trio.sleep(SIGN_OF_LIFE_INTERVAL)
            now = self._now()
            ids = [
                using.row_id
                for using in self._uses.values()
                if using.row_id is not None and using.ended_at is None
            ]
            try:
                if ids:
                    await self._store.write(partial(use_rows.touch, ids=ids, now=now))
                # Of other relays on the same database, which may be killed as well.
                await self._close_abandoned(unseen_since=now - 4 * timedelta(seconds=SIGN_OF_LIFE_INTERVAL))
            except RelayError:
                log.exception("a sign of life could not be written")

    async def _close_abandoned(self, *, unseen_since: datetime | None) -> None:
        def work(tx: Transaction) -> None:
            found = use_rows.close_abandoned(tx, unseen_since=unseen_since)
            now = self._now()
            audit_rows.add_all(tx, [_closed_row(use, now) for use in found])

        await self._store.write(work)


def _row(use: Use, at: datetime, action: str, **fields: AuditField) -> AuditRow:
    return AuditRow(
        at=at,
        company_id=use.company_id,
        session_id=use.session_id,
        actor=audit_rows.technician_actor(use.technician_id),
        action=action,
        fields={"technician": use.technician_name, "tool": use.tool, "access": use.access, **fields},
    )


def _opened_row(using: _Using) -> AuditRow:
    use = using.record()
    return _row(use, use.began_at, "tool_opened", **({"reason": use.reason} if use.reason else {}))


def _closed_row(use: Use, at: datetime) -> AuditRow:
    estimated: dict[str, AuditField] = {"estimated": True} if use.is_estimated else {}
    return _row(use, at, "tool_closed", seconds=use.seconds, **estimated)


def _refused_row(kind: _Kind, refused: _Refused, now: datetime) -> AuditRow:
    fields: dict[str, AuditField] = {"count": refused.count}
    if refused.count > 1:
        fields["seconds"] = round((now - refused.since).total_seconds(), 1)
    if kind.reason:
        fields["reason"] = kind.reason
    return AuditRow(
        at=now,
        company_id=kind.company_id,
        session_id=kind.session_id,
        actor=kind.actor,
        action=kind.action,
        fields=fields,
    )
