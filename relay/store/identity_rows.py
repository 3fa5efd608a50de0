"""Rows of identity providers (OpenID Connect issuers of companies) and of who is who there. Queries only.

Every function runs inside the caller's transaction.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from relay.people import CompanyId, TechnicianId
from relay.store.engine import Transaction
from relay.store.tables import identities, identity_providers, technicians


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProviderRow:
    """Who vouches for a company's people.

    Attributes:
        company_id: the company.
        issuer: the issuer's URL, exactly as its tokens name it.
        client_id: what the issuer knows this relay by.
        sealed_client_secret: see `relay.auth.Sealer`; of an empty text for a public client.
        label: what the sign-in page's button says.
    """

    company_id: CompanyId
    issuer: str
    client_id: str
    sealed_client_secret: bytes
    label: str


def provider_of(tx: Transaction, company_id: CompanyId) -> IdentityProviderRow | None:
    """The company's identity provider, or None."""
    found = tx.execute(
        select(identity_providers).where(identity_providers.c.company_id == company_id)
    ).one_or_none()
    if found is None:
        return None
    return IdentityProviderRow(
        company_id=CompanyId(found.company_id),
        issuer=found.issuer,
        client_id=found.client_id,
        sealed_client_secret=found.sealed_client_secret,
        label=found.label,
    )


def save_provider(tx: Transaction, row: IdentityProviderRow) -> None:
    """Sets or replaces a company's identity provider."""
    values = {name: getattr(row, name) for name in IdentityProviderRow.__slots__}
    changed = tx.execute(
        update(identity_providers).where(identity_providers.c.company_id == row.company_id).values(values)
    )
    if changed.rowcount == 0:
        tx.execute(insert(identity_providers).values(values))


def remove_provider(tx: Transaction, company_id: CompanyId) -> bool:
    """Forgets a company's identity provider; False if there was none."""
    query = delete(identity_providers).where(identity_providers.c.company_id == company_id)
    return tx.execute(query).rowcount == 1


def technician_of_identity(tx: Transaction, *, issuer: str, subject: str) -> TechnicianId | None:
    """Whom the issuer means by this subject, or None while nobody knows."""
    found = tx.execute(
        select(identities.c.technician_id).where(
            identities.c.issuer == issuer, identities.c.subject == subject
        )
    ).scalar_one_or_none()
    return None if found is None else TechnicianId(found)


def has_identity(tx: Transaction, technician_id: TechnicianId, *, issuer: str) -> bool:
    """Whether a technician is bound to some subject of the issuer."""
    query = select(identities.c.subject).where(
        identities.c.technician_id == technician_id, identities.c.issuer == issuer
    )
    return tx.execute(query.limit(1)).one_or_none() is not None


def add_identity(
    tx: Transaction, *, issuer: str, subject: str, technician_id: TechnicianId, now: datetime
) -> None:
    """From now on this subject of the issuer is this technician."""
    tx.execute(
        insert(identities).values(
            {"issuer": issuer, "subject": subject, "technician_id": technician_id, "created_at": now}
        )
    )


def remove_identities(tx: Transaction, company_id: CompanyId) -> None:
    """Forgets who a company's people are at any issuer."""
    people = select(technicians.c.id).where(technicians.c.company_id == company_id)
    tx.execute(delete(identities).where(identities.c.technician_id.in_(people)))
