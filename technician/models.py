"""The relay's answers, checked: what is missing or of another type is an error, what is new is ignored.

Texts that a host or customer wrote (computer, user, note) come as the relay passed them on; whoever shows
them on a terminal strips them first (`technician.printing.printable`).
"""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from relay.protocol.links import DeploymentLink, LinkError, decode_base64url


def _base64url(size: int | None) -> BeforeValidator:
    """Reads unpadded base64url of `size` bytes, or of any length."""

    def decode(value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            return decode_base64url(value, len(value) * 3 // 4 if size is None else size)
        except LinkError as exc:
            raise ValueError("not base64url of the right length") from exc

    return BeforeValidator(decode)


class Answer(BaseModel):
    """Anything the relay answers."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Technician(Answer):
    """Who is signed in."""

    id: str
    name: str
    email: str
    language: str = "en"


class Company(Answer):
    """Whose plan and limits apply. Times in seconds."""

    name: str
    phone: str = ""
    plan: str
    session_lifetime: float
    preparation_timeout: float


class Challenge(Answer):
    """A sign-in that waits for a second factor.

    Attributes:
        token: goes with it; worth something for some minutes.
        ways: ``totp``, ``recovery``, ``passkey``.
    """

    token: str
    ways: list[str]


class SignInAnswer(Answer):
    """What came of a sign-in: a cookie beside this answer, or a challenge."""

    challenge: Challenge | None


class Me(Answer):
    """Who is signed in, where, and how mail leaves.

    Attributes:
        origin: the relay's own name for itself, as browsers spell origins.
        mail: ``smtp``, or ``outbox``: kept in a folder of the relay.
    """

    technician: Technician
    company: Company
    mail: str
    origin: str


class Host(Answer):
    """The computer being helped."""

    online: bool
    computer: str
    os: str
    user: str


class Tool(Answer):
    """Whether a channel may be used, and the wire name of the close reason if not."""

    allowed: bool
    reason: str | None = None


class Step(Answer):
    """A step on the customer's way that was reached, or `refused_…`: why a host could not begin."""

    step: str
    at: datetime


class Session(Answer):
    """One session as the console shows it.

    Attributes:
        code: which of the session's security codes is current, 1 … 3.
        tries: how often that one was tried, 0 … 5.
        removal: of the temporary host: none, pending, all_but_last or confirmed.
    """

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    state: Literal["prepared", "waiting", "active", "ended"]
    end_reason: str | None = None
    end_sentence: str | None = None
    removal: str = "none"
    customer_email: str
    note: str = ""
    created_at: datetime
    lapse_at: datetime | None = None
    activated_at: datetime | None = None
    expires_at: datetime | None = None
    ended_at: datetime | None = None
    host: Host | None = None
    viewers: int = 0
    code: int = 1
    tries: int = 0
    tools: dict[str, Tool] = {}
    funnel: list[Step] = []
    warnings: list[str] = []


class Mail(Answer):
    """What became of the e-mail: sent, outbox, failed or none."""

    state: str
    detail: str | None = None


class Ticket(Answer):
    """The right to attach one viewer, once, within 30 s.

    Attributes:
        ticket: 32 bytes.
        url: where to dial, ``ws://`` or ``wss://``.
    """

    ticket: Annotated[bytes, _base64url(32), Field(repr=False)]
    url: str
    expires_at: datetime


class SessionAnswer(Answer):
    """An answer with one session."""

    session: Session


class SessionsAnswer(Answer):
    """An answer with all sessions."""

    sessions: list[Session]
    next: str | None = None


class PreparedAnswer(Answer):
    """The answer to a new session."""

    session: Session
    mail: Mail


class WrappedAnswer(Answer):
    """The pairing key as the relay keeps it, if it does."""

    wrapped: Annotated[bytes | None, _base64url(None), Field(repr=False)]


class Problem(Answer):
    """RFC 9457, with our own members."""

    title: str = ""
    detail: str = ""
    limit: str | None = None
    session: str | None = None


class PreparedSession(BaseModel):
    """What only this computer knows of a session that was just prepared.

    Attributes:
        link: for the customer; it carries the access password.
        security_code: 9 digits, to be read out; never sent anywhere.
    """

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    session: Session
    mail: Mail
    link: DeploymentLink
    security_code: str = Field(repr=False)

    @property
    def access_password(self) -> str:
        """What the technician types at each connection."""
        return self.link.access_password
