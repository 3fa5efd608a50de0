"""Rows of companies' logos. Queries only; every function runs inside the caller's transaction."""

from dataclasses import dataclass

from sqlalchemy import delete, exists, insert, select, update

from relay.people import CompanyId
from relay.store.engine import Transaction
from relay.store.tables import company_logos


@dataclass(frozen=True, slots=True)
class Logo:
    """A company's picture.

    Attributes:
        media_type: ``image/png``; of earlier versions ``image/jpeg`` and ``image/webp`` too.
        image: the file.
    """

    media_type: str
    image: bytes


def logo_of(tx: Transaction, company_id: CompanyId) -> Logo | None:
    """The company's logo, or None."""
    found = tx.execute(
        select(company_logos.c.media_type, company_logos.c.image).where(
            company_logos.c.company_id == company_id
        )
    ).one_or_none()
    return None if found is None else Logo(found[0], found[1])


def has_logo(tx: Transaction, company_id: CompanyId) -> bool:
    """Whether the company has a logo."""
    query = select(exists().where(company_logos.c.company_id == company_id))
    return bool(tx.execute(query).scalar_one())


def save_logo(tx: Transaction, company_id: CompanyId, logo: Logo) -> None:
    """Sets or replaces the company's logo."""
    values = {"company_id": company_id, "media_type": logo.media_type, "image": logo.image}
    changed = tx.execute(update(company_logos).where(company_logos.c.company_id == company_id).values(values))
    if changed.rowcount == 0:
        tx.execute(insert(company_logos).values(values))


def remove_logo(tx: Transaction, company_id: CompanyId) -> bool:
    """Forgets the company's logo; False if there was none."""
    return tx.execute(delete(company_logos).where(company_logos.c.company_id == company_id)).rowcount == 1
