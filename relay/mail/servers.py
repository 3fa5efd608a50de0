"""Mail servers that companies have chosen for themselves. Passwords are encrypted at rest, never shown."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Literal, get_args

from relay.auth import Sealer
from relay.destinations import FORBIDDEN, Forbidden, may_be_public
from relay.errors import Refused, RelayError
from relay.people import CompanyId, Technician
from relay.store import Store, Transaction, audit_rows, mail_rows
from relay.store.audit_rows import AuditRow, technician_actor
from relay.texts import mark

Security = Literal["none", "starttls", "tls"]

PASSWORD_UNPROTECTED = mark("The password would travel unprotected; choose TLS or STARTTLS.")
PASSWORD_AGAIN = mark("Please type the password again: it is kept for the server and user it was given for.")


class PasswordNeeded(Refused):
    """The stored password is for another server or user, or would travel in the clear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is handed over.

    Attributes:
        host, port: a name or an address.
        security: TLS from the first byte, after STARTTLS, or none.
        user: empty where nobody signs in.
        password: goes with `user`.
        is_of_relay: the operator chose it, so that it may be anywhere.
    """

    host: str
    port: int
    security: Security
    user: str = ""
    password: str = field(default="", repr=False)
    is_of_relay: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServerFacts:
    """What the company's people may see of its mail server.

    Attributes:
        host, port, security, user: as in `MailServer`.
        has_password: one is stored.
        sender: the address that mail comes from.
    """

    host: str
    port: int
    security: Security
    user: str
    has_password: bool
    sender: str


class MailServers:
    """The settings.

    Args:
        store: an open store.
        sealer: encrypts them.
        allows_private: they may be in private networks.
        now: the clock, aware and in UTC.
    """

    def __init__(
        self, store: Store, sealer: Sealer, *, allows_private: bool, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._allows_private = allows_private
        self._sealer = sealer
        self._now = now

    async def of(self, company_id: CompanyId) -> MailServerFacts | None:
        """The company's mail server, or None where the relay's own is used.

        Raises:
            RelayError: it was sealed under another relay's key.
        """
        found = await self._store.read(lambda tx: self.read(tx, company_id))
        return None if found is None else _facts(*found)

    async def set(
        self,
        by: Technician,
        *,
        host: str,
        port: int,
        security: Security,
        user: str,
        password: str | None,
        sender: str,
    ) -> MailServerFacts:
        """Chooses the company's mail server.

        Args:
            by: who decides; the caller has checked that they may.
            host, port, security, user, sender: checked by the caller.
            password: None keeps the one that is there, which holds only for the same server and user: nobody
                has it sent to another server, or in the clear, who does not know it.

        Raises:
            PasswordNeeded: there is none to keep.
            Forbidden: the relay does not connect there.
        """
        if not self._allows_private and not may_be_public(host):
            raise Forbidden(FORBIDDEN)
        if user and security == "none":
            raise PasswordNeeded(PASSWORD_UNPROTECTED)

        def work(tx: Transaction) -> MailServerFacts:
            secret = password
            if secret is None and user:
                known = self.read(tx, by.company_id)
                secret = None if known is None else _kept_password(known[0], host, port, security, user)
                if secret is None:
                    raise PasswordNeeded(PASSWORD_AGAIN)
            server = MailServer(
                host=host, port=port, security=security, user=user, password=secret if user and secret else ""
            )
            content = json.dumps(asdict(server)).encode()
            sealed = self._sealer.seal(content, place=_place(by.company_id))
            mail_rows.save_server(tx, by.company_id, sender=sender, sealed_server=sealed)
            self._audit(tx, by, "mail_server_set", host=host, port=port, security=security)
            return _facts(server, sender)

        return await self._store.write(work)

    async def remove(self, by: Technician) -> None:
        """From now on the company's mail goes by the relay's own server."""

        def work(tx: Transaction) -> None:
            if mail_rows.remove_server(tx, by.company_id):
                self._audit(tx, by, "mail_server_removed")

        await self._store.write(work)

    def read(self, tx: Transaction, company_id: CompanyId) -> tuple[MailServer, str] | None:
        """The company's server with its password, and the sender's address; or None.

        Raises:
            RelayError: it was sealed under another relay's key.
        """
        row = mail_rows.server_of(tx, company_id)
        if row is None:
            return None
        values = json.loads(self._sealer.unseal(row.sealed_server, place=_place(company_id)))
        if values["security"] not in get_args(Security):
            raise RelayError("The company's mail server cannot be read.")
        return MailServer(**values), row.sender

    def _audit(self, tx: Transaction, by: Technician, action: str, **fields: str | int) -> None:
        audit_rows.add(
            tx,
            AuditRow(
                at=self._now(),
                company_id=by.company_id,
                session_id=None,
                actor=technician_actor(by.id),
                action=action,
                fields=fields,
            ),
        )


def _kept_password(known: MailServer, host: str, port: int, security: Security, user: str) -> str | None:
    is_same = (known.host, known.port, known.security, known.user) == (host, port, security, user)
    return known.password if is_same else None


def _facts(server: MailServer, sender: str) -> MailServerFacts:
    return MailServerFacts(
        host=server.host,
        port=server.port,
        security=server.security,
        user=server.user,
        has_password=bool(server.password),
        sender=sender,
    )


def _place(company_id: CompanyId) -> str:
    return f"company_mail_servers:{company_id}"
