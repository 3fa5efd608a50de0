"""What a host asks and says before it has joined: whether it may begin, and why it cannot.

Nobody is signed in here; whoever knows the link's first part may ask. What is said is one word of a closed
set, and the answer to it is always the same, so that it tells nothing about any link.
"""

from datetime import UTC, datetime
from typing import Literal

import trio
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from relay.api.context import Context
from relay.api.models import Incoming, Time
from relay.api.problems import answers, not_found
from relay.limits import address_key
from relay.protocol.links import INVITE_BYTES, LinkError, decode_base64url
from relay.protocol.refusals import MAX_TRAITS, Refusal
from relay.sessions import SessionState

router = APIRouter(tags=["customer"])

LINK_COST = 2.0
"""Tokens of a link's bucket for each word said with it: half as many as an address may say."""


class StartAnswer(BaseModel):
    """What a host must know before it puts anything on the computer."""

    now: Time = Field(description="The relay's clock.")
    state: Literal["open", "used"]
    known_managed: bool = Field(description="Refuse where an agent is that the host knows by itself.")
    managed: list[str] = Field(
        max_length=MAX_TRAITS,
        description="Traits of others, docs/protocol.md §13.",
        examples=[["service:acme-agent"]],
    )


class HostRefused(Incoming):
    """Why a host does not begin."""

    code: Refusal


@router.get("/api/v1/links/{invite}/start", responses=answers(404))
async def get_start(invite: str, context: Context) -> StartAnswer:
    """Whether the link is alive, the relay's clock, and what computers are managed already."""
    found = await context.broker.session_of_invite(_read_invite(invite))
    if found is None:
        raise not_found()
    return StartAnswer(
        now=datetime.now(UTC),
        state="used" if found[0].state is SessionState.ACTIVE else "open",
        known_managed=context.settings.knows_managed_hosts,
        managed=list(context.settings.managed_hosts),
    )


@router.post("/api/v1/links/{invite}/refused", status_code=204, responses=answers(403, 404, 415, 422, 429))
async def host_refused(invite: str, body: HostRefused, request: Request, context: Context) -> None:
    """A host could not begin; the technician sees why. Answered alike whether there is such a link or not."""
    secret = _read_invite(invite)
    address = request.client.host if request.client else ""
    now = trio.current_time()
    context.refusals.take(address_key(address), now)
    context.refusals.take(f"link {invite}", now, LINK_COST)
    await context.broker.record_refusal(secret, body.code)


def _read_invite(text: str) -> bytes:
    """Raises Problem: 404, it is malformed."""
    try:
        return decode_base64url(text, INVITE_BYTES)
    except LinkError:
        raise not_found() from None
