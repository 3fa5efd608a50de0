"""The clock's part: sessions end when their time is over, whoever is connected, whatever the store does; and
what was noted meanwhile is written down."""

import structlog
import trio

from relay import sessions as rules
from relay.broker.books import Books
from relay.broker.ledger import Ledger
from relay.broker.records import BrokerSettings
from relay.errors import RelayError
from relay.sessions import Event, SessionId, SessionState
from relay.store import session_rows, share_rows

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def run_deadlines(
    books: Books, settings: BrokerSettings, *, task_status: trio.TaskStatus[None]
) -> None:
    """See `Broker.run_deadlines`."""
    await books.commit(_recover, lambda found: _learn(books, *found))
    task_status.started()
    while True:
        changed = books.changed
        delay = await _end_due(books, settings)
        with trio.move_on_after(delay):
            await changed.wait()


async def run_notes(books: Books, settings: BrokerSettings) -> None:
    """Has what was noted written within `BrokerSettings.note_delay`, also when nothing else is."""
    while True:
        await books.noted.wait()
        await trio.sleep(settings.note_delay)
        try:
            await books.commit(lambda ledger: None)
        except RelayError:
            log.exception("rows of the audit log could not be written yet")


def _learn(books: Books, hashes: dict[SessionId, bytes], shares: share_rows.Shares) -> None:
    books.learn_credentials(hashes)
    books.learn_shares(shares)


def _recover(ledger: Ledger) -> tuple[dict[SessionId, bytes], share_rows.Shares]:
    """At the start nobody is connected, whatever the store says.

    Returns:
        The hashes of the credentials by which the hosts of open sessions are known, and who is in them.
    """
    found = session_rows.open_sessions(ledger.tx, for_update=True)
    hashes = session_rows.credentials_of_open(ledger.tx)
    for session in map(ledger.settle, found):
        if session.state is SessionState.WAITING:
            ledger.happen(session, Event.HOST_DROPPED, actor="relay")
        elif session.state.is_open:
            ledger.touch(session)
    known = {
        session_id: hashes[session_id]
        for session_id, session in ledger.changed.items()
        if session.state.is_open and session_id in hashes
    }
    return known, share_rows.shares_of_open(ledger.tx)


async def _end_due(books: Books, settings: BrokerSettings) -> float:
    """Ends what is due; the seconds until it should be looked at again, unless something changes before."""
    now = books.now()
    overdue = books.due(now)
    if overdue:
        try:
            await books.commit(lambda ledger: [ledger.find(session.id) for session in overdue])
        except RelayError:
            # A store that fails must not lengthen anybody's session: connections are closed, and streams are
            # refused by the clock, until the store can write it down.
            log.exception("sessions could not be ended", sessions=[session.id for session in overdue])
            for session in overdue:
                event = rules.due(session, now)
                if event is not None:
                    books.revoke(session.id, rules.END_REASONS[event])
            return settings.retry_interval
    deadline = books.next_deadline()
    if deadline is None:
        return settings.recheck_interval
    return min(settings.recheck_interval, max(0.0, (deadline - books.now()).total_seconds()))
