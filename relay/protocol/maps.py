"""Msgpack maps of a fixed shape: the small signed or sealed messages of docs/protocol.md §5 and §7.

A shape names every key and the check its value must pass; a map with a key too few, too many or twice
is refused, so that nothing unbound by a transcript or a signature rides along. A key that a later version
added is optional: what an earlier one signed has to verify still. This is the one door for such bytes:
whatever msgpack raises leaves here as `RemoteProtocolError`.
"""

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import msgpack

from relay.protocol.errors import RemoteProtocolError

Check = Callable[[object], bool]
Shape = Mapping[str, Check]

MAX_TEXT_BYTES = 1024  # docs/protocol.md §2: strings of a map
MAX_MAP_BYTES = 4096  # docs/protocol.md §2: a map that travels inside another map is a bin of at most this
MAX_LIST_ITEMS = 32  # docs/protocol.md §2: an array of strings
MAX_WORD_BYTES = 32  # docs/protocol.md §7: a word that something is counted under
MAX_COUNT = (1 << 31) - 1
NOTHING: Shape = {}


def binary(size: int) -> Check:
    """A check for a byte string of exactly `size` bytes."""
    return lambda value: type(value) is bytes and len(value) == size


def binary_up_to(max_bytes: int) -> Check:
    """A check for a byte string of at most `max_bytes`."""
    return lambda value: type(value) is bytes and len(value) <= max_bytes


def integer(low: int, high: int) -> Check:
    """A check for an integer in `low` … `high`; a boolean is none."""
    return lambda value: type(value) is int and low <= value <= high


def text(value: object) -> bool:
    """The check for a string of at most 1024 bytes of UTF-8."""
    return type(value) is str and len(_utf8(value)) <= MAX_TEXT_BYTES


def texts(value: object) -> bool:
    """The check for an array of at most 32 such strings."""
    return type(value) is list and len(value) <= MAX_LIST_ITEMS and all(text(item) for item in value)


def counts(value: object) -> bool:
    """The check for a map of at most 32 words of at most 32 bytes to how often: 1 … 2^31 - 1."""
    return (
        type(value) is dict
        and len(value) <= MAX_LIST_ITEMS
        and all(type(word) is str and len(_utf8(word)) <= MAX_WORD_BYTES for word in value)
        and all(type(count) is int and 1 <= count <= MAX_COUNT for count in value.values())
    )


def boolean(value: object) -> bool:
    """The check for true or false."""
    return type(value) is bool


def check_map(value: object, shape: Shape, what: str, optional: Shape = NOTHING) -> dict[str, Any]:
    """Returns `value` itself, now known to be a map with exactly the keys and types of `shape`.

    Args:
        value: untrusted.
        shape: the keys that it must have.
        what: the message's name in the error's sentence.
        optional: further keys that it may have.

    Raises:
        RemoteProtocolError: with BAD_FRAME, naming `what` and the key that is wrong.
    """
    if not isinstance(value, dict):
        raise RemoteProtocolError(f"The {what} is not a map.")
    if not shape.keys() <= value.keys() <= shape.keys() | optional.keys():
        raise RemoteProtocolError(f"The {what} must have the keys {', '.join(shape)} and no others.")
    checks = {**shape, **optional}
    for key, item in value.items():
        if not checks[key](item):
            raise RemoteProtocolError(f"The {what} has a wrong {key}.")
    return value


def decode_map(data: bytes, shape: Shape, what: str, optional: Shape = NOTHING) -> dict[str, Any]:
    """Decodes untrusted bytes into a map of exactly this shape.

    Args:
        data: msgpack of at most `MAX_MAP_BYTES`.
        shape: the keys and the check of each value.
        what: the message's name in the error's sentence.
        optional: keys that it may have besides, and their checks.

    Raises:
        RemoteProtocolError: with BAD_FRAME, for anything else.
    """
    if len(data) > MAX_MAP_BYTES:
        raise RemoteProtocolError(f"The {what} is too large.")
    try:
        value = msgpack.unpackb(
            data,
            strict_map_key=True,
            object_pairs_hook=_map_without_twins,
            ext_hook=_refuse_ext,
            max_array_len=MAX_LIST_ITEMS,
            max_map_len=MAX_LIST_ITEMS,
            max_ext_len=0,
        )
    except Exception as exc:  # msgpack raises more than its own classes; this is the decoder's barrier
        raise RemoteProtocolError(f"The {what} is not msgpack as agreed.") from exc
    return check_map(value, shape, what, optional)


def encode_map(value: Mapping[str, object]) -> bytes:
    """The msgpack of `value`, keys in the order given."""
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def _map_without_twins(pairs: list[tuple[object, object]]) -> dict[object, object]:
    mapping = dict(pairs)
    if len(mapping) != len(pairs):
        raise ValueError("a key appears twice")
    return mapping


def _refuse_ext(code: int, data: bytes) -> NoReturn:
    raise ValueError("extension types are not used")


def _utf8(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")
