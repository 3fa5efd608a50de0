"""One's own API tokens: make, list, revoke."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from relay.accounts.api_tokens import MAX_DAYS
from relay.api.context import Context, OwnAccount
from relay.api.models import Incoming, Line, Time
from relay.api.problems import answers, not_found, wrong_field
from relay.errors import LimitExceeded, Refused
from relay.people import TOKEN_SCOPES, Permission
from relay.store.token_rows import ApiToken

router = APIRouter(prefix="/api/v1", tags=["account"])


class MakeToken(Incoming):
    """A token to make."""

    name: Annotated[Line, Field(min_length=1, max_length=100, examples=["Ticket system"])]
    scopes: list[Permission] = Field(
        min_length=1, max_length=len(TOKEN_SCOPES), examples=[["sessions.read", "sessions.use"]]
    )
    days: int = Field(ge=1, le=MAX_DAYS, examples=[90], description="How long it lives.")


class TokenBody(BaseModel):
    """A token, without its secret."""

    id: str
    name: str
    scopes: list[str]
    created_at: Time
    expires_at: Time
    used_at: Time | None = Field(description="About when it was used last.")


class TokensAnswer(BaseModel):
    """The tokens that are alive, newest first."""

    tokens: list[TokenBody]


class MadeToken(BaseModel):
    """A new token. It is told this once."""

    token: str = Field(examples=["adhoc_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8abcdef"])
    info: TokenBody


@router.get("/me/tokens", responses=answers(401, 403))
async def list_tokens(context: Context, caller: OwnAccount) -> TokensAnswer:
    """One's own API tokens."""
    found = await context.accounts.api_tokens.list(caller.technician)
    return TokensAnswer(tokens=[_body(token) for token in found])


@router.post("/me/tokens", status_code=201, responses=answers(400, 401, 403, 409, 415, 422))
async def make_token(body: MakeToken, context: Context, caller: OwnAccount) -> MadeToken:
    """Make an API token, for no more than one may do oneself. It is told once."""
    try:
        text, token = await context.accounts.api_tokens.make(
            caller.technician, name=body.name, scopes=body.scopes, days=body.days
        )
    except LimitExceeded:
        raise
    except Refused as error:
        raise wrong_field("scopes", str(error), language=caller.language) from error
    return MadeToken(token=text, info=_body(token))


@router.delete("/me/tokens/{id}", status_code=204, responses=answers(401, 403, 404))
async def revoke_token(id: str, context: Context, caller: OwnAccount) -> None:
    """Revoke an API token; what it has open is closed before this answers."""
    dead = await context.accounts.api_tokens.revoke(caller.technician, id)
    if dead is None:
        raise not_found()
    context.revoke_asker(dead)


def _body(token: ApiToken) -> TokenBody:
    return TokenBody(
        id=token.id,
        name=token.name,
        scopes=sorted(token.scopes),
        created_at=token.created_at,
        expires_at=token.expires_at,
        used_at=token.used_at,
    )
