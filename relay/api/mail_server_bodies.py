"""The JSON of a company's own mail server."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from relay.api.models import Address, Incoming, Line, Secret
from relay.mail import MailServerFacts

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")


def _check_host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError("This must be the name or the address of a mail server.")
    return value.lower()


Host = Annotated[
    str, Field(min_length=1, max_length=253, examples=["mail.example.com"]), AfterValidator(_check_host)
]
Security = Literal["none", "starttls", "tls"]


class MailServerBody(BaseModel):
    """The company's own mail server. Its password is not shown to anybody."""

    host: str = Field(examples=["mail.example.com"])
    port: int = Field(examples=[587])
    security: Security = Field(description="TLS from the first byte, after STARTTLS, or none.")
    user: str
    has_password: bool
    sender: str = Field(examples=["help@example.com"])


class MailServerAnswer(BaseModel):
    """The company's own mail server."""

    mail_server: MailServerBody


class SetMailServer(Incoming):
    """A mail server for the company."""

    host: Host
    port: Annotated[int, Field(strict=True, ge=1, le=65535, examples=[587])]
    security: Security
    user: Annotated[Line, Field(max_length=254, description="Empty: nobody signs in.")] = ""
    password: Annotated[Secret, Field(max_length=500)] | None = Field(
        None, description="Absent: the one that is there, for the same server and user."
    )
    sender: Address


def mail_server_body(facts: MailServerFacts) -> MailServerBody:
    """`facts`, as managers see them."""
    return MailServerBody(
        host=facts.host,
        port=facts.port,
        security=facts.security,
        user=facts.user,
        has_password=facts.has_password,
        sender=facts.sender,
    )
