"""Rows of companies and technicians. Queries only.

Every function runs inside the caller's transaction.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, exists, func, insert, select, update

from relay.people import Company, CompanyId, Plan, Technician, TechnicianId, TechnicianRole
from relay.store.cookie_rows import remove_of as remove_cookies_of
from relay.store.engine import Transaction
from relay.store.factor_rows import count_passkeys
from relay.store.tables import (
    api_tokens,
    challenges,
    companies,
    passkeys,
    sign_in_links,
    technicians,
    tickets,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonRow:
    """A technician, and what managers of the company see besides.

    Attributes:
        technician: the record.
        passkeys: how many they have.
        signed_in_at: when they last signed in; None for never, or not since that is noted.
    """

    technician: Technician
    passkeys: int
    signed_in_at: datetime | None

    @property
    def is_invited(self) -> bool:
        """True for somebody who was never here."""
        return self.signed_in_at is None and not self.technician.has_password


def insert_company(tx: Transaction, company: Company) -> None:
    """Adds a company."""
    tx.execute(insert(companies).values(_company_values(company)))


def save_company(tx: Transaction, company: Company) -> None:
    """Writes all fields of a company that exists."""
    tx.execute(update(companies).where(companies.c.id == company.id).values(_company_values(company)))


def company_by_id(tx: Transaction, company_id: CompanyId) -> Company | None:
    """The company, or None."""
    row = tx.execute(select(companies).where(companies.c.id == company_id)).mappings().one_or_none()
    return None if row is None else _company(row)


def companies_by_id(tx: Transaction, company_ids: Collection[CompanyId]) -> dict[CompanyId, Company]:
    """Those of the companies that exist, by one statement."""
    rows = tx.execute(_COMPANIES, {"ids": sorted(company_ids)}).mappings()
    return {company.id: company for company in map(_company, rows)}


def all_companies(tx: Transaction) -> list[Company]:
    """Every company, by name."""
    return [_company(row) for row in tx.execute(select(companies).order_by(companies.c.name)).mappings()]


def insert_technician(tx: Transaction, technician: Technician, *, now: datetime | None = None) -> None:
    """Adds a technician who has no password yet, at the time `now`."""
    tx.execute(
        insert(technicians).values(
            {
                "id": technician.id,
                "company_id": technician.company_id,
                "name": technician.name,
                "email": technician.email,
                "language": technician.language,
                "role": technician.role.value,
                "is_disabled": technician.is_disabled,
                "created_at": now,
            }
        )
    )


def technician_by_id(tx: Transaction, technician_id: TechnicianId) -> Technician | None:
    """The technician, or None."""
    row = tx.execute(_PEOPLE.where(technicians.c.id == technician_id)).mappings().one_or_none()
    return None if row is None else _technician(row)


def technician_by_email(tx: Transaction, email: str) -> tuple[Technician, str | None] | None:
    """The technician with this address (lower case) and their password's hash, or None."""
    row = tx.execute(_PEOPLE.where(technicians.c.email == email)).mappings().one_or_none()
    return None if row is None else (_technician(row), row["password_hash"])


def all_technicians(tx: Transaction) -> list[Technician]:
    """Every technician, by address."""
    query = _PEOPLE.order_by(technicians.c.email)
    return [_technician(row) for row in tx.execute(query).mappings()]


def set_password_hash(tx: Transaction, technician_id: TechnicianId, password_hash: str) -> None:
    """Replaces the password."""
    tx.execute(
        update(technicians).where(technicians.c.id == technician_id).values({"password_hash": password_hash})
    )


def save_person(tx: Transaction, technician: Technician) -> None:
    """Writes what a technician's record says of the person: name, language, role, is_disabled."""
    values = {
        "name": technician.name,
        "language": technician.language,
        "role": technician.role.value,
        "is_disabled": technician.is_disabled,
    }
    tx.execute(update(technicians).where(technicians.c.id == technician.id).values(values))


def note_sign_in(tx: Transaction, technician_id: TechnicianId, now: datetime) -> None:
    """Notes when somebody last signed in."""
    tx.execute(update(technicians).where(technicians.c.id == technician_id).values({"signed_in_at": now}))


def people_of(tx: Transaction, company_id: CompanyId) -> list[PersonRow]:
    """Everybody of a company, by name."""
    query = _PEOPLE.where(technicians.c.company_id == company_id).order_by(
        technicians.c.name, technicians.c.id
    )
    rows = tx.execute(query).mappings().all()
    passkeys_of = count_passkeys(tx, [TechnicianId(row["id"]) for row in rows])
    return [_person(row, passkeys_of) for row in rows]


def person_of(tx: Transaction, company_id: CompanyId, technician_id: TechnicianId) -> PersonRow | None:
    """One of a company's people; None for anybody else's."""
    query = _PEOPLE.where(technicians.c.id == technician_id, technicians.c.company_id == company_id)
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else _person(row, count_passkeys(tx, [technician_id]))


def count_people(tx: Transaction, company_id: CompanyId) -> int:
    """How many people a company has, disabled ones included."""
    query = select(func.count()).select_from(technicians).where(technicians.c.company_id == company_id)
    return int(tx.execute(query).scalar_one())


def count_working_owners(tx: Transaction, company_id: CompanyId) -> int:
    """How many owners of a company can act: not disabled, and not merely invited."""
    query = (
        select(func.count())
        .select_from(technicians)
        .where(
            technicians.c.company_id == company_id,
            technicians.c.role == TechnicianRole.OWNER.value,
            technicians.c.is_disabled.is_(False),
            technicians.c.password_hash.is_not(None) | technicians.c.signed_in_at.is_not(None),
        )
    )
    return int(tx.execute(query).scalar_one())


def disabled_people(tx: Transaction) -> frozenset[TechnicianId]:
    """Everybody who is disabled, of any company."""
    query = select(technicians.c.id).where(technicians.c.is_disabled.is_(True))
    return frozenset(TechnicianId(found) for found in tx.execute(query).scalars())


def remove_rights_of(tx: Transaction, technician_id: TechnicianId) -> list[bytes]:
    """Kills whatever lets a technician in or on: cookies, API tokens, tickets, links, half-done sign-ins.

    Returns:
        The hashes of the dead cookies and API tokens.
    """
    dead = remove_cookies_of(tx, technician_id)
    gone = delete(api_tokens).where(api_tokens.c.technician_id == technician_id)
    dead += tx.execute(gone.returning(api_tokens.c.token_hash)).scalars()
    for table in (tickets, sign_in_links, challenges):
        tx.execute(delete(table).where(table.c.technician_id == technician_id))
    return dead


_PEOPLE = select(
    technicians,
    exists().where(passkeys.c.technician_id == technicians.c.id).label("has_passkey"),
)
_COMPANIES = select(companies).where(companies.c.id.in_(bindparam("ids", expanding=True)))


def _company_values(company: Company) -> dict[str, Any]:
    fields = {name: getattr(company, name) for name in Company.__dataclass_fields__}
    return fields | {"plan": company.plan.value}


def _company(row: RowMapping) -> Company:
    return Company(**{**row, "plan": Plan(row["plan"])})


def _person(row: RowMapping, passkeys_of: Mapping[TechnicianId, int]) -> PersonRow:
    technician = _technician(row)
    return PersonRow(
        technician=technician,
        passkeys=passkeys_of.get(technician.id, 0),
        signed_in_at=row["signed_in_at"],
    )


def _technician(row: RowMapping) -> Technician:
    return Technician(
        id=TechnicianId(row["id"]),
        company_id=CompanyId(row["company_id"]),
        name=row["name"],
        email=row["email"],
        language=row["language"],
        role=TechnicianRole(row["role"]),
        has_password=row["password_hash"] is not None,
        has_second_factor=row["totp_confirmed_at"] is not None or row["has_passkey"],
        is_disabled=row["is_disabled"],
    )
