"""What is shown of the audit: the company's log, a session's history, and the customer's receipt."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field

from relay.api.context import Allowed, Caller, Context, language_of
from relay.api.models import Time
from relay.api.problems import Problem, answers, not_found
from relay.audit.export import MEDIA_TYPES
from relay.audit.receipts import ACTS, OTHER_ACT, Receipt
from relay.people import Permission
from relay.protocol.links import INVITE_BYTES, LinkError, decode_base64url, encode_base64url
from relay.sessions import SessionId
from relay.store.audit_rows import AuditField, AuditQuery, technician_actor
from relay.store.use_rows import Use
from relay.texts import mark, translate

FIRST_TIME = datetime(2000, 1, 1, tzinfo=UTC)
LAST_TIME = datetime(2200, 1, 1, tzinfo=UTC)
CURSOR_BYTES = 8
LAST_NUMBER = 2**31 - 1
"""The largest that the database counts."""

NOT_ENDED = mark("The session has not ended yet.")

router = APIRouter(prefix="/api/v1", tags=["audit"])

Auditor = Annotated[Caller, Depends(Allowed(Permission.READ_AUDIT))]
Reader = Annotated[Caller, Depends(Allowed(Permission.READ_SESSIONS))]
Limit = Annotated[int, Query(ge=1, le=200, description="Rows of a page.")]
Cursor = Annotated[
    str | None,
    Query(
        # 8 bytes in base64url, all of them
        pattern=r"^[A-Za-z0-9_-]{10}[AEIMQUYcgkosw048]$",
        description="`next` of the page before; leave it out for the first.",
    ),
]


def _written(value: object) -> object:
    """Only what is written as a time: pydantic takes numbers for seconds since 1970."""
    if not isinstance(value, str) or "T" not in value.upper():
        raise ValueError("This must be a time as in 2026-01-31T12:00:00Z.")
    return value


IsoTime = Annotated[AwareDatetime, BeforeValidator(_written)]
PathId = Annotated[str, Field(max_length=43)]


class AuditFilter(BaseModel):
    """Which rows; all of it may be left out."""

    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    actor: str | None = None
    action: str | None = None
    session: str | None = None

    def query(self) -> AuditQuery:
        """For the store."""
        return AuditQuery(
            since=self.since,
            until=self.until,
            actor=self.actor,
            action=self.action,
            session_id=None if self.session is None else SessionId(self.session),
        )


def audit_period(
    since: Annotated[
        IsoTime | None,
        Query(
            alias="from",
            description="Not before.",
            examples=["2026-01-01T00:00:00Z"],
        ),
    ] = None,
    until: Annotated[
        IsoTime | None,
        Query(alias="to", description="Before.", examples=["2026-02-01T00:00:00Z"]),
    ] = None,
) -> AuditFilter:
    """The time. What is far off is as good as the ends of the calendar, at which arithmetic fails."""
    return AuditFilter(since=_near(since), until=_near(until))


def audit_filter(
    period: Annotated[AuditFilter, Depends(audit_period)],
    actor: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9:_-]{1,64}$", examples=["clock"])] = None,
    action: Annotated[str | None, Query(pattern=r"^[a-z0-9_]{1,32}$", examples=["signed_in"])] = None,
    session: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]{1,43}$")] = None,
) -> AuditFilter:
    """The time, and who did what to which session."""
    return period.model_copy(update={"actor": actor, "action": action, "session": session})


class AuditRowBody(BaseModel):
    """One thing that happened."""

    id: int = Field(description="Its number in the company's log, from 1, without gaps.", examples=[1])
    at: Time
    actor: str = Field(examples=["technician:q83vASNFZ4mrze8BI0VniQ", "customer", "host", "clock"])
    actor_name: str | None = Field(description="Of a technician.", examples=["Tess"])
    action: str = Field(examples=["activated"])
    session_id: str | None
    fields: dict[str, AuditField] | None = Field(description="Details; null once retention deleted them.")
    hash: str = Field(description="SHA-256 in hexadecimal, over this row and the one before; docs/audit.md.")


class AuditAnswer(BaseModel):
    """A page of the log, newest first."""

    rows: list[AuditRowBody]
    next: str | None


class AuditProblem(BaseModel):
    """The first thing that is wrong."""

    id: int = Field(description="The number of the row.")
    sentence: str


class VerifyAnswer(BaseModel):
    """Whether the log is what the relay once wrote."""

    is_intact: bool
    rows: int = Field(description="How many hold, from the first on.")
    forgotten: int = Field(description="How many of them have no details any more.")
    head: str = Field(description="The hash of the last one.")
    problem: AuditProblem | None


class TechnicianRef(BaseModel):
    """A technician; the name is empty once it is forgotten."""

    id: str
    name: str


class UseBody(BaseModel):
    """A tool that somebody had open."""

    technician: TechnicianRef
    tool: str = Field(examples=["control"])
    access: str = Field(examples=["full"])
    reason: str
    began_at: Time
    ended_at: Time | None
    seconds: float | None
    is_estimated: bool = Field(description="The relay stopped meanwhile; the end is the last it knew.")


class EventBody(BaseModel):
    """A row of the audit log about a session."""

    at: Time
    actor: str
    actor_name: str | None
    action: str
    fields: dict[str, AuditField]


class HistoryAnswer(BaseModel):
    """What happened to a session."""

    uses: list[UseBody]
    events: list[EventBody]


class ReceiptUse(BaseModel):
    """A tool that somebody had open, as its customer may know it."""

    technician: str
    tool: str = Field(examples=["control"])
    access: str = Field(examples=["full"])
    began_at: Time
    ended_at: Time | None
    seconds: float | None
    is_estimated: bool


class ReceiptAct(BaseModel):
    """How often something was done to the computer, as its host counted and signed."""

    act: str = Field(description=f"One of {', '.join((*ACTS, OTHER_ACT))}.", examples=["file_written"])
    count: int = Field(examples=[3])


class ReceiptAnswer(BaseModel):
    """What a customer may know about a session that ended."""

    company: str
    phone: str
    technicians: list[str]
    language: str
    prepared_at: Time
    activated_at: Time | None
    ended_at: Time | None
    active_seconds: float
    end_reason: str | None
    end_sentence: str | None
    removal: Literal["none", "pending", "all_but_last", "confirmed"] = Field(
        description="Of the program from the customer's computer: it never came; not confirmed; confirmed "
        "but for the files it ran from to say so, which go when it has ended; confirmed."
    )
    uses: list[ReceiptUse]
    acts: list[ReceiptAct]


@router.get("/audit", responses=answers(401, 403, 422))
async def list_audit(
    context: Context,
    caller: Auditor,
    wanted: Annotated[AuditFilter, Depends(audit_filter)],
    limit: Limit = 50,
    cursor: Cursor = None,
) -> AuditAnswer:
    """The company's log, newest first."""
    before = None if cursor is None else _read_cursor(cursor)
    found = await context.audit.page(caller.company.id, wanted.query(), before=before, limit=limit + 1)
    names = await context.audit.names(caller.company.id)
    rows = [
        AuditRowBody(
            id=stored.number,
            at=stored.row.at,
            actor=stored.row.actor,
            actor_name=names.get(stored.row.actor),
            action=stored.row.action,
            session_id=stored.row.session_id,
            fields=None if stored.salt is None else dict(stored.row.fields),
            hash=stored.hash.hex(),
        )
        for stored in found[:limit]
    ]
    return AuditAnswer(rows=rows, next=_write_cursor(rows[-1].id) if len(found) > limit else None)


@router.get(
    "/audit/export",
    response_class=StreamingResponse,
    responses=answers(401, 403, 422)
    | {200: {"content": {"text/csv": {}, "application/jsonl": {}}, "description": "The file."}},
)
async def export_audit(
    context: Context,
    caller: Auditor,
    period: Annotated[AuditFilter, Depends(audit_period)],
    format: Annotated[Literal["csv", "jsonl"], Query()] = "csv",
) -> StreamingResponse:
    """The company's log as a file, oldest first, as it is at this moment."""
    pieces = context.audit.export(
        caller.company.id, period.query(), format, technician_id=caller.technician.id
    )
    headers = {"Content-Disposition": f'attachment; filename="audit.{format}"'}
    return StreamingResponse(pieces, media_type=MEDIA_TYPES[format], headers=headers)


@router.get("/audit/verify", responses=answers(401, 403))
async def verify_audit(context: Context, caller: Auditor) -> VerifyAnswer:
    """Walk the company's whole log and say whether it is what the relay once wrote."""
    verdict = await context.audit.verify(caller.company.id)
    problem = verdict.problem
    return VerifyAnswer(
        is_intact=verdict.is_intact,
        rows=verdict.rows,
        forgotten=verdict.forgotten,
        head=verdict.head.hash.hex(),
        problem=None
        if problem is None
        else AuditProblem(
            id=problem.number, sentence=translate(caller.language, problem.sentence, number=problem.number)
        ),
    )


@router.get("/sessions/{id}/history", responses=answers(401, 403, 404, 422))
async def session_history(id: PathId, context: Context, caller: Reader) -> HistoryAnswer:
    """Who used which tool of a session, and what else happened to it."""
    session = await context.broker.session_for(
        caller.technician.id, SessionId(id), permissions=caller.permissions
    )
    history = await context.audit.history(session.id)
    names = await context.audit.names(caller.company.id)
    return HistoryAnswer(
        uses=[_use_body(use, names.get(technician_actor(use.technician_id), "")) for use in history.uses],
        events=[
            EventBody(
                at=row.at,
                actor=row.actor,
                actor_name=names.get(row.actor),
                action=row.action,
                fields=dict(row.fields),
            )
            for row in history.events
        ],
    )


@router.get("/sessions/{id}/receipt", responses=answers(401, 403, 404, 409, 422))
async def session_receipt(id: PathId, context: Context, caller: Reader) -> ReceiptAnswer:
    """What the customer may know about a session that ended."""
    session = await context.broker.session_for(
        caller.technician.id, SessionId(id), permissions=caller.permissions
    )
    receipt = await context.audit.receipt_of_session(session.id)
    if receipt is None:
        raise Problem(409, NOT_ENDED)
    return receipt_answer(receipt, language=caller.language)


@router.get("/links/{invite}/receipt", tags=["customer"], responses=answers(404, 422))
async def link_receipt(invite: PathId, request: Request, context: Context) -> ReceiptAnswer:
    """The customer's receipt, for a day after the end, for whoever holds the deployment link."""
    try:
        secret = decode_base64url(invite, INVITE_BYTES)
    except LinkError:
        raise not_found() from None
    receipt = await context.audit.receipt_of_invite(secret)
    if receipt is None:
        raise not_found()
    return receipt_answer(receipt, language=language_of(request))


def receipt_answer(receipt: Receipt, *, language: str) -> ReceiptAnswer:
    """`receipt`, with sentences in `language`."""
    session = receipt.session
    reason = session.end_reason
    return ReceiptAnswer(
        company=receipt.company.name,
        phone=receipt.company.phone,
        technicians=receipt.technicians,
        language=session.language,
        prepared_at=session.created_at,
        activated_at=session.activated_at,
        ended_at=session.ended_at,
        active_seconds=receipt.active_seconds,
        end_reason=None if reason is None else reason.wire,
        end_sentence=None if reason is None else translate(language, reason.sentence),
        removal=session.removal,
        uses=[
            ReceiptUse(
                technician=use.technician_name,
                tool=use.tool,
                access=use.access,
                began_at=use.began_at,
                ended_at=use.ended_at,
                seconds=use.seconds,
                is_estimated=use.is_estimated,
            )
            for use in receipt.uses
        ],
        acts=[ReceiptAct(act=act, count=count) for act, count in receipt.acts.items()],
    )


def _use_body(use: Use, name: str) -> UseBody:
    return UseBody(
        technician=TechnicianRef(id=use.technician_id, name=use.technician_name or name),
        tool=use.tool,
        access=use.access,
        reason=use.reason,
        began_at=use.began_at,
        ended_at=use.ended_at,
        seconds=use.seconds,
        is_estimated=use.is_estimated,
    )


def _write_cursor(number: int) -> str:
    return encode_base64url(number.to_bytes(CURSOR_BYTES, "big"))


def _read_cursor(cursor: str) -> int:
    """The number that the next page goes on below; untrusted, and of the right form."""
    return min(int.from_bytes(decode_base64url(cursor, CURSOR_BYTES), "big"), LAST_NUMBER)


def _near(at: datetime | None) -> datetime | None:
    return None if at is None else min(max(at, FIRST_TIME), LAST_TIME)
