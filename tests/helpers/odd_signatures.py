"""Ed25519 signatures that verifiers disagree about: by points of small order, and in spellings of their own.

RFC 8032 lets a verifier multiply its equation by the cofactor 8 or not, and is silent about keys of small
order; what is made here is accepted by some libraries and refused by others ("Taming the many EdDSAs",
Chalkias, Garillot, Nikolaenko 2020). Slow arithmetic in integers, for tests alone.
"""

import hashlib
from typing import Final, TypeAlias

P: Final = 2**255 - 19
L: Final = 2**252 + 27742317777372353535851937790883648493
"""The order of the base point."""

Point: TypeAlias = tuple[int, int]
_D: Final = -121665 * pow(121666, -1, P) % P
_ROOT_OF_MINUS_ONE: Final = pow(2, (P - 1) // 4, P)
NEUTRAL: Final[Point] = (0, 1)


def add(left: Point, right: Point) -> Point:
    """The sum of two points (RFC 8032 §5.1.4)."""
    (x1, y1), (x2, y2) = left, right
    product = _D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, P)
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, P)
    return x % P, y % P


def multiply(factor: int, point: Point) -> Point:
    """So many times the point."""
    result = NEUTRAL
    while factor:
        if factor & 1:
            result = add(result, point)
        point = add(point, point)
        factor >>= 1
    return result


def point_at(y: int) -> Point | None:
    """A point with this y, or None (RFC 8032 §5.1.3)."""
    square = (y * y - 1) * pow(_D * y * y + 1, -1, P) % P
    for x in (root := pow(square, (P + 3) // 8, P), root * _ROOT_OF_MINUS_ONE % P):
        if x * x % P == square:
            return x, y
    return None


def _base() -> Point:
    x, y = point_at(4 * pow(5, -1, P) % P) or NEUTRAL
    return (x if x % 2 == 0 else P - x), y


def _of_order_8() -> Point:
    candidates = (multiply(L, point) for y in range(2, 100) if (point := point_at(y)) is not None)
    return next(point for point in candidates if multiply(4, point) != NEUTRAL)


BASE: Final = _base()
SMALL: Final = _of_order_8()
"""A point of order 8: its multiples are all that have an order of 8 or less."""


def encode(point: Point) -> bytes:
    """32 bytes (RFC 8032 §5.1.2)."""
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def sign(
    message: bytes, *, secret: int, nonce: int, key_off: int = 0, nonce_off: int = 0, more: int = 0
) -> tuple[bytes, bytes]:
    """A public key and a signature by it, as RFC 8032 says but for what is off.

    Args:
        message: what is signed.
        secret, nonce: scalars, the second to be used once.
        key_off, nonce_off: multiples of `SMALL` added to the key and to the signature's point.
        more: multiples of `L` added to the signature's scalar, which thereby stands for the same number.
    """
    key = encode(add(multiply(secret, BASE), multiply(key_off, SMALL)))
    commitment = encode(add(multiply(nonce, BASE), multiply(nonce_off, SMALL)))
    challenge = int.from_bytes(hashlib.sha512(commitment + key + message).digest(), "little")
    scalar = (nonce + challenge * secret) % L + more * L
    return key, commitment + scalar.to_bytes(32, "little")
