"""The Recycle Bin, by the shell's IFileOperation: what does not fit into it is refused, never deleted.

The shell would delete for good what a drive's bin cannot take (too large, switched off, a network drive),
asking the customer or nobody. So an object of ours listens, is told before each deletion whether it goes into
the bin, and forbids it if not.

Where there is no IFileOperation that does anything (Wine), SHFileOperationW is asked. Windows itself always
has the first.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
import uuid
from ctypes import wintypes
from typing import Any, Final

from host.problems import RequestProblem
from host.windows import com
from host.windows.codes import error_of

_FILE_OPERATION: Final = "3ad05575-8857-4850-9277-11b85bdb8e09"
_IFILE_OPERATION: Final = "947aab5f-0a5c-4c13-b4d6-4bf7836fc9f8"
_ISHELL_ITEM: Final = "43826d1e-e718-42ee-bc55-a1e261c37bfe"
_IUNKNOWN: Final = "00000000-0000-0000-c000-000000000046"
_ISINK: Final = "04b0f1a7-9490-44bc-96e1-4296a31252e2"

_FLAGS: Final = 0x4 | 0x10 | 0x400 | 0x200 | 0x0008_0000 | 0x2000_0000
"""FOF_SILENT, _NOCONFIRMATION, _NOERRORUI, _NOCONFIRMMKDIR, FOFX_RECYCLEONDELETE, FOFX_ADDUNDORECORD."""
_RECYCLES: Final = 0x80
"""TSF_DELETE_RECYCLE_IF_POSSIBLE, in what the listener is told."""
_FORBIDDEN: Final = 0x8000_4005

# Places in the tables of methods (shobjidl_core.h), IUnknown's three first.
_ADVISE: Final = 3
_SET_FLAGS: Final = 5
_DELETE_ITEM: Final = 18
_PERFORM: Final = 21
_ANY_ABORTED: Final = 22
_SINK_METHODS: Final = 19
_SINK_PRE_DELETE: Final = 11

_shell32 = ctypes.WinDLL("shell32")


class _Operation(ctypes.Structure):
    """SHFILEOPSTRUCTW."""

    _fields_ = (
        ("window", wintypes.HWND),
        ("function", wintypes.UINT),
        ("source", ctypes.c_void_p),
        ("target", ctypes.c_void_p),
        ("flags", wintypes.WORD),
        ("any_aborted", wintypes.BOOL),
        ("mappings", wintypes.LPVOID),
        ("title", wintypes.LPCWSTR),
    )


def recycle(path: str) -> None:
    r"""Puts what is at a path (``C:\…``) into the Recycle Bin.

    Raises:
        RequestProblem: ``no_trash``.
        OSError: the shell could not do it.
    """
    with com.apartment():
        if not _recycle_listening(path):
            _recycle_plainly(path)


def _recycle_listening(path: str) -> bool:
    """False where the shell has no such operation."""
    code, operation = com.create(_FILE_OPERATION, _IFILE_OPERATION)
    if code in com.NOT_IMPLEMENTED:
        return False
    com.check(code)
    listener = _Listener()
    item = ctypes.c_void_p()
    try:
        wanted = com.guid(_ISHELL_ITEM)
        parse = _shell32.SHCreateItemFromParsingName
        parse.restype, parse.argtypes = (
            com.HRESULT,
            (wintypes.LPCWSTR, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p),
        )
        com.check(parse(path, None, ctypes.byref(wanted), ctypes.byref(item)))
        cookie, aborted = wintypes.DWORD(), wintypes.BOOL()
        for code in (
            com.method(operation, _SET_FLAGS, wintypes.DWORD)(_FLAGS),
            com.method(operation, _ADVISE, ctypes.c_void_p, ctypes.c_void_p)(
                listener.pointer, ctypes.byref(cookie)
            ),
        ):
            if code in com.NOT_IMPLEMENTED:
                return False
            com.check(code)
        com.check(com.method(operation, _DELETE_ITEM, ctypes.c_void_p, ctypes.c_void_p)(item, None))
        code = com.method(operation, _PERFORM)()
        if listener.has_forbidden:
            raise RequestProblem("no_trash", "the Recycle Bin of this drive cannot take it")
        com.check(code)
        com.check(com.method(operation, _ANY_ABORTED, ctypes.c_void_p)(ctypes.byref(aborted)))
        if aborted.value:
            raise error_of(5)
    finally:
        com.release(item)
        com.release(operation)
    return True


class _Listener:
    """An IFileOperationProgressSink that forbids every deletion which would be one for good.

    Attributes:
        pointer: of the object, as long as this lives.
        has_forbidden: whether it did.
    """

    def __init__(self) -> None:
        self.has_forbidden = False
        fine = ctypes.WINFUNCTYPE(com.HRESULT, ctypes.c_void_p)
        query = ctypes.WINFUNCTYPE(
            com.HRESULT, ctypes.c_void_p, ctypes.POINTER(com.Guid), ctypes.POINTER(ctypes.c_void_p)
        )
        before = ctypes.WINFUNCTYPE(com.HRESULT, ctypes.c_void_p, wintypes.DWORD, ctypes.c_void_p)
        # On x86-64 and ARM64 the caller clears the stack: a method need not declare what it does not look at.
        methods: list[Any] = [fine(lambda _this: 0) for _ in range(_SINK_METHODS)]
        methods[0] = query(self._query)
        methods[1] = methods[2] = fine(lambda _this: 1)
        methods[_SINK_PRE_DELETE] = before(self._before_delete)
        self._methods = methods  # kept alive
        self._table = (ctypes.c_void_p * _SINK_METHODS)(
            *[ctypes.cast(method, ctypes.c_void_p).value or 0 for method in methods]
        )
        self._object = ctypes.c_void_p(ctypes.addressof(self._table))
        self.pointer = ctypes.c_void_p(ctypes.addressof(self._object))

    def _query(self, this: int, wanted: Any, found: Any) -> int:
        if bytes(wanted.contents.bytes) in (uuid.UUID(_IUNKNOWN).bytes_le, uuid.UUID(_ISINK).bytes_le):
            found[0] = this
            return 0
        found[0] = None
        return com.NO_INTERFACE

    def _before_delete(self, _this: int, flags: int, _item: int) -> int:
        if flags & _RECYCLES:
            return 0
        self.has_forbidden = True
        return _FORBIDDEN


def _recycle_plainly(path: str) -> None:
    delete, allow_undo, silent = 3, 0x40, 0x4 | 0x10 | 0x400
    names = path.encode("utf-16-le", "surrogatepass") + b"\0\0\0\0"
    buffer = ctypes.create_string_buffer(names, len(names))
    wanted = _Operation(None, delete, ctypes.addressof(buffer), None, allow_undo | silent, False, None, None)
    code = _shell32.SHFileOperationW(ctypes.byref(wanted))
    if code or wanted.any_aborted:
        raise error_of(code or 5)
