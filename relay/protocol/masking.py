"""WebSocket masking (RFC 6455 §5.3): XOR with a 4-byte key, by the fastest routine at hand.

Masking decides the speed of a WebSocket codec in Python (DESIGN §6, at 16 KiB): the C routine of the
`websockets` package does 22 GB/s, numpy 4.9, big-integer XOR 0.4. The relay has the first, the temporary
host's bundle has numpy, and the last needs nothing. The choice is made once, at import.

Every routine takes `data` of any length and a key of exactly 4 bytes, starts at the key's first byte, and
returns new `bytes`; a key of another length raises `ValueError`. Masking and unmasking are the same step.
"""

from collections.abc import Callable
from typing import TypeAlias, cast

Bytes: TypeAlias = bytes | bytearray | memoryview
Routine: TypeAlias = Callable[[Bytes, Bytes], bytes]

# Below this numpy's fixed cost (about 3 µs) is more than the whole integer XOR.
_NUMPY_PAYS_BYTES = 1024


def mask_with_integers(data: Bytes, mask: Bytes) -> bytes:
    """XOR by one big integer; the fallback that is always there."""
    if len(mask) != 4:
        raise ValueError("mask must contain 4 bytes")
    length = len(data)
    # The key repeated to the length of the data, so that both integers line up at their low ends.
    key = (bytes(mask) * ((length + 3) // 4))[:length]
    return (int.from_bytes(data, "little") ^ int.from_bytes(key, "little")).to_bytes(length, "little")


def load_c_routine() -> Routine:
    """The C routine of `websockets`. Raises ImportError without the package or its compiled part."""
    from websockets.speedups import apply_mask

    return cast("Routine", apply_mask)  # which takes any buffer, though it is declared for two kinds


def load_numpy_routine() -> Routine:
    """XOR by 32-bit words in numpy, the few bytes after the last word by integer. Raises ImportError."""
    import numpy as np

    def mask_with_numpy(data: Bytes, mask: Bytes) -> bytes:
        length = len(data)
        if length < _NUMPY_PAYS_BYTES or len(mask) != 4:
            return mask_with_integers(data, mask)
        words = length // 4
        masked = (np.frombuffer(data, np.uint32, words) ^ np.frombuffer(mask, np.uint32)).tobytes()
        if words * 4 == length:
            return masked
        # A whole number of words came before, so the key starts afresh here.
        return masked + mask_with_integers(data[words * 4 :], mask)

    return mask_with_numpy


def choose_routine() -> Routine:
    """The fastest routine that can be imported here."""
    for load in (load_c_routine, load_numpy_routine):
        try:
            return load()
        except ImportError:
            continue
    return mask_with_integers


apply_mask: Routine = choose_routine()
"""`apply_mask(data, mask)`: a masked or unmasked copy of `data`, as the module's docstring says."""
