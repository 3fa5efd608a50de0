"""Signatures as Standard Webhooks has them (standard-webhooks specification, "Signature scheme").

The signed text is ``ID.TIMESTAMP.BODY``; HMAC-SHA256 under the webhook's secret, in base64, after ``v1,``.
"""

import base64
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from relay.protocol.hidden import SecretBytes

SECRET_BYTES: Final = 32
"""The specification asks for 24 to 64."""
PREFIX: Final = "whsec_"


def new_secret() -> SecretBytes:
    """A fresh secret."""
    return SecretBytes(secrets.token_bytes(SECRET_BYTES))


def write_secret(secret: bytes) -> str:
    """The secret as receivers get it: ``whsec_`` and base64."""
    return PREFIX + base64.b64encode(secret).decode()


def sign(secret: bytes, *, delivery_id: str, at: datetime, body: str) -> Mapping[str, str]:
    """The headers of one try.

    Args:
        secret: the webhook's.
        delivery_id: the same at every try, so that who gets it twice can tell.
        at: when; receivers refuse what is old, so that nobody can replay it.
        body: what is sent.
    """
    timestamp = int(at.timestamp())
    signed = f"{delivery_id}.{timestamp}.{body}".encode()
    signature = base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
