"""CPace-X25519-SHA512, initiator-responder (draft-irtf-cfrg-cpace): the arithmetic, without any state.

Both sides hash the shared secret into a generator `g` of Curve25519, exchange the shares `ya·g` and
`yb·g`, and get the same key only if they hashed the same secret. Somebody in the middle learns nothing
from the shares; each run lets him test one guess, online.

* `calculate_generator` is the draft's: SHA-512 of the padded inputs, mapped by Elligator 2 (RFC 9380 §6.7.1
  with Z = 2) in plain integers.
* Scalar multiplication is X25519 (RFC 7748 §5) by `cryptography`, which takes any point and refuses an
  all-zero result, that is every point of low order.
* Shares that are not the one canonical encoding of a field element (at least 2²⁵⁵-19, or with the top bit
  set) are refused here: X25519 itself ignores the top bit, and browsers differ about it.

Python's integers do not run in constant time. The mapping's time could tell something about the secret to
somebody measuring inside the same computer; over a network, with one run per try and the customer's typing
in between, it drowns. `tests/vectors/cpace-x25519-sha512.json` are the draft's test vectors.
"""

import hashlib
import hmac

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.hidden import SecretBytes

SHARE_BYTES = 32
SCALAR_BYTES = 32
TAG_BYTES = 64

_DSI = b"CPace255"  # the suite's domain separation
_HASH_BLOCK_BYTES = 128  # SHA-512's input block: the secret is hashed alone in the first one
_P = 2**255 - 19
_J = 486662  # Curve25519: v² = u³ + J·u² + u


def lv_cat(*parts: bytes) -> bytes:
    """Each part behind its length in LEB128, concatenated (the draft's `lv_cat`)."""
    return b"".join(_leb128(len(part)) + part for part in parts)


def calculate_generator(prs: bytes, ci: bytes, sid: bytes) -> bytes:
    """The generator of one run: 32 bytes, a u coordinate on Curve25519.

    Args:
        prs: the shared secret, of any length.
        ci: identifies channel and parties.
        sid: identifies this run.
    """
    padding = max(0, _HASH_BLOCK_BYTES - 1 - len(lv_cat(prs)) - len(lv_cat(_DSI)))
    digest = hashlib.sha512(lv_cat(_DSI, prs, bytes(padding), ci, sid)).digest()[:32]
    return elligator2(int.from_bytes(digest, "little") % 2**255).to_bytes(32, "little")


def elligator2(u: int) -> int:
    """Maps any integer to the u coordinate of a point of Curve25519 (RFC 9380 §6.7.1, Z = 2)."""
    # 1 + 2u² is never zero: -1/2 is no square modulo this prime.
    v = -_J * pow(1 + 2 * u * u, -1, _P) % _P
    is_on_curve = pow(v * (v * v + _J * v + 1), (_P - 1) // 2, _P) in (0, 1)
    return v if is_on_curve else (-v - _J) % _P


def multiply(scalar: bytes, point: bytes) -> SecretBytes:
    """X25519 of a 32-byte scalar and a point that came from `calculate_generator` or `check_share`.

    Raises:
        RemoteProtocolError: with SEAL_BROKEN, if the result is all zero (the point has low order).
    """
    private = X25519PrivateKey.from_private_bytes(scalar)
    try:
        return SecretBytes(private.exchange(X25519PublicKey.from_public_bytes(point)))
    except ValueError as exc:
        raise RemoteProtocolError("The key share is a weak point.", CloseReason.SEAL_BROKEN) from exc


def check_share(share: bytes) -> bytes:
    """Returns the other side's 32-byte share if it is the canonical encoding of a field element.

    Raises:
        RemoteProtocolError: with SEAL_BROKEN, if it is at least 2²⁵⁵-19 (a set top bit included).
    """
    if int.from_bytes(share, "little") >= _P:
        raise RemoteProtocolError("The key share is not a canonical number.", CloseReason.SEAL_BROKEN)
    return share


def derive_isk(sid: bytes, k: bytes, transcript: bytes) -> SecretBytes:
    """The intermediate session key, 64 bytes, from the common point `k`."""
    return SecretBytes(hashlib.sha512(lv_cat(_DSI + b"_ISK", sid, k) + transcript).digest())


def make_transcript(ya: bytes, ad_a: bytes, yb: bytes, ad_b: bytes) -> bytes:
    """Both shares and both sides' associated data, the initiator's first (the draft's `transcript_ir`)."""
    return lv_cat(ya, ad_a) + lv_cat(yb, ad_b)


def confirmation_tag(isk: bytes, sid: bytes, share: bytes, details: bytes) -> bytes:
    """The 64 bytes by which the sender of `share` and `details` proves that it knows `isk`."""
    mac_key = hashlib.sha512(b"CPaceMac" + sid + isk).digest()
    return hmac.digest(mac_key, lv_cat(share, details), "sha512")


def _leb128(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(0x80 | number & 0x7F)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
