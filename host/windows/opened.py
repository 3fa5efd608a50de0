"""Opening by a name in an open folder, and what can be asked and told of what is open (NtCreateFile and kin).

Only the native calls take an open folder and a name in it; the documented ones take whole paths, in which
somebody can swap a folder for a link between two calls. Links are opened themselves and never followed here.
Folders are plain handles, files are descriptors of the C library, so that `os.read` and `os.write` work.
Whatever is open is shared with everybody, also for renaming and deleting: the customer's work goes on.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
import errno
from ctypes import wintypes
from typing import Any, Final

from host.windows.codes import error_of
from host.windows.structures import REPARSE_POINT, Facts, facts_of, parse_link

READ_DATA: Final = 0x1
"""Of a folder: to list it."""
TRAVERSE: Final = 0x20
"""Enough for Windows to heed how a handle is shared, which one that only asks for attributes is not."""
READ_ATTRIBUTES: Final = 0x80
WRITE_ATTRIBUTES: Final = 0x100
DELETE: Final = 0x1_0000
SYNCHRONIZE: Final = 0x10_0000
GENERIC_READ: Final = 0x8000_0000
GENERIC_WRITE: Final = 0x4000_0000

SHARE_ALL: Final = 7
SHARE_KEPT_IN_PLACE: Final = 3
"""Everything but renaming and deleting."""

OPEN: Final = 1
CREATE: Final = 2
OPEN_IF: Final = 3

MUST_BE_FOLDER: Final = 0x1
MUST_BE_FILE: Final = 0x40
_SYNCHRONOUS: Final = 0x20
_FOR_BACKUP: Final = 0x4000
_LINK_ITSELF: Final = 0x20_0000

_CASE_INSENSITIVE: Final = 0x40
_NORMAL: Final = 0x80

_BASIC: Final = 4
_RENAME: Final = 10
_LINK: Final = 11
_DISPOSITION: Final = 13
_DISPOSITION_EX: Final = 64
_RENAME_EX: Final = 65
_DELETE_AT_ONCE: Final = 0x1 | 0x2 | 0x10
"""FILE_DISPOSITION_DELETE, _POSIX_SEMANTICS, _IGNORE_READONLY_ATTRIBUTE."""
_REPLACE_AT_ONCE: Final = 0x1 | 0x2 | 0x40
"""FILE_RENAME_REPLACE_IF_EXISTS, _POSIX_SEMANTICS (what others have open), _IGNORE_READONLY_ATTRIBUTE."""
_FULL_LISTING: Final = 2
_FULL_SIZE: Final = 7
_ATTRIBUTE_TAG: Final = 9
_GET_LINK: Final = 0x900A8
_SET_LINK: Final = 0x900A4
_MAX_LINK: Final = 16 * 1024
_LISTING_BYTES: Final = 64 * 1024
_MAX_PATH: Final = 32_768
_NO_MORE_FILES: Final = 0x8000_0006
_NOT_FOUND_ANY: Final = 0xC000_000F
_UNKNOWN: Final = frozenset({0xC000_0002, 0xC000_0003, 0xC000_000D, 0xC000_0010, 0xC000_00BB})
"""Not implemented, invalid class, parameter or device request, not supported: what older systems and simpler
file systems say."""

_PLAINER: Final = {0xC000_00BA: 336, 0xC000_0056: 303}
"""It is a folder, it is being deleted: what Windows' own translation calls "access denied"."""


class _Text(ctypes.Structure):
    """UNICODE_STRING."""

    _fields_ = (
        ("length", wintypes.USHORT),
        ("maximum", wintypes.USHORT),
        ("buffer", ctypes.c_void_p),
    )


class _Object(ctypes.Structure):
    """OBJECT_ATTRIBUTES."""

    _fields_ = (
        ("length", wintypes.ULONG),
        ("root", wintypes.HANDLE),
        ("name", ctypes.POINTER(_Text)),
        ("attributes", wintypes.ULONG),
        ("security", ctypes.c_void_p),
        ("quality", ctypes.c_void_p),
    )


class _Status(ctypes.Structure):
    """IO_STATUS_BLOCK."""

    _fields_ = (("status", ctypes.c_void_p), ("information", ctypes.c_size_t))


class _Basic(ctypes.Structure):
    """FILE_BASIC_INFORMATION; 0 leaves a field as it is."""

    _fields_ = (
        ("created", ctypes.c_longlong),
        ("accessed", ctypes.c_longlong),
        ("modified", ctypes.c_longlong),
        ("changed", ctypes.c_longlong),
        ("attributes", wintypes.ULONG),
    )


class _Moving(ctypes.Structure):
    """FILE_RENAME_INFORMATION(_EX) and FILE_LINK_INFORMATION, up to the name."""

    _fields_ = (
        ("flags", wintypes.ULONG),
        ("root", wintypes.HANDLE),
        ("name_bytes", wintypes.ULONG),
    )


class _ByHandle(ctypes.Structure):
    """BY_HANDLE_FILE_INFORMATION."""

    _fields_ = (
        ("attributes", wintypes.DWORD),
        ("created", wintypes.FILETIME),
        ("accessed", wintypes.FILETIME),
        ("modified", wintypes.FILETIME),
        ("volume", wintypes.DWORD),
        ("size_high", wintypes.DWORD),
        ("size_low", wintypes.DWORD),
        ("links", wintypes.DWORD),
        ("number_high", wintypes.DWORD),
        ("number_low", wintypes.DWORD),
    )


class _Space(ctypes.Structure):
    """FILE_FS_FULL_SIZE_INFORMATION, in units."""

    _fields_ = (
        ("total", ctypes.c_longlong),
        ("free_for_caller", ctypes.c_longlong),
        ("free", ctypes.c_longlong),
        ("sectors_in_unit", wintypes.ULONG),
        ("bytes_in_sector", wintypes.ULONG),
    )


_NAME_AT: Final = _Moving.name_bytes.offset + 4

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_ntdll = ctypes.WinDLL("ntdll")
_HANDLE_POINTER: Final = ctypes.POINTER(wintypes.HANDLE)


def _declare(library: Any, name: str, returned: Any, *taken: Any) -> Any:
    function = getattr(library, name)
    function.restype, function.argtypes = returned, taken
    return function


_create_file = _declare(
    _ntdll,
    "NtCreateFile",
    wintypes.ULONG,
    _HANDLE_POINTER,
    wintypes.ULONG,
    ctypes.POINTER(_Object),
    ctypes.POINTER(_Status),
    ctypes.c_void_p,
    wintypes.ULONG,
    wintypes.ULONG,
    wintypes.ULONG,
    wintypes.ULONG,
    ctypes.c_void_p,
    wintypes.ULONG,
)
_set_information = _declare(
    _ntdll,
    "NtSetInformationFile",
    wintypes.ULONG,
    wintypes.HANDLE,
    ctypes.POINTER(_Status),
    ctypes.c_void_p,
    wintypes.ULONG,
    wintypes.ULONG,
)
_query_volume = _declare(
    _ntdll,
    "NtQueryVolumeInformationFile",
    wintypes.ULONG,
    wintypes.HANDLE,
    ctypes.POINTER(_Status),
    ctypes.c_void_p,
    wintypes.ULONG,
    wintypes.ULONG,
)
_query_folder = _declare(
    _ntdll,
    "NtQueryDirectoryFile",
    wintypes.ULONG,
    wintypes.HANDLE,
    wintypes.HANDLE,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.POINTER(_Status),
    ctypes.c_void_p,
    wintypes.ULONG,
    wintypes.ULONG,
    wintypes.BOOLEAN,
    ctypes.c_void_p,
    wintypes.BOOLEAN,
)
_to_dos_error = _declare(_ntdll, "RtlNtStatusToDosError", wintypes.ULONG, wintypes.ULONG)
_create_by_path = _declare(
    _kernel32,
    "CreateFileW",
    wintypes.HANDLE,
    wintypes.LPCWSTR,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.DWORD,
    wintypes.DWORD,
    wintypes.HANDLE,
)
_close = _declare(_kernel32, "CloseHandle", wintypes.BOOL, wintypes.HANDLE)
_facts_by_handle = _declare(
    _kernel32, "GetFileInformationByHandle", wintypes.BOOL, wintypes.HANDLE, ctypes.POINTER(_ByHandle)
)
_information_by_handle = _declare(
    _kernel32,
    "GetFileInformationByHandleEx",
    wintypes.BOOL,
    wintypes.HANDLE,
    ctypes.c_int,
    wintypes.LPVOID,
    wintypes.DWORD,
)
_final_path = _declare(
    _kernel32,
    "GetFinalPathNameByHandleW",
    wintypes.DWORD,
    wintypes.HANDLE,
    wintypes.LPWSTR,
    wintypes.DWORD,
    wintypes.DWORD,
)
_control = _declare(
    _kernel32,
    "DeviceIoControl",
    wintypes.BOOL,
    wintypes.HANDLE,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.DWORD,
    wintypes.LPVOID,
    wintypes.DWORD,
    ctypes.POINTER(wintypes.DWORD),
    wintypes.LPVOID,
)


def open_at(
    folder: int,
    name: str,
    access: int,
    *,
    how: int = OPEN,
    options: int = 0,
    share: int = SHARE_ALL,
    follow: bool = False,
) -> int:
    """A handle of the thing called `name` in an open folder; of the folder itself again for an empty name.

    Args:
        access: rights, SYNCHRONIZE and READ_ATTRIBUTES beside them.
        how: OPEN, CREATE (there must be none) or OPEN_IF.
        options: MUST_BE_FOLDER, MUST_BE_FILE.
        follow: a reparse point leads on. Only for an empty name, of what was looked at before.

    Raises:
        OSError: it cannot be opened.
    """
    if "\\" in name or "/" in name or (name and follow):
        raise OSError(errno.EINVAL, "only one name at a time, and no link")
    # As bytes, since a name may have half a surrogate pair.
    encoded = name.encode("utf-16-le", "surrogatepass")
    buffer = ctypes.create_string_buffer(encoded, len(encoded) + 2)
    text = _Text(len(encoded), len(encoded), ctypes.cast(buffer, ctypes.c_void_p))
    wanted = _Object(
        ctypes.sizeof(_Object), checked(folder), ctypes.pointer(text), _CASE_INSENSITIVE, None, None
    )
    handle, status = wintypes.HANDLE(), _Status()
    flags = options | _SYNCHRONOUS | _FOR_BACKUP | (0 if follow else _LINK_ITSELF)
    _check(
        _create_file(
            ctypes.byref(handle),
            access | SYNCHRONIZE | READ_ATTRIBUTES,
            ctypes.byref(wanted),
            ctypes.byref(status),
            None,
            _NORMAL,
            share,
            how,
            flags,
            None,
            0,
        )
    )
    return int(handle.value or 0)


def open_by_path(path: str, access: int, *, share: int = SHARE_ALL) -> int:
    r"""A handle of what a ``\\?\`` path leads to, links followed as for every program.

    Raises:
        OSError: it cannot be opened.
    """
    backup_semantics, existing = 0x0200_0000, 3
    handle = _create_by_path(path, access | READ_ATTRIBUTES, share, None, existing, backup_semantics, None)
    if handle is None or handle == ctypes.c_void_p(-1).value:
        raise last_error()
    return int(handle)


def close(handle: int) -> None:
    """Closes a handle."""
    _close(handle)


def checked(handle: int) -> int:
    """The handle. Raises OSError for that of the computer, which is no folder."""
    if handle <= 0:
        raise OSError(errno.EACCES, "this is not a folder of a disk")
    return handle


def facts(handle: int) -> Facts:
    """What is known of something open.

    Raises:
        OSError: the system does not say.
    """
    found = _ByHandle()
    if not _facts_by_handle(checked(handle), ctypes.byref(found)):
        raise last_error()
    return facts_of(
        found.attributes,
        found.size_high << 32 | found.size_low,
        found.modified.dwHighDateTime << 32 | found.modified.dwLowDateTime,
        _tag_of(handle) if found.attributes & REPARSE_POINT else 0,
        device=found.volume,
        number=found.number_high << 32 | found.number_low,
        links=found.links,
    )


def _tag_of(handle: int) -> int:
    found = (wintypes.DWORD * 2)()
    if not _information_by_handle(handle, _ATTRIBUTE_TAG, found, ctypes.sizeof(found)):
        raise last_error()
    return int(found[1])


def listing(folder: int, *, from_start: bool) -> bytes | None:
    """The next buffer of a folder's listing (`structures.parse_listing`); None after the last one.

    Raises:
        OSError: it cannot be listed.
    """
    buffer, status = ctypes.create_string_buffer(_LISTING_BYTES), _Status()
    code = _query_folder(
        checked(folder),
        None,
        None,
        None,
        ctypes.byref(status),
        buffer,
        _LISTING_BYTES,
        _FULL_LISTING,
        False,
        None,
        from_start,
    )
    if code in (_NO_MORE_FILES, _NOT_FOUND_ANY):
        return None
    _check(code)
    return buffer.raw[: status.information]


def move(handle: int, folder: int, name: str, *, replace: bool) -> None:
    """Gives a thing (opened with DELETE) a new name, in the same moment in which another loses it.

    Raises:
        OSError: EEXIST, EXDEV, …
    """
    if replace:
        code = _set_named(handle, _RENAME_EX, _REPLACE_AT_ONCE, folder, name)
        if code not in _UNKNOWN:
            _check(code)
            return
    _check(_set_named(handle, _RENAME, int(replace), folder, name))


def link(handle: int, folder: int, name: str) -> bool:
    """Gives a file another name beside its own; False where the file system has no such thing.

    Raises:
        OSError: EEXIST, …
    """
    code = _set_named(handle, _LINK, 0, folder, name)
    if code in _UNKNOWN:
        return False
    _check(code)
    return True


def _set_named(handle: int, kind: int, flags: int, folder: int, name: str) -> int:
    encoded = name.encode("utf-16-le", "surrogatepass")
    buffer = ctypes.create_string_buffer(max(_NAME_AT + len(encoded), ctypes.sizeof(_Moving)) + 2)
    head = _Moving.from_buffer(buffer)
    head.flags, head.root, head.name_bytes = flags, checked(folder), len(encoded)
    ctypes.memmove(ctypes.addressof(buffer) + _NAME_AT, encoded, len(encoded))
    return int(_set_information(handle, ctypes.byref(_Status()), buffer, len(buffer) - 2, kind))


def delete(handle: int) -> None:
    """Deletes a thing (opened with DELETE), a folder only if it is empty; its name is free afterwards.

    Raises:
        OSError: ENOTEMPTY, …
    """
    flags = wintypes.ULONG(_DELETE_AT_ONCE)
    code = _set_information(handle, ctypes.byref(_Status()), ctypes.byref(flags), 4, _DISPOSITION_EX)
    if code in _UNKNOWN:
        flag = wintypes.BOOLEAN(1)
        code = _set_information(handle, ctypes.byref(_Status()), ctypes.byref(flag), 1, _DISPOSITION)
    _check(code)


def set_basic(handle: int, *, modified: int = 0, attributes: int = 0) -> None:
    """Sets the time (FILETIME) and attributes of what was opened with WRITE_ATTRIBUTES; 0 leaves them.

    Raises:
        OSError: the system does not allow it.
    """
    wanted = _Basic(0, 0, modified, 0, attributes)
    _check(
        _set_information(handle, ctypes.byref(_Status()), ctypes.byref(wanted), ctypes.sizeof(wanted), _BASIC)
    )


def space(handle: int) -> tuple[int, int]:
    """Bytes in all, and free for this user, of the disk that something open is on.

    Raises:
        OSError: the system does not say.
    """
    found = _Space()
    _check(
        _query_volume(
            checked(handle), ctypes.byref(_Status()), ctypes.byref(found), ctypes.sizeof(found), _FULL_SIZE
        )
    )
    unit = found.sectors_in_unit * found.bytes_in_sector
    return found.total * unit, found.free_for_caller * unit


def final_path(handle: int) -> str:
    r"""The path of something open, whatever links led to it, in the form ``\\?\C:\…``.

    Raises:
        OSError: there is none.
    """
    buffer = ctypes.create_unicode_buffer(_MAX_PATH)
    length = _final_path(checked(handle), buffer, _MAX_PATH, 0)
    if not 0 < length < _MAX_PATH:
        raise last_error()
    return buffer.value


def read_link(handle: int) -> bytes:
    """The reparse data of a link.

    Raises:
        OSError: it has none.
    """
    buffer, length = ctypes.create_string_buffer(_MAX_LINK), wintypes.DWORD()
    if not _control(handle, _GET_LINK, None, 0, buffer, _MAX_LINK, ctypes.byref(length), None):
        raise last_error()
    return buffer.raw[: length.value]


def link_target(handle: int) -> str | None:
    """Where a link leads, for showing; None where that is not known."""
    try:
        return parse_link(read_link(handle))
    except (OSError, ValueError):
        return None


def write_link(handle: int, data: bytes) -> None:
    """Makes an empty file or folder a link.

    Raises:
        OSError: this user may not.
    """
    length = wintypes.DWORD()
    if not _control(handle, _SET_LINK, data, len(data), None, 0, ctypes.byref(length), None):
        raise last_error()


def last_error() -> OSError:
    """What the last call of kernel32 complained about."""
    return error_of(ctypes.get_last_error())


def _check(status: int) -> None:
    if status in _PLAINER:
        raise error_of(_PLAINER[status])
    if status & 0x8000_0000:
        raise error_of(_to_dos_error(status))
