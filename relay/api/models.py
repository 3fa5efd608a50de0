"""The JSON of the API: what comes in, strictly; what goes out, with examples for the OpenAPI document.

Requests forbid unknown members and every text has a longest length. Bytes are base64url without padding,
times ISO 8601 in UTC with a Z. What a host says about itself (computer, os, user) is untrusted text; it goes
out without control and bidirectional-override characters, whoever shows it.
"""

import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, SecretStr

from relay.addresses import parse_address
from relay.people import Company, Technician
from relay.protocol.close_reasons import CloseReason
from relay.protocol.codes import MAX_CODES, MAX_TRIES_PER_CODE
from relay.protocol.frames import Channel
from relay.protocol.links import INVITE_BYTES, MAX_LINK_CHARACTERS, LinkError, decode_base64url
from relay.sessions import Session, tools_of
from relay.texts import translate

Language = Literal["en", "es"]
State = Literal["prepared", "waiting", "active", "ended"]

MAX_HOST_TEXT = 200
MAX_NOTE_LENGTH = 500


def _check_text(value: str) -> str:
    """Pages and logs break at control characters; JSON may carry lone surrogates, which nothing can store."""
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        raise ValueError("Control characters are not allowed.")
    return value.strip()


def _utf8_only(value: object) -> object:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError("This is not valid text.") from None
    return value


def _decoder(size: int) -> AfterValidator:
    def decode(value: str) -> str:
        try:
            decode_base64url(value, size)
        except LinkError:
            raise ValueError(f"This must be {size} bytes in base64url without padding.") from None
        return value

    return AfterValidator(decode)


def _iso(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Time = Annotated[datetime, PlainSerializer(_iso, return_type=str, when_used="json")]
Text = Annotated[str, BeforeValidator(_utf8_only), AfterValidator(_check_text)]
Secret = Annotated[SecretStr, BeforeValidator(_utf8_only)]
Invite = Annotated[str, Field(max_length=22, examples=["AAECAwQFBgcICQoLDA0ODw"]), _decoder(INVITE_BYTES)]
Token = Annotated[str, Field(max_length=43), _decoder(32)]
Address = Annotated[
    str,
    Field(max_length=300, examples=["ana@example.com"]),
    BeforeValidator(_utf8_only),
    AfterValidator(parse_address),
]
Link = Annotated[
    SecretStr,
    Field(max_length=MAX_LINK_CHARACTERS, description="The whole deployment link, with its fragment."),
    BeforeValidator(_utf8_only),
]


class Incoming(BaseModel):
    """A request's body."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Nothing(Incoming):
    """`{}`: a request that says all with its path."""


class Prepare(Incoming):
    """A session to prepare. The link's secret and the access password stay in the page if it mails it."""

    invite: Invite = Field(description="16 random bytes made by the page, base64url: the link's first part.")
    customer_email: Address
    note: Annotated[Text, Field(max_length=MAX_NOTE_LENGTH)] = ""
    language: Language = "en"
    link: Link | None = Field(None, description="Given when the relay is to mail it; not stored.")


class SendMail(Incoming):
    """The same deployment link as before, to be mailed (again)."""

    link: Link


class IssueTicket(Incoming):
    """What a viewer wants to use: `pair` while the session waits, the tools once it is active."""

    kinds: list[Channel] = Field(min_length=1, max_length=len(Channel), examples=[["control"]])


class CompanyBody(BaseModel):
    """The company that somebody works for."""

    id: str
    name: str = Field(examples=["Help Ltd"])
    phone: str = Field(examples=["+44 20 7946 0000"])
    plan: str = Field(examples=["premier"])
    has_insight: bool
    max_open_per_technician: int = Field(examples=[1])
    max_open_per_company: int = Field(examples=[5])
    session_lifetime: float = Field(description="Seconds from activation to the end.", examples=[86400])
    preparation_timeout: float = Field(description="Seconds from preparing to lapsing.", examples=[3600])


class TechnicianBody(BaseModel):
    """A person who helps."""

    id: str
    name: str = Field(examples=["Alice"])
    email: str = Field(examples=["alice@example.com"])
    language: str = Field(examples=["en"])
    role: str = Field(examples=["technician"])
    has_password: bool
    has_second_factor: bool


class TechnicianName(BaseModel):
    """Who prepared a session."""

    id: str
    name: str


class HostBody(BaseModel):
    """The computer that joined. Its texts are what it says about itself."""

    online: bool
    computer: str = Field(examples=["RECEPTION-2"])
    os: str = Field(examples=["Debian GNU/Linux 12"])
    user: str = Field(examples=["ana"])


class ToolBody(BaseModel):
    """Whether the company's plan has a tool."""

    allowed: bool
    reason: str | None = Field(None, description="A close reason's wire name.", examples=["plan"])


class StepBody(BaseModel):
    """A step on the way to the desktop, and when it was reached."""

    step: str = Field(examples=["link_opened"])
    at: Time


class SessionBody(BaseModel):
    """One session, as its technician sees it."""

    id: str
    state: State
    end_reason: str | None = Field(examples=["expired"])
    end_sentence: str | None = Field(examples=["The session's time is over."])
    removal: Literal["none", "pending", "confirmed"]
    customer_email: str
    note: str
    language: str
    technician: TechnicianName
    created_at: Time
    lapse_at: Time
    activated_at: Time | None
    expires_at: Time | None
    ended_at: Time | None
    host: HostBody | None
    viewers: int
    code: int
    tries: int
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
    """The technician's sessions, newest first."""

    sessions: list[SessionBody]
    now: Time


class MailBody(BaseModel):
    """What became of the mail."""

    state: Literal["sent", "outbox", "failed", "none"]
    detail: str = Field(description="One sentence for the technician; empty for none.")


class PrepareAnswer(BaseModel):
    """The prepared session, and its mail."""

    session: SessionBody
    mail: MailBody


class MailAnswer(BaseModel):
    """What became of the mail."""

    mail: MailBody


class TicketAnswer(BaseModel):
    """The right to attach one viewer, once, soon."""

    ticket: str = Field(description="32 bytes, base64url; goes into the first frame, never into a URL.")
    url: str = Field(examples=["wss://support.example.com/tunnel/viewer"])
    expires_at: Time


class PairingAnswer(BaseModel):
    """The pairing key, encrypted under the access password, if the technician's page left it here."""

    wrapped: str | None = Field(description="base64url; docs/protocol.md §5.")


class HostFile(BaseModel):
    """The host program for customers to download."""

    file: str = Field(examples=["adhoc-host.pyz"])
    size: int
    sha256: str
    python: list[str] = Field(description="Versions of Python it runs on.", examples=[["3.11"]])


class LinkAnswer(BaseModel):
    """What a customer may know about the link in their hands."""

    company: str
    phone: str
    technician: str
    language: str
    state: Literal["open", "used"]
    host: HostFile | None
    expires_at: Time


class Health(BaseModel):
    """The relay answers."""

    status: Literal["ok"] = "ok"


def company_body(company: Company) -> CompanyBody:
    """`company`, as its technicians see it."""
    return CompanyBody(
        id=company.id,
        name=company.name,
        phone=company.phone,
        plan=company.plan.value,
        has_insight=company.has_insight,
        max_open_per_technician=company.max_open_per_technician,
        max_open_per_company=company.max_open_per_company,
        session_lifetime=company.session_lifetime,
        preparation_timeout=company.preparation_timeout,
    )


def technician_body(technician: Technician) -> TechnicianBody:
    """`technician`, as they see themselves."""
    return TechnicianBody(
        id=technician.id,
        name=technician.name,
        email=technician.email,
        language=technician.language,
        role=technician.role.value,
        has_password=technician.has_password,
        has_second_factor=technician.has_second_factor,
    )


def session_body(session: Session, company: Company, *, language: str) -> SessionBody:
    """`session`, with sentences in `language`."""
    reason = session.end_reason
    has_host = session.host_key is not None
    return SessionBody(
        id=session.id,
        state=session.state.value,
        end_reason=reason.wire if reason else None,
        end_sentence=translate(language, reason.sentence) if reason else None,
        removal=session.removal,
        customer_email=session.customer_email,
        note=session.note,
        language=session.language,
        technician=TechnicianName(id=session.technician_id, name=session.technician_name),
        created_at=session.created_at,
        lapse_at=session.lapse_at,
        activated_at=session.activated_at,
        expires_at=session.expires_at,
        ended_at=session.ended_at,
        host=HostBody(
            online=session.host_online,
            computer=harmless(session.computer),
            os=harmless(session.os),
            user=harmless(session.host_user),
        )
        if has_host
        else None,
        viewers=session.viewers,
        code=session.code,
        tries=session.tries,
        tools={
            channel.value: _tool(refused)
            for channel, refused in tools_of(company.plan, company.has_insight).items()
        },
        funnel=[StepBody(step=step, at=at) for step, at in session.funnel],
        warnings=[harmless(warning, MAX_NOTE_LENGTH) for warning in session.warnings],
    )


def harmless(text: str, max_length: int = MAX_HOST_TEXT) -> str:
    """Untrusted `text` without what changes the look of text around it: controls, overrides, hidden marks."""
    shown = (
        character for character in text if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co")
    )
    return "".join(shown)[:max_length]


def _tool(refused: CloseReason | None) -> ToolBody:
    return ToolBody(allowed=refused is None, reason=refused.wire if refused else None)
