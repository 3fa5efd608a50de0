"""Pictures: what a file really is, and how large."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.api.images import MAX_IMAGE_BYTES, is_logo, measure


def png(width: int, height: int) -> bytes:
    """A PNG whose header says so."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def jpeg(width: int, height: int, *, marker: int = 0xC0) -> bytes:
    """The beginning of a JPEG: JFIF, a Huffman table, a fill byte, a frame header."""
    frame = struct.pack(">BHHBBBB", 8, height, width, 1, 1, 0x11, 0)
    return (
        b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
        b"\xff\xc4\x00\x05\x00\x00\x00"
        b"\xff" + bytes([0xFF, marker]) + struct.pack(">H", len(frame) + 2) + frame + b"\xff\xd9"
    )


def webp(kind: bytes, data: bytes) -> bytes:
    """A WebP with one chunk."""
    chunk = kind + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


LOSSY = webp(b"VP8 ", b"\x30\x01\x00\x9d\x01\x2a" + struct.pack("<HH", 640, 0x4000 | 480) + bytes(10))
LOSSLESS = webp(b"VP8L", b"\x2f" + struct.pack("<I", (640 - 1) | (480 - 1) << 14) + bytes(10))
EXTENDED = webp(
    b"VP8X", b"\x10\x00\x00\x00" + (639).to_bytes(3, "little") + (479).to_bytes(3, "little") + bytes(10)
)


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (png(640, 480), "image/png"),
        (jpeg(640, 480), "image/jpeg"),
        (jpeg(640, 480, marker=0xC2), "image/jpeg"),
        (LOSSY, "image/webp"),
        (LOSSLESS, "image/webp"),
        (EXTENDED, "image/webp"),
    ],
)
def test_pictures_are_measured(image: bytes, kind: str) -> None:
    assert measure(image) == (kind, 640, 480)
    assert is_logo(kind, image)
    assert not is_logo("image/gif", image)


HTML = b"<!doctype html><script>alert(1)</script>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
NOT_PICTURES = [b"", HTML, SVG, b"GIF89a" + bytes(30), b"\x89PNG\r\n\x1a\n" + HTML, b"\xff\xd8\xff" + HTML]
NOT_PICTURES += [webp(b"ALPH", bytes(30)), webp(b"VP8L", HTML), b"RIFF\x00\x00\x00\x00WEBP"]


@pytest.mark.parametrize("image", NOT_PICTURES, ids=range(len(NOT_PICTURES)))
def test_what_only_begins_like_a_picture_is_none(image: bytes) -> None:
    assert measure(image) is None
    assert not is_logo("image/png", image)


@pytest.mark.parametrize("image", [png(2001, 10), png(10, 2_000_000_000), png(0, 10), png(10, 0)])
def test_pictures_of_no_or_too_many_pixels_are_refused(image: bytes) -> None:
    assert not is_logo("image/png", image)


def test_large_files_are_refused() -> None:
    image = png(640, 480)
    assert is_logo("image/png", image + bytes(MAX_IMAGE_BYTES - len(image)))
    assert not is_logo("image/png", image + bytes(MAX_IMAGE_BYTES - len(image) + 1))


@given(
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF....WEBPVP8 ", b"RIFF....WEBPVP8L"]),
    st.binary(max_size=80),
)
def test_any_bytes_are_measured_or_not(start: bytes, rest: bytes) -> None:
    found = measure(start + rest)
    assert found is None or (found[1] >= 0 and found[2] >= 0)


@given(st.integers(1, 60))
def test_a_picture_that_is_cut_off_raises_nothing(size: int) -> None:
    for image in (png(640, 480), jpeg(640, 480), LOSSY, LOSSLESS, EXTENDED):
        found = measure(image[:size])
        assert found is None or found[1:] == (640, 480)
