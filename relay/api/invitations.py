"""What people reach with a mailed link in their hands, or without their password; nobody is signed in here.

Unknown, used, dead and revoked links get the same answer. Asking for a new password is always answered with
202, before anything is looked up (`relay.accounts.invitations`).
"""

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from relay.api.account_bodies import PASSWORD_LENGTH, Name
from relay.api.context import Context, language_of
from relay.api.models import Incoming, Language, Token
from relay.api.problems import answers, not_found, wrong_field
from relay.api.sign_in import visit_of, welcome
from relay.api.sign_in_bodies import Email, Password, SignInAnswer
from relay.auth import MAX_PASSWORD_CHARACTERS, MIN_PASSWORD_CHARACTERS
from relay.errors import LimitExceeded, Refused
from relay.protocol.links import decode_base64url
from relay.store.link_rows import LinkPurpose
from relay.texts import translate

router = APIRouter(prefix="/api/v1", tags=["sign-in"])

LinkToken = Annotated[Token, Field(description="Of ``ORIGIN/invite#TOKEN`` or ``ORIGIN/reset#TOKEN``.")]


class AskReset(Incoming):
    """Whose password is forgotten."""

    email: Email


class ResetAnswer(BaseModel):
    """If somebody here has the address and a password, a mail is on its way."""

    status: Literal["accepted"] = "accepted"


class Look(Incoming):
    """A link to look at."""

    token: LinkToken


class MailedLinkBody(BaseModel):
    """Whose link it is."""

    company: str = Field(examples=["Help Ltd"])
    name: str = Field(examples=["Alice"])
    email: str = Field(examples=["alice@example.com"])
    language: str = Field(examples=["en"])
    purpose: Literal["invitation", "reset"]


class Accept(Incoming):
    """What a link is used for. Name and language count for an invitation only."""

    token: LinkToken
    password: Password = Field(description="At least 12 characters, of any kind.")
    name: Name | None = None
    language: Language | None = None


@router.post("/sign-in/reset", status_code=202, responses=answers(400, 403, 415, 422, 429))
async def ask_reset(body: AskReset, request: Request, context: Context) -> ResetAnswer:
    """Have a link for a new password mailed. The same answer, and as fast, whoever is known here."""
    context.accounts.invitations.ask_reset(body.email, visit_of(request, context))
    return ResetAnswer()


@router.post("/invitations/look", responses=answers(400, 403, 404, 415, 422, 429))
async def look(body: Look, request: Request, context: Context) -> MailedLinkBody:
    """Whose a mailed link is. Looking does not spend it."""
    try:
        link = await context.accounts.invitations.look(
            decode_base64url(body.token, 32), visit_of(request, context)
        )
    except LookupError:
        raise not_found() from None
    return MailedLinkBody(
        company=link.company.name,
        name=link.technician.name,
        email=link.technician.email,
        language=link.technician.language,
        purpose="reset" if link.purpose is LinkPurpose.RESET else "invitation",
    )


@router.post("/invitations/accept", responses=answers(400, 401, 403, 404, 415, 422, 429))
async def accept(body: Accept, request: Request, response: Response, context: Context) -> SignInAnswer:
    """Set the password, once, and sign in. All cookies of the person die; a second factor is asked for."""
    try:
        accepted = await context.accounts.invitations.accept(
            decode_base64url(body.token, 32),
            body.password.get_secret_value(),
            name=body.name,
            language=body.language,
            visit=visit_of(request, context),
        )
    except LookupError:
        raise not_found() from None
    except LimitExceeded:
        raise
    except Refused as error:
        language = language_of(request)
        message = translate(
            language, PASSWORD_LENGTH, least=MIN_PASSWORD_CHARACTERS, most=MAX_PASSWORD_CHARACTERS
        )
        raise wrong_field("password", message, language=language) from error
    for asker in accepted.dead:
        context.revoke_asker(asker)
    return await welcome(request, response, context, accepted.entry, way=accepted.purpose.value)
