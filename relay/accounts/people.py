"""Companies and the people in them."""

from dataclasses import replace
from datetime import timedelta

from relay.accounts.desk import Desk, actor, audit, normalise_email
from relay.auth import digest, new_id, new_secret
from relay.errors import Refused
from relay.people import (
    MAX_SESSION_LIFETIME,
    Company,
    CompanyId,
    Plan,
    Technician,
    TechnicianId,
    TechnicianRole,
)
from relay.protocol.hidden import SecretBytes
from relay.store import Transaction, account_rows
from relay.texts import mark


class People:
    """Companies and technicians.

    Args:
        desk: what all parts work with.

    Concurrency: any task may call anything.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

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
        """A new company. (`Broker.change_company` changes it: that may end sessions.)

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
            Refused: the e-mail address belongs to a technician already.
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
            if account_rows.technician_by_email(tx, technician.email) is not None:
                raise Refused(mark("There is a technician with this e-mail address already."))
            account_rows.insert_technician(tx, technician)
            audit(tx, now, company_id, by="relay", action="technician_created", technician=technician.id)
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
            account_rows.delete_dead_sign_in_links(tx, before=now)
            account_rows.insert_sign_in_link(
                tx, token_hash=digest(token), technician_id=technician_id, expires_at=expires_at
            )
            technician = account_rows.technician_by_id(tx, technician_id)
            company_id = None if technician is None else technician.company_id
            audit(tx, now, company_id, by="relay", action="sign_in_link", technician=technician_id)

        await self._desk.store.write(work)
        return token

    async def change_own(
        self, technician: Technician, *, name: str | None, language: str | None
    ) -> Technician:
        """Somebody's record with another name or language, as they wish; None: as it is."""
        now = self._desk.now()

        def work(tx: Transaction) -> Technician:
            found = account_rows.technician_by_id(tx, technician.id)
            if found is None:
                raise Refused(mark("There is no such technician."))
            changed = replace(found, name=name or found.name, language=language or found.language)
            account_rows.save_person(tx, changed)
            audit(tx, now, technician.company_id, by=actor(technician.id), action="person_changed")
            return changed

        return await self._desk.store.write(work)
