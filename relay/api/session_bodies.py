"""The JSON of sessions: what is asked of them, and what is told, to whom."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from relay.api.models import (
    MAX_NOTE_LENGTH,
    Address,
    Incoming,
    Invite,
    Language,
    Link,
    MailBody,
    State,
    Text,
    Time,
    harmless,
)
from relay.people import Company, Permission, Technician
from relay.protocol.close_reasons import CloseReason
from relay.protocol.codes import MAX_CODES, MAX_TRIES_PER_CODE
from relay.protocol.frames import Channel
from relay.sessions import (
    Access,
    Session,
    SessionState,
    access_of,
    check_access,
    may_manage_session,
    tools_of,
)
from relay.store.mail_rows import MailRecord
from relay.texts import translate

MAX_REASON_LENGTH = 200


class Prepare(Incoming):
    """A session to prepare. The link's secret and the access password stay in the page if it mails it."""

    invite: Invite = Field(description="16 random bytes made by the page, base64url: the link's first part.")
    customer_email: Address
    note: Annotated[Text, Field(max_length=MAX_NOTE_LENGTH)] = ""
    language: Language = "en"
    link: Link | None = Field(
        None, description="Given when the relay is to mail it; kept encrypted until the mail is accepted."
    )
    wants_receipt: bool = Field(False, description="Mail the customer a receipt at the end.")


class SendMail(Incoming):
    """The same deployment link as before, to be mailed (again)."""

    link: Link


class ChangeSession(Incoming):
    """What is to change; what is absent stays."""

    note: Annotated[Text, Field(max_length=MAX_NOTE_LENGTH)] | None = None
    wants_receipt: bool | None = None


class PutShare(Incoming):
    """How a colleague is let in."""

    access: Literal["full", "view"] = Field(description="All tools, or watching the screen only.")


class HandOver(Incoming):
    """To whom."""

    technician_id: Annotated[str, Field(max_length=64)]


class IssueTicket(Incoming):
    """What a viewer wants to use: `pair` while the session waits, the tools once it is active."""

    kinds: list[Channel] = Field(min_length=1, max_length=len(Channel), examples=[["control"]])
    reason: Annotated[Text, Field(max_length=MAX_REASON_LENGTH)] = Field(
        "", description="Why they connect; audit log and receipt have it.", examples=["Printer, ticket 4711"]
    )


class TechnicianName(BaseModel):
    """Somebody of the company."""

    id: str
    name: str


class HostBody(BaseModel):
    """The computer that joined. Its texts are what it says about itself."""

    online: bool
    computer: str = Field(examples=["RECEPTION-2"])
    os: str = Field(examples=["Debian GNU/Linux 12"])
    user: str = Field(examples=["ana"])


class ToolBody(BaseModel):
    """Whether the company has a tool, and why it cannot be used now, if so."""

    allowed: bool = Field(description="By the plan and the company's settings.")
    reason: Literal["plan", "company", "access", "not_active", "offline"] | None = Field(
        None, examples=["plan"]
    )


class ShareBody(BaseModel):
    """A colleague who was let in."""

    technician: TechnicianName
    access: Literal["full", "view"]


class SessionMail(BaseModel):
    """The mail with the deployment link."""

    state: Literal["waiting", "sent", "outbox", "failed", "withdrawn"]
    detail: str = Field(description="What happened at the last try; empty for nothing worth telling.")
    attempts: int
    at: Time


class StepBody(BaseModel):
    """A step on the way to the desktop, and when it was reached."""

    step: str = Field(examples=["link_opened"])
    at: Time


class SessionBody(BaseModel):
    """One session, as whoever asks may see it."""

    id: str
    state: State
    end_reason: str | None = Field(examples=["expired"])
    end_sentence: str | None = Field(examples=["The session's time is over."])
    removal: Literal["none", "pending", "all_but_last", "confirmed"]
    customer_email: str
    note: str
    language: str
    technician: TechnicianName
    access: Literal["owner", "full", "view", "read"] = Field(description="What the caller may do with it.")
    may_manage: bool = Field(description="The caller may end it, hand it over, and say who is let in.")
    shares: list[ShareBody]
    wants_receipt: bool
    is_forgotten: bool = Field(description="Its personal data were deleted, their time being over.")
    mail: SessionMail | None
    created_at: Time
    lapse_at: Time
    activated_at: Time | None
    expires_at: Time | None
    ended_at: Time | None
    host: HostBody | None
    viewers: int
    code: int
    tries: int
    tries_left: int = Field(description="Of the current security code.", examples=[5])
    max_tries: int = MAX_TRIES_PER_CODE
    max_codes: int = MAX_CODES
    tools: dict[str, ToolBody]
    funnel: list[StepBody]
    warnings: list[str]


class SessionAnswer(BaseModel):
    """A session, and the relay's clock for counting down."""

    session: SessionBody
    now: Time


class SessionsAnswer(BaseModel):
    """A page of sessions."""

    sessions: list[SessionBody]
    now: Time
    next: str | None = Field(description="The cursor of the next page; none after the last.")


class PrepareAnswer(BaseModel):
    """The prepared session, and its mail."""

    session: SessionBody
    mail: MailBody


class TicketAnswer(BaseModel):
    """The right to attach one viewer, once, soon."""

    ticket: str = Field(description="32 bytes, base64url; goes into the first frame, never into a URL.")
    url: str = Field(examples=["wss://support.example.com/tunnel/viewer"])
    expires_at: Time


class PairingAnswer(BaseModel):
    """The pairing key, encrypted under the access password, if the technician's page left it here."""

    wrapped: str | None = Field(description="base64url; docs/protocol.md §5.")


@dataclass(frozen=True, kw_only=True)
class SessionView:
    """Who looks at a session.

    Attributes:
        technician, company: who.
        permissions: theirs, or fewer (an API token's).
        language: of sentences.
        mail: what became of the mail with the session's deployment link; None if there is none.
    """

    technician: Technician
    company: Company
    permissions: frozenset[Permission]
    language: str
    mail: MailRecord | None = None


def session_body(session: Session, view: SessionView) -> SessionBody:
    """`session`, for whom `view` says."""
    reason = session.end_reason
    access = access_of(session, view.technician, view.permissions) or "read"
    return SessionBody(
        id=session.id,
        state=session.state.value,
        end_reason=reason.wire if reason else None,
        end_sentence=translate(view.language, reason.sentence) if reason else None,
        removal=session.removal,
        customer_email=session.customer_email,
        note=session.note,
        language=session.language,
        technician=TechnicianName(id=session.technician_id, name=session.technician_name),
        access=access,
        may_manage=may_manage_session(session, view.technician, view.permissions),
        shares=[
            ShareBody(
                technician=TechnicianName(id=share.technician_id, name=share.technician_name),
                access=share.access,
            )
            for share in session.shares
        ],
        wants_receipt=session.wants_receipt,
        is_forgotten=session.is_forgotten,
        mail=_mail(view.mail, view.language),
        created_at=session.created_at,
        lapse_at=session.lapse_at,
        activated_at=session.activated_at,
        expires_at=session.expires_at,
        ended_at=session.ended_at,
        host=_host(session),
        viewers=session.viewers,
        code=session.code,
        tries=session.tries,
        tries_left=MAX_TRIES_PER_CODE - session.tries,
        tools={
            channel.value: _tool(session, access, channel, refused)
            for channel, refused in tools_of(view.company).items()
        },
        funnel=[StepBody(step=step, at=at) for step, at in session.funnel],
        warnings=[harmless(warning, MAX_NOTE_LENGTH) for warning in session.warnings],
    )


def _host(session: Session) -> HostBody | None:
    if session.host_key is None:
        return None
    computer, os, user = map(harmless, (session.computer, session.os, session.host_user))
    return HostBody(online=session.host_online, computer=computer, os=os, user=user)


def _mail(record: MailRecord | None, language: str) -> SessionMail | None:
    if record is None:
        return None
    detail = translate(language, record.detail)
    return SessionMail(state=record.state, detail=detail, attempts=record.attempts, at=record.at)


def _tool(session: Session, access: Access, channel: Channel, refused: CloseReason | None) -> ToolBody:
    if refused is not None:
        return ToolBody(allowed=False, reason="plan" if refused is CloseReason.PLAN else "company")
    if check_access(access, channel) is not None:
        return ToolBody(allowed=True, reason="access")
    if session.state is not SessionState.ACTIVE:
        return ToolBody(allowed=True, reason="not_active")
    return ToolBody(allowed=True, reason=None if session.host_online else "offline")
