"""What happens inside a transaction when peers come: admission by invite, credential or ticket, and receipts.

All of it is asked for by strangers. The functions answer `relay.auth.refusal` for whatever is wrong, and
return it where something must stay done nevertheless (a spent ticket, a session found overdue).
"""

from datetime import timedelta

from relay import sessions as rules
from relay.auth import digest, is_same, refusal
from relay.broker.ledger import NO_SUCH_SESSION, Ledger, technician_actor
from relay.broker.records import HostAbout, ViewerAdmission
from relay.errors import Refused, SessionUnavailable
from relay.protocol.lease import verify_receipt
from relay.sessions import Company, Event, Session, SessionId, SessionState
from relay.store import session_rows


def join_host(
    ledger: Ledger,
    secret: bytes,
    about: HostAbout,
    *,
    credential: bytes | None,
    receipt_window: float,
) -> tuple[Session, Company] | Refused:
    """The session this host holds from now on, and its company.

    Args:
        secret: its invite, if there is a `credential` to give for it, else its credential.
        about: what it says, its proof checked.
        credential: fresh; the one that joins from now on.
        receipt_window: seconds after the end in which a credential still admits, for the receipt.
    """
    if credential is not None:
        session = _by_invite(ledger, digest(secret), about, digest(credential))
    else:
        session = _by_credential(ledger, digest(secret), about, receipt_window)
    if session is None:
        return refusal()
    if session.state is SessionState.PREPARED:
        session = ledger.happen(session, Event.HOST_JOINED, actor="host", computer=about.computer)
    elif session.state.is_open:
        ledger.audit(session, "host_returned", actor="host", computer=about.computer)
        ledger.keep(session)
    return session, ledger.company(session.company_id)


def _by_invite(
    ledger: Ledger, invite_hash: bytes, about: HostAbout, credential_hash: bytes
) -> Session | None:
    """The session, now held by this host, if the invite is alive. Until activation the newest host wins."""
    found = session_rows.session_by_invite(ledger.tx, invite_hash, for_update=True)
    if found is None:
        return None
    session = ledger.settle(found)
    if session.state not in (SessionState.PREPARED, SessionState.WAITING):
        return None
    session, is_other = rules.host_replaced(
        session, key=about.key, computer=about.computer, os=about.os, user=about.user
    )
    if is_other:
        ledger.audit(session, "host_replaced", actor="host", computer=about.computer)
    session_rows.set_credential(ledger.tx, session.id, credential_hash)
    session_rows.set_wrapped(ledger.tx, session.id, None)
    return session


def _by_credential(
    ledger: Ledger, credential_hash: bytes, about: HostAbout, receipt_window: float
) -> Session | None:
    """The session of the host that holds this credential and its key, an ended one only within the window."""
    found = session_rows.session_by_credential(ledger.tx, credential_hash, for_update=True)
    if found is None:
        return None
    session = ledger.settle(found)
    if not is_same(session.host_key, about.key):
        return None
    if session.ended_at is not None and ledger.now >= session.ended_at + timedelta(seconds=receipt_window):
        return None
    return session


def take_receipt(ledger: Ledger, session_id: SessionId, body: bytes, signature: bytes) -> Session:
    """See `Broker.record_receipt`."""
    session = ledger.find(session_id)
    if session.host_key is None or session.removal != "pending":
        raise SessionUnavailable(NO_SUCH_SESSION)
    receipt = verify_receipt(body, signature, host_key=session.host_key, session=session_id)
    proof = {"receipt": body.hex(), "signature": signature.hex()}
    if receipt.left:
        ledger.audit(session, "removal_incomplete", actor="host", left=receipt.left, **proof)
        sentence = "The host could not remove everything: " + ", ".join(receipt.left)
        return ledger.keep(rules.warn(session, sentence))
    session_rows.set_credential(ledger.tx, session_id, None)
    return ledger.happen(
        session,
        Event.REMOVAL_CONFIRMED,
        actor="host",
        reason=receipt.reason,
        removed=receipt.removed,
        **proof,
    )


def admit_viewer(ledger: Ledger, ticket: bytes) -> ViewerAdmission | Refused:
    """Spends the ticket, then checks again all it stood on."""
    spent = session_rows.use_ticket(ledger.tx, digest(ticket), ledger.now)
    if spent is None:
        return refusal()
    session_id, technician_id, kinds = spent
    try:
        technician, company = ledger.working(technician_id)
        session = ledger.find_own(session_id, technician_id)
    except Refused:
        return refusal()
    if any(rules.check_kind(session, company, kind, ledger.now) is not None for kind in kinds):
        return refusal()
    ledger.audit(session, "admitted", actor=technician_actor(technician_id), kinds=sorted(kinds))
    return ViewerAdmission(session=session, company=company, technician_name=technician.name, kinds=kinds)
