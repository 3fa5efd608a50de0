"""Calling COM objects by their tables of methods: as little of it as Recycle Bin and Task Scheduler need."""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import wintypes
from functools import partial
from typing import Any, Final

from host.windows.codes import error_of

NOT_IMPLEMENTED: Final = frozenset({0x8000_4001, 0x8004_0154, 0x8000_4002})
"""E_NOTIMPL, REGDB_E_CLASSNOTREG, E_NOINTERFACE."""
NO_INTERFACE: Final = 0x8000_4002
HRESULT: Final = ctypes.c_ulong
_RELEASE: Final = 2
_APARTMENT: Final = 0x2
_IN_PROCESS: Final = 1
_LONG: Final = 3
"""VT_I4."""

_ole32 = ctypes.WinDLL("ole32")
_oleaut32 = ctypes.WinDLL("oleaut32")
_oleaut32.SysAllocString.restype = ctypes.c_void_p
_oleaut32.SysAllocString.argtypes = (wintypes.LPCWSTR,)
_oleaut32.SysFreeString.argtypes = (ctypes.c_void_p,)
_oleaut32.SysFreeString.restype = None


class Guid(ctypes.Structure):
    """GUID."""

    _fields_ = (("bytes", ctypes.c_ubyte * 16),)


class Variant(ctypes.Structure):
    """VARIANT: empty, or a number."""

    _fields_ = (
        ("kind", wintypes.USHORT),
        ("reserved", wintypes.USHORT * 3),
        ("number", ctypes.c_longlong),
        ("rest", ctypes.c_void_p),
    )


def guid(written: str) -> Guid:
    """A GUID as it is written."""
    return Guid((ctypes.c_ubyte * 16)(*uuid.UUID(written).bytes_le))


def number(value: int) -> Variant:
    """A number for a method that takes anything."""
    return Variant(_LONG, (0, 0, 0), value, None)


@contextmanager
def apartment() -> Iterator[None]:
    """COM is there for this thread while the block runs."""
    started = _ole32.CoInitializeEx(None, _APARTMENT)
    try:
        yield
    finally:
        if started >= 0:
            _ole32.CoUninitialize()


def create(class_id: str, interface: str) -> tuple[int, ctypes.c_void_p]:
    """A new object and the code with which it was made."""
    made_of, wanted, found = guid(class_id), guid(interface), ctypes.c_void_p()
    make = _ole32.CoCreateInstance
    make.restype = HRESULT
    code = make(ctypes.byref(made_of), None, _IN_PROCESS, ctypes.byref(wanted), ctypes.byref(found))
    return int(code), found


def method(thing: ctypes.c_void_p, place: int, *kinds: Any) -> Callable[..., int]:
    """A method of an object, by its place in the table, with the kinds of its arguments."""
    table = ctypes.cast(thing, ctypes.POINTER(ctypes.POINTER(ctypes.c_void_p))).contents
    return partial(ctypes.WINFUNCTYPE(HRESULT, ctypes.c_void_p, *kinds)(table[place] or 0), thing)


def release(thing: ctypes.c_void_p) -> None:
    """Give an object back, if there is one."""
    if thing:
        method(thing, _RELEASE)()


def get_object(thing: ctypes.c_void_p, place: int, *arguments: tuple[Any, Any]) -> ctypes.c_void_p:
    """What a method returns that makes an object; arguments with their kinds.

    Raises:
        OSError: it returns none.
    """
    found = ctypes.c_void_p()
    kinds = [kind for kind, _ in arguments]
    values = [value for _, value in arguments]
    check(method(thing, place, *kinds, ctypes.c_void_p)(*values, ctypes.byref(found)))
    return found


def get_text(thing: ctypes.c_void_p, place: int) -> str:
    """A property that is text (BSTR). Raises OSError."""
    found = ctypes.c_void_p()
    check(method(thing, place, ctypes.c_void_p)(ctypes.byref(found)))
    try:
        return ctypes.wstring_at(found.value) if found.value else ""
    finally:
        _oleaut32.SysFreeString(found)


@contextmanager
def text_argument(value: str) -> Iterator[int]:
    """A BSTR for the time of the block."""
    made = _oleaut32.SysAllocString(value)
    try:
        yield made
    finally:
        _oleaut32.SysFreeString(made)


def check(code: int) -> None:
    """Raises OSError for a code that says no."""
    if code & 0x8000_0000:
        # HRESULT_FROM_WIN32, or words of the object's own.
        raise error_of(code & 0xFFFF if code >> 16 == 0x8007 else 5)
