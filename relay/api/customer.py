"""What customers reach with nothing but a deployment link in their hands; nobody is signed in here.

An unknown invite, one that lapsed and one whose session ended get the same answer, byte for byte. A GET
changes nothing that matters: mail scanners and chat previews open links before people do.
"""

from datetime import UTC, datetime
from typing import Any, Final, cast, get_args

import trio
from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse

from relay.api.context import ApiContext, Context
from relay.api.downloads import host_response
from relay.api.logos import LOGO_ANSWERS, logo_response
from relay.api.models import LinkAnswer, LinkStep, Nothing, host_file
from relay.api.problems import answers, not_found
from relay.downloads import FILE_NAMES, Target
from relay.people import Company
from relay.protocol.links import INVITE_BYTES, LinkError, decode_base64url
from relay.protocol.refusals import Refusal
from relay.sessions import REFUSED_STEPS, Session, SessionState

router = APIRouter(tags=["customer"])

DOWNLOAD: Final[dict[int | str, dict[str, Any]]] = {
    **answers(404),
    206: {"description": "The part that was asked for."},
    304: {"description": "The file that you have is still the one."},
    416: {"description": "The file does not have that part."},
}

_LINK_STEPS: Final = frozenset(get_args(LinkStep))
"""Those of the funnel that a customer's page may follow: what happens on their own computer."""

_REFUSALS: Final = {refusal.step: refusal for refusal in Refusal}


@router.get("/api/v1/links/{invite}", responses=answers(404))
async def get_link(invite: str, context: Context) -> LinkAnswer:
    """Who wants to help, and what to download. Tells nothing about the customer or the session."""
    session, company = await _open_session(context, invite)
    is_active = session.state is SessionState.ACTIVE
    found = await trio.to_thread.run_sync(context.downloads.look)
    return LinkAnswer(
        company=company.name,
        phone=company.phone,
        colour=company.colour,
        has_logo=await context.accounts.brand.has_logo(company.id),
        technician=session.technician_name,
        language=session.language,
        state="used" if is_active else "open",
        step=_last_step(session),
        refused=_last_refusal(session),
        hosts=[offer for each in found if (offer := host_file(each)) is not None],
        report_url=context.settings.report_url,
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


async def download_host(invite: str, target: Target, request: Request, context: ApiContext) -> Response:
    """The host program for `target`; a request for only the rest of it counts as the same download."""
    session, _ = await _open_session(context, invite)
    found = await trio.to_thread.run_sync(context.downloads.served, target)
    if found is None:
        raise not_found()
    if request.method == "GET":
        await context.broker.record_step(session.id, "host_downloaded")
    return host_response(request, *found)


@router.get(f"/d/{{invite}}/{FILE_NAMES[Target.WINDOWS]}", response_class=FileResponse, responses=DOWNLOAD)
async def download_for_windows(invite: str, request: Request, context: Context) -> Response:
    """The host program for Windows."""
    return await download_host(invite, Target.WINDOWS, request, context)


@router.get(f"/d/{{invite}}/{FILE_NAMES[Target.LINUX]}", response_class=FileResponse, responses=DOWNLOAD)
async def download_for_linux(invite: str, request: Request, context: Context) -> Response:
    """The host program for Linux."""
    return await download_host(invite, Target.LINUX, request, context)


@router.get(f"/d/{{invite}}/{FILE_NAMES[Target.PYTHON]}", response_class=FileResponse, responses=DOWNLOAD)
async def download_for_python(invite: str, request: Request, context: Context) -> Response:
    """The host program for computers with Python."""
    return await download_host(invite, Target.PYTHON, request, context)


def _last_step(session: Session) -> LinkStep:
    reached = [step for step, _ in session.funnel if step in _LINK_STEPS]
    return cast("LinkStep", reached[-1]) if reached else ""


def _last_refusal(session: Session) -> Refusal | None:
    """What a host said that did not begin, unless one has begun after that."""
    if session.state is not SessionState.PREPARED:
        return None
    refused = [(at, step) for step, at in session.funnel if step in REFUSED_STEPS]
    begun = [at for step, at in session.funnel if step in _LINK_STEPS and step != "host_downloaded"]
    if not refused or (begun and max(begun) > max(refused)[0]):
        return None
    return _REFUSALS[max(refused)[1]]


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
