"""The link blob: what is written reads back, and any bytes are a text or the one error."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.errors import LocalProtocolError
from relay.protocol.link_blob import (
    BLOB_BYTES,
    HEADER_BYTES,
    MARKER,
    MAX_TEXT_BYTES,
    TAIL_BYTES,
    find_blob,
    make_empty_blob,
    read_link,
    write_link,
)
from relay.protocol.links import LinkError
from tests.helpers.vectors import assert_vectors

LINK = "https://relay.example/d/AAECAwQFBgcICQoLDA0ODw#EBESExQVFhcYGRobHB0eHw.k7mp-w2xa-9tfe"
LONGEST = LINK + "x" * (MAX_TEXT_BYTES - len(LINK))
SMALL = 993

WRITTEN = [
    ("a link at the end of a file", BLOB_BYTES, LINK),
    ("a link inside a signature", SMALL, LINK),
    ("the longest link", BLOB_BYTES, LONGEST),
    ("as much as fits into a small region", SMALL, LONGEST[: SMALL - HEADER_BYTES]),
    ("a letter of two bytes", BLOB_BYTES, "caf\u00e9"),
    ("nothing", BLOB_BYTES, ""),
]
NOT_WRITTEN = [
    ("too long for any region", BLOB_BYTES, LONGEST + "x"),
    ("too long for this region", SMALL, LONGEST[: SMALL - HEADER_BYTES + 1]),
    ("too long in bytes", HEADER_BYTES + 1, "\u00e9"),
    ("the marker itself", BLOB_BYTES, LINK + MARKER.decode()),
]
NO_REGIONS = [
    ("nothing", b""),
    ("no room for text", MARKER + b"\0\0"),
    ("another marker", b"ADHOC-LINK-BLOB2".ljust(BLOB_BYTES, b"\0")),
    ("the marker later", b"\0" + make_empty_blob(BLOB_BYTES - 1)),
    ("too large", make_empty_blob() + b"\0"),
]
READ = [
    ("empty", b"program" + make_empty_blob(), ""),
    ("with a link", b"program" + write_link(make_empty_blob(), LINK), LINK),
    (
        "behind another one",
        write_link(make_empty_blob(), "first") + write_link(make_empty_blob(), LINK),
        LINK,
    ),
    ("with a signature's end behind it", write_link(make_empty_blob(SMALL), LINK) + b"---END_BLOB---", LINK),
    ("cut in its zeros", write_link(make_empty_blob(), LINK)[: HEADER_BYTES + len(LINK)], LINK),
]
DAMAGED = [
    ("nothing", b""),
    ("no marker", b"\0" * 400),
    ("half a marker", MARKER[:-1]),
    ("cut in the length", MARKER + b"\5"),
    ("cut in the text", write_link(make_empty_blob(), LINK)[: HEADER_BYTES + len(LINK) - 1]),
    ("longer than any link", MARKER + b"\1\x08" + b"x" * 3000),
    ("no text", MARKER + b"\2\0\xc3\x28".ljust(BLOB_BYTES, b"\0")),
    ("half a surrogate pair", MARKER + b"\3\0\xed\xa0\x80".ljust(BLOB_BYTES, b"\0")),
]


def test_vectors_are_what_the_code_computes() -> None:
    """A region is written down as its beginning, without the zeros that fill it up."""
    assert_vectors(
        "link-blob",
        {
            "marker": MARKER.decode(),
            "blob_bytes": BLOB_BYTES,
            "tail_bytes": TAIL_BYTES,
            "max_text_bytes": MAX_TEXT_BYTES,
            "written": [
                {
                    "what": what,
                    "size": size,
                    "text": text,
                    "begins": write_link(make_empty_blob(size), text).rstrip(b"\0").hex(),
                }
                for what, size, text in WRITTEN
            ],
            "not_written": [{"what": what, "size": size, "text": text} for what, size, text in NOT_WRITTEN],
            "no_regions": [{"what": what, "region": region.hex()} for what, region in NO_REGIONS],
            "read": [{"what": what, "tail": tail.hex(), "text": text} for what, tail, text in READ],
            "damaged": [{"what": what, "tail": tail.hex()} for what, tail in DAMAGED],
        },
    )


def test_region_is_spelled_as_the_protocol_says() -> None:
    region = write_link(make_empty_blob(), LINK)
    assert region == b"ADHOC-LINK-BLOB1" + bytes([len(LINK), 0]) + LINK.encode() + bytes(
        2304 - 18 - len(LINK)
    )
    assert make_empty_blob() == b"ADHOC-LINK-BLOB1" + bytes(2288)


@pytest.mark.parametrize(("size", "text"), [case[1:] for case in WRITTEN])
def test_text_reads_back(size: int, text: str) -> None:
    region = write_link(make_empty_blob(size), text)
    assert len(region) == size
    assert read_link(region) == text
    assert write_link(region, "") == make_empty_blob(size)


@pytest.mark.parametrize(("size", "text"), [case[1:] for case in NOT_WRITTEN])
def test_text_that_does_not_fit_is_refused(size: int, text: str) -> None:
    with pytest.raises(LinkError):
        write_link(make_empty_blob(size), text)


def test_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(LinkError):
        write_link(make_empty_blob(), "\ud800")


@pytest.mark.parametrize("region", [case[1] for case in NO_REGIONS])
def test_nothing_is_written_over_what_is_no_region(region: bytes) -> None:
    with pytest.raises(LinkError, match="no place"):
        write_link(region, LINK)


@pytest.mark.parametrize("size", [-1, 0, HEADER_BYTES, BLOB_BYTES + 1])
def test_region_of_an_impossible_size_is_not_made(size: int) -> None:
    with pytest.raises(LocalProtocolError):
        make_empty_blob(size)


@pytest.mark.parametrize(("tail", "text"), [case[1:] for case in READ])
def test_last_region_is_read(tail: bytes, text: str) -> None:
    assert read_link(tail) == text


@pytest.mark.parametrize("tail", [case[1] for case in DAMAGED])
def test_damaged_region_is_refused(tail: bytes) -> None:
    with pytest.raises(LinkError, match="download it again"):
        read_link(tail)


def test_region_is_found_where_it_begins() -> None:
    assert find_blob(b"12345" + make_empty_blob()) == 5
    assert find_blob(b"12345") is None


@given(st.binary(max_size=100), st.text().filter(lambda text: MARKER.decode() not in text))
def test_what_is_written_reads_back(program: bytes, text: str) -> None:
    with contextlib.suppress(LinkError):
        assert read_link(program + write_link(make_empty_blob(), text)) == text


@given(
    st.binary()
    | st.binary().map(lambda data: MARKER + data)
    | st.binary(max_size=300).map(lambda data: b"x" + MARKER + len(data).to_bytes(2, "little") + data)
)
def test_any_bytes_are_a_text_or_a_link_error(tail: bytes) -> None:
    try:
        text = read_link(tail)
    except LinkError:
        return
    assert len(text.encode()) <= MAX_TEXT_BYTES
    assert tail.rpartition(MARKER)[2][2:].startswith(text.encode())
