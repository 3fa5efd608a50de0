"""A company's brand as a relay tells it: whatever is wrong with it, the window has something to show."""

import json
import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.brand import MAX_SIDE, Brand, clean_png, fetch_brand
from host.relay_http import Answer
from tests.helpers.pictures import chunk, picture

INVITE = bytes(range(16))
PATH = "/api/v1/links/AAECAwQFBgcICQoLDA0ODw"


def relay(facts: object, logo: bytes = b"", *, status: int = 200) -> Callable[[str, str], Answer]:
    """A relay that says this."""

    def ask(origin: str, path: str) -> Answer:
        assert origin == "https://relay.example"
        assert path in (PATH, f"{PATH}/logo")
        return Answer(status, logo if path.endswith("/logo") else json.dumps(facts).encode())

    return ask


def fetch(ask: Callable[[str, str], Answer]) -> Brand | None:
    return fetch_brand("https://relay.example", INVITE, ask)


def test_name_colour_and_logo_are_had() -> None:
    facts = {"company": " Acme\u202e Support", "colour": "#12ab9f", "has_logo": True}
    brand = fetch(relay(facts, picture()))
    assert brand == Brand("Acme Support", "#12ab9f", clean_png(picture()) or b"none")


@pytest.mark.parametrize(
    "facts",
    [None, [], {}, {"company": 7}, {"company": " "}, {"company": ["Acme"]}],
)
def test_what_is_no_brand_is_none(facts: object) -> None:
    assert fetch(relay(facts)) is None


@pytest.mark.parametrize("colour", ["red", "#12345", "#12345g", "#1234567", 7, None])
def test_what_is_no_colour_is_left_out(colour: object) -> None:
    assert fetch(relay({"company": "Acme", "colour": colour})) == Brand("Acme")


def test_a_logo_that_is_no_picture_is_left_out() -> None:
    assert fetch(relay({"company": "Acme", "has_logo": True}, b"GIF89a")) == Brand("Acme")
    assert fetch(relay({"company": "Acme", "has_logo": "yes"}, picture())) == Brand("Acme")


def test_a_relay_out_of_reach_or_with_nonsense_is_no_brand() -> None:
    def unreachable(origin: str, path: str) -> Answer:
        raise TimeoutError

    assert fetch(unreachable) is None
    assert fetch(relay({"company": "Acme"}, status=404)) is None
    assert fetch(lambda _, __: Answer(200, b"[" * 100_000)) is None
    assert fetch(lambda _, __: Answer(200, b"\xff")) is None


PALETTE = chunk(b"PLTE", b"\1\2\3" * 2)


@pytest.mark.parametrize(
    "data",
    [
        picture(),
        picture(3, 5, kind=0, depth=1),
        picture(3, 5, kind=4, depth=16),
        picture(3, 5, kind=6),
        picture(3, 5, kind=3, depth=2, more=PALETTE + chunk(b"tRNS", b"\0\x80")),
        picture(3, 5, more=chunk(b"tEXt", b"Comment\0a secret") + chunk(b"iCCP", b"profile")),
    ],
)
def test_a_picture_stays_the_same_picture_and_nothing_else(data: bytes) -> None:
    cleaned = clean_png(data)
    assert cleaned is not None
    assert cleaned.startswith(data[:33])  # its head
    assert b"secret" not in cleaned
    assert b"iCCP" not in cleaned
    assert clean_png(cleaned) == cleaned


def test_a_palette_has_every_number_that_a_pixel_can_have() -> None:
    cleaned = clean_png(picture(3, 5, kind=3, depth=2, more=PALETTE))
    assert cleaned is not None
    assert b"\1\2\3" * 2 + bytes(6) in cleaned


@pytest.mark.parametrize(
    "data",
    [
        b"",
        picture()[:-13],
        picture().replace(b"IDAT", b"IDAS"),
        picture().replace(zlib.compress(bytes(1 + 480 * 3) * 160), b"\0" * 4),
        picture(MAX_SIDE + 1, 1),
        picture(1, MAX_SIDE + 1),
        picture(0, 1),
        picture(3, 5, kind=2, depth=4),
        picture(3, 5, kind=3),
        picture(3, 5, kind=3, more=chunk(b"PLTE", b"\1\2")),
        picture(3, 5, rows=b"\0" * 10),
        picture(3, 5, rows=b"\0" * 51),
        picture(3, 5, rows=b"\5" * 50),
        picture(3, 5, rows=bytes(100_000_000)),
        b"\x89PNG\r\n\x1a\n" + chunk(b"IEND", b""),
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 2**31) + b"IHDR",
        picture()[:28] + b"\1" + picture()[29:],
    ],
)
def test_what_is_not_quite_a_picture_is_none(data: bytes) -> None:
    assert clean_png(data) is None


@given(st.binary(max_size=300), st.integers(0, 400))
def test_any_bytes_are_a_picture_or_none(noise: bytes, at: int) -> None:
    data = picture(4, 4)
    cleaned = clean_png(data[:at] + noise + data[at:])
    assert cleaned is None or cleaned == clean_png(cleaned)
