"""Reading what Windows writes into buffers: folder listings, links, times. Pure functions of bytes.

A file system may be a broken disk or somebody's own driver: what does not fit its buffer ends the reading or
is ValueError, and is never read beyond.
"""

import stat
from collections.abc import Iterator
from struct import Struct
from struct import error as StructError
from typing import Final, NamedTuple

READ_ONLY: Final = 0x1
HIDDEN: Final = 0x2
SYSTEM: Final = 0x4
DIRECTORY: Final = 0x10
REPARSE_POINT: Final = 0x400

TAG_SYMLINK: Final = 0xA000000C
TAG_JUNCTION: Final = 0xA0000003
_NAME_SURROGATE: Final = 0x20000000
"""Of a reparse tag: the thing stands for another name. Others (clouds, deduplication) are the thing."""

_EPOCH: Final = 116_444_736_000_000_000
"""1970 in FILETIME's units of 100 ns since 1601."""

_LISTED: Final = Struct("<II4qqqIII")
"""FILE_FULL_DIR_INFORMATION up to its name."""
_LINK_HEAD: Final = Struct("<IHH4H")
"""REPARSE_DATA_BUFFER of a symbolic link or junction, up to the offsets of its names."""


class Facts(NamedTuple):
    """What is known of a thing; named as in `os.stat_result`.

    Attributes:
        st_ino, st_dev, st_nlink: 0 where they come from a listing.
        attributes: FILE_ATTRIBUTE_….
        tag: of its reparse point, 0 without.
    """

    st_mode: int
    st_size: int
    st_mtime_ns: int
    st_dev: int
    st_ino: int
    st_nlink: int
    attributes: int
    tag: int


def facts_of(
    attributes: int,
    size: int,
    modified: int,
    tag: int,
    *,
    device: int = 0,
    number: int = 0,
    links: int = 0,
) -> Facts:
    """The facts of a thing.

    Args:
        modified: FILETIME.
    """
    if attributes & REPARSE_POINT and is_link(tag):
        mode = stat.S_IFLNK
    else:
        mode = stat.S_IFDIR if attributes & DIRECTORY else stat.S_IFREG
    mode |= 0o555 if attributes & READ_ONLY and not attributes & DIRECTORY else 0o777
    if stat.S_ISREG(mode):
        mode &= ~0o111
    return Facts(
        mode, max(size, 0), nanoseconds(modified), device, number, links, attributes, _tag(attributes, tag)
    )


def is_link(tag: int) -> bool:
    """Whether a reparse tag makes a thing stand for another: symbolic links, junctions, mounted disks."""
    return bool(tag & _NAME_SURROGATE)


def _tag(attributes: int, tag: int) -> int:
    return tag if attributes & REPARSE_POINT else 0


def nanoseconds(filetime: int) -> int:
    """Nanoseconds since 1970 in UTC."""
    return (filetime - _EPOCH) * 100


def filetime(milliseconds: int) -> int:
    """FILETIME, at least 1 (0 and -1 have meanings of their own)."""
    return max(milliseconds * 10_000 + _EPOCH, 1)


def parse_listing(buffer: bytes) -> Iterator[tuple[str, Facts]]:
    """Names and facts of a filled buffer of FILE_FULL_DIR_INFORMATION, without ``.`` and ``..``."""
    at = 0
    while at + _LISTED.size <= len(buffer):
        following, _, _, _, modified, _, size, _, attributes, name_bytes, tag = _LISTED.unpack_from(
            buffer, at
        )
        begin = at + _LISTED.size
        if name_bytes % 2 or begin + name_bytes > len(buffer):
            return
        name = buffer[begin : begin + name_bytes].decode("utf-16-le", "surrogatepass")
        if name not in (".", ".."):
            yield name, facts_of(attributes, size, modified, tag)
        if following < _LISTED.size:  # 0: the last one
            return
        at += following


def parse_link(buffer: bytes) -> str:
    """Where a symbolic link or junction leads, as it would be shown.

    Raises:
        ValueError: it is neither, or no such buffer.
    """
    try:
        tag, _, _, real_at, real_bytes, shown_at, shown_bytes = _LINK_HEAD.unpack_from(buffer)
    except StructError as exc:
        raise ValueError("too short") from exc
    if tag not in (TAG_SYMLINK, TAG_JUNCTION):
        raise ValueError("another kind of reparse point")
    names = buffer[_LINK_HEAD.size + (4 if tag == TAG_SYMLINK else 0) :]
    at, length = (shown_at, shown_bytes) if shown_bytes else (real_at, real_bytes)
    if length % 2 or at + length > len(names):
        raise ValueError("the name is not in the buffer")
    return names[at : at + length].decode("utf-16-le", "surrogatepass").removeprefix("\\??\\")
