"""The company's brand, for the customer's window: asked of the relay, which may say anything.

A name and a colour are shown as text and as one of our own widgets' colours. A picture is decoded by Tk,
whose reader is C code in the customer's session: only PNG is taken, it is checked chunk by chunk, unpacked to
exactly the size that its head says, and written anew with nothing in it but pixels. Without all of this the
window shows the name. Standard library only.
"""

import json
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from host.customer import clean
from host.relay_http import Answer, ask
from relay.protocol.links import encode_base64url

MAX_SIDE: Final = 1024
"""Pixels; the console makes logos of at most 480 by 160."""

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""By colour type (PNG, third edition, §11.2.1)."""
_DEPTHS: Final = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


@dataclass(frozen=True, slots=True)
class Brand:
    """What may be shown of a company.

    Attributes:
        company: its name, clean.
        colour: ``#rrggbb``; "" for none.
        logo: a PNG of at most `MAX_SIDE` pixels a side that was written here; empty for none.
    """

    company: str
    colour: str = ""
    logo: bytes = b""


def fetch_brand(origin: str, invite: bytes, ask: Callable[[str, str], Answer] = ask) -> Brand | None:
    """What the relay says of the company behind a link; None if that is nothing that can be used.

    Blocks, for at most two of the relay's answers. Never raises: a window without a brand does all the same.
    """
    path = f"/api/v1/links/{encode_base64url(invite)}"
    try:
        answer = ask(origin, path)
        facts = json.loads(answer.body) if answer.status == 200 else None
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(facts, dict) or not isinstance(facts.get("company"), str):
        return None
    company = clean(facts["company"])
    colour = facts.get("colour")
    if not isinstance(colour, str) or not _COLOUR.fullmatch(colour):
        colour = ""
    logo = b""
    if facts.get("has_logo") is True:
        try:
            picture = ask(origin, f"{path}/logo")
        except OSError:
            picture = Answer(0, b"")
        if picture.status == 200:
            logo = clean_png(picture.body) or b""
    return Brand(company, colour, logo) if company else None


def clean_png(data: bytes) -> bytes | None:
    """The same picture in a PNG without anything that a reader could stumble over; None if `data` is none.

    Interlaced ones are refused as well: nobody needs them here.
    """
    try:
        return _clean_png(data)
    except (_NoPicture, zlib.error, struct.error):
        return None


class _NoPicture(Exception):
    pass


def _clean_png(data: bytes) -> bytes:
    chunks = list(_chunks(data))
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise _NoPicture
    head = chunks[0][1]
    width, height, depth, kind, compression, filtering, interlaced = struct.unpack(">IIBBBBB", head)
    if not 1 <= width <= MAX_SIDE or not 1 <= height <= MAX_SIDE:
        raise _NoPicture
    if depth not in _DEPTHS.get(kind, ()) or (compression, filtering, interlaced) != (0, 0, 0):
        raise _NoPicture
    row = 1 + (width * depth * _CHANNELS[kind] + 7) // 8
    unpacker = zlib.decompressobj()
    packed = b"".join(body for name, body in chunks if name == b"IDAT")
    pixels = unpacker.decompress(packed, row * height + 1)
    if len(pixels) != row * height or any(pixels[start] > 4 for start in range(0, len(pixels), row)):
        raise _NoPicture
    parts = [(b"IHDR", head)]
    palette = next((body for name, body in chunks if name == b"PLTE"), b"")
    if kind == 3:
        # Every number that a pixel can have is in the palette, so that no reader looks beyond it.
        if not palette or len(palette) % 3 or len(palette) > 768:
            raise _NoPicture
        parts.append((b"PLTE", palette.ljust(3 * 2**depth, b"\0")[: 3 * 2**depth]))
        clear = next((body for name, body in chunks if name == b"tRNS"), b"")[: 2**depth]
        if clear:
            parts.append((b"tRNS", clear))
    parts += [(b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and bodies up to IEND, each with its right checksum."""
    if not data.startswith(_SIGNATURE):
        raise _NoPicture
    at = len(_SIGNATURE)
    while True:
        size, name = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + 8 + size]
        if len(body) != size:
            raise _NoPicture
        (checksum,) = struct.unpack_from(">I", data, at + 8 + size)
        if checksum != zlib.crc32(name + body):
            raise _NoPicture
        yield name, body
        if name == b"IEND":
            return
        at += 12 + size
