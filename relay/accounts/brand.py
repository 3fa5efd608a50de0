"""Companies' logos. (Name, colour and telephone number are fields of the company itself.)"""

from relay.accounts.desk import Desk, actor, audit
from relay.people import CompanyId, Technician
from relay.store import Transaction, logo_rows
from relay.store.logo_rows import Logo


class Brand:
    """What a company's customers recognise it by.

    Args:
        desk: what all parts work with.

    Concurrency: any task may call anything.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def logo(self, company_id: CompanyId) -> Logo | None:
        """The company's logo, or None."""
        return await self._desk.store.read(lambda tx: logo_rows.logo_of(tx, company_id))

    async def has_logo(self, company_id: CompanyId) -> bool:
        """Whether there is one."""
        return await self._desk.store.read(lambda tx: logo_rows.has_logo(tx, company_id))

    async def set_logo(self, manager: Technician, logo: Logo) -> None:
        """Sets or replaces the logo of the manager's company; the caller has checked the picture."""
        now = self._desk.now()

        def work(tx: Transaction) -> None:
            logo_rows.save_logo(tx, manager.company_id, logo)
            audit(tx, now, manager.company_id, by=actor(manager.id), action="logo_set")

        await self._desk.store.write(work)

    async def remove_logo(self, manager: Technician) -> None:
        """From now on the manager's company has no logo. None to remove is no error."""
        now = self._desk.now()

        def work(tx: Transaction) -> None:
            if logo_rows.remove_logo(tx, manager.company_id):
                audit(tx, now, manager.company_id, by=actor(manager.id), action="logo_removed")

        await self._desk.store.write(work)
