"""What technicians do: prepare sessions, look after them, end them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated

import trio
from fastapi import APIRouter, Query

from relay.api.context import ApiContext, Caller, Context, SignedIn
from relay.api.mail import DeploymentMail, MailFailed
from relay.api.models import (
    IssueTicket,
    MailAnswer,
    MailBody,
    Nothing,
    PairingAnswer,
    Prepare,
    PrepareAnswer,
    SendMail,
    SessionAnswer,
    SessionsAnswer,
    TicketAnswer,
    session_body,
)
from relay.api.problems import Problem, answers, restarting
from relay.errors import LimitExceeded, SessionUnavailable
from relay.protocol.close_reasons import CloseReason
from relay.protocol.links import (
    INVITE_BYTES,
    LinkError,
    decode_base64url,
    encode_base64url,
    parse_deployment_link,
)
from relay.sessions import Session, SessionId, SessionState
from relay.texts import mark, translate

router = APIRouter(prefix="/api/v1", tags=["technician"])

WRONG_LINK = mark("This is not the deployment link of this session.")


@router.get("/sessions", responses=answers(401, 422))
async def list_sessions(
    context: Context, caller: SignedIn, ended: Annotated[bool, Query(description="Ended ones too.")] = False
) -> SessionsAnswer:
    """One's own sessions, newest first."""
    sessions = await context.broker.sessions_of(caller.technician.id, include_ended=ended)
    return SessionsAnswer(
        sessions=[session_body(session, caller.company, language=caller.language) for session in sessions],
        now=_now(),
    )


@router.post("/sessions", status_code=201, responses=answers(400, 401, 403, 409, 415, 422, 429, 503))
async def prepare(body: Prepare, context: Context, caller: SignedIn) -> PrepareAnswer:
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
    )
    mail = MailBody(state="none", detail="") if link is None else await _mail(context, caller, session, link)
    if mail.state == "sent":
        session = await context.broker.session_for(caller.technician.id, session.id)
    return PrepareAnswer(session=session_body(session, caller.company, language=caller.language), mail=mail)


@router.get("/sessions/{id}", responses=answers(401, 404))
async def get_session(id: str, context: Context, caller: SignedIn) -> SessionAnswer:
    """One of one's own sessions. Anybody else's looks like none at all."""
    return _answer(await context.broker.session_for(caller.technician.id, SessionId(id)), caller)


@router.post("/sessions/{id}/mail", responses=answers(400, 401, 403, 404, 409, 415, 422, 429))
async def send_mail(id: str, body: SendMail, context: Context, caller: SignedIn) -> MailAnswer:
    """Mail the deployment link (again), while the session waits for its customer."""
    session = await context.broker.session_for(caller.technician.id, SessionId(id))
    if session.state not in (SessionState.PREPARED, SessionState.WAITING):
        raise Problem(409, mark("The link is of no use any more; the session is active or ended."))
    link = _checked_link(body.link.get_secret_value(), context, None)
    invite = parse_deployment_link(link).invite
    owner = await context.broker.session_of_invite(invite)
    if owner is None or owner[0].id != session.id:
        raise Problem(422, WRONG_LINK)
    return MailAnswer(mail=await _mail(context, caller, session, link))


@router.post("/sessions/{id}/codes", responses=answers(401, 403, 404, 409, 415, 422))
async def renew_code(id: str, body: Nothing, context: Context, caller: SignedIn) -> SessionAnswer:
    """A new security code was made; both sides are told which is current. It stays in the page."""
    session = await context.broker.session_for(caller.technician.id, SessionId(id))
    with _state_is_a_conflict():
        return _answer(await context.broker.renew_code(caller.technician.id, session.id), caller)


@router.post("/sessions/{id}/tickets", responses=answers(400, 401, 403, 404, 409, 415, 422))
async def issue_ticket(id: str, body: IssueTicket, context: Context, caller: SignedIn) -> TicketAnswer:
    """The right to attach one viewer, once, within half a minute."""
    session = await context.broker.session_for(caller.technician.id, SessionId(id))
    with _state_is_a_conflict():
        ticket = await context.broker.issue_ticket(caller.technician.id, session.id, frozenset(body.kinds))
    return TicketAnswer(
        ticket=encode_base64url(ticket.secret),
        url=f"{context.settings.websocket_origin}/tunnel/viewer",
        expires_at=ticket.expires_at,
    )


@router.get("/sessions/{id}/pairing", responses=answers(401, 404))
async def get_pairing(id: str, context: Context, caller: SignedIn) -> PairingAnswer:
    """The wrapped pairing key, for another browser of the same technician."""
    wrapped = await context.broker.wrapped_key(caller.technician.id, SessionId(id))
    return PairingAnswer(wrapped=None if wrapped is None else encode_base64url(wrapped))


@router.post("/sessions/{id}/end", responses=answers(401, 403, 404, 415, 422))
async def end_session(id: str, body: Nothing, context: Context, caller: SignedIn) -> SessionAnswer:
    """End the session now: every connection is closed before this answers. Ending twice is no error."""
    session = await context.broker.end(
        SessionId(id), CloseReason.ENDED_BY_TECHNICIAN, technician_id=caller.technician.id
    )
    return _answer(session, caller)


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
    """Send the link to the session's customer; failing is an answer, not an error."""
    language = caller.language
    try:
        context.mails.take(caller.technician.id, trio.current_time())
        mail = DeploymentMail(
            to=session.customer_email,
            reply_to=caller.technician.email,
            company=caller.company.name,
            phone=caller.company.phone,
            technician=caller.technician.name,
            language=session.language,
            link=link,
        )
        state = await context.mailer.deliver(mail)
    except LimitExceeded:
        detail = translate(
            language, mark("Too many mails in a short time; wait some minutes, or copy the link.")
        )
        return _count_mail(context, MailBody(state="failed", detail=detail))
    except MailFailed as error:
        return _count_mail(context, MailBody(state="failed", detail=translate(language, str(error))))
    if state == "sent":
        await context.broker.record_step(session.id, "mail_accepted")
        detail = mark("The mail server has accepted the mail.")
    else:
        detail = mark(
            "No mail server is set up: the mail is kept in the relay's outbox folder. Copy the link."
        )
    return _count_mail(context, MailBody(state=state, detail=translate(language, detail)))


def _count_mail(context: ApiContext, mail: MailBody) -> MailBody:
    context.metrics.mails_total.labels(mail.state).inc()
    return mail


def _answer(session: Session, caller: Caller) -> SessionAnswer:
    return SessionAnswer(session=session_body(session, caller.company, language=caller.language), now=_now())


def _now() -> datetime:
    return datetime.now(UTC)
