"""Rows of companies, technicians and sign-in links. Queries only.

Every function runs inside the caller's transaction.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, exists, insert, select, update

from relay.people import Company, CompanyId, Plan, Technician, TechnicianId, TechnicianRole
from relay.store.engine import Transaction
from relay.store.tables import companies, passkeys, sign_in_links, technicians


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


def insert_technician(tx: Transaction, technician: Technician) -> None:
    """Adds a technician who has no password yet."""
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


def insert_sign_in_link(
    tx: Transaction, *, token_hash: bytes, technician_id: TechnicianId, expires_at: datetime
) -> None:
    """Adds a sign-in link."""
    tx.execute(
        insert(sign_in_links).values(
            {"token_hash": token_hash, "technician_id": technician_id, "expires_at": expires_at}
        )
    )


def use_sign_in_link(tx: Transaction, token_hash: bytes, now: datetime) -> TechnicianId | None:
    """Spends a link that is neither used nor dead, in one statement; whose it was, or None."""
    found = tx.execute(
        update(sign_in_links)
        .where(
            sign_in_links.c.token_hash == token_hash,
            sign_in_links.c.used_at.is_(None),
            sign_in_links.c.expires_at > now,
        )
        .values({"used_at": now})
        .returning(sign_in_links.c.technician_id)
    ).scalar_one_or_none()
    return None if found is None else TechnicianId(found)


def delete_dead_sign_in_links(tx: Transaction, before: datetime) -> None:
    """Forgets links that were dead before `before`, used or not."""
    tx.execute(delete(sign_in_links).where(sign_in_links.c.expires_at < before))


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
