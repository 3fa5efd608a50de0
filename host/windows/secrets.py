"""What is kept at rest on Windows, so that the disk alone gives nothing away (DPAPI).

It is bound to this computer and not to a user: the service that goes on with a session after a restart is
another one than the person who began it. Who may read the file at all is decided by its folder's access list
(`host.windows.rights`).
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
from collections.abc import Callable
from ctypes import wintypes
from typing import Final

_QUIETLY: Final = 0x1
_THIS_COMPUTER: Final = 0x4


class _Blob(ctypes.Structure):
    _fields_ = (("size", wintypes.DWORD), ("data", ctypes.c_void_p))


_crypt32 = ctypes.WinDLL("crypt32", use_last_error=True)
_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.LocalFree.argtypes = (ctypes.c_void_p,)
for _function in (_crypt32.CryptProtectData, _crypt32.CryptUnprotectData):
    _function.argtypes = (
        ctypes.POINTER(_Blob),
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_void_p,
        wintypes.DWORD,
        ctypes.POINTER(_Blob),
    )


def protect(data: bytes) -> bytes:
    """`data` as only programs on this computer can read it again. Raises OSError."""
    return _call(_crypt32.CryptProtectData, data, _QUIETLY | _THIS_COMPUTER)


def unprotect(data: bytes) -> bytes:
    """What `protect` was given; raises OSError if that was on another computer, or it was changed since."""
    return _call(_crypt32.CryptUnprotectData, data, _QUIETLY)


def _call(function: Callable[..., int], data: bytes, flags: int) -> bytes:
    buffer = ctypes.create_string_buffer(data, len(data))
    given, result = _Blob(len(data), ctypes.addressof(buffer)), _Blob()
    if not function(ctypes.byref(given), None, None, None, None, flags, ctypes.byref(result)):
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        return ctypes.string_at(result.data, result.size)
    finally:
        _kernel32.LocalFree(result.data)
