"""What a file that calls itself a logo really is, and how large it would be on a screen.

Only the first bytes are read, no picture is ever decoded here. A file of 64 KiB can hold a picture of a
billion pixels, and customers' browsers would make room for it; hence the look at the size. PNG alone is
taken: the console makes one of whatever picture it is given, and the customer's window, which shows it too,
reads nothing else (`host/brand.py`, which has the same bounds). SVG can hold scripts.
"""

from typing import Final

MAX_IMAGE_BYTES: Final = 64 * 1024
MAX_SIDE: Final = 1024
"""Pixels; logos are shown at a fifth of that."""

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_HEADER_CHUNK: Final = b"\x00\x00\x00\rIHDR"


def is_logo(image: bytes) -> bool:
    """Whether a file (untrusted) is a PNG, not interlaced, and small enough in bytes and pixels."""
    if len(image) > MAX_IMAGE_BYTES or len(image) < 33:
        return False
    if image[:8] != _SIGNATURE or image[8:16] != _HEADER_CHUNK:  # PNG, third edition, §11.2.1
        return False
    width, height = (int.from_bytes(image[start : start + 4], "big") for start in (16, 20))
    is_interlaced = image[28] != 0
    return not is_interlaced and 1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE
