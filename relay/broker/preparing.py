"""What a technician's wish does inside a transaction: prepare a session, renew its code, issue a ticket."""

from datetime import datetime, timedelta
from itertools import count

from relay import sessions as rules
from relay.auth import digest, new_id, refusal
from relay.broker.ledger import Ledger, technician_actor
from relay.errors import LimitExceeded, NotAllowed, ReasonRequired, Refused
from relay.people import Company, Permission, TechnicianId, lacks_second_factor
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Channel
from relay.sessions import Event, Session, SessionId
from relay.store import session_rows, ticket_rows
from relay.texts import mark

NOT_LET_IN = mark("You may look at this session, but not connect to its computer.")


def prepare(
    ledger: Ledger,
    technician_id: TechnicianId,
    *,
    invite: bytes,
    customer_email: str,
    note: str,
    language: str,
    wants_receipt: bool,
) -> Session:
    """See `Broker.prepare`."""
    technician, company = ledger.working(technician_id)
    if session_rows.session_by_invite(ledger.tx, digest(invite)) is not None:
        raise Refused(mark("This link was used before; make a new one."))
    check_limits(ledger, technician_id, company)
    session = Session(
        id=SessionId(new_id()),
        company_id=company.id,
        technician_id=technician_id,
        technician_name=technician.name,
        customer_email=customer_email,
        note=note,
        language=language,
        created_at=ledger.now,
        lapse_at=ledger.now + timedelta(seconds=company.preparation_timeout),
        lifetime=company.session_lifetime,
        wants_receipt=wants_receipt,
    )
    # Fewer slots are taken than the limits allow, so the first free ones are within them. Of two relays that
    # choose the same slot the index lets one in, and the store has the other look again.
    own_slots, all_slots = session_rows.occupied_slots(ledger.tx, company.id, technician_id)
    session_rows.insert_session(
        ledger.tx,
        session,
        invite_hash=digest(invite),
        technician_slot=next(slot for slot in count(1) if slot not in own_slots),
        company_slot=next(slot for slot in count(1) if slot not in all_slots),
    )
    ledger.audit(session, "prepared", actor=technician_actor(technician_id))
    return ledger.touch(session)


def check_limits(
    ledger: Ledger, technician_id: TechnicianId, company: Company, *, but: SessionId | None = None
) -> None:
    """Ends the company's overdue sessions, then looks whether the technician may have one more open.

    Args:
        ledger: open for this event.
        technician_id: who.
        company: theirs.
        but: an open session of the company that is about to be theirs, and is counted already.

    Raises:
        LimitExceeded: with the oldest session in the way.
    """
    found = session_rows.open_sessions(ledger.tx, company_id=company.id, for_update=True)
    opened = [session for session in map(ledger.settle, found) if session.state.is_open]
    own = [session for session in opened if session.technician_id == technician_id]
    if len(own) >= company.max_open_per_technician:
        raise LimitExceeded(
            mark("You have as many open sessions as you may have; end one of them first.")
            if but is None
            else mark("Your colleague has as many open sessions as they may have."),
            limit="sessions_per_technician",
            session_id=own[0].id,
        )
    if but is None and len(opened) >= company.max_open_per_company:
        raise LimitExceeded(
            mark("Your company has as many open sessions as it may have; one of them must end first."),
            limit="sessions_per_company",
            session_id=opened[0].id,
        )


def renew_code(ledger: Ledger, technician_id: TechnicianId, session_id: SessionId) -> Session:
    """See `Broker.renew_code`."""
    session = ledger.find_own(session_id, technician_id)
    actor = technician_actor(technician_id)
    try:
        renewed = rules.renew_code(session)
    except Refused as exc:
        if exc.close_reason is not CloseReason.GUESSES:
            raise
        return ledger.happen(session, Event.GUESSED_OUT, actor=actor)
    ledger.audit(renewed, "renewed", actor=actor, code=renewed.code)
    return ledger.keep(renewed)


def issue_ticket(
    ledger: Ledger,
    technician_id: TechnicianId,
    session_id: SessionId,
    kinds: frozenset[Channel],
    *,
    secret: bytes,
    ttl: float,
    reason: str,
    asked_by_hash: bytes | None,
) -> datetime:
    """Stores the ticket `secret` (its hash) and answers when it is dead; see `Broker.issue_ticket`."""
    technician, company = ledger.working(technician_id)
    session, access = ledger.standing(session_id, technician)
    if access == "read" or Permission.USE_SESSIONS not in technician.permissions:
        raise NotAllowed(NOT_LET_IN, CloseReason.KIND_NOT_GRANTED)
    if lacks_second_factor(technician, company):
        raise refusal()
    for kind in sorted(kinds):
        refused = rules.check_kind(session, company, kind, ledger.now) or rules.check_access(access, kind)
        if refused is CloseReason.OUT_OF_ORDER:
            raise Refused(mark("The computer is paired already; it needs no security code."), refused)
        if refused is not None:
            raise Refused(refused.sentence, refused)
    if company.requires_reason and not reason and kinds != {Channel.PAIR}:
        raise ReasonRequired(mark("Your company wants a reason for each connection."))
    expires_at = ledger.now + timedelta(seconds=ttl)
    ticket_rows.delete_dead_tickets(ledger.tx, before=ledger.now)
    ticket = ticket_rows.Ticket(
        session_id=session_id,
        technician_id=technician_id,
        kinds=kinds,
        access="view" if access == "view" else "full",
        reason=reason,
        asked_by_hash=asked_by_hash,
        expires_at=expires_at,
    )
    ticket_rows.insert_ticket(ledger.tx, digest(secret), ticket)
    return expires_at
