"""The JSON of the company and its settings."""

import base64
import binascii
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from relay.api.account_bodies import IdentityProviderBody
from relay.api.images import MAX_IMAGE_BYTES
from relay.api.mail_server_bodies import MailServerBody
from relay.api.models import CompanyBody, Incoming, Line, company_body
from relay.people import Company, Plan

MIN_SESSION_LIFETIME = 600
MIN_PREPARATION_TIMEOUT = 300
MAX_SECONDS = 86400
"""Seconds. A session of less than ten minutes helps nobody, and a mail takes minutes to arrive."""

MAX_IMAGE_CHARACTERS = -(-MAX_IMAGE_BYTES * 4 // 3)


def _decode(text: str) -> str:
    try:
        base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("This must be base64url without padding.") from None
    return text


def _lower(text: str) -> str:
    return text.lower()


Count = Annotated[int, Field(strict=True, ge=1, le=1000)]
Flag = Annotated[bool, Field(strict=True)]
Seconds = Annotated[float, Field(strict=True, le=MAX_SECONDS, allow_inf_nan=False)]
Colour = Annotated[
    str, Field(pattern=r"^(#[0-9A-Fa-f]{6})?$", max_length=7, examples=["#1f5fd6"]), AfterValidator(_lower)
]
Image = Annotated[
    str,
    Field(max_length=MAX_IMAGE_CHARACTERS, pattern=r"^[A-Za-z0-9_-]*$", description="The file, base64url."),
    AfterValidator(_decode),
]


class CompanySettingsBody(CompanyBody):
    """The company and its settings."""

    has_logo: bool


class CompanyAnswer(BaseModel):
    """The company, as its people see it."""

    company: CompanySettingsBody
    mail_server: MailServerBody | None = Field(description="None also for who may not change it.")
    identity_provider: IdentityProviderBody | None = Field(description="None also for who may not change it.")


class ChangeCompany(Incoming):
    """What is to be changed; the rest stays. Limits below what is open now refuse new sessions only."""

    name: Annotated[Line, Field(min_length=1, max_length=80, examples=["Help Ltd"])] | None = None
    phone: Annotated[Line, Field(max_length=40, examples=["+44 20 7946 0000"])] | None = None
    plan: Plan | None = None
    has_insight: Flag | None = None
    max_open_per_technician: Count | None = None
    max_open_per_company: Count | None = None
    session_lifetime: Annotated[Seconds, Field(ge=MIN_SESSION_LIFETIME)] | None = None
    preparation_timeout: Annotated[Seconds, Field(ge=MIN_PREPARATION_TIMEOUT)] | None = None
    colour: Colour | None = Field(None, description="Empty: the product's own.")
    requires_reason: Flag | None = None
    allows_shell: Flag | None = Field(None, description="False closes the shells that are open.")
    requires_second_factor: Flag | None = None
    retention_days: Annotated[int, Field(strict=True, ge=1, le=3650)] | None = None


class SetLogo(Incoming):
    """A picture: a PNG, not interlaced, at most 64 KiB and 1024 pixels a side."""

    media_type: Literal["image/png"]
    image: Image

    @property
    def file(self) -> bytes:
        """The file itself."""
        return base64.urlsafe_b64decode(self.image + "=" * (-len(self.image) % 4))


def settings_body(company: Company, *, has_logo: bool) -> CompanySettingsBody:
    """`company`, as its people see it."""
    return CompanySettingsBody(**company_body(company).model_dump(), has_logo=has_logo)
