"""What happens inside a transaction when peers come: admission by invite, credential or ticket, and receipts.

All of it is asked for by strangers. The functions answer `relay.auth.refusal` for whatever is wrong, and
return it where something must stay done nevertheless (a spent ticket, a session found overdue).
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from relay import sessions as rules
from relay.auth import digest, is_same, refusal
from relay.broker.ledger import NO_SUCH_SESSION, Ledger, technician_actor
from relay.broker.records import HostAbout, ViewerAdmission
from relay.errors import Refused, SessionUnavailable
from relay.people import Company
from relay.protocol.lease import verify_receipt
from relay.protocol.refusals import Refusal
from relay.sessions import Event, Session, SessionId, SessionState
from relay.store import ticket_rows
from relay.store.session_rows import SessionKey

_INCOMPLETE: Final = "The host could not remove everything:"


def join_host(
    ledger: Ledger,
    key: SessionKey,
    about: HostAbout,
    *,
    connection: int,
    credential: bytes | None,
    receipt_window: float,
) -> tuple[Session, Company, bool] | Refused:
    """The session this host holds from now on, its company, and whether it came at once with another host.

    Args:
        key: of its invite, if there is a `credential` to give for it, else of its credential.
        about: what it says, its proof checked.
        connection: the number of its connection.
        credential: fresh; the one that joins from now on.
        receipt_window: seconds after the end in which a credential still admits, for the receipt.
    """
    if credential is not None:
        session = _by_invite(ledger, key, about, digest(credential))
    else:
        session = _by_credential(ledger, key, about, receipt_window)
    if session is None:
        return refusal()
    if session.state is SessionState.PREPARED:
        session = ledger.happen(session, Event.HOST_JOINED, actor="host", computer=about.computer)
    elif session.state.is_open:
        ledger.audit(session, "host_returned", actor="host", computer=about.computer)
        ledger.touch(session)
    has_rival = ledger.has_joined(session.id)
    if session.state.is_open:
        ledger.joined[session.id] = connection
    return session, ledger.company(session.company_id), has_rival


def invite_key(invite: bytes) -> SessionKey:
    """By which the session of an invite is found."""
    return SessionKey("invite_hash", digest(invite))


def credential_key(credential: bytes) -> SessionKey:
    """By which the session of a host's credential is found."""
    return SessionKey("credential_hash", digest(credential))


def is_return(session: Session, about: HostAbout, now: datetime) -> bool:
    """Whether this host, whose credential is the session's, comes back to find all that is stored as it is.

    That is so in an active session. Before activation its coming is a step of the table; whoever is not the
    session's host, or late, is left to `join_host`.
    """
    return (
        session.state is SessionState.ACTIVE
        and rules.due(session, now) is None
        and is_same(session.host_key, about.key)
    )


def drop_host(ledger: Ledger, session_id: SessionId, connection: int) -> bool:
    """See `Broker.host_dropped`; False if a newer connection has taken this one's place."""
    if ledger.host(session_id) != connection:
        return False
    session = ledger.find(session_id)
    if session.state is SessionState.WAITING:
        ledger.happen(session, Event.HOST_DROPPED, actor="host")
    elif session.state.is_open:
        ledger.audit(session, "host_offline", actor="host")
        ledger.touch(session)
    return True


def _by_invite(ledger: Ledger, key: SessionKey, about: HostAbout, credential_hash: bytes) -> Session | None:
    """The session, now held by this host, if the invite is alive. Until activation the newest host wins."""
    session = ledger.find_by(key)
    if session is None or session.state not in (SessionState.PREPARED, SessionState.WAITING):
        return None
    session, is_other = rules.host_replaced(
        session, key=about.key, computer=about.computer, os=about.os, user=about.user
    )
    if is_other:
        ledger.audit(session, "host_replaced", actor="host", computer=about.computer)
    return ledger.keep(session, {"credential_hash": credential_hash, "wrapped": None})


def _by_credential(
    ledger: Ledger, key: SessionKey, about: HostAbout, receipt_window: float
) -> Session | None:
    """The session of the host that holds this credential and its key, an ended one only within the window."""
    session = ledger.find_by(key)
    if session is None or not is_same(session.host_key, about.key):
        return None
    if session.ended_at is not None and ledger.now >= session.ended_at + timedelta(seconds=receipt_window):
        return None
    return session


def note_refusal(ledger: Ledger, key: SessionKey, refusal: Refusal) -> None:
    """See `Broker.record_refusal`. The log has each kind once; more would be a stranger's to fill it with."""
    session = ledger.find_by(key)
    if session is None:
        return
    after = rules.record_refusal(session, refusal, ledger.now)
    if after is session:
        return
    if refusal.step not in dict(session.funnel):
        ledger.audit(session, "host_refused", actor="host", refusal=refusal.value)
    ledger.keep(after)


def take_receipt(ledger: Ledger, session_id: SessionId, body: bytes, signature: bytes) -> Session:
    """See `Broker.record_receipt`."""
    session = ledger.find(session_id)
    if session.host_key is None or session.removal != "pending":
        raise SessionUnavailable(NO_SUCH_SESSION)
    receipt = verify_receipt(body, signature, host_key=session.host_key, session=session_id)
    acts = [f"{act}: {count}" for act, count in receipt.acts.items()]
    proof = {"receipt": body.hex(), "signature": signature.hex()}
    # What an earlier receipt said of the same is old news; the log keeps it.
    warnings = tuple(warning for warning in session.warnings if not warning.startswith(_INCOMPLETE))
    session = replace(session, warnings=warnings)
    if receipt.left:
        ledger.audit(session, "removal_incomplete", actor="host", left=receipt.left, acts=acts, **proof)
        sentence = f"{_INCOMPLETE} {', '.join([*receipt.left, *receipt.going])}"
        if receipt.again:
            sentence += ". It tries again when the computer starts next."
        return ledger.keep(rules.warn(session, sentence))
    return ledger.happen(
        ledger.keep(session, {"credential_hash": None}),
        Event.REMOVAL_ALL_BUT_LAST if receipt.going else Event.REMOVAL_CONFIRMED,
        actor="host",
        reason=receipt.reason,
        removed=receipt.removed,
        acts=acts,
        **proof,
        **({"going": receipt.going} if receipt.going else {}),
    )


def admit_viewer(ledger: Ledger, ticket: bytes) -> ViewerAdmission | Refused:
    """Spends the ticket, then checks again all it stood on."""
    spent = ticket_rows.use_ticket(ledger.tx, digest(ticket), ledger.now)
    if spent is None:
        return refusal()
    asker = spent.asked_by_hash
    if asker is not None and not ticket_rows.is_asker_alive(ledger.tx, asker, ledger.now):
        return refusal()
    try:
        technician, company = ledger.working(spent.technician_id)
        session, access = ledger.standing(spent.session_id, technician)
    except Refused:
        return refusal()
    if spent.access == "full" and access not in ("owner", "full"):
        return refusal()
    for kind in spent.kinds:
        if rules.check_kind(session, company, kind, ledger.now) or rules.check_access(access, kind):
            return refusal()
    ledger.audit(session, "admitted", actor=technician_actor(technician.id), kinds=sorted(spent.kinds))
    return ViewerAdmission(
        session=session,
        company=company,
        technician_id=technician.id,
        technician_name=technician.name,
        kinds=spent.kinds,
        access=spent.access,
        reason=spent.reason,
        asked_by_hash=spent.asked_by_hash,
    )
