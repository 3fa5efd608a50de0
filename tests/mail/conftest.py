"""An outbox on a real store, with a clock that is told the time, and any mail server."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import select

from relay.auth import Sealer
from relay.mail import Carrier, DeploymentMail, MailChange, MailServer, MailServers, Outbox, RelayMail
from relay.metrics import Metrics
from relay.people import Technician
from relay.sessions import Session
from relay.store import Store, mail_rows
from relay.store.mail_rows import MailRow
from relay.store.tables import mails
from tests.helpers.audit_office import COMPANY, TESS, AuditOffice, open_audit_office
from tests.helpers.office import Clock

LINK = "https://relay.example/d/AAECAwQFBgcICQoLDA0ODw#EBESExQVFhcYGRobHB0eHw.correct%20horse"
MAIL = DeploymentMail(
    to="ana@example.com", reply_to="tess@example.com", technician="Tess", language="en", link=LINK
)
WORTH = timedelta(hours=1)


@dataclass
class PostOffice:
    """A store with one company and its people, and the parts of the mail room.

    Attributes:
        changes: what the outboxes told, in order.
        changed: set at the next of them, and replaced.
    """

    office: AuditOffice
    sealer: Sealer
    folder: Path
    metrics: Metrics = field(default_factory=Metrics)
    changes: list[MailChange] = field(default_factory=list)
    changed: trio.Event = field(default_factory=trio.Event)

    @property
    def store(self) -> Store:
        """The store."""
        return self.office.store

    @property
    def clock(self) -> Clock:
        """The clock of all."""
        return self.office.clock

    @property
    def technician(self) -> Technician:
        """Who works here."""
        return TESS

    def servers(self, *, allows_private: bool = True) -> MailServers:
        """The companies' servers."""
        return MailServers(self.store, self.sealer, allows_private=allows_private, now=self.clock)

    def outbox(self, port: int | None = None, *, step: float = 5) -> Outbox:
        """An outbox of a relay whose own mail server is at `port` of this machine; None: it has none.

        Each step with it may take `step` seconds.
        """
        own = (
            None
            if port is None
            else MailServer(host="127.0.0.1", port=port, security="none", is_of_relay=True)
        )
        carrier = Carrier(outbox=self.folder / "outbox", timeout=step, allows_private=True)
        relay_mail = RelayMail(own, "relay@help.example")
        made = Outbox(
            self.store, self.sealer, carrier, self.servers(), relay_mail, self.metrics, now=self.clock
        )
        made.changed = self._note
        return made

    async def _note(self, change: MailChange) -> None:
        self.changes.append(change)
        self.changed.set()
        self.changed = trio.Event()

    @asynccontextmanager
    async def running(self, port: int | None = None, *, step: float = 5) -> AsyncIterator[Outbox]:
        """The same, running."""
        made = self.outbox(port, step=step)
        async with trio.open_nursery() as nursery:
            await nursery.start(made.run)
            yield made
            nursery.cancel_scope.cancel()

    async def session(self, name: str = "session", **changes: object) -> Session:
        """A prepared session."""
        lapse_at = self.clock() + WORTH
        return await self.office.add_session(name, ended=False, **{"lapse_at": lapse_at} | changes)

    async def rows(self) -> list[MailRow]:
        """All mails."""
        ids = await self.store.read(
            lambda tx: list(tx.execute(select(mails.c.id).order_by(mails.c.id)).scalars())
        )
        found = [await self.store.read(partial(mail_rows.mail_by_id, mail_id=mail_id)) for mail_id in ids]
        return [row for row in found if row is not None]

    async def actions(self) -> list[str]:
        """What the company's audit log says of mails."""
        return [row.action for row in await self.office.rows(COMPANY) if row.action.startswith("mail")]

    def count(self, series: str) -> float:
        """A metric, by name and labels as they are rendered."""
        for line in self.metrics.render().decode().splitlines():
            if line.startswith(series + " "):
                return float(line.rpartition(" ")[2])
        return 0.0


@pytest.fixture
async def post_office(tmp_path: Path) -> AsyncIterator[PostOffice]:
    async with open_audit_office(tmp_path, Clock()) as office:
        yield PostOffice(office, Sealer(Ed25519PrivateKey.generate()), tmp_path)
