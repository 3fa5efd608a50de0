"""An authenticator made of nothing but keys: WebAuthn Level 3 §6 written down from the other side.

Independent of what the relay uses to check it: `cryptography` for ES256, `cbor2` for the structures.
"""

import hashlib
import json
import secrets
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from relay.protocol.links import encode_base64url

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40
"""Flags of the authenticator data (§6.1)."""


class Authenticator:
    """A device with one discoverable credential, once it was asked to make one.

    Attributes:
        counter: its signature counter; it counts up by itself unless `counts` is False.
    """

    def __init__(self, *, counts: bool = True) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.credential_id = secrets.token_bytes(32)
        self.user_handle = ""
        self.counter = 0
        self._counts = counts

    def create(
        self,
        options: dict[str, Any],
        origin: str,
        *,
        party: str | None = None,
        flags: int = PRESENT | VERIFIED,
    ) -> dict[str, Any]:
        """What `navigator.credentials.create()` would give, as JSON."""
        self.user_handle = options["user"]["id"]
        numbers = self._key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = (
            bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + cbor2.dumps(cose)
        )
        data = self._data(party or options["rp"]["id"], flags | ATTESTED) + attested
        return self._credential(
            {
                "clientDataJSON": _client_data("webauthn.create", options, origin),
                "attestationObject": cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data}),
            },
            {"transports": ["internal", "hybrid", "telepathy"]},
        )

    def get(
        self,
        options: dict[str, Any],
        origin: str,
        *,
        party: str | None = None,
        flags: int = PRESENT | VERIFIED,
    ) -> dict[str, Any]:
        """What `navigator.credentials.get()` would give, as JSON."""
        client_data = _client_data("webauthn.get", options, origin)
        data = self._data(party or options["rpId"], flags)
        signed = data + hashlib.sha256(client_data).digest()
        return self._credential(
            {
                "clientDataJSON": client_data,
                "authenticatorData": data,
                "signature": self._key.sign(signed, ec.ECDSA(SHA256())),
            },
            {"userHandle": self.user_handle},
        )

    def _data(self, party: str, flags: int) -> bytes:
        if self._counts:
            self.counter += 1
        return hashlib.sha256(party.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4, "big")

    def _credential(self, parts: dict[str, bytes], plain: dict[str, Any]) -> dict[str, Any]:
        name = encode_base64url(self.credential_id)
        return {
            "id": name,
            "rawId": name,
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {key: encode_base64url(value) for key, value in parts.items()} | plain,
        }


def _client_data(kind: str, options: dict[str, Any], origin: str) -> bytes:
    """§5.8.1; challenges go through as they came, base64url."""
    return json.dumps(
        {"type": kind, "challenge": options["challenge"], "origin": origin, "crossOrigin": False}
    ).encode()
