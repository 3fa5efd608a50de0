"""What customers reach with nothing but a deployment link in their hands; nobody is signed in here.

An unknown invite, one that lapsed and one whose session ended get the same answer, byte for byte. A GET
changes nothing that matters: mail scanners and chat previews open links before people do.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final, cast, get_args

import trio
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, Field, ValidationError

from relay.api.context import ApiContext, Context
from relay.api.logos import LOGO_ANSWERS, logo_response
from relay.api.models import HostFile, LinkAnswer, LinkStep, Nothing
from relay.api.problems import answers, not_found
from relay.people import Company
from relay.protocol.links import INVITE_BYTES, LinkError, decode_base64url
from relay.sessions import Session, SessionState

HOST_FILE = "adhoc-host.pyz"
HOST_FACTS = "adhoc-host.json"
MAX_FACTS_BYTES = 4096

router = APIRouter(tags=["customer"])

_LINK_STEPS: Final = frozenset(get_args(LinkStep))
"""Those of the funnel that a customer's page may follow: what happens on their own computer."""


class HostFacts(BaseModel):
    """The sidecar that the builder of the host file writes beside it."""

    size: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    python: list[str] = Field(min_length=1, max_length=20)


@router.get("/api/v1/links/{invite}", responses=answers(404))
async def get_link(invite: str, context: Context) -> LinkAnswer:
    """Who wants to help, and what to download. Tells nothing about the customer or the session."""
    session, company = await _open_session(context, invite)
    is_active = session.state is SessionState.ACTIVE
    return LinkAnswer(
        company=company.name,
        phone=company.phone,
        colour=company.colour,
        has_logo=await context.accounts.brand.has_logo(company.id),
        technician=session.technician_name,
        language=session.language,
        state="used" if is_active else "open",
        step=_last_step(session),
        host=await trio.to_thread.run_sync(read_host_file, context.settings.downloads),
        now=datetime.now(UTC),
        expires_at=(session.expires_at if is_active else None) or session.lapse_at,
    )


@router.get(
    "/api/v1/links/{invite}/logo", response_class=Response, responses={**answers(404), **LOGO_ANSWERS}
)
async def get_logo(invite: str, request: Request, context: Context) -> Response:
    """The logo of the company that wants to help."""
    _, company = await _open_session(context, invite)
    return logo_response(request, await context.accounts.brand.logo(company.id))


@router.post("/api/v1/links/{invite}/opened", status_code=204, responses=answers(403, 404, 415, 422))
async def link_opened(invite: str, body: Nothing, context: Context) -> None:
    """A person opened the page: said by the page's script, which mail scanners do not run."""
    session, _ = await _open_session(context, invite)
    await context.broker.record_step(session.id, "link_opened")


@router.get(f"/d/{{invite}}/{HOST_FILE}", response_class=FileResponse, responses=answers(404))
async def download_host(invite: str, context: Context) -> FileResponse:
    """The host program."""
    session, _ = await _open_session(context, invite)
    downloads = context.settings.downloads
    if await trio.to_thread.run_sync(read_host_file, downloads) is None:
        raise not_found()
    await context.broker.record_step(session.id, "host_downloaded")
    return FileResponse(
        downloads / HOST_FILE,
        media_type="application/octet-stream",
        filename=HOST_FILE,
        headers={"Cache-Control": "no-store"},
    )


def read_host_file(downloads: Path) -> HostFile | None:
    """What the sidecar says of the host file in `downloads`; None while there is no complete pair. Blocks."""
    try:
        with (downloads / HOST_FACTS).open("rb") as file:
            facts = HostFacts.model_validate_json(file.read(MAX_FACTS_BYTES))
        if (downloads / HOST_FILE).stat().st_size != facts.size:
            return None
    except (OSError, ValidationError):
        return None
    return HostFile(file=HOST_FILE, size=facts.size, sha256=facts.sha256, python=facts.python)


def _last_step(session: Session) -> LinkStep:
    reached = [step for step, _ in session.funnel if step in _LINK_STEPS]
    return cast("LinkStep", reached[-1]) if reached else ""


async def _open_session(context: ApiContext, invite: str) -> tuple[Session, Company]:
    """The session behind `invite`, if it is open.

    Raises:
        Problem: 404, whatever is wrong with it.
    """
    try:
        secret = decode_base64url(invite, INVITE_BYTES)
    except LinkError:
        raise not_found() from None
    found = await context.broker.session_of_invite(secret)
    if found is None:
        raise not_found()
    return found
