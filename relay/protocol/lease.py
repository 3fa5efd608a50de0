"""Leases, removal receipts and proofs of joining: what is signed with Ed25519 (docs/protocol.md §3, §7).

At activation the relay signs a *lease*; the host obeys its `expires_at` with no relay in reach. At the end
the host signs a *receipt* of what it removed. Both are a msgpack map, signed behind a prefix of their own, so
that neither can pass for the other, nor for the *proof* with which a host joins.
"""

import hashlib
from dataclasses import asdict, dataclass, field

import msgpack
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import LocalProtocolError, RemoteProtocolError
from relay.protocol.maps import (
    MAX_MAP_BYTES,
    NOTHING,
    Shape,
    binary,
    boolean,
    check_map,
    counts,
    decode_map,
    encode_map,
    integer,
    text,
    texts,
)

SIGNATURE_BYTES = 64
KEY_BYTES = 32

_LEASE_PREFIX = b"adhoc.v1 lease\0"
_RECEIPT_PREFIX = b"adhoc.v1 receipt\0"
_JOIN_PREFIX = b"adhoc.v1 join\0"
# A lease, its body and signature with their headers, must itself fit a bin of a frame's map.
_MAX_BODY_BYTES = MAX_MAP_BYTES - SIGNATURE_BYTES - 6
_MAX_TIME = 2**40  # Unix seconds; far beyond any date a computer can show
_time = integer(0, _MAX_TIME)
_LEASE = {
    "session": text,
    "host_key": binary(KEY_BYTES),
    "activated_at": _time,
    "expires_at": _time,
    "kinds": texts,
}
_RECEIPT = {"session": text, "ended_at": _time, "reason": text, "removed": texts, "left": texts}
_RECEIPT_LATER = {"acts": counts, "going": texts, "again": boolean}
"""Keys that are left out while they say nothing, as before there were any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Until when a host may serve.

    Attributes:
        session: the session's id.
        host_key: 32 bytes, the only host (Ed25519) it is for.
        activated_at: Unix seconds by the relay's clock.
        expires_at: Unix seconds; never before `activated_at`.
        kinds: the channels granted.
    """

    session: str
    host_key: bytes
    activated_at: int
    expires_at: int
    kinds: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a host removed of itself.

    Attributes:
        session: the session's id.
        ended_at: Unix seconds by the host's clock.
        reason: the close reason's wire name.
        removed: at most 32 names of what was removed and is verifiably gone.
        left: at most 32 names of what could not be removed; empty if all went well.
        acts: how often technicians did what changes something: at most 32 words of at most 32 bytes.
        going: at most 32 names of what the program that signs runs from, which goes when it has ended.
        again: True if what is left is tried once more at the next start of the computer.
    """

    session: str
    ended_at: int
    reason: str
    removed: list[str]
    left: list[str]
    acts: dict[str, int] = field(default_factory=dict)
    going: list[str] = field(default_factory=list)
    again: bool = False


def sign_lease(lease: Lease, relay_key: Ed25519PrivateKey) -> bytes:
    """The lease as it travels: at most 4096 bytes, msgpack ``[body, signature]``.

    Raises:
        LocalProtocolError: a field is not one that `verify_lease` would take.
    """
    body = _encode(asdict(lease), _LEASE, "lease")
    packed: bytes = msgpack.packb([body, relay_key.sign(_LEASE_PREFIX + body)])
    return packed


def verify_lease(data: bytes, *, relay_key: bytes, host_key: bytes, session: str) -> Lease:
    """Reads a lease that is signed by this relay, for this host and session.

    Args:
        data: untrusted bytes.
        relay_key: 32 bytes, as learned when pairing.
        host_key: 32 bytes, the reader's own public key.
        session: the session's id.

    Raises:
        RemoteProtocolError: with BAD_FRAME if it is no lease, with SEAL_BROKEN if it is forged or for
            somebody else.
    """
    body, signature = _decode_pair(data)
    _verify(relay_key, signature, _LEASE_PREFIX + body, "lease")
    lease = Lease(**decode_map(body, _LEASE, "lease"))
    if (lease.session, lease.host_key) != (session, host_key):
        raise RemoteProtocolError("The lease is for another computer or session.", CloseReason.SEAL_BROKEN)
    if lease.expires_at < lease.activated_at:
        raise RemoteProtocolError("The lease ends before it begins.")
    return lease


def sign_receipt(receipt: Receipt, host_key: Ed25519PrivateKey) -> tuple[bytes, bytes]:
    """The receipt's body, at most 4026 bytes, and its signature, 64 bytes.

    Raises:
        LocalProtocolError: a field is not one that `verify_receipt` would take, or all is too long together.
    """
    fields = {name: value for name, value in asdict(receipt).items() if value or name not in _RECEIPT_LATER}
    body = _encode(fields, _RECEIPT, "receipt", _RECEIPT_LATER)
    return body, host_key.sign(_RECEIPT_PREFIX + body)


def verify_receipt(body: bytes, signature: bytes, *, host_key: bytes, session: str) -> Receipt:
    """Reads a receipt that is signed by this host, for this session.

    Args: `body` and `signature` are untrusted bytes; `host_key` the 32 bytes the host joined with.

    Raises:
        RemoteProtocolError: with BAD_FRAME if it is no receipt, with SEAL_BROKEN if it is forged or for
            another session.
    """
    _verify(host_key, signature, _RECEIPT_PREFIX + body, "receipt")
    receipt = Receipt(**decode_map(body, _RECEIPT, "receipt", _RECEIPT_LATER))
    if receipt.session != session:
        raise RemoteProtocolError("The receipt is for another session.", CloseReason.SEAL_BROKEN)
    return receipt


def make_join_proof(secret: bytes, origin: str, host_key: Ed25519PrivateKey) -> bytes:
    """The 64-byte `proof` of a host's HELLO: it holds the key it names and means this relay (§3).

    Args:
        secret: the HELLO's `secret`, invite or host credential.
        origin: the relay's, as in the deployment link.
        host_key: the private half of HELLO's `key`.
    """
    return host_key.sign(join_statement(secret, origin))


def join_statement(secret: bytes, origin: str) -> bytes:
    """What a join proof signs. Only the relay verifies it (`relay.auth.check_join_proof`)."""
    return _JOIN_PREFIX + hashlib.sha256(secret).digest() + origin.encode()


def _encode(fields: dict[str, object], shape: Shape, what: str, optional: Shape = NOTHING) -> bytes:
    """Packs what we are about to sign, after the checks that its readers will make."""
    try:
        body = encode_map(check_map(fields, shape, what, optional))
    except RemoteProtocolError as exc:
        raise LocalProtocolError(str(exc)) from exc
    if len(body) > _MAX_BODY_BYTES:
        raise LocalProtocolError(f"The {what} is too large.")
    return body


def _decode_pair(data: bytes) -> tuple[bytes, bytes]:
    """``[body, signature]``, of which only the types are known afterwards."""
    if len(data) <= MAX_MAP_BYTES:
        try:
            value = msgpack.unpackb(data, max_array_len=2, max_map_len=0, max_ext_len=0)
        except Exception as exc:  # msgpack raises more than its own classes; this is the decoder's barrier
            raise RemoteProtocolError("The lease is not msgpack as agreed.") from exc
        match value:
            case [bytes() as body, bytes() as signature]:
                return body, signature
    raise RemoteProtocolError("The lease is not a body and a signature.")


def _verify(public_key: bytes, signature: bytes, statement: bytes, what: str) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, statement)
    except (InvalidSignature, ValueError) as exc:  # ValueError: a key of another length
        raise RemoteProtocolError(f"The signature of the {what} is wrong.", CloseReason.SEAL_BROKEN) from exc
