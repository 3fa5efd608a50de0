"""Whatever the relay sends out by itself, and the wires to those who have something to send.

The rooms know nothing of each other: accounts write letters, the audit writes receipts, sessions want to know
what became of their mail, and owners hear of a webhook that was disabled.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import trio

from relay.accounts.letters import Letter, Posted
from relay.audit.receipts import Receipt
from relay.auth import Sealer
from relay.broker import Broker
from relay.config import Config
from relay.errors import SessionUnavailable
from relay.mail import (
    Carrier,
    InvitationMail,
    Mail,
    MailChange,
    MailServer,
    MailServers,
    Outbox,
    ReceiptMail,
    ReceiptUse,
    RelayMail,
    ResetMail,
    WebhookMail,
)
from relay.metrics import Metrics
from relay.store import Store, webhook_rows
from relay.store.mail_rows import DEPLOYMENT_MAIL
from relay.store.webhook_rows import WebhookRow
from relay.texts import LANGUAGES
from relay.webhooks import Sender, Webhooks

RECEIPT_WORTH: Final = timedelta(days=3)
"""After the end of a session, its receipt is tried for so long."""
NOTICE_WORTH: Final = timedelta(days=1)

STEPS: Final = {"sent": "mail_accepted", "failed": "mail_failed"}
"""A session's funnel, by what became of its mail."""


@dataclass(frozen=True, kw_only=True)
class PostRoom:
    """Whatever the relay sends out by itself.

    Attributes:
        servers: mail servers of companies.
        outbox: mails.
        webhooks: events.
    """

    servers: MailServers
    outbox: Outbox
    webhooks: Webhooks

    async def drain(self) -> None:
        """Begin nothing new, and return once all that is under way is over."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.outbox.drain)
            nursery.start_soon(self.webhooks.drain)


def make_post_room(
    config: Config, store: Store, sealer: Sealer, metrics: Metrics, *, now: Callable[[], datetime]
) -> PostRoom:
    """Mail and webhooks, from the settings."""
    allows_private = config.private_destinations
    servers = MailServers(store, sealer, allows_private=allows_private, now=now)
    carrier = Carrier(
        outbox=config.data / "outbox", timeout=config.smtp_timeout, allows_private=allows_private
    )
    given = config.smtp_url
    own = given and MailServer(
        host=given.host,
        port=given.port,
        security=given.security,
        user=given.user,
        password=given.password.get_secret_value(),
        is_of_relay=True,
    )
    relay_mail = RelayMail(own, config.mail_from or "relay@localhost")
    return PostRoom(
        servers=servers,
        outbox=Outbox(store, sealer, carrier, servers, relay_mail, metrics, now=now),
        webhooks=Webhooks(store, sealer, Sender(allows_private=allows_private), metrics, now=now),
    )


class LetterPost:
    """Carries the letters of `relay.accounts` (a `relay.accounts.letters.Post`)."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def put(self, letter: Letter) -> Posted:
        """Takes a letter over.

        Raises:
            RelayError: it could not even be stored.
        """
        record = await self._outbox.put(
            _mail_of(letter),
            company_id=letter.company.id,
            expires_at=letter.expires_at,
            is_by_relay=letter.is_by_relay,
        )
        # Nobody withdraws a letter; it would be as if it had failed.
        return Posted("failed" if record.state == "withdrawn" else record.state, record.detail)


def _mail_of(letter: Letter) -> Mail:
    if letter.kind == "invitation":
        return InvitationMail(
            to=letter.to,
            language=letter.language,
            name=letter.name,
            inviter=letter.inviter,
            link=letter.link,
        )
    return ResetMail(to=letter.to, language=letter.language, name=letter.name, link=letter.link)


async def mail_receipt(outbox: Outbox, receipt: Receipt) -> None:
    """Has a customer's receipt mailed.

    Raises:
        RelayError: it could not be stored.
    """
    session = receipt.session
    if session.activated_at is None or session.ended_at is None or session.end_reason is None:
        raise AssertionError("only a session that was active and ended has a receipt")
    uses = [
        ReceiptUse(
            technician=use.technician_name,
            tool=use.tool,
            can_act=use.access == "full",
            began_at=use.began_at,
            seconds=0.0 if use.ended_at is None else (use.ended_at - use.began_at).total_seconds(),
        )
        for use in receipt.uses
    ]
    mail = ReceiptMail(
        to=session.customer_email,
        language=session.language,
        technicians=tuple(receipt.technicians),
        activated_at=session.activated_at,
        ended_at=session.ended_at,
        end_sentence=session.end_reason.sentence,
        removal=session.removal,
        uses=tuple(uses),
        acts=tuple(receipt.acts.items()),
    )
    expires_at = session.ended_at + RECEIPT_WORTH
    await outbox.put(mail, company_id=session.company_id, session_id=session.id, expires_at=expires_at)


async def tell_session(broker: Broker, change: MailChange) -> None:
    """Has a session's funnel and live feed show what became of its mail.

    Raises:
        RelayError: the store failed.
    """
    if change.session_id is None or change.kind != DEPLOYMENT_MAIL:
        return
    step = STEPS.get(change.record.state)
    if step is not None:
        try:
            await broker.record_step(change.session_id, step)
        except SessionUnavailable:
            return
    broker.publish(change.session_id)


async def tell_owners(
    outbox: Outbox, store: Store, webhook: WebhookRow, *, now: Callable[[], datetime]
) -> None:
    """Mails the owners of a company that one of its webhooks was disabled.

    Raises:
        RelayError: the store failed.
    """
    owners = await store.read(partial(webhook_rows.owners_of, company_id=webhook.company_id))
    for owner in owners:
        mail = WebhookMail(
            to=owner.email,
            language=owner.language if owner.language in LANGUAGES else LANGUAGES[0],
            name=owner.name,
            receiver=urlsplit(webhook.url).hostname or "",
        )
        await outbox.put(mail, company_id=webhook.company_id, expires_at=now() + NOTICE_WORTH)
