"""Pictures for tests of whoever is shown them."""

import struct
import zlib


def chunk(name: bytes, body: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def picture(
    width: int = 480,
    height: int = 160,
    *,
    kind: int = 2,
    depth: int = 8,
    rows: bytes | None = None,
    more: bytes = b"",
) -> bytes:
    """A PNG, black unless `rows` says otherwise; `more`: chunks before the pixels."""
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    row = bytes(1 + (width * depth * channels + 7) // 8)
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    pixels = zlib.compress(row * height if rows is None else rows)
    parts = chunk(b"IHDR", head) + more + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts
