"""Mail: what it says, who carries it, and the durable outbox in between.

`Outbox.put` takes a `Mail` over: from then on it is sent, or somebody is told that it could not be. The rooms
above say what is to be mailed (`relay.mailing` connects them); this one knows templates and mail servers.
"""

from relay.mail.carrier import Carrier, MailFailed
from relay.mail.composing import Brand, compose, visible
from relay.mail.mails import (
    DeploymentMail,
    InvitationMail,
    Mail,
    ReceiptMail,
    ReceiptUse,
    ResetMail,
    TestMail,
    WebhookMail,
)
from relay.mail.outbox import MailChange, Outbox, RelayMail
from relay.mail.servers import MailServer, MailServerFacts, MailServers, PasswordNeeded
from relay.store.mail_rows import MailRecord

__all__ = [
    "Brand",
    "Carrier",
    "DeploymentMail",
    "InvitationMail",
    "Mail",
    "MailChange",
    "MailFailed",
    "MailRecord",
    "MailServer",
    "MailServerFacts",
    "MailServers",
    "Outbox",
    "PasswordNeeded",
    "ReceiptMail",
    "ReceiptUse",
    "RelayMail",
    "ResetMail",
    "TestMail",
    "WebhookMail",
    "compose",
    "visible",
]
