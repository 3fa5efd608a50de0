"""What technicians do with sessions: prepare them, look after them, let colleagues in, end them."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Literal

import trio
from fastapi import APIRouter, Depends, Query

from relay.api.context import Allowed, ApiContext, Caller, Context
from relay.api.idempotency import IdempotencyKey, IdempotentRoute
from relay.api.models import MailAnswer, MailBody, Nothing
from relay.api.positions import read_position, write_position
from relay.api.problems import Problem, answers, restarting, wrong_field
from relay.api.session_bodies import (
    ChangeSession,
    HandOver,
    IssueTicket,
    PairingAnswer,
    Prepare,
    PrepareAnswer,
    PutShare,
    SendMail,
    SessionAnswer,
    SessionBody,
    SessionsAnswer,
    TicketAnswer,
    session_body,
)
from relay.errors import LimitExceeded, ReasonRequired, SessionUnavailable
from relay.mail import DeploymentMail, visible
from relay.people import Permission, TechnicianId
from relay.protocol.close_reasons import CloseReason
from relay.protocol.links import (
    INVITE_BYTES,
    LinkError,
    decode_base64url,
    encode_base64url,
    parse_deployment_link,
)
from relay.sessions import Session, SessionId, SessionState
from relay.store.session_list import SessionQuery, Sort
from relay.texts import mark, translate

router = APIRouter(prefix="/api/v1", tags=["sessions"])
creating = APIRouter(prefix="/api/v1", tags=["sessions"], route_class=IdempotentRoute)

WRONG_LINK = mark("This is not the deployment link of this session.")

Reader = Annotated[Caller, Depends(Allowed(Permission.READ_SESSIONS))]
User = Annotated[Caller, Depends(Allowed(Permission.USE_SESSIONS))]

_STATES: dict[str, frozenset[SessionState] | None] = {
    "open": frozenset(state for state in SessionState if state.is_open),
    "all": None,
    **{state.value: frozenset({state}) for state in SessionState},
}


@router.get("/sessions", responses=answers(401, 403, 422))
async def list_sessions(
    context: Context,
    caller: Reader,
    scope: Annotated[
        Literal["mine", "company"], Query(description="One's own and those one was let into, or all.")
    ] = "mine",
    state: Literal["open", "all", "prepared", "waiting", "active", "ended"] = "open",
    q: Annotated[
        str, Query(max_length=100, description="What customer, computer, note, system or people contain.")
    ] = "",
    technician: Annotated[str | None, Query(max_length=64, description="Prepared by them.")] = None,
    sort: Sort = "newest",
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=1000, description="`next` of the page before.")] = None,
) -> SessionsAnswer:
    """Sessions, page by page. Those of colleagues need the right to see them."""
    is_own = scope == "mine"
    if not is_own and Permission.READ_ALL_SESSIONS not in caller.permissions:
        raise Problem(403, mark("You may only see your own sessions."))
    query = SessionQuery(
        company_id=caller.company.id,
        seen_by=caller.technician.id if is_own else None,
        owner=None if technician is None else TechnicianId(technician),
        states=_STATES[state],
        text=q.replace("\0", ""),
        sort=sort,
        after=None if cursor is None else read_position(cursor, sort, language=caller.language),
        limit=limit,
    )
    found, position = await context.broker.sessions(query)
    return SessionsAnswer(
        sessions=await _bodies(found, context, caller),
        now=_now(),
        next=None if position is None else write_position(position, sort),
    )


@creating.post("/sessions", status_code=201, responses=answers(400, 401, 403, 409, 415, 422, 429, 503))
async def prepare(
    body: Prepare, context: Context, caller: User, idempotency_key: IdempotencyKey = None
) -> PrepareAnswer:
    """Prepare a session, and mail its deployment link if it is given. A mail that fails ends nothing."""
    if context.stopping.is_set():
        raise restarting()
    link = None if body.link is None else _checked_link(body.link.get_secret_value(), context, body.invite)
    session = await context.broker.prepare(
        caller.technician.id,
        invite=decode_base64url(body.invite, INVITE_BYTES),
        customer_email=body.customer_email,
        note=body.note,
        language=body.language,
        wants_receipt=body.wants_receipt,
    )
    mail = MailBody(state="none", detail="") if link is None else await _mail(context, caller, session, link)
    if link is not None:
        session = await context.broker.session_for(caller.technician.id, session.id)
    (shown,) = await _bodies([session], context, caller)
    return PrepareAnswer(session=shown, mail=mail)


@router.get("/sessions/{id}", responses=answers(401, 403, 404))
async def get_session(id: str, context: Context, caller: Reader) -> SessionAnswer:
    """One session that the caller may know of. Any other looks like none at all."""
    return await _answer(await _session_for(id, context, caller), context, caller)


@router.patch("/sessions/{id}", responses=answers(400, 401, 403, 404, 409, 415, 422))
async def change_session(id: str, body: ChangeSession, context: Context, caller: User) -> SessionAnswer:
    """Change the note, or whether the customer is mailed a receipt."""
    session = await context.broker.change_session(
        caller.technician.id,
        SessionId(id),
        note=body.note,
        wants_receipt=body.wants_receipt,
        permissions=caller.permissions,
    )
    return await _answer(session, context, caller)


@router.post("/sessions/{id}/mail", responses=answers(400, 401, 403, 404, 409, 415, 422, 429))
async def send_mail(id: str, body: SendMail, context: Context, caller: User) -> MailAnswer:
    """Mail the deployment link (again), while the session waits for its customer."""
    session = await _own_session(id, context, caller)
    if session.state not in (SessionState.PREPARED, SessionState.WAITING):
        raise Problem(409, mark("The link is of no use any more; the session is active or ended."))
    link = _checked_link(body.link.get_secret_value(), context, None)
    invite = parse_deployment_link(link).invite
    owner = await context.broker.session_of_invite(invite)
    if owner is None or owner[0].id != session.id:
        raise Problem(422, WRONG_LINK)
    return MailAnswer(mail=await _mail(context, caller, session, link))


@router.post("/sessions/{id}/codes", responses=answers(400, 401, 403, 404, 409, 415, 422))
async def renew_code(id: str, body: Nothing, context: Context, caller: User) -> SessionAnswer:
    """A new security code was made; both sides are told which is current. It stays in the page."""
    session = await _own_session(id, context, caller)
    with _state_is_a_conflict():
        session = await context.broker.renew_code(caller.technician.id, session.id)
    return await _answer(session, context, caller)


@router.post("/sessions/{id}/tickets", responses=answers(400, 401, 403, 404, 409, 415, 422))
async def issue_ticket(id: str, body: IssueTicket, context: Context, caller: User) -> TicketAnswer:
    """The right to attach one viewer, once, within half a minute. It dies with what asked for it."""
    session = await _session_for(id, context, caller)
    try:
        with _state_is_a_conflict():
            ticket = await context.broker.issue_ticket(
                caller.technician.id,
                session.id,
                frozenset(body.kinds),
                reason=body.reason,
                asked_by_hash=caller.asked_by_hash,
            )
    except ReasonRequired as error:
        raise wrong_field("reason", str(error), language=caller.language) from error
    return TicketAnswer(
        ticket=encode_base64url(ticket.secret),
        url=f"{context.settings.websocket_origin}/tunnel/viewer",
        expires_at=ticket.expires_at,
    )


@router.get("/sessions/{id}/pairing", responses=answers(401, 403, 404))
async def get_pairing(id: str, context: Context, caller: User) -> PairingAnswer:
    """The wrapped pairing key: for another browser of the same technician, and for colleagues let in."""
    wrapped = await context.broker.wrapped_key(
        caller.technician.id, SessionId(id), permissions=caller.permissions
    )
    return PairingAnswer(wrapped=None if wrapped is None else encode_base64url(wrapped))


@router.put("/sessions/{id}/shares/{technician_id}", responses=answers(400, 401, 403, 404, 409, 415, 422))
async def put_share(
    id: str, technician_id: str, body: PutShare, context: Context, caller: User
) -> SessionAnswer:
    """Let a colleague in until the session ends, or change what they may do."""
    session = await context.broker.share(
        caller.technician.id,
        SessionId(id),
        TechnicianId(technician_id),
        body.access,
        permissions=caller.permissions,
    )
    return await _answer(session, context, caller)


@router.delete("/sessions/{id}/shares/{technician_id}", status_code=204, responses=answers(401, 403, 404))
async def delete_share(id: str, technician_id: str, context: Context, caller: User) -> None:
    """Take a colleague's right back, or give up one's own; their viewers are closed before this answers."""
    await context.broker.unshare(
        caller.technician.id, SessionId(id), TechnicianId(technician_id), permissions=caller.permissions
    )


@router.post("/sessions/{id}/owner", responses=answers(400, 401, 403, 404, 409, 415, 422))
async def hand_over(id: str, body: HandOver, context: Context, caller: User) -> SessionAnswer:
    """Hand the session over to a colleague, whose limit counts. Whose it was stays in it until taken out."""
    session = await context.broker.hand_over(
        caller.technician.id,
        SessionId(id),
        TechnicianId(body.technician_id),
        permissions=caller.permissions,
    )
    return await _answer(session, context, caller)


@router.post("/sessions/{id}/revoke", responses=answers(400, 401, 403, 404, 409, 415, 422))
async def revoke_session(id: str, body: Nothing, context: Context, caller: User) -> SessionAnswer:
    """End a session that was never active: its link and codes are worth nothing any more."""
    return await _end(id, context, caller, is_revoking=True)


@router.post("/sessions/{id}/end", responses=answers(400, 401, 403, 404, 415, 422))
async def end_session(id: str, body: Nothing, context: Context, caller: User) -> SessionAnswer:
    """End the session now: every connection is closed before this answers. Ending twice is no error."""
    return await _end(id, context, caller, is_revoking=False)


async def _end(id: str, context: ApiContext, caller: Caller, *, is_revoking: bool) -> SessionAnswer:
    session = await context.broker.end(
        SessionId(id),
        CloseReason.ENDED_BY_TECHNICIAN,
        technician_id=caller.technician.id,
        permissions=caller.permissions,
        is_revoking=is_revoking,
    )
    return await _answer(session, context, caller)


async def _session_for(id: str, context: ApiContext, caller: Caller) -> Session:
    """A session that the caller may know of."""
    return await context.broker.session_for(
        caller.technician.id, SessionId(id), permissions=caller.permissions
    )


async def _own_session(id: str, context: ApiContext, caller: Caller) -> Session:
    """A session that the caller prepared; a colleague's pages do not have its link and codes."""
    session = await _session_for(id, context, caller)
    if session.technician_id != caller.technician.id:
        raise Problem(403, mark("Only whom the session belongs to may do this."))
    return session


@contextmanager
def _state_is_a_conflict() -> Iterator[None]:
    """For one's own session "not in that state" is no secret: 409 and why, where strangers read 404."""
    try:
        yield
    except SessionUnavailable as error:
        raise Problem(409, str(error)) from error


def _checked_link(text: str, context: ApiContext, invite: str | None) -> str:
    """The deployment link `text`, if it is one of this relay (and of `invite`).

    Raises:
        Problem: 422. Whoever is signed in must not be able to mail other links in the company's name.
    """
    try:
        link = parse_deployment_link(text)
    except LinkError:
        raise Problem(422, WRONG_LINK) from None
    if link.origin != context.settings.origin or invite not in (None, encode_base64url(link.invite)):
        raise Problem(422, WRONG_LINK)
    # Made anew from its parts: whatever else might hide in the text stays behind.
    return link.url()


async def _mail(context: ApiContext, caller: Caller, session: Session, link: str) -> MailBody:
    """Have the link mailed to the session's customer; failing is an answer, not an error."""
    language = caller.language
    try:
        context.mails.take(caller.technician.id, trio.current_time())
    except LimitExceeded:
        detail = mark("Too many mails in a short time; wait some minutes, or copy the link.")
        return MailBody(state="failed", detail=translate(language, detail))
    mail = DeploymentMail(
        to=session.customer_email,
        reply_to=caller.technician.email,
        technician=visible(caller.technician.name),
        language=session.language,
        link=link,
    )
    record = await context.outbox.put(
        mail, company_id=session.company_id, session_id=session.id, expires_at=session.lapse_at
    )
    return MailBody(state=record.state, detail=translate(language, record.detail))


async def _answer(session: Session, context: ApiContext, caller: Caller) -> SessionAnswer:
    (body,) = await _bodies([session], context, caller)
    return SessionAnswer(session=body, now=_now())


async def _bodies(sessions: list[Session], context: ApiContext, caller: Caller) -> list[SessionBody]:
    records = await context.outbox.records_of([session.id for session in sessions])
    return [session_body(session, replace(caller.view, mail=records.get(session.id))) for session in sessions]


def _now() -> datetime:
    return datetime.now(UTC)
