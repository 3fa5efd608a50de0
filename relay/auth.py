"""Secrets: made, hashed, compared. Never stored, logged or shown.

Pure functions: no clock, store or task. Random secrets (tickets, invites, host credentials, cookies, sign-in
links) have at least 128 bits, so that one SHA-256 is enough at rest and a look-up by hash tells nothing
about a near miss. Passwords are a person's choice and get argon2id (RFC 9106); `hash_password` and
`verify_password` take about 125 ms and 64 MiB and belong into a worker thread.
"""

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import Final

import argon2
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from nacl.exceptions import CryptoError
from nacl.signing import VerifyKey

from relay.errors import AuthError, ConfigError, Refused, RelayError
from relay.protocol.hidden import SecretBytes
from relay.protocol.lease import join_statement
from relay.protocol.links import encode_base64url

SECRET_BYTES: Final = 32
"""Of tickets, host credentials, cookies and sign-in links."""

MIN_PASSWORD_CHARACTERS: Final = 12
MAX_PASSWORD_CHARACTERS: Final = 256
"""More than any sentence; keeps a stranger from making us hash megabytes."""

REFUSED_SENTENCE: Final = "This link, ticket or session is not valid (any more)."
"""What every stranger is told, whatever was wrong."""

_ID_BYTES = 16
_NONCE_BYTES = 12
_HASHER = argon2.PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)  # SECURITY: 125 ms
# Of 32 random bytes that nobody kept, with the parameters above: for unknown people verifying takes as long.
_DUMMY_HASH = (
    "$argon2id$v=19$m=65536,t=3,p=4$LYu/zwnn2MzthpZ6L0z8Lw$Vhj98fAoZNRyvygBSqa9MdRxZxhqUfdyPQ4sKa8/Sro"
)


def new_secret() -> SecretBytes:
    """A fresh ticket, credential, cookie or sign-in token: 32 bytes from the system's generator."""
    return SecretBytes(secrets.token_bytes(SECRET_BYTES))


def new_id() -> str:
    """A fresh id: 16 random bytes as 22 characters of base64url. Unguessable, yet no secret."""
    return encode_base64url(secrets.token_bytes(_ID_BYTES))


def digest(secret: bytes) -> bytes:
    """What is stored of a random secret: 32 bytes, SHA-256."""
    return hashlib.sha256(secret).digest()


def is_same(left: bytes | None, right: bytes) -> bool:
    """Compares in a time that depends on the lengths only; None equals nothing."""
    return hmac.compare_digest(left or b"", right) and left is not None


def refusal() -> AuthError:
    """The one answer to a stranger: unknown session, wrong secret and dead ticket look alike."""
    return AuthError(REFUSED_SENTENCE)


def check_join_proof(proof: bytes, *, secret: bytes, origin: str, host_key: bytes) -> None:
    """Checks that a joining host holds the key it names (docs/protocol.md §3).

    By libsodium, in half the time that OpenSSL takes, for hosts come by the thousand. It refuses all that
    OpenSSL does, and keys and signatures of few points or in unusual spellings besides.

    Args:
        proof: untrusted, the HELLO's ``proof``.
        secret: untrusted, the HELLO's invite or credential.
        origin: the relay's, as in the deployment link.
        host_key: untrusted, the HELLO's ``key``.

    Raises:
        AuthError: it does not; looks like every other refusal.
    """
    try:
        VerifyKey(host_key).verify(join_statement(secret, origin), proof)
    except CryptoError as exc:
        raise refusal() from exc


def check_new_password(password: str) -> None:
    """Refuses passwords that are too short or absurdly long; any characters will do (NIST SP 800-63B §5.1.1).

    Raises:
        Refused: `str(error)` says what is wrong.
    """
    if len(password) < MIN_PASSWORD_CHARACTERS:
        raise Refused(f"A password needs at least {MIN_PASSWORD_CHARACTERS} characters.")
    if len(password) > MAX_PASSWORD_CHARACTERS:
        raise Refused(f"A password has at most {MAX_PASSWORD_CHARACTERS} characters.")


def hash_password(password: str) -> str:
    """The argon2id hash to store, parameters and salt included. Blocks about 125 ms."""
    return _HASHER.hash(_password_bytes(password))


def verify_password(stored: str | None, password: str) -> bool:
    """Whether `password` is the one behind `stored`. Blocks about 125 ms.

    For None (nobody, or no password) it works as long and answers False.
    """
    try:
        is_right = _HASHER.verify(stored or _DUMMY_HASH, _password_bytes(password[:MAX_PASSWORD_CHARACTERS]))
    except (argon2.exceptions.Argon2Error, argon2.exceptions.InvalidHashError):
        return False
    return is_right and stored is not None and len(password) <= MAX_PASSWORD_CHARACTERS


def _password_bytes(password: str) -> bytes:
    return password.encode(errors="surrogatepass")  # JSON may carry lone surrogates; they are just characters


class Sealer:
    """Encrypts what the relay must be able to read again: AES-256-GCM under a key derived from its key file.

    A copy of the database alone tells nothing of it; whoever has the key file too can read it.

    Args:
        relay_key: the relay's signing key; HKDF-SHA256 (RFC 5869) makes another key of it.
    """

    def __init__(self, relay_key: Ed25519PrivateKey) -> None:
        derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"adhoc relay: secrets at rest")
        self._cipher = AESGCM(derived.derive(relay_key.private_bytes_raw()))

    def seal(self, plain: bytes, *, place: str) -> bytes:
        """`plain`, encrypted: 12 bytes of nonce, the ciphertext, 16 of tag.

        Args:
            plain: any bytes.
            place: where it is kept (``"technicians.totp:ID"``): nobody can move it to another row.
        """
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, place.encode())

    def unseal(self, sealed: bytes, *, place: str) -> SecretBytes:
        """What was sealed for `place`.

        Raises:
            RelayError: it was changed, moved, or sealed under another relay's key.
        """
        try:
            plain = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError) as exc:
            raise RelayError("What the database keeps encrypted does not fit the relay's key file.") from exc
        return SecretBytes(plain)


def load_or_make_relay_key(path: Path) -> Ed25519PrivateKey:
    """The relay's signing key, from `path` (PEM, PKCS #8); made there with mode 0600 at the first run.

    Raises:
        ConfigError: the file is no Ed25519 key, other people may read it, or it cannot be written.
    """
    try:
        if not path.exists():
            _make_key_file(path)
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"{path} may be read by others; correct it with: chmod 600 {path}")
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as exc:
        raise ConfigError(f"{path} cannot be used: {exc.strerror}.") from exc
    except (ValueError, TypeError) as exc:
        raise ConfigError(f"{path} does not hold a private key.") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} holds another kind of key than Ed25519.")
    return key


def _make_key_file(path: Path) -> None:
    """Writes a new key; a crash leaves either none or all of it, and of two makers one wins."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(descriptor)
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
