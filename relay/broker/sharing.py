"""Colleagues in a session: let one in, take the right back, hand the session over; inside a transaction."""

from dataclasses import replace

from relay import sessions as rules
from relay.broker.ledger import NO_SUCH_SESSION, Ledger, technician_actor
from relay.broker.preparing import check_limits
from relay.errors import LimitExceeded, NotAllowed, Refused, SessionUnavailable
from relay.people import Permission, Technician, TechnicianId
from relay.sessions import MAX_SHARES, Session, SessionId, Share
from relay.store import account_rows, session_rows, share_rows, ticket_rows
from relay.texts import mark

ENDED = mark("The session has ended.")
OWN_SESSION = mark("The session is theirs already.")
NO_COLLEAGUE = mark("There is no such colleague who could connect.")
TOO_MANY = mark("As many colleagues as possible are in this session already.")


def managed(
    ledger: Ledger,
    technician_id: TechnicianId,
    session_id: SessionId,
    permissions: frozenset[Permission] | None,
) -> Session:
    """The session with its shares, if the technician may manage it.

    Raises:
        SessionUnavailable: there is none that they may know of.
        NotAllowed: they may only look at it, or connect.
    """
    technician, _ = ledger.working(technician_id)
    session, _ = ledger.standing(session_id, technician, permissions)
    held = technician.permissions if permissions is None else technician.permissions & permissions
    if not rules.may_manage_session(session, technician, held):
        raise NotAllowed(mark("Only whom the session belongs to, or an administrator, may do this."))
    return session


def share(ledger: Ledger, session: Session, with_: TechnicianId, access: str, *, by: TechnicianId) -> Session:
    """Lets a colleague in, or changes what they may do. See `Broker.share`."""
    _require_open(session)
    colleague = _colleague(ledger, session, with_)
    if colleague.id == session.technician_id:
        raise Refused(OWN_SESSION)
    others = tuple(known for known in session.shares if known.technician_id != with_)
    if len(others) >= MAX_SHARES:
        raise LimitExceeded(TOO_MANY, limit="shares_per_session")
    made = Share(colleague.id, colleague.name, "full" if access == "full" else "view")
    share_rows.put_share(ledger.tx, session.id, made, ledger.now)
    ledger.audit(session, "shared", actor=technician_actor(by), technician=with_, access=made.access)
    return _told(ledger, session, (*others, made))


def unshare(ledger: Ledger, session: Session, with_: TechnicianId, *, by: TechnicianId) -> Session:
    """Takes the right back; nothing happens if there is none. See `Broker.unshare`."""
    others = tuple(known for known in session.shares if known.technician_id != with_)
    if others == session.shares:
        return session
    share_rows.remove_share(ledger.tx, session.id, with_)
    ticket_rows.delete_tickets_of(ledger.tx, session.id, [with_])
    ledger.audit(session, "unshared", actor=technician_actor(by), technician=with_)
    return _told(ledger, session, others)


def hand_over(ledger: Ledger, session: Session, to: TechnicianId, *, by: TechnicianId) -> Session:
    """Makes the session a colleague's; who had it is let in with all tools. See `Broker.hand_over`."""
    _require_open(session)
    if to == session.technician_id:
        return session
    colleague = _colleague(ledger, session, to)
    check_limits(ledger, colleague.id, ledger.company(session.company_id), but=session.id)
    former = Share(session.technician_id, session.technician_name, "full")
    others = tuple(known for known in session.shares if known.technician_id != to)
    after = replace(session, technician_id=colleague.id, technician_name=colleague.name)
    share_rows.remove_share(ledger.tx, session.id, to)
    share_rows.put_share(ledger.tx, session.id, former, ledger.now)
    # The slot first: under its new owner the old slot may be held.
    slot = session_rows.free_slot(ledger.tx, colleague.id)
    session_rows.move_slot(ledger.tx, session.id, colleague.id, slot)
    ledger.audit(after, "handed_over", actor=technician_actor(by), before=session.technician_id, to=to)
    ledger.keep(after)
    return _told(ledger, after, (*others, former))


def _told(ledger: Ledger, session: Session, shares: tuple[Share, ...]) -> Session:
    after = replace(session, shares=shares)
    if session.state.is_open:
        ledger.shares[session.id] = shares
        ledger.touch(after)
    return after


def _require_open(session: Session) -> None:
    if not session.state.is_open:
        raise Refused(ENDED)


def _colleague(ledger: Ledger, session: Session, technician_id: TechnicianId) -> Technician:
    """Somebody of the session's company who may connect.

    Raises:
        SessionUnavailable: there is nobody of this id in the company.
        Refused: they may not connect to computers.
    """
    found = account_rows.technician_by_id(ledger.tx, technician_id)
    if found is None or found.company_id != session.company_id:
        raise SessionUnavailable(NO_SUCH_SESSION)
    if Permission.USE_SESSIONS not in found.permissions:
        raise Refused(NO_COLLEAGUE)
    return found
