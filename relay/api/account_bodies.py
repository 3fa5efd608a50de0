"""The JSON of one's own account, and of the company's identity provider."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from relay.accounts.identity_providers import IdentityProvider
from relay.api.models import Incoming, Language, Line, Text, Time, Token
from relay.api.sign_in_bodies import Code, Credential, Password, SignedInBody
from relay.texts import mark

MAX_NAME_LENGTH = 100

PASSWORD_LENGTH = mark("A password has {least} to {most} characters.")

Name = Annotated[Line, Field(min_length=1, max_length=MAX_NAME_LENGTH, examples=["Alice"])]


class Me(SignedInBody):
    """Who is signed in, and what the relay is like."""

    mail: Literal["smtp", "outbox"] = Field(description="Where mails go: out, or into a folder of the relay.")
    origin: str = Field(examples=["https://support.example.com"])
    now: Time
    must_set_second_factor: bool = Field(
        description="The company requires one: nothing but one's own account answers until it is set up."
    )


class ChangeMe(Incoming):
    """What is to be changed; the rest stays."""

    name: Name | None = None
    language: Language | None = None


class Proof(Incoming):
    """Who has a password proves that it is them, not somebody at their open browser."""

    current_password: Password | None = None


class NewPassword(Proof):
    """At least 12 characters, of any kind."""

    password: Password


class TotpCode(Incoming):
    """What the authenticator app shows."""

    code: Code


class TotpOff(Proof):
    """Either the password or the app's code."""

    code: Code | None = None


class NewPasskey(Incoming):
    """A passkey to keep."""

    token: Token = Field(description="Of the options.")
    name: Annotated[Text, Field(min_length=1, max_length=60, examples=["Laptop"])]
    credential: Credential


class TotpState(BaseModel):
    """The authenticator app."""

    is_on: bool
    confirmed_at: Time | None


class PasskeyBody(BaseModel):
    """A passkey."""

    id: str
    name: str = Field(examples=["Laptop"])
    created_at: Time
    used_at: Time | None


class NewPasskeyBody(PasskeyBody):
    """A passkey, and what came with it."""

    recovery_codes: list[str] | None = Field(
        description="Shown once: for whoever had no second factor before. None: there are some already."
    )


class BrowserBody(BaseModel):
    """A browser that is signed in."""

    id: str | None = Field(description="None: from before there was a list; it ends by itself.")
    agent: str = Field(examples=["Chrome on Windows"])
    way: str = Field(examples=["password"])
    created_at: Time | None
    seen_at: Time
    is_current: bool


class Security(BaseModel):
    """How somebody signs in, and where they are signed in."""

    has_password: bool
    totp: TotpState
    passkeys: list[PasskeyBody]
    recovery_codes_left: int
    browsers: list[BrowserBody]


class NewTotpBody(BaseModel):
    """For an authenticator app; worth nothing until it is confirmed."""

    secret: str = Field(description="base32.", examples=["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"])
    uri: str = Field(description="What the QR code says.")


class RecoveryCodes(BaseModel):
    """Each is good for one sign-in; shown this once."""

    recovery_codes: list[str] | None = Field(description="None: those from before are still good.")


class SetIdentityProvider(Incoming):
    """Who vouches for the company's people (OpenID Connect)."""

    issuer: Annotated[Text, Field(min_length=8, max_length=500, examples=["https://login.example.com"])]
    client_id: Annotated[Text, Field(min_length=1, max_length=255)]
    client_secret: Password | None = Field(None, description="None: as it was. Empty: a public client.")
    label: Annotated[Text, Field(min_length=1, max_length=60, examples=["Help Ltd"])]


class IdentityProviderBody(BaseModel):
    """Who vouches for the company's people."""

    issuer: str
    client_id: str
    label: str
    has_secret: bool
    redirect_uri: str = Field(description="To be registered at the issuer.")


class IdentityProviderAnswer(BaseModel):
    """The setting, after it was changed."""

    identity_provider: IdentityProviderBody | None


def provider_body(provider: IdentityProvider | None) -> IdentityProviderBody | None:
    """`provider`, as managers of the company see it."""
    if provider is None:
        return None
    return IdentityProviderBody(
        issuer=provider.issuer,
        client_id=provider.client_id,
        label=provider.label,
        has_secret=provider.has_secret,
        redirect_uri=provider.redirect_uri,
    )
