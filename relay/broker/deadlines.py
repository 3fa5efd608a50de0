"""The clock's part: sessions end when their time is over, whoever is connected, whatever the store does."""

import structlog
import trio

from relay import sessions as rules
from relay.broker.books import Books
from relay.broker.ledger import Ledger
from relay.broker.records import BrokerSettings
from relay.errors import RelayError
from relay.sessions import Event, SessionState
from relay.store import session_rows

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


async def run_deadlines(
    books: Books, settings: BrokerSettings, *, task_status: trio.TaskStatus[None]
) -> None:
    """See `Broker.run_deadlines`."""
    await books.commit(_recover)
    task_status.started()
    while True:
        changed = books.changed
        delay = await _end_due(books, settings)
        with trio.move_on_after(delay):
            await changed.wait()


def _recover(ledger: Ledger) -> None:
    """At the start nobody is connected, whatever the store says."""
    for found in session_rows.open_sessions(ledger.tx, for_update=True):
        session = ledger.settle(found)
        if session.state is SessionState.WAITING:
            ledger.happen(session, Event.HOST_DROPPED, actor="relay")
        elif session.state.is_open:
            ledger.touch(session)


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
