"""Who may reach the host's folder: administrators and the system, nobody else.

Anybody may make folders where programs keep their data (``C:\\ProgramData``). So a folder that was there
before is used only if an administrator, the system or this program's own user made it, and its access list is
set anew.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import contextlib
import ctypes
from collections.abc import Iterator
from ctypes import wintypes
from pathlib import Path
from typing import Final

_LIST: Final = "D:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
"""All for the system and for administrators, inherited by what is in it; nothing from above."""
_FILE: Final = 1
_OWNER: Final = 0x1
_ACCESS: Final = 0x4 | 0x80000000
"""The list, and that nothing is inherited into it."""
_SYSTEM: Final = 22
_ADMINISTRATORS: Final = 26
_READ_TOKEN: Final = 0x8
_TOKEN_USER: Final = 1


class _Attributes(ctypes.Structure):
    _fields_ = (
        ("size", wintypes.DWORD),
        ("descriptor", ctypes.c_void_p),
        ("is_inherited", wintypes.BOOL),
    )


_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_shell32 = ctypes.WinDLL("shell32")
_kernel32.GetCurrentProcess.restype = wintypes.HANDLE
_kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
_kernel32.LocalFree.argtypes = (ctypes.c_void_p,)
_kernel32.CreateDirectoryW.argtypes = (wintypes.LPCWSTR, ctypes.POINTER(_Attributes))
_advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW.argtypes = (
    wintypes.LPCWSTR,
    wintypes.DWORD,
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
)
_advapi32.GetSecurityDescriptorDacl.argtypes = (
    ctypes.c_void_p,
    ctypes.POINTER(wintypes.BOOL),
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.POINTER(wintypes.BOOL),
)
_advapi32.GetNamedSecurityInfoW.argtypes = (
    wintypes.LPCWSTR,
    ctypes.c_int,
    wintypes.DWORD,
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.POINTER(ctypes.c_void_p),
)
_advapi32.SetNamedSecurityInfoW.argtypes = (
    wintypes.LPWSTR,
    ctypes.c_int,
    wintypes.DWORD,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
    ctypes.c_void_p,
)
_advapi32.IsWellKnownSid.argtypes = (ctypes.c_void_p, ctypes.c_int)
_advapi32.EqualSid.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
_advapi32.OpenProcessToken.argtypes = (wintypes.HANDLE, wintypes.DWORD, ctypes.POINTER(wintypes.HANDLE))
_advapi32.GetTokenInformation.argtypes = (
    wintypes.HANDLE,
    ctypes.c_int,
    ctypes.c_void_p,
    wintypes.DWORD,
    ctypes.POINTER(wintypes.DWORD),
)


def is_administrator() -> bool:
    """Whether this program runs with an administrator's rights."""
    return bool(_shell32.IsUserAnAdmin())


def make_folder(path: Path) -> None:
    """Make a folder for administrators and the system; of a program without their rights, for its user.

    Raises:
        FileExistsError: it is there.
        OSError: it cannot be made.
    """
    if not is_administrator():
        path.mkdir(mode=0o700)
        return
    with _descriptor() as descriptor:
        attributes = _Attributes(ctypes.sizeof(_Attributes), descriptor, False)
        if not _kernel32.CreateDirectoryW(str(path), ctypes.byref(attributes)):
            raise ctypes.WinError(ctypes.get_last_error())


def take_over(path: Path) -> None:
    """Make sure that a folder which was there already is ours alone.

    Raises:
        OSError: somebody else made it, or its access list cannot be set.
    """
    owner, descriptor = ctypes.c_void_p(), ctypes.c_void_p()
    error = _advapi32.GetNamedSecurityInfoW(
        str(path), _FILE, _OWNER, ctypes.byref(owner), None, None, None, ctypes.byref(descriptor)
    )
    if error:
        raise ctypes.WinError(error)
    try:
        if not _is_trusted(owner):
            raise PermissionError(f"{path} belongs to somebody else.")
    finally:
        _kernel32.LocalFree(descriptor)
    if not is_administrator():
        return
    with _descriptor() as wanted:
        access, is_there, is_default = ctypes.c_void_p(), wintypes.BOOL(), wintypes.BOOL()
        _advapi32.GetSecurityDescriptorDacl(
            wanted, ctypes.byref(is_there), ctypes.byref(access), ctypes.byref(is_default)
        )
        error = _advapi32.SetNamedSecurityInfoW(str(path), _FILE, _ACCESS, None, None, access, None)
        if error:
            raise ctypes.WinError(error)


def _is_trusted(owner: ctypes.c_void_p) -> bool:
    if any(_advapi32.IsWellKnownSid(owner, kind) for kind in (_SYSTEM, _ADMINISTRATORS)):
        return True
    token = wintypes.HANDLE()
    if not _advapi32.OpenProcessToken(_kernel32.GetCurrentProcess(), _READ_TOKEN, ctypes.byref(token)):
        return False
    try:
        told, size = ctypes.create_string_buffer(256), wintypes.DWORD()
        if not _advapi32.GetTokenInformation(token, _TOKEN_USER, told, 256, ctypes.byref(size)):
            return False
        # TOKEN_USER begins with a pointer to the identity.
        return bool(_advapi32.EqualSid(owner, ctypes.c_void_p.from_buffer(told)))
    finally:
        _kernel32.CloseHandle(token)


@contextlib.contextmanager
def _descriptor() -> Iterator[ctypes.c_void_p]:
    descriptor = ctypes.c_void_p()
    if not _advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW(
        _LIST, 1, ctypes.byref(descriptor), None
    ):
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        yield descriptor
    finally:
        _kernel32.LocalFree(descriptor)
