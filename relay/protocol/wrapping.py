"""The pairing key, wrapped under the access password (docs/protocol.md §5).

It lets another browser of the same technician connect. The relay keeps `wrapped` and can only guess
passwords against it: 600 000 rounds of PBKDF2 each (about 0.2 s of one core), against the 60 bits of a
proposed password. A password a person made up may be weaker, which is why a technician may opt out.
PBKDF2 and not something newer, because browsers have it (WebCrypto).

    wrapped = salt (16) ‖ nonce (12) ‖ AES-256-GCM of the pairing key (32 + 16)
    associated data "adhoc.v1 wrapped\\0" ‖ session id
"""

import secrets
from collections.abc import Callable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from relay.protocol.close_reasons import CloseReason
from relay.protocol.codes import normalise_access_password
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.hidden import SecretBytes
from relay.protocol.pairing import PAIRING_KEY_BYTES, WrongSecret

ROUNDS = 600_000  # OWASP's figure for PBKDF2-HMAC-SHA256 (2023)
SALT_BYTES = 16
NONCE_BYTES = 12
WRAPPED_BYTES = SALT_BYTES + NONCE_BYTES + PAIRING_KEY_BYTES + 16


def wrap_pairing_key(
    pairing_key: bytes,
    access_password: str,
    session: str,
    *,
    _random: Callable[[int], bytes] = secrets.token_bytes,
) -> bytes:
    """Returns `WRAPPED_BYTES` that only the access password opens. Takes about 0.2 s: call it in a thread.

    Raises:
        CodeError: the password cannot be one.
    """
    salt, nonce = _random(SALT_BYTES), _random(NONCE_BYTES)
    cipher = _derive_cipher(access_password, salt)
    return salt + nonce + cipher.encrypt(nonce, pairing_key, _associated_data(session))


def unwrap_pairing_key(wrapped: bytes, access_password: str, session: str) -> SecretBytes:
    """Returns the 32-byte pairing key. Takes about 0.2 s: call it in a thread.

    Args:
        wrapped: untrusted bytes, as kept by the relay.
        access_password: as typed.
        session: the session's id, to which the wrapping is bound.

    Raises:
        CodeError: the password cannot be one.
        WrongSecret: with WRONG_PASSWORD; the password is another one, or the bytes were changed.
        RemoteProtocolError: with BAD_FRAME; `wrapped` has another length.
    """
    if len(wrapped) != WRAPPED_BYTES:
        raise RemoteProtocolError("The wrapped pairing key has a wrong length.")
    salt, nonce = wrapped[:SALT_BYTES], wrapped[SALT_BYTES : SALT_BYTES + NONCE_BYTES]
    cipher = _derive_cipher(access_password, salt)
    try:
        return SecretBytes(
            cipher.decrypt(nonce, wrapped[SALT_BYTES + NONCE_BYTES :], _associated_data(session))
        )
    except InvalidTag as exc:
        raise WrongSecret(CloseReason.WRONG_PASSWORD) from exc


def _derive_cipher(access_password: str, salt: bytes) -> AESGCM:
    password = normalise_access_password(access_password).encode()
    return AESGCM(
        PBKDF2HMAC(algorithm=hashes.SHA256(), length=32, salt=salt, iterations=ROUNDS).derive(password)
    )


def _associated_data(session: str) -> bytes:
    return b"adhoc.v1 wrapped\0" + session.encode()
