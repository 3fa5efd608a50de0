"""What happens inside a transaction from the first try of a code to activation, and the lease then."""

import math
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay import sessions as rules
from relay.broker.ledger import NO_SUCH_SESSION, Ledger
from relay.errors import Refused, SessionUnavailable
from relay.people import Company
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Role
from relay.protocol.lease import Lease, sign_lease
from relay.sessions import Event, Session, SessionId, SessionState


def count_try(ledger: Ledger, session_id: SessionId, *, code: int, attempt: int) -> Session | Refused:
    """See `Broker.count_try`; a refusal is returned where it ends the session."""
    session = ledger.find(session_id)
    try:
        counted = rules.count_try(session, code=code, attempt=attempt)
    except Refused as exc:
        if exc.close_reason is CloseReason.TOO_MANY_TRIES and session.attempts >= rules.MAX_ATTEMPTS:
            ledger.happen(session, Event.GUESSED_OUT, actor="relay")
        return exc
    ledger.audit(counted, "tried", actor="host", code=code, attempt=attempt)
    return ledger.keep(counted)


def fail_try(ledger: Ledger, session_id: SessionId) -> None:
    """See `Broker.try_failed`."""
    session = ledger.find(session_id)
    if session.state not in (SessionState.PREPARED, SessionState.WAITING):
        return
    failed = rules.fail_try(session, ledger.now)
    if failed is session:
        return
    ledger.audit(failed, "wrong_code", actor="host", attempt=failed.attempts)
    if rules.is_guessed_out(failed):
        ledger.happen(failed, Event.GUESSED_OUT, actor="relay")
    else:
        ledger.keep(failed)


def report_ready(ledger: Ledger, session_id: SessionId) -> Session:
    """See `Broker.report_ready`."""
    session = ledger.find(session_id)
    if session.state is SessionState.ACTIVE or (session.state.is_open and session.host_ready):
        return session
    if session.state is not SessionState.WAITING:
        raise SessionUnavailable(NO_SUCH_SESSION)
    ledger.audit(session, "ready", actor="host")
    return _activated_if_paired(ledger, ledger.keep(replace(session, host_ready=True)))


def report_paired(
    ledger: Ledger, session_id: SessionId, *, role: Role, attempt: int, wrapped: bytes | None
) -> Session:
    """See `Broker.report_paired`."""
    session = ledger.find(session_id)
    if session.state is SessionState.ACTIVE and attempt == session.attempts:
        return session  # said again after a reconnect
    paired = ledger.keep(
        rules.report_paired(session, role=role, attempt=attempt),
        {"wrapped": wrapped} if role == "viewer" else None,
    )
    ledger.audit(paired, "paired", actor=role, attempt=attempt)
    return _activated_if_paired(ledger, paired)


def _activated_if_paired(ledger: Ledger, session: Session) -> Session:
    if session.state is not SessionState.WAITING or not session.is_paired:
        return session
    return ledger.happen(session, Event.ACTIVATED, actor="relay", attempt=session.attempts)


def make_lease(session: Session, company: Company, relay_key: Ed25519PrivateKey) -> bytes:
    """The signed lease of an active session, the same each time; times rounded down to the second."""
    if session.host_key is None or session.activated_at is None or session.expires_at is None:
        raise AssertionError("an active session has a host and its times")
    lease = Lease(
        session=session.id,
        host_key=session.host_key,
        activated_at=math.floor(session.activated_at.timestamp()),
        expires_at=math.floor(session.expires_at.timestamp()),
        kinds=rules.granted_kinds(company),
    )
    return sign_lease(lease, relay_key)
