"""Reading Windows' buffers and error numbers; everywhere, since they are only bytes and numbers."""

import errno
import stat
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.problems import CODES
from host.windows.codes import ERRNOS, error_of
from host.windows.structures import (
    TAG_JUNCTION,
    TAG_SYMLINK,
    Facts,
    facts_of,
    filetime,
    is_link,
    nanoseconds,
    parse_link,
    parse_listing,
)

FILE, FOLDER, HIDDEN, READ_ONLY, REPARSE = 0x20, 0x10, 0x2, 0x1, 0x400


def listed(name: str, attributes: int, *, size: int = 0, tag: int = 0, is_last: bool = False) -> bytes:
    encoded = name.encode("utf-16-le", "surrogatepass")
    length = 68 + len(encoded)
    padding = -length % 8
    following = 0 if is_last else length + padding
    times = (0, 0, filetime(1_700_000_000_000), 0)
    head = pack("<II4qqqIII", following, 0, *times, size, size, attributes, len(encoded), tag)
    return head + encoded + bytes(padding)


def link_buffer(tag: int, real: str, shown: str) -> bytes:
    names = [each.encode("utf-16-le") for each in (shown, real)]
    offsets = (len(names[0]), len(names[1]), 0, len(names[0]))
    flags = pack("<I", 0) if tag == TAG_SYMLINK else b""
    rest = pack("<4H", *offsets) + flags + b"".join(names)
    return pack("<IHH", tag, len(rest), 0) + rest


def test_a_listing_is_read_without_the_folder_and_its_parent() -> None:
    buffer = (
        listed(".", FOLDER)
        + listed("..", FOLDER)
        + listed("letter.docx", FILE | READ_ONLY, size=1 << 33)
        + listed("pictures", FOLDER | HIDDEN)
        + listed("My Music", FOLDER | REPARSE, tag=TAG_JUNCTION)
        + listed("cloud.txt", FILE | REPARSE, size=7, tag=0x9000_001A)
        + listed("half \ud800 pair", FILE, is_last=True)
    )
    found = dict(parse_listing(buffer))
    assert list(found) == ["letter.docx", "pictures", "My Music", "cloud.txt", "half \ud800 pair"]
    assert {name: stat.S_IFMT(each.st_mode) for name, each in found.items()} == {
        "letter.docx": stat.S_IFREG,
        "pictures": stat.S_IFDIR,
        "My Music": stat.S_IFLNK,
        "cloud.txt": stat.S_IFREG,
        "half \ud800 pair": stat.S_IFREG,
    }
    assert found["letter.docx"].st_size == 1 << 33
    assert found["letter.docx"].st_mtime_ns == 1_700_000_000 * 10**9
    assert stat.S_IMODE(found["letter.docx"].st_mode) == 0o444
    assert found["cloud.txt"].tag == 0x9000_001A


@given(st.binary(max_size=400))
def test_any_bytes_are_a_listing_or_its_end(buffer: bytes) -> None:
    for name, found in parse_listing(buffer):
        assert len(name) <= 200
        assert isinstance(found, Facts)


@given(st.integers(0, 300), st.integers(0, 2**32 - 1), st.integers(0, 400))
def test_a_listing_that_lies_about_lengths_ends(at: int, lie: int, cut: int) -> None:
    buffer = bytearray(listed("a", FILE) + listed("b", FILE) + listed("c", FILE, is_last=True))
    buffer[at : at + 4] = pack("<I", lie)
    assert len(list(parse_listing(bytes(buffer[:cut])))) <= 8


@pytest.mark.parametrize("tag", [TAG_SYMLINK, TAG_JUNCTION])
def test_a_link_says_where_it_leads(tag: int) -> None:
    assert parse_link(link_buffer(tag, "\\??\\C:\\Users\\ann", "C:\\Users\\ann")) == "C:\\Users\\ann"
    assert parse_link(link_buffer(tag, "\\??\\C:\\Users\\ann", "")) == "C:\\Users\\ann"


@given(st.binary(max_size=100), st.sampled_from([TAG_SYMLINK, TAG_JUNCTION, 0, 0x9000_001A]))
def test_any_bytes_are_a_link_or_none(rest: bytes, tag: int) -> None:
    try:
        target = parse_link(pack("<I", tag) + rest)
    except ValueError:
        return
    assert len(target) <= len(rest)


def test_only_what_stands_for_another_name_is_a_link() -> None:
    assert is_link(TAG_SYMLINK)
    assert is_link(TAG_JUNCTION)
    assert is_link(0xA000_001D)  # of the Linux subsystem
    assert not is_link(0x9000_001A)  # a cloud's file
    assert not is_link(0x8000_0013)  # deduplicated


def test_a_negative_size_is_none() -> None:
    assert facts_of(FILE, -5, 0, 0).st_size == 0


@given(st.integers(-(1 << 43), 1 << 43))
def test_times_go_both_ways(milliseconds: int) -> None:
    told = filetime(milliseconds)
    assert told >= 1
    if told > 1:
        assert nanoseconds(told) == milliseconds * 1_000_000


@pytest.mark.parametrize(
    ("code", "word"),
    [
        *((2, "missing"), (3, "missing"), (5, "denied"), (17, "other_disk"), (32, "busy"), (33, "busy")),
        *((39, "full"), (112, "full"), (1295, "full"), (80, "exists"), (183, "exists"), (145, "not_empty")),
        *((123, "bad_name"), (206, "bad_name"), (223, "too_large"), (303, "busy"), (336, "is_folder")),
        *((225, "denied"), (1392, "broken"), (1921, "outside"), (99_999, "broken")),
    ],
)
def test_each_error_of_windows_has_its_word(code: int, word: str) -> None:
    error = error_of(code)
    assert error.errno is not None
    assert CODES[error.errno] == word
    assert error.strerror


def test_every_errno_that_is_used_exists_here() -> None:
    assert set(ERRNOS.values()) <= set(errno.errorcode)
