"""Companies and the people in them: who is here, what they may do, and who may change that.

Whoever changes somebody is looked up again in the transaction that does it: two owners who demote each other
at the same moment cannot both succeed, and nobody acts in a role they have just lost. A company's last owner
who can act stays one. Nobody but an owner makes, changes or disables an owner (`relay.people.may_manage`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog
import trio

from relay.accounts.desk import Desk, actor, audit, normalise_email, working_technician
from relay.accounts.second_factors import SecondFactors
from relay.auth import digest, new_id, new_secret
from relay.errors import LimitExceeded, Refused
from relay.people import (
    MAX_SESSION_LIFETIME,
    Company,
    CompanyId,
    Plan,
    Technician,
    TechnicianId,
    TechnicianRole,
    may_manage,
)
from relay.protocol.hidden import SecretBytes
from relay.store import StoreUnavailable, Transaction, account_rows, cookie_rows, link_rows
from relay.store.account_rows import PersonRow
from relay.store.link_rows import LinkPurpose
from relay.texts import mark

ADDRESS_TAKEN: Final = mark("There is a technician with this e-mail address already.")
NOBODY: Final = mark("There is no such technician.")
LAST_OWNER: Final = mark("A company keeps at least one owner who can sign in.")
OWN_FACTORS: Final = mark("Change your own second factors in your account.")
TOO_MANY_PEOPLE: Final = mark("Your company has as many people as it may have.")

WATCH_INTERVAL: Final = 0.5
"""Seconds between two looks at who was disabled by another process; what hangs on them closes within 1 s."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class AddressTaken(Refused):
    """Somebody on this relay has the e-mail address."""

    def __init__(self) -> None:
        super().__init__(ADDRESS_TAKEN)


class MayNot(Refused):
    """The role of who asks does not allow it (any more)."""

    def __init__(self) -> None:
        super().__init__(mark("Your role does not allow this."))


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonChange:
    """What is to be different about somebody; None: as it is."""

    name: str | None = None
    language: str | None = None
    role: TechnicianRole | None = None
    is_disabled: bool | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """Somebody after a change.

    Attributes:
        person: how they are now.
        dead: hashes of the cookies and API tokens that died by it.
        is_narrowed: they may do less than before; what they have open must be closed.
    """

    person: PersonRow
    dead: list[bytes]
    is_narrowed: bool


class People:
    """Companies and technicians.

    Args:
        desk: what all parts work with.
        factors: what managers can take away from somebody who lost it.

    Concurrency: any task may call anything.
    """

    def __init__(self, desk: Desk, factors: SecondFactors) -> None:
        self._desk = desk
        self._factors = factors

    # From the server's own terminal

    async def create_company(
        self,
        *,
        name: str,
        phone: str = "",
        plan: Plan = Plan.FREE,
        has_insight: bool = False,
        max_open_per_technician: int = 1,
        max_open_per_company: int = 5,
        session_lifetime: float = MAX_SESSION_LIFETIME,
        preparation_timeout: float = 3600.0,
    ) -> Company:
        """A new company. (`Broker.edit_company` changes it: that may end sessions.)

        Raises:
            RelayError: a setting is out of the range that `relay.people.Company` names.
        """
        company = Company(
            id=CompanyId(new_id()),
            name=name,
            phone=phone,
            plan=plan,
            has_insight=has_insight,
            max_open_per_technician=max_open_per_technician,
            max_open_per_company=max_open_per_company,
            session_lifetime=session_lifetime,
            preparation_timeout=preparation_timeout,
        )

        now = self._desk.now()

        def work(tx: Transaction) -> Company:
            account_rows.insert_company(tx, company)
            audit(tx, now, company.id, by="relay", action="company_created")
            return company

        return await self._desk.store.write(work)

    async def create_technician(
        self,
        company_id: CompanyId,
        *,
        name: str,
        email: str,
        language: str = "en",
        role: TechnicianRole = TechnicianRole.TECHNICIAN,
    ) -> Technician:
        """A new technician, without a password: a sign-in link lets them in.

        Raises:
            AddressTaken: the e-mail address belongs to a technician already.
            LimitExceeded: the company has too many people.
        """
        technician = Technician(
            id=TechnicianId(new_id()),
            company_id=company_id,
            name=name,
            email=normalise_email(email),
            language=language,
            role=role,
        )

        now = self._desk.now()

        def work(tx: Transaction) -> Technician:
            add_person(tx, technician, now=now, max_people=self._desk.settings.max_people)
            audit(
                tx,
                now,
                company_id,
                by="relay",
                action="technician_created",
                technician=technician.id,
                role=role.value,
            )
            return technician

        return await self._desk.store.write(work)

    async def companies(self) -> list[Company]:
        """Every company, by name."""
        return await self._desk.store.read(account_rows.all_companies)

    async def technicians(self) -> list[Technician]:
        """Every technician, by e-mail address."""
        return await self._desk.store.read(account_rows.all_technicians)

    async def issue_sign_in_link(self, technician_id: TechnicianId) -> SecretBytes:
        """The token of a link that signs this technician in, once."""
        token, now = new_secret(), self._desk.now()
        expires_at = now + timedelta(seconds=self._desk.settings.sign_in_link_ttl)

        def work(tx: Transaction) -> None:
            link_rows.add(
                tx,
                token_hash=digest(token),
                technician_id=technician_id,
                purpose=LinkPurpose.SIGN_IN,
                expires_at=expires_at,
                now=now,
            )
            technician = account_rows.technician_by_id(tx, technician_id)
            company_id = None if technician is None else technician.company_id
            audit(tx, now, company_id, by="relay", action="sign_in_link", technician=technician_id)

        await self._desk.store.write(work)
        return token

    async def set_disabled(self, technician_id: TechnicianId, *, is_disabled: bool) -> None:
        """Shuts somebody out, or lets them in again, on behalf of whoever owns the relay. Twice is no error.

        Raises:
            LookupError: there is no such technician.
            Refused: they are their company's last owner.
        """
        now = self._desk.now()

        def work(tx: Transaction) -> None:
            technician = account_rows.technician_by_id(tx, technician_id)
            if technician is None:
                raise LookupError(NOBODY)
            person = account_rows.person_of(tx, technician.company_id, technician_id)
            if person is None:
                raise AssertionError("a technician is a person of their company")
            self._apply(tx, person, PersonChange(is_disabled=is_disabled))
            audit(
                tx,
                now,
                technician.company_id,
                by="relay",
                action="person_changed",
                technician=technician_id,
                fields="is_disabled",
                role=technician.role.value,
            )

        await self._desk.store.write(work)

    async def run_watch(
        self,
        revoke: Callable[[TechnicianId], None],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Tells `revoke` of everybody who is disabled from now on, by whichever process, until cancelled."""
        known = await self._desk.store.read(account_rows.disabled_people)
        task_status.started()
        while True:
            await trio.sleep(WATCH_INTERVAL)
            try:
                found = await self._desk.store.read(account_rows.disabled_people)
            except StoreUnavailable as error:
                _log.warning("people_unknown", reason=str(error))
                continue
            for technician_id in found - known:
                revoke(technician_id)
            known = found

    # By the company's own people

    async def change_own(
        self, technician: Technician, *, name: str | None, language: str | None
    ) -> Technician:
        """Somebody's record with another name or language, as they wish; None: as it is."""
        now = self._desk.now()

        def work(tx: Transaction) -> Technician:
            found = account_rows.technician_by_id(tx, technician.id)
            if found is None:
                raise Refused(NOBODY)
            changed = replace(found, name=name or found.name, language=language or found.language)
            account_rows.save_person(tx, changed)
            audit(tx, now, technician.company_id, by=actor(technician.id), action="person_changed")
            return changed

        return await self._desk.store.write(work)

    async def people(self, company_id: CompanyId) -> list[PersonRow]:
        """Everybody of a company, by name."""
        return await self._desk.store.read(lambda tx: account_rows.people_of(tx, company_id))

    async def change(self, manager: Technician, subject: TechnicianId, change: PersonChange) -> Changed:
        """Somebody of the manager's company, changed. Their open sessions stay, and can be handed over.

        Raises:
            LookupError: the manager's company has no such person.
            MayNot: the manager's role does not allow it.
            Refused: the company would have no owner left who can act.
        """
        now = self._desk.now()

        def work(tx: Transaction) -> Changed:
            person = managed(tx, manager, subject, change.role)
            before = person.technician
            changed = self._apply(tx, person, change)
            after = changed.person.technician
            names = [
                name
                for name in ("name", "language", "role", "is_disabled")
                if getattr(before, name) != getattr(after, name)
            ]
            if names:
                audit(
                    tx,
                    now,
                    before.company_id,
                    by=actor(manager.id),
                    action="person_changed",
                    technician=subject,
                    fields=" ".join(names),
                    role=after.role.value,
                )
            return changed

        return await self._desk.store.write(work)

    async def reset_second_factors(self, manager: Technician, subject: TechnicianId) -> list[bytes]:
        """Forgets the second factors of somebody who lost theirs, and signs them out everywhere.

        Returns:
            The hashes of the dead cookies.

        Raises:
            LookupError: the manager's company has no such person.
            MayNot: the manager's role does not allow it.
            Refused: it is the manager: one's own ask for one's password.
        """
        if subject == manager.id:
            raise Refused(OWN_FACTORS)
        now = self._desk.now()

        def work(tx: Transaction) -> list[bytes]:
            person = managed(tx, manager, subject)
            self._factors.remove_all(tx, subject)
            company_id = person.technician.company_id
            audit(
                tx, now, company_id, by=actor(manager.id), action="second_factors_reset", technician=subject
            )
            return cookie_rows.remove_of(tx, subject)

        return await self._desk.store.write(work)

    def _apply(self, tx: Transaction, person: PersonRow, change: PersonChange) -> Changed:
        """Changes somebody, and takes from them what they must not have any more.

        Raises:
            Refused: the company would have no owner left who can act.
        """
        before = person.technician
        after = replace(
            before,
            name=change.name or before.name,
            language=change.language or before.language,
            role=change.role or before.role,
            is_disabled=before.is_disabled if change.is_disabled is None else change.is_disabled,
        )
        account_rows.save_person(tx, after)
        was_owner = before.role is TechnicianRole.OWNER and not before.is_disabled and not person.is_invited
        if was_owner and account_rows.count_working_owners(tx, before.company_id) == 0:
            raise Refused(LAST_OWNER)
        dead = account_rows.remove_rights_of(tx, before.id) if after.is_disabled else []
        if after.role is TechnicianRole.OWNER and before.role is not TechnicianRole.OWNER:
            # Links mailed before may have gone through a server that an admin can read.
            link_rows.remove_of(tx, before.id, [LinkPurpose.INVITATION, LinkPurpose.RESET])
        return Changed(
            person=replace(person, technician=after),
            dead=dead,
            is_narrowed=bool(before.permissions - after.permissions),
        )


def add_person(tx: Transaction, technician: Technician, *, now: datetime, max_people: int) -> None:
    """Adds somebody to their company.

    Raises:
        AddressTaken: the e-mail address belongs to somebody already.
        LimitExceeded: the company has too many people.
    """
    if account_rows.technician_by_email(tx, technician.email) is not None:
        raise AddressTaken
    if account_rows.count_people(tx, technician.company_id) >= max_people:
        raise LimitExceeded(TOO_MANY_PEOPLE, limit="max_people")
    account_rows.insert_technician(tx, technician, now=now)


def managed(
    tx: Transaction, manager: Technician, subject: TechnicianId, role: TechnicianRole | None = None
) -> PersonRow:
    """Somebody whom the manager may change, into `role` if one is given.

    Raises:
        LookupError: the manager's company has no such person.
        MayNot: the manager's role, as it is now, does not allow it.
    """
    person = account_rows.person_of(tx, manager.company_id, subject)
    if person is None:
        raise LookupError(NOBODY)
    check_may_manage(tx, manager, person.technician.role, role or person.technician.role)
    return person


def check_may_manage(tx: Transaction, manager: Technician, *subjects: TechnicianRole) -> None:
    """Passes if the manager may manage people in all these roles.

    Raises:
        MayNot: their role, as it is now, does not allow it.
    """
    current = working_technician(tx, manager.id)
    if current is None or not all(may_manage(current.role, subject) for subject in subjects):
        raise MayNot
