"""What the broker is given and what it answers: frozen records, secrets hidden from their `repr`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from relay.people import Company, TechnicianId
from relay.protocol.frames import Channel
from relay.protocol.hidden import SecretBytes
from relay.sessions import Session, SessionState


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerSettings:
    """The broker's numbers (SECURITY).

    Attributes:
        ticket_ttl: seconds in which a ticket must be used.
        receipt_window: seconds after a session's end in which its host may hand in the removal receipt.
        recheck_interval: seconds after which deadlines are looked at again although nothing happened; the
            wall clock may have jumped, or the computer slept.
        retry_interval: seconds until an ending that the store refused is tried again.
        note_delay: seconds until what decides nothing is in the audit log: the host of an active session
            returned.
        watch_buffer: changes a watching console may be behind before it is dropped and must reload.
    """

    ticket_ttl: float = 30.0
    receipt_window: float = 24 * 3600.0
    recheck_interval: float = 30.0
    retry_interval: float = 1.0
    note_delay: float = 0.5
    watch_buffer: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAbout:
    """What a joining host says about itself; untrusted, lengths checked by the caller.

    Attributes:
        key: 32 bytes, its Ed25519 public key.
        computer, os, user, program: text.
        proof: 64 bytes, see `relay.protocol.lease.make_join_proof`.
    """

    key: bytes
    computer: str
    os: str
    user: str
    program: str
    proof: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAdmission:
    """A host was let in; what WELCOME tells it (docs/protocol.md §3).

    Attributes:
        session: in state waiting or active; or ended, and then all it may do is hand in its receipt. Without
            its live fields.
        company: the tenant.
        technician_name: who prepared the session.
        credential: 32 bytes, only when it joined by invite.
        lease: signed, while the session is active.
        relay_public_key: 32 bytes, Ed25519.
    """

    session: Session
    company: Company
    technician_name: str
    credential: SecretBytes | None
    lease: bytes | None = field(repr=False)
    relay_public_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewerAdmission:
    """A viewer was let in.

    Attributes:
        session: open.
        company: the tenant.
        technician_id, technician_name: whom the ticket was issued to.
        kinds: the channels it may open, subject to `Broker.check_open` at each.
        access: whether it may do, or only watch.
        reason: why they connect, as they said; may be empty.
        asked_by_hash: SHA-256 of the cookie or API token that asked; when it dies, so does the viewer.
    """

    session: Session
    company: Company
    technician_id: TechnicianId
    technician_name: str
    kinds: frozenset[Channel]
    access: Literal["full", "view"] = "full"
    reason: str = ""
    asked_by_hash: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedTicket:
    """A right to attach once.

    Attributes:
        secret: 32 bytes, told to nobody but the technician's viewer.
        expires_at: when it is dead even if unused.
    """

    secret: SecretBytes
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Tries:
    """How many tries are counted.

    Attributes:
        code: the current code, 1 … 3.
        tries: of this code, 0 … 5.
        attempts: of all codes, 0 … 15.
    """

    code: int
    tries: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerStatistics:
    """What the broker holds now.

    Attributes:
        sessions: open sessions by state; every open state is there.
        hosts_online: hosts connected to this relay.
        viewers: viewers attached to this relay.
        watchers: consoles following along.
        watchers_dropped: consoles that were too slow, since the start.
    """

    sessions: Mapping[SessionState, int]
    hosts_online: int
    viewers: int
    watchers: int
    watchers_dropped: int
