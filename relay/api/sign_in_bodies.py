"""The JSON of signing in."""

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from relay.api.models import CompanyBody, Incoming, Secret, TechnicianBody, Text, Token

MAX_CREDENTIAL_CHARACTERS = 16 * 1024
"""Of a passkey's answer as JSON. Real ones, certificates included, have less than 8 KiB."""


def _check_size(value: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(value)) > MAX_CREDENTIAL_CHARACTERS:
        raise ValueError("This is larger than the answer of any passkey.")
    return value


Email = Annotated[Text, Field(max_length=300, examples=["alice@example.com"])]
Password = Annotated[Secret, Field(max_length=1024)]
Code = Annotated[SecretStr, Field(min_length=1, max_length=40, examples=["123456"])]
Credential = Annotated[
    dict[str, Any],
    Field(description="What `PublicKeyCredential.toJSON()` gives."),
    AfterValidator(_check_size),
]


class SignIn(Incoming):
    """With a password."""

    email: Email
    password: Password


class SignInByLink(Incoming):
    """With the token of ``ORIGIN/sign-in#TOKEN``."""

    token: Token = Field(description="32 bytes, base64url.")


class SecondFactor(Incoming):
    """The other half of a sign-in."""

    token: Token = Field(description="The challenge's.")
    way: Literal["totp", "recovery"]
    code: Code


class PasskeyWish(Incoming):
    """Which passkeys will do."""

    token: Token | None = Field(None, description="A challenge's: that person's; none: anybody's.")


class PasskeyAnswer(Incoming):
    """What the authenticator said."""

    token: Token = Field(description="Of the options.")
    credential: Credential


class SignedInBody(BaseModel):
    """Who is signed in now."""

    technician: TechnicianBody
    company: CompanyBody
    permissions: list[str] = Field(examples=[["sessions.read", "sessions.use"]])


class ChallengeBody(BaseModel):
    """What still stands before the cookie."""

    token: str = Field(description="Worth something for five minutes and five tries.")
    ways: list[Literal["totp", "passkey", "recovery"]]


class SignInAnswer(BaseModel):
    """Either the cookie came along, or a second factor is asked for."""

    signed_in: SignedInBody | None
    challenge: ChallengeBody | None


class PasskeyOptions(BaseModel):
    """What the browser is to ask an authenticator for."""

    token: str
    options: dict[str, Any] = Field(description="For `parseRequestOptionsFromJSON` or its sister.")


class ProviderBody(BaseModel):
    """A button of the sign-in page."""

    id: str = Field(description="Of the company: /sign-in/oidc/{id}/start.")
    label: str = Field(examples=["Help Ltd"])


class ProvidersAnswer(BaseModel):
    """Through whom somebody may sign in."""

    providers: list[ProviderBody]
