"""The people of a company: who they are, for everybody; inviting, changing and disabling them, for managers.

Somebody of another company, and somebody who never was, are the same here: 404. What a change takes away is
closed before the answer: cookies, API tokens and tickets with the change itself, viewers and feeds after it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from relay.accounts.letters import Posted
from relay.accounts.people import AddressTaken, PersonChange
from relay.api.account_bodies import Name
from relay.api.context import Allowed, Caller, Context
from relay.api.idempotency import IdempotencyKey, IdempotentRoute
from relay.api.models import Address, Incoming, Language, MailAnswer, MailBody, Nothing, Time
from relay.api.problems import answers, not_found, wrong_field
from relay.people import Permission, TechnicianId, TechnicianRole
from relay.store.account_rows import PersonRow
from relay.texts import translate

router = APIRouter(prefix="/api/v1", tags=["people"])
creating = APIRouter(prefix="/api/v1", tags=["people"], route_class=IdempotentRoute)

Reader = Annotated[Caller, Depends(Allowed(Permission.READ_PEOPLE))]
Manager = Annotated[Caller, Depends(Allowed(Permission.MANAGE_PEOPLE))]


class PersonBody(BaseModel):
    """Somebody who works here. Who does not manage people sees id, name and role only."""

    id: str
    name: str = Field(examples=["Alice"])
    role: TechnicianRole
    email: str | None = Field(default=None, examples=["alice@example.com"])
    language: str | None = Field(default=None, examples=["en"])
    has_password: bool | None = None
    second_factor: bool | None = None
    passkeys: int | None = None
    is_disabled: bool | None = None
    invited: bool | None = Field(default=None, description="Was never here.")
    signed_in_at: Time | None = Field(default=None, description="When they last did.")


class PeopleAnswer(BaseModel):
    """Everybody, by name; disabled people for managers only."""

    people: list[PersonBody]


class PersonAnswer(BaseModel):
    """Somebody, after a change."""

    person: PersonBody


class InvitedAnswer(PersonAnswer):
    """Somebody new, and what became of the mail that tells them."""

    mail: MailBody


class Invite(Incoming):
    """Somebody to work here from now on."""

    name: Name
    email: Address
    role: TechnicianRole
    language: Language = "en"


class ChangePerson(Incoming):
    """What is to be changed; the rest stays."""

    name: Name | None = None
    role: TechnicianRole | None = None
    language: Language | None = None
    is_disabled: Annotated[bool, Field(strict=True)] | None = None


@router.get("/people", response_model_exclude_unset=True, responses=answers(401, 403))
async def list_people(context: Context, caller: Reader) -> PeopleAnswer:
    """Who works here."""
    people = await context.accounts.people.people(caller.company.id)
    if Permission.MANAGE_PEOPLE in caller.permissions:
        return PeopleAnswer(people=[_person(person) for person in people])
    working = (person.technician for person in people if not person.technician.is_disabled)
    return PeopleAnswer(
        people=[PersonBody(id=person.id, name=person.name, role=person.role) for person in working]
    )


@creating.post("/people", status_code=201, responses=answers(400, 401, 403, 409, 415, 422, 429))
async def invite(
    body: Invite, context: Context, caller: Manager, idempotency_key: IdempotencyKey = None
) -> InvitedAnswer:
    """Invite somebody by mail; the link in it is good for 72 hours. A mail that fails undoes nothing."""
    try:
        person, posted = await context.accounts.invitations.invite(
            caller.technician, name=body.name, email=body.email, role=body.role, language=body.language
        )
    except AddressTaken as error:
        raise wrong_field("email", str(error), language=caller.language, status=409) from error
    return InvitedAnswer(person=_person(person), mail=_mail(caller, posted))


@router.patch("/people/{id}", responses=answers(400, 401, 403, 404, 409, 415, 422))
async def change_person(id: str, body: ChangePerson, context: Context, caller: Manager) -> PersonAnswer:
    """Change somebody. Disabling closes all they have open; their sessions stay, and can be handed over."""
    change = PersonChange(
        name=body.name, language=body.language, role=body.role, is_disabled=body.is_disabled
    )
    with _unknown_is_missing():
        changed = await context.accounts.people.change(caller.technician, TechnicianId(id), change)
    for asker in changed.dead:
        context.revoke_asker(asker)
    if changed.is_narrowed:
        context.revoke_technician(TechnicianId(id))
    return PersonAnswer(person=_person(changed.person))


@router.post("/people/{id}/invitation", responses=answers(400, 401, 403, 404, 409, 415, 422, 429))
async def invite_again(id: str, body: Nothing, context: Context, caller: Manager) -> MailAnswer:
    """Mail a new invitation to somebody who has no password yet; earlier ones are dead."""
    with _unknown_is_missing():
        posted = await context.accounts.invitations.invite_again(caller.technician, TechnicianId(id))
    return MailAnswer(mail=_mail(caller, posted))


@router.post(
    "/people/{id}/second-factor/reset", status_code=204, responses=answers(400, 401, 403, 404, 409, 415, 422)
)
async def reset_second_factors(id: str, body: Nothing, context: Context, caller: Manager) -> None:
    """Forget the second factors of somebody who lost theirs; signs them out everywhere."""
    with _unknown_is_missing():
        dead = await context.accounts.people.reset_second_factors(caller.technician, TechnicianId(id))
    for asker in dead:
        context.revoke_asker(asker)


@contextmanager
def _unknown_is_missing() -> Iterator[None]:
    try:
        yield
    except LookupError:
        raise not_found() from None


def _person(person: PersonRow) -> PersonBody:
    technician = person.technician
    signed_in_at: datetime | None = person.signed_in_at
    return PersonBody(
        id=technician.id,
        name=technician.name,
        role=technician.role,
        email=technician.email,
        language=technician.language,
        has_password=technician.has_password,
        second_factor=technician.has_second_factor,
        passkeys=person.passkeys,
        is_disabled=technician.is_disabled,
        invited=person.is_invited,
        signed_in_at=signed_in_at,
    )


def _mail(caller: Caller, posted: Posted) -> MailBody:
    return MailBody(state=posted.state, detail=translate(caller.language, posted.detail))
