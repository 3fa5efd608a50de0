"""Webhooks: what happens to a company's sessions, told to receivers that it has named.

`Webhooks` keeps the settings, makes deliveries out of the audit log and sends them; docs/webhooks.md is what
receivers read.
"""

from relay.webhooks.events import EVENTS, TEST_EVENT
from relay.webhooks.sending import BadUrl, Sender
from relay.webhooks.webhooks import NewWebhook, Webhooks

__all__ = ["EVENTS", "TEST_EVENT", "BadUrl", "NewWebhook", "Sender", "Webhooks"]
