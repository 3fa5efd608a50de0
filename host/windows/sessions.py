"""Starting programs where the customer is: in the session that has the screen, as the system or as they.

The service is in a session of its own, without a screen. Standard library only.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import contextlib
import ctypes
import msvcrt
import os
from collections.abc import Iterator, Sequence
from ctypes import wintypes
from pathlib import Path
from subprocess import list2cmdline
from typing import Final

NO_SESSION: Final = 0xFFFFFFFF
STILL_ACTIVE: Final = 259

_MAXIMUM: Final = 0x02000000
_DUPLICATE: Final = 0x2
_ALL_TOKEN: Final = 0xF01FF
_IMPERSONATION: Final = 2
_PRIMARY: Final = 1
_SESSION_OF_TOKEN: Final = 12
_USER_NAME: Final = 5
_DESKTOP: Final = "winsta0\\default"
_UNICODE_ENVIRONMENT: Final = 0x400
_NO_CONSOLE: Final = 0x08000000
_USE_HANDLES: Final = 0x100
_INHERIT: Final = 1
_FOREVER: Final = 0xFFFFFFFF
_IS_OVER: Final = 0


class _Startup(ctypes.Structure):
    _fields_ = (
        ("size", wintypes.DWORD),
        ("reserved", wintypes.LPWSTR),
        ("desktop", wintypes.LPWSTR),
        ("title", wintypes.LPWSTR),
        *(
            (name, wintypes.DWORD)
            for name in ("x", "y", "width", "height", "columns", "rows", "fill", "flags")
        ),
        ("show", wintypes.WORD),
        ("reserved_bytes", wintypes.WORD),
        ("reserved_data", ctypes.c_void_p),
        ("input", wintypes.HANDLE),
        ("output", wintypes.HANDLE),
        ("error", wintypes.HANDLE),
    )


class _Started(ctypes.Structure):
    _fields_ = (
        ("process", wintypes.HANDLE),
        ("thread", wintypes.HANDLE),
        ("process_id", wintypes.DWORD),
        ("thread_id", wintypes.DWORD),
    )


_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
_wtsapi32 = ctypes.WinDLL("wtsapi32", use_last_error=True)
_userenv = ctypes.WinDLL("userenv", use_last_error=True)
_kernel32.WTSGetActiveConsoleSessionId.restype = wintypes.DWORD
_kernel32.GetCurrentProcess.restype = wintypes.HANDLE
_kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
_kernel32.SetHandleInformation.argtypes = (wintypes.HANDLE, wintypes.DWORD, wintypes.DWORD)
_kernel32.WaitForSingleObject.argtypes = (wintypes.HANDLE, wintypes.DWORD)
_kernel32.GetExitCodeProcess.argtypes = (wintypes.HANDLE, ctypes.POINTER(wintypes.DWORD))
_kernel32.TerminateProcess.argtypes = (wintypes.HANDLE, wintypes.UINT)
_wtsapi32.WTSQueryUserToken.argtypes = (wintypes.ULONG, ctypes.POINTER(wintypes.HANDLE))
_wtsapi32.WTSQuerySessionInformationW.argtypes = (
    wintypes.HANDLE,
    wintypes.DWORD,
    ctypes.c_int,
    ctypes.POINTER(wintypes.LPWSTR),
    ctypes.POINTER(wintypes.DWORD),
)
_wtsapi32.WTSFreeMemory.argtypes = (ctypes.c_void_p,)
_userenv.CreateEnvironmentBlock.argtypes = (ctypes.POINTER(ctypes.c_void_p), wintypes.HANDLE, wintypes.BOOL)
_userenv.DestroyEnvironmentBlock.argtypes = (ctypes.c_void_p,)
_advapi32.OpenProcessToken.argtypes = (wintypes.HANDLE, wintypes.DWORD, ctypes.POINTER(wintypes.HANDLE))
_advapi32.DuplicateTokenEx.argtypes = (
    wintypes.HANDLE,
    wintypes.DWORD,
    ctypes.c_void_p,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.POINTER(wintypes.HANDLE),
)
_advapi32.SetTokenInformation.argtypes = (wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD)
_advapi32.CreateProcessAsUserW.argtypes = (
    wintypes.HANDLE,
    wintypes.LPCWSTR,
    wintypes.LPWSTR,
    ctypes.c_void_p,
    ctypes.c_void_p,
    wintypes.BOOL,
    wintypes.DWORD,
    ctypes.c_void_p,
    wintypes.LPCWSTR,
    ctypes.POINTER(_Startup),
    ctypes.POINTER(_Started),
)


class Process:
    """A program that was started, and the pipes to it. Close it in the end.

    Attributes:
        writing: descriptor of its standard input.
        reading: descriptor of its standard output.
    """

    def __init__(self, handle: int, writing: int, reading: int) -> None:
        self._handle = handle
        self.writing, self.reading = writing, reading

    def wait(self, seconds: float | None = None) -> int | None:
        """Its exit code; None if it still runs after so long. Blocks."""
        limit = _FOREVER if seconds is None else int(seconds * 1000)
        if _kernel32.WaitForSingleObject(self._handle, limit) != _IS_OVER:
            return None
        code = wintypes.DWORD()
        _kernel32.GetExitCodeProcess(self._handle, ctypes.byref(code))
        return int(code.value)

    def end(self) -> None:
        """End it at once."""
        _kernel32.TerminateProcess(self._handle, 1)

    def close(self, *, with_pipes: bool = True) -> None:
        """Give back what this process has of it; it may go on."""
        _kernel32.CloseHandle(self._handle)
        if with_pipes:
            for descriptor in (self.writing, self.reading):
                with contextlib.suppress(OSError):
                    os.close(descriptor)


def screen_session() -> int:
    """The session that has the computer's own screen and keyboard; `NO_SESSION` in between two."""
    return int(_kernel32.WTSGetActiveConsoleSessionId())


def is_signed_in(session: int) -> bool:
    """Whether somebody is signed in there, so that there is a customer to show something to."""
    with contextlib.suppress(OSError), user_token(session):
        return True
    return False


def user_name(session: int) -> str:
    """Who is signed in there, without a domain; "" for nobody."""
    text, size = wintypes.LPWSTR(), wintypes.DWORD()
    if not _wtsapi32.WTSQuerySessionInformationW(
        None, session, _USER_NAME, ctypes.byref(text), ctypes.byref(size)
    ):
        return ""
    try:
        return text.value or ""
    finally:
        _wtsapi32.WTSFreeMemory(text)


@contextlib.contextmanager
def user_token(session: int) -> Iterator[int]:
    """What a program of the person who is signed in there is started with. Raises OSError: nobody is."""
    token = wintypes.HANDLE()
    if not _wtsapi32.WTSQueryUserToken(session, ctypes.byref(token)):
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        yield int(token.value or 0)
    finally:
        _kernel32.CloseHandle(token)


@contextlib.contextmanager
def system_token(session: int) -> Iterator[int]:
    """What a program of the system there is started with. Raises OSError: this is not the system."""
    own, copy = wintypes.HANDLE(), wintypes.HANDLE()
    if not _advapi32.OpenProcessToken(_kernel32.GetCurrentProcess(), _ALL_TOKEN, ctypes.byref(own)):
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        if not _advapi32.DuplicateTokenEx(own, _MAXIMUM, None, _IMPERSONATION, _PRIMARY, ctypes.byref(copy)):
            raise ctypes.WinError(ctypes.get_last_error())
    finally:
        _kernel32.CloseHandle(own)
    try:
        number = wintypes.DWORD(session)
        if not _advapi32.SetTokenInformation(copy, _SESSION_OF_TOKEN, ctypes.byref(number), 4):
            raise ctypes.WinError(ctypes.get_last_error())
        yield int(copy.value or 0)
    finally:
        _kernel32.CloseHandle(copy)


def start_process(token: int, command: Sequence[str | Path], folder: Path) -> Process:
    """Start a program on the customer's desktop, with pipes for its input and output.

    Args:
        token: whose rights it has, and in which session.
        command: whole paths.
        folder: it starts in.

    Raises:
        OSError: it cannot be started.
    """
    environment = ctypes.c_void_p()
    if not _userenv.CreateEnvironmentBlock(ctypes.byref(environment), token, False):
        environment = ctypes.c_void_p()
    its_input, writing = os.pipe()
    reading, its_output = os.pipe()
    try:
        startup = _Startup(size=ctypes.sizeof(_Startup), desktop=_DESKTOP, flags=_USE_HANDLES)
        startup.input, startup.output = msvcrt.get_osfhandle(its_input), msvcrt.get_osfhandle(its_output)
        startup.error = startup.output
        for handle in (startup.input, startup.output):
            _kernel32.SetHandleInformation(handle, _INHERIT, _INHERIT)
        started = _Started()
        line = ctypes.create_unicode_buffer(list2cmdline([str(word) for word in command]))
        flags = _NO_CONSOLE | (_UNICODE_ENVIRONMENT if environment else 0)
        if not _advapi32.CreateProcessAsUserW(
            *(token, None, line, None, None, True, flags, environment, str(folder)),
            *(ctypes.byref(startup), ctypes.byref(started)),
        ):
            raise ctypes.WinError(ctypes.get_last_error())
    except BaseException:
        os.close(writing)
        os.close(reading)
        raise
    finally:
        os.close(its_input)
        os.close(its_output)
        if environment:
            _userenv.DestroyEnvironmentBlock(environment)
    _kernel32.CloseHandle(started.thread)
    return Process(int(started.process), writing, reading)
