"""The rules of a session's life: a table, records, and plain functions of them.

Nothing here awaits, reads a clock, touches a socket or the store, or knows a secret. The broker feeds
events in and keeps what comes out (`relay.store`); whatever is not in `TRANSITIONS` is refused. A session's
records are immutable: `advance` and its siblings return the next one.

    prepared --host joins--> waiting --activated--> active
        ^----host drops--------'
    prepared, waiting --lapsed, guessed out--> ended
    prepared, waiting, active --technician, customer, suspended--> ended
    active --deadline--> ended --removal receipt--> ended (removal confirmed, at most but for its last files)
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import Enum
from functools import cache
from operator import attrgetter
from types import MappingProxyType
from typing import Final, Literal, NewType, TypeAlias

from relay.errors import Refused, SessionUnavailable
from relay.people import MAX_SESSION_LIFETIME, Company, CompanyId, Permission, Plan, Technician, TechnicianId
from relay.protocol.close_reasons import CloseReason
from relay.protocol.codes import MAX_ATTEMPTS as MAX_ATTEMPTS
from relay.protocol.codes import MAX_CODES, MAX_TRIES_PER_CODE
from relay.protocol.frames import Channel
from relay.protocol.refusals import Refusal

SessionId = NewType("SessionId", str)

Removal: TypeAlias = Literal["none", "pending", "all_but_last", "confirmed"]
"""Of the host: none was ever there; it should be going; it signed that all is gone but what the program that
said so ran from, which goes when that has ended; it signed that all is gone."""

Access: TypeAlias = Literal["owner", "full", "view", "read"]
"""What somebody may do with a session: everything; connect; connect and only watch; know of it."""

MAX_SHARES: Final = 16
"""Colleagues in one session; more could not attach at once anyway."""
MAX_WARNINGS: Final = 16
"""Of one session; the first ones tell the story, and a hostile host must not grow the record."""


class SessionState(Enum):
    """Where a session is in its life; values are the words of the API and the store."""

    PREPARED = "prepared"
    WAITING = "waiting"
    ACTIVE = "active"
    ENDED = "ended"

    @property
    def is_open(self) -> bool:
        """True while the session counts against the limits."""
        return self is not SessionState.ENDED


class Event(Enum):
    """What can happen to a session; values are the words of the audit log."""

    HOST_JOINED = "host_joined"
    HOST_DROPPED = "host_dropped"
    ACTIVATED = "activated"
    LAPSED = "lapsed"
    GUESSED_OUT = "guessed_out"
    TECHNICIAN_ENDED = "technician_ended"
    CUSTOMER_ENDED = "customer_ended"
    COMPANY_SUSPENDED = "company_suspended"
    EXPIRED = "expired"
    REMOVAL_CONFIRMED = "removal_confirmed"
    REMOVAL_ALL_BUT_LAST = "removal_all_but_last"


TRANSITIONS: Final[Mapping[tuple[SessionState, Event], SessionState]] = MappingProxyType(
    {
        (SessionState.PREPARED, Event.HOST_JOINED): SessionState.WAITING,
        (SessionState.WAITING, Event.HOST_DROPPED): SessionState.PREPARED,
        (SessionState.WAITING, Event.ACTIVATED): SessionState.ACTIVE,
        (SessionState.PREPARED, Event.LAPSED): SessionState.ENDED,
        (SessionState.WAITING, Event.LAPSED): SessionState.ENDED,
        (SessionState.PREPARED, Event.GUESSED_OUT): SessionState.ENDED,
        (SessionState.WAITING, Event.GUESSED_OUT): SessionState.ENDED,
        (SessionState.PREPARED, Event.TECHNICIAN_ENDED): SessionState.ENDED,
        (SessionState.WAITING, Event.TECHNICIAN_ENDED): SessionState.ENDED,
        (SessionState.ACTIVE, Event.TECHNICIAN_ENDED): SessionState.ENDED,
        (SessionState.PREPARED, Event.CUSTOMER_ENDED): SessionState.ENDED,
        (SessionState.WAITING, Event.CUSTOMER_ENDED): SessionState.ENDED,
        (SessionState.ACTIVE, Event.CUSTOMER_ENDED): SessionState.ENDED,
        (SessionState.PREPARED, Event.COMPANY_SUSPENDED): SessionState.ENDED,
        (SessionState.WAITING, Event.COMPANY_SUSPENDED): SessionState.ENDED,
        (SessionState.ACTIVE, Event.COMPANY_SUSPENDED): SessionState.ENDED,
        (SessionState.ACTIVE, Event.EXPIRED): SessionState.ENDED,
        (SessionState.ENDED, Event.REMOVAL_CONFIRMED): SessionState.ENDED,
        (SessionState.ENDED, Event.REMOVAL_ALL_BUT_LAST): SessionState.ENDED,
    }
)

END_REASONS: Final[Mapping[Event, CloseReason]] = MappingProxyType(
    {
        Event.LAPSED: CloseReason.LAPSED,
        Event.GUESSED_OUT: CloseReason.GUESSES,
        Event.TECHNICIAN_ENDED: CloseReason.ENDED_BY_TECHNICIAN,
        Event.CUSTOMER_ENDED: CloseReason.ENDED_BY_CUSTOMER,
        Event.COMPANY_SUSPENDED: CloseReason.SUSPENDED,
        Event.EXPIRED: CloseReason.EXPIRED,
    }
)
"""What a session's end is called on the wire, by the event that ended it."""

ENDING_EVENTS: Final[Mapping[CloseReason, Event]] = MappingProxyType(
    {reason: event for event, reason in END_REASONS.items()}
)

FUNNEL_STEPS: Final = (
    "mail_accepted",
    "mail_failed",
    "link_opened",
    "host_downloaded",
    "started",
    "asking_rights",
    "waiting_code",
    "wrong_code",
    "active",
    "first_picture",
)
"""The steps between preparing and seeing the desktop, in their usual order."""


REFUSED_STEPS: Final = frozenset(refusal.step for refusal in Refusal)
"""What hosts that could not begin have said; in a funnel each stands once, with its last time."""

REFUSAL_WINDOW: Final = timedelta(hours=24)
"""After a session's end, in which it is still noted that its link was tried."""


@dataclass(frozen=True, slots=True)
class Share:
    """A colleague who was let into a session.

    Attributes:
        technician_id, technician_name: who.
        access: all tools, or watching the screen.
    """

    technician_id: TechnicianId
    technician_name: str
    access: Literal["full", "view"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One support engagement. All times are aware, in UTC. Holds no secret, so that it may be logged.

    Attributes:
        id: unguessable, but no secret: it stands in pages and logs.
        company_id, technician_id, technician_name: who prepared it.
        customer_email, note, language: as entered when preparing.
        state: see `TRANSITIONS`.
        end_reason: why it ended; None while it is open.
        removal: of the host from the customer's computer.
        lifetime: seconds from activation to the end, fixed at preparing (both sides prove it when pairing).
        created_at: when it was prepared.
        lapse_at: when it ends if nobody activates it.
        activated_at, expires_at, ended_at: None until then.
        computer, os, host_user: what the host says about itself; empty before one joined. Untrusted text.
        host_key: 32 bytes (Ed25519) of the host that holds the session; None before one joined.
        code: which of the 3 security codes is current, from 1.
        tries: tries counted of this code, 0 … 5.
        attempts: tries counted of all codes, 0 … 15; the number of the last attempt.
        failed_attempt: the last attempt that either side reported as wrong; 0 for none.
        paired_host_attempt, paired_viewer_attempt: the attempt that side reported as paired; 0 for none.
        host_ready: the host is installed and can work.
        funnel: steps reached, with their times, in order (`FUNNEL_STEPS`).
        warnings: sentences for the technician.
        wants_receipt: the customer is mailed a receipt at the end.
        is_forgotten: its personal data were deleted, their time being over.
        shares: colleagues who were let in; filled in by the broker.
        host_online: live; filled in by the broker.
        viewers: how many are attached; live, filled in by the broker.
    """

    id: SessionId
    company_id: CompanyId
    technician_id: TechnicianId
    technician_name: str
    customer_email: str
    note: str
    language: str
    created_at: datetime
    lapse_at: datetime
    lifetime: float = MAX_SESSION_LIFETIME
    state: SessionState = SessionState.PREPARED
    end_reason: CloseReason | None = None
    removal: Removal = "none"
    activated_at: datetime | None = None
    expires_at: datetime | None = None
    ended_at: datetime | None = None
    computer: str = ""
    os: str = ""
    host_user: str = ""
    host_key: bytes | None = None
    code: int = 1
    tries: int = 0
    attempts: int = 0
    failed_attempt: int = 0
    paired_host_attempt: int = 0
    paired_viewer_attempt: int = 0
    host_ready: bool = False
    funnel: tuple[tuple[str, datetime], ...] = ()
    warnings: tuple[str, ...] = ()
    wants_receipt: bool = False
    is_forgotten: bool = False
    shares: tuple[Share, ...] = ()
    host_online: bool = False
    viewers: int = 0

    @property
    def is_paired(self) -> bool:
        """Both sides reported the same attempt, the last one counted, and the host can work."""
        return (
            self.host_ready
            and self.attempts > 0
            and self.paired_host_attempt == self.paired_viewer_attempt == self.attempts
        )

    @property
    def is_code_dead(self) -> bool:
        """The current code has no tries left."""
        return self.tries >= MAX_TRIES_PER_CODE


_FIELDS: Final = tuple(field.name for field in fields(Session))
_read_fields = attrgetter(*_FIELDS)
_PUT: Final[Mapping[str, Callable[[Session, object], None]]] = MappingProxyType(
    {name: getattr(Session, name).__set__ for name in _FIELDS}
)
_PUT_ALL: Final = tuple(_PUT.values())
_NOT_LIVE: Final = ((), False, 0)
"""Of shares, host_online and viewers, which stand last and are filled in by the broker."""
STORED_FIELDS: Final = _FIELDS[: -len(_NOT_LIVE)]
"""What the store keeps of a session: all but what is filled in by the broker."""


def altered(session: Session, **changes: object) -> Session:
    """What `dataclasses.replace` returns, in a third of its time: for the steps that every admission takes.

    The type checker sees none of the names and values. Of its 14 µs most go into passing 34 fields by name to
    a constructor that puts each by name.

    Raises:
        KeyError: there is no such field.
    """
    copy = object.__new__(Session)
    for put, value in zip(_PUT_ALL, _read_fields(session), strict=True):
        put(copy, value)
    for name, value in changes.items():
        _PUT[name](copy, value)
    return copy


def restored(stored: Iterable[object]) -> Session:
    """The session with these fields, made as `altered` makes one, in half the constructor's time.

    Args:
        stored: the values of all `STORED_FIELDS`, in their order.
    """
    session = object.__new__(Session)
    for put, value in zip(_PUT_ALL, (*stored, *_NOT_LIVE), strict=True):
        put(session, value)
    return session


def next_state(state: SessionState, event: Event) -> SessionState:
    """Looks the step up in `TRANSITIONS`.

    Raises:
        SessionUnavailable: the table has no such step.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise SessionUnavailable("The session is not in a state that allows this.") from None


def advance(session: Session, event: Event, now: datetime) -> Session:
    """The session after `event`, with the times and books that belong to the step.

    Args:
        session: as it is.
        event: what happened at `now` (aware).

    Raises:
        SessionUnavailable: the table has no such step, or the session is not paired (for ACTIVATED).
    """
    session = altered(session, state=next_state(session.state, event))
    match event:
        case Event.HOST_JOINED:
            return session
        case Event.HOST_DROPPED:
            # Whether it paired stays known: the same host may come back with its credential and finish.
            return replace(session, host_ready=False)
        case Event.ACTIVATED:
            if not session.is_paired:
                raise SessionUnavailable("The session is not paired yet.")
            return record_step(
                replace(session, activated_at=now, expires_at=now + timedelta(seconds=session.lifetime)),
                "active",
                now,
            )
        case Event.REMOVAL_CONFIRMED:
            return replace(session, removal="confirmed")
        case Event.REMOVAL_ALL_BUT_LAST:
            return replace(session, removal="all_but_last")
    return replace(
        session,
        end_reason=END_REASONS[event],
        ended_at=now,
        removal="none" if session.host_key is None else "pending",
    )


def deadline(session: Session) -> datetime | None:
    """When the clock ends this session: lapse before activation, expiry after it, None once ended."""
    if session.state is SessionState.ACTIVE:
        return session.expires_at
    return session.lapse_at if session.state.is_open else None


def due(session: Session, now: datetime) -> Event | None:
    """The event that the clock demands at `now`, if any."""
    at = deadline(session)
    if at is None or now < at:
        return None
    return Event.EXPIRED if session.state is SessionState.ACTIVE else Event.LAPSED


def host_replaced(session: Session, *, key: bytes, computer: str, os: str, user: str) -> tuple[Session, bool]:
    """The session held by the host that just joined by invite; pairing starts over.

    Returns:
        The session, and whether another computer held it before (then it carries a warning).
    """
    is_other = session.host_key is not None and session.host_key != key
    if is_other:
        session = warn(
            session, f"A second computer opened the link: {computer} (before: {session.computer})."
        )
    return (
        altered(
            session,
            host_key=key,
            computer=computer,
            os=os,
            host_user=user,
            host_ready=False,
            paired_host_attempt=0,
            paired_viewer_attempt=0,
        ),
        is_other,
    )


def count_try(session: Session, *, code: int, attempt: int) -> Session:
    """The session with one more try counted.

    Args:
        session: prepared or waiting, with fewer than 15 attempts.
        code: the code the try is for.
        attempt: the try's number over the whole session.

    Raises:
        SessionUnavailable: the session is active or ended.
        Refused: with OUT_OF_ORDER if `attempt` does not follow the last one or `code` is not current; with
            TOO_MANY_TRIES if the code has no tries left.
    """
    _require_pairing(session)
    if code != session.code or attempt != session.attempts + 1:
        raise Refused("This try does not follow the last one.", CloseReason.OUT_OF_ORDER)
    if session.is_code_dead:
        raise Refused(
            "This security code has been tried too often; a new one is needed.", CloseReason.TOO_MANY_TRIES
        )
    return replace(session, tries=session.tries + 1, attempts=attempt)


def fail_try(session: Session, now: datetime) -> Session:
    """The session after the last counted try was reported wrong; a second report of it changes nothing."""
    if session.attempts in (0, session.failed_attempt):
        return session
    return record_step(replace(session, failed_attempt=session.attempts), "wrong_code", now)


def is_guessed_out(session: Session) -> bool:
    """True if every try of every code was used and the last one failed."""
    return session.attempts >= MAX_ATTEMPTS and session.failed_attempt == session.attempts


def renew_code(session: Session) -> Session:
    """The session with the code that is current once the technician made a new one.

    A code with tries left keeps its slot, and its tries go on counting: never more than 15 in all.

    Raises:
        SessionUnavailable: the session is active or ended.
        Refused: with GUESSES, if all three codes are used up: the session must end.
    """
    _require_pairing(session)
    if not session.is_code_dead:
        return session
    if session.code >= MAX_CODES:
        raise Refused("All three security codes were tried too often.", CloseReason.GUESSES)
    return replace(session, code=session.code + 1, tries=0)


def report_paired(session: Session, *, role: Literal["host", "viewer"], attempt: int) -> Session:
    """The session after one side said that `attempt` paired.

    Raises:
        SessionUnavailable: the session is active or ended.
        Refused: with OUT_OF_ORDER if `attempt` is not the last one counted, or was reported wrong.
    """
    _require_pairing(session)
    if attempt < 1 or attempt != session.attempts or attempt == session.failed_attempt:
        raise Refused("This is not the try that was made last.", CloseReason.OUT_OF_ORDER)
    if role == "host":
        return replace(session, paired_host_attempt=attempt)
    return replace(session, paired_viewer_attempt=attempt)


def record_step(session: Session, step: str, now: datetime) -> Session:
    """The session with a funnel step added; the first time of a step is kept (of ``wrong_code``: each).

    Raises:
        ValueError: there is no such step.
    """
    if step not in FUNNEL_STEPS:
        raise ValueError(f"There is no funnel step {step!r}.")
    if step != "wrong_code" and any(known == step for known, _ in session.funnel):
        return session
    return replace(session, funnel=(*session.funnel, (step, now)))


def record_refusal(session: Session, refusal: Refusal, now: datetime) -> Session:
    """The session after a host said why it could not begin; its state is the same as before.

    Once the session has ended nothing is noted but that its dead link was tried, and that for a day only.
    """
    if session.ended_at is not None and (
        refusal is not Refusal.DEAD_LINK or now > session.ended_at + REFUSAL_WINDOW or session.is_forgotten
    ):
        return session
    others = tuple(reached for reached in session.funnel if reached[0] != refusal.step)
    return replace(session, funnel=(*others, (refusal.step, now)))


def warn(session: Session, sentence: str) -> Session:
    """The session with one more warning for the technician, unless there are `MAX_WARNINGS` already."""
    if len(session.warnings) >= MAX_WARNINGS:
        return session
    return replace(session, warnings=(*session.warnings, sentence))


def tools_of(company: Company) -> Mapping[Channel, CloseReason | None]:
    """The one table of what a company has: None if it may be used, else why not. Pairing is no tool."""
    return _tools_of(company.plan, company.has_insight, company.allows_shell)


@cache
def _tools_of(
    plan: Plan, has_insight: bool, allows_shell: bool
) -> MappingProxyType[Channel, CloseReason | None]:
    files = None if plan is not Plan.FREE else CloseReason.PLAN
    has_dashboard = plan in (Plan.PLUS, Plan.PREMIER) or (plan is Plan.BASE and has_insight)
    dashboard = None if has_dashboard else CloseReason.PLAN
    switched_off = None if allows_shell else CloseReason.KIND_NOT_GRANTED
    return MappingProxyType(
        {
            Channel.CONTROL: None,
            Channel.FILES: files,
            Channel.DASHBOARD: dashboard,
            Channel.SHELL: dashboard or switched_off,
            Channel.CHAT: None,
        }
    )


def access_of(session: Session, technician: Technician, permissions: frozenset[Permission]) -> Access | None:
    """What somebody may do with the session; None: they may not even know that there is one.

    Args:
        session: with its shares.
        technician: who, of whatever company.
        permissions: theirs, or fewer (an API token's).
    """
    if session.company_id != technician.company_id or Permission.READ_SESSIONS not in permissions:
        return None
    if session.technician_id == technician.id:
        return "owner"
    for share in session.shares:
        if share.technician_id == technician.id:
            return share.access
    return "read" if Permission.READ_ALL_SESSIONS in permissions else None


def may_manage_session(session: Session, technician: Technician, permissions: frozenset[Permission]) -> bool:
    """Whether somebody may end the session, hand it over, and say who is let in."""
    if session.company_id != technician.company_id:
        return False
    if Permission.MANAGE_ALL_SESSIONS in permissions:
        return True
    return session.technician_id == technician.id and Permission.USE_SESSIONS in permissions


def check_access(access: Access, channel: Channel) -> CloseReason | None:
    """Whether this access is enough to open `channel`: None, or the reason why not."""
    if access == "owner" or (access == "full" and channel is not Channel.PAIR):
        return None
    return None if access == "view" and channel is Channel.CONTROL else CloseReason.KIND_NOT_GRANTED


def granted_kinds(company: Company) -> list[str]:
    """The tools' wire names that the company has, in the order of the table."""
    return list(_kinds_of(company.plan, company.has_insight, company.allows_shell))


@cache
def _kinds_of(plan: Plan, has_insight: bool, allows_shell: bool) -> tuple[str, ...]:
    tools = _tools_of(plan, has_insight, allows_shell)
    return tuple(channel.value for channel, reason in tools.items() if reason is None)


def over(session: Session, company: Company, now: datetime) -> CloseReason | None:
    """Why nobody may be connected to the session any more, or None: then it is open.

    A session whose time is over counts as ended even if nobody has noticed yet.
    """
    if company.is_suspended:
        return CloseReason.SUSPENDED
    overdue = due(session, now)
    return session.end_reason if overdue is None else END_REASONS[overdue]


def check_kind(session: Session, company: Company, channel: Channel, now: datetime) -> CloseReason | None:
    """Whether the session's state, the company's plan and its settings allow `channel` now: None, or why not.

    Pairing needs a session that is prepared or waiting; every tool needs an active one and the company's.
    """
    reason = over(session, company, now)
    if reason is not None:
        return reason
    if channel is Channel.PAIR:
        return CloseReason.OUT_OF_ORDER if session.state is SessionState.ACTIVE else None
    reason = tools_of(company)[channel]
    if reason is not None:
        return reason
    return None if session.state is SessionState.ACTIVE else CloseReason.NOT_ACTIVE


def check_stream(
    session: Session, company: Company, channel: Channel, kinds: frozenset[Channel], now: datetime
) -> CloseReason | None:
    """Whether a viewer whose ticket was for `kinds` may open `channel` now: None, or the reason why not."""
    if channel not in kinds:
        return CloseReason.KIND_NOT_GRANTED
    reason = check_kind(session, company, channel, now)
    if reason is None and channel is Channel.PAIR and session.is_code_dead:
        return CloseReason.TOO_MANY_TRIES
    return reason


def _require_pairing(session: Session) -> None:
    if session.state not in (SessionState.PREPARED, SessionState.WAITING):
        raise SessionUnavailable("The session is not in a state that allows this.")
