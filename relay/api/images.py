"""What a file that calls itself a picture really is, and how large it would be on a screen.

Only the first bytes are read, no picture is ever decoded here. A file of 64 KiB can hold a picture of a
billion pixels, and customers' browsers would make room for it; hence the look at the size. SVG is none of
these formats on purpose: it can hold scripts.
"""

from typing import Final

MAX_IMAGE_BYTES: Final = 64 * 1024
MAX_SIDE: Final = 2000
"""Pixels; logos are shown at a tenth of that."""

_PNG = b"\x89PNG\r\n\x1a\n"
_NO_FRAME = frozenset({0xC4, 0xC8, 0xCC})
"""JPEG markers among the frame headers C0 … CF that are none (ITU-T T.81, table B.1)."""


def measure(image: bytes) -> tuple[str, int, int] | None:
    """Media type, width and height of a PNG, JPEG or WebP file (untrusted); None for anything else."""
    if image.startswith(_PNG):
        return _measured("image/png", _png(image))
    if image.startswith(b"\xff\xd8\xff"):
        return _measured("image/jpeg", _jpeg(image))
    if image.startswith(b"RIFF") and image[8:12] == b"WEBP":
        return _measured("image/webp", _webp(image))
    return None


def is_logo(media_type: str, image: bytes) -> bool:
    """Whether a file (untrusted) is what it is said to be, and small enough in bytes and pixels."""
    if len(image) > MAX_IMAGE_BYTES:
        return False
    found = measure(image)
    return found is not None and found[0] == media_type and all(1 <= side <= MAX_SIDE for side in found[1:])


def _measured(media_type: str, size: tuple[int, int] | None) -> tuple[str, int, int] | None:
    return None if size is None else (media_type, *size)


def _png(image: bytes) -> tuple[int, int] | None:
    """W3C PNG §11.2.1: the first chunk is IHDR."""
    if len(image) < 33 or image[8:16] != b"\x00\x00\x00\rIHDR":
        return None
    return int.from_bytes(image[16:20], "big"), int.from_bytes(image[20:24], "big")


def _jpeg(image: bytes) -> tuple[int, int] | None:
    """ITU-T T.81 §B.1, B.2.2: segments with a length each, until the frame header."""
    at = 2
    while at + 9 <= len(image) and image[at] == 0xFF:
        marker = image[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAME:
            height, width = (int.from_bytes(image[i : i + 2], "big") for i in (at + 5, at + 7))
            return width, height
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        length = int.from_bytes(image[at + 2 : at + 4], "big")
        if marker == 0xDA or length < 2:
            return None
        at += 2 + length
    return None


def _webp(image: bytes) -> tuple[int, int] | None:
    """RFC 9649 §2.5 to §2.7: one of three first chunks."""
    kind = image[12:16]
    if len(image) < 30:
        return None
    if kind == b"VP8X":
        return int.from_bytes(image[24:27], "little") + 1, int.from_bytes(image[27:30], "little") + 1
    if kind == b"VP8L" and image[20] == 0x2F:
        bits = int.from_bytes(image[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and image[23:26] == b"\x9d\x01\x2a":  # RFC 6386 §9.1
        width, height = (int.from_bytes(image[i : i + 2], "little") & 0x3FFF for i in (26, 28))
        return width, height
    return None
