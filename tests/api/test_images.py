"""Logos: what a file really is, and how large."""

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.brand import clean_png
from relay.api.images import MAX_IMAGE_BYTES, MAX_SIDE, is_logo
from tests.helpers.pictures import picture


def png(width: int, height: int, *, interlace: int = 0) -> bytes:
    """A PNG whose header says so."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00" + bytes(30)
WEBP = b"RIFF\x1e\x00\x00\x00WEBPVP8L" + bytes(30)
HTML = b"<!doctype html><script>alert(1)</script>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
NOT_PICTURES = [b"", HTML, SVG, JPEG, WEBP, b"GIF89a" + bytes(30), b"\x89PNG\r\n\x1a\n" + HTML]


def test_a_png_is_a_logo_up_to_a_size() -> None:
    assert is_logo(png(1, MAX_SIDE))
    assert is_logo(png(MAX_SIDE, 1))


@pytest.mark.parametrize("image", NOT_PICTURES, ids=range(len(NOT_PICTURES)))
def test_what_is_no_png_or_only_begins_like_one_is_none(image: bytes) -> None:
    assert not is_logo(image)


@pytest.mark.parametrize(
    "image", [png(MAX_SIDE + 1, 10), png(10, 2_000_000_000), png(0, 10), png(10, 0), png(10, 10, interlace=1)]
)
def test_no_or_too_many_pixels_and_interlaced_ones_are_refused(image: bytes) -> None:
    assert not is_logo(image)


def test_large_files_are_refused() -> None:
    image = png(640, 480)
    assert is_logo(image + bytes(MAX_IMAGE_BYTES - len(image)))
    assert not is_logo(image + bytes(MAX_IMAGE_BYTES - len(image) + 1))


def test_what_the_relay_takes_of_a_whole_picture_the_customers_window_shows() -> None:
    image = picture(MAX_SIDE, 3)
    assert is_logo(image)
    assert clean_png(image) is not None


@given(
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"]),
    st.binary(max_size=80),
)
def test_any_bytes_are_a_logo_or_not(start: bytes, rest: bytes) -> None:
    assert is_logo(start + rest) in (True, False)


@given(st.integers(1, 32))
def test_a_picture_that_is_cut_off_is_none(size: int) -> None:
    assert not is_logo(png(640, 480)[:size])
