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
from relay.downloads import Download, Fault, Target
from relay.people import Company, Technician
from relay.protocol.links import INVITE_BYTES, MAX_LINK_CHARACTERS, LinkError, decode_base64url
from relay.protocol.refusals import Refusal
from relay.texts import one_line

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
Line = Annotated[Text, AfterValidator(one_line)]
"""Text for the headers of mails and for other people's pages: names, telephone numbers."""
Secret = Annotated[SecretStr, BeforeValidator(_utf8_only)]
Invite = Annotated[
    str,
    Field(
        max_length=22,
        examples=["AAECAwQFBgcICQoLDA0ODw"],
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]{21}[AQgw]$"},
    ),
    _decoder(INVITE_BYTES),
]
Token = Annotated[
    str,
    Field(max_length=43, json_schema_extra={"pattern": "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$"}),
    _decoder(32),
]
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
    colour: str = Field(description="#rrggbb, or empty for the product's own.", examples=["#1f5fd6"])
    requires_reason: bool = Field(description="Whoever connects to a computer must say why.")
    allows_shell: bool = Field(description="With the Dashboard, technicians have a shell on the computer.")
    requires_second_factor: bool
    retention_days: int = Field(description="Days for which a session's details are kept.", examples=[365])


class TechnicianBody(BaseModel):
    """A person who helps."""

    id: str
    name: str = Field(examples=["Alice"])
    email: str = Field(examples=["alice@example.com"])
    language: str = Field(examples=["en"])
    role: str = Field(examples=["technician"])
    has_password: bool
    has_second_factor: bool


class MailBody(BaseModel):
    """What became of the mail."""

    state: Literal["none", "waiting", "sent", "outbox", "failed", "withdrawn"]
    detail: str = Field(description="One sentence for the technician; empty for none.")


class MailAnswer(BaseModel):
    """What became of the mail."""

    mail: MailBody


class HostBlob(BaseModel):
    """Where in a host file the customer's page writes the deployment link."""

    offset: int
    size: int


class HostFile(BaseModel):
    """A host program for customers to download."""

    target: Target
    file: str = Field(examples=["adhoc-host.exe"])
    size: int
    sha256: str
    signer: str | None = Field(description="In whose name it is signed; null if it is not.")
    machine: str = Field(examples=["x86_64"])
    python: list[str] | None = Field(
        description="Versions of Python it runs on; null if it needs none.", examples=[["3.11"]]
    )
    version: str
    glibc: str | None = Field(
        description="Linux: the oldest C library it runs on; null if that is not known.", examples=["2.36"]
    )
    window: bool | None = Field(
        description="Whether it has a window; null: if the customer's computer has what that takes."
    )
    blob: HostBlob


class DownloadState(BaseModel):
    """How it stands with the program for one kind of computer."""

    target: Target
    file: str
    host: HostFile | None = Field(description="What customers are offered; null if that is nothing.")
    fault: Fault | None = Field(description="Why it is nothing.")


class DownloadsAnswer(BaseModel):
    """The programs for customers, one for each kind of computer there could be one for."""

    downloads: list[DownloadState]


LinkStep = Literal["", "host_downloaded", "started", "asking_rights", "waiting_code", "wrong_code", "active"]


class LinkAnswer(BaseModel):
    """What a customer may know about the link in their hands."""

    company: str
    phone: str
    colour: str = Field(description="#rrggbb, or empty for the product's own.", examples=["#1f5fd6"])
    has_logo: bool
    technician: str
    language: str
    state: Literal["open", "used"]
    step: LinkStep = Field(
        description="How far the computer has come; empty before the program was downloaded."
    )
    refused: Refusal | None = Field(
        description="Why the program did not begin when it was last tried; null if it did, or was not tried."
    )
    hosts: list[HostFile] = Field(description="What there is to download; perhaps nothing.")
    report_url: str | None = Field(description="Where to report a stranger who called; https: or mailto:.")
    now: Time = Field(description="The relay's clock: a computer whose own is far off trusts no certificate.")
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
        colour=company.colour,
        requires_reason=company.requires_reason,
        allows_shell=company.allows_shell,
        requires_second_factor=company.requires_second_factor,
        retention_days=company.retention_days,
    )


def host_file(download: Download) -> HostFile | None:
    """What customers are offered of `download`."""
    facts = download.facts
    if facts is None:
        return None
    return HostFile(
        target=facts.target,
        file=download.path.name,
        size=facts.size,
        sha256=facts.sha256,
        signer=None if facts.signer is None else harmless(facts.signer),
        machine=facts.machine,
        python=facts.python,
        version=facts.version,
        glibc=facts.glibc,
        window=facts.window,
        blob=HostBlob(offset=facts.blob.offset, size=facts.blob.size),
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


def harmless(text: str, max_length: int = MAX_HOST_TEXT) -> str:
    """Untrusted `text` without what changes the look of text around it: controls, overrides, hidden marks."""
    shown = (
        character for character in text if unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Co")
    )
    return "".join(shown)[:max_length]
