"""Starting a program so that it, and whatever it starts, ends when we say so: in a job (Job Objects).

Nothing of the program runs before it is in its job. Its environment is the user's own, as at sign-in; nothing
of this program's is in it.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
import time
from collections.abc import Sequence
from ctypes import wintypes
from typing import Any, Final

from host.windows.codes import error_of

_SUSPENDED: Final = 0x4
_NO_WINDOW: Final = 0x0800_0000
_UNICODE_ENVIRONMENT: Final = 0x400
_EXTENDED_STARTUP: Final = 0x0008_0000
_USE_HANDLES: Final = 0x100
_ATTRIBUTE_CONSOLE: Final = 0x2_0016
_ATTRIBUTE_HANDLES: Final = 0x2_0002
_KILL_ON_CLOSE: Final = 0x2000
_BASIC_ACCOUNTING: Final = 1
_EXTENDED_LIMITS: Final = 9
_STILL_ACTIVE: Final = 259
_QUERY: Final = 0x8
_DUPLICATE: Final = 0x2
_KILLED: Final = 1
_NO_HANDLE: Final = ctypes.c_void_p(-1).value
_LOOK_EVERY: Final = 0.05
"""Seconds between two looks whether a job is empty, of which Windows tells nobody who waits."""


class _StartupInfo(ctypes.Structure):
    """STARTUPINFOEXW."""

    _fields_ = (
        ("size", wintypes.DWORD),
        ("reserved", wintypes.LPWSTR),
        ("desktop", wintypes.LPWSTR),
        ("title", wintypes.LPWSTR),
        ("numbers", wintypes.DWORD * 7),
        ("flags", wintypes.DWORD),
        ("show", wintypes.WORD),
        ("reserved_bytes", wintypes.WORD),
        ("reserved_pointer", ctypes.c_void_p),
        ("input", wintypes.HANDLE),
        ("output", wintypes.HANDLE),
        ("error", wintypes.HANDLE),
        ("attributes", ctypes.c_void_p),
    )


class _ProcessInformation(ctypes.Structure):
    _fields_ = (
        ("process", wintypes.HANDLE),
        ("thread", wintypes.HANDLE),
        ("pid", wintypes.DWORD),
        ("thread_id", wintypes.DWORD),
    )


class _BasicLimits(ctypes.Structure):
    _fields_ = (
        ("process_time", ctypes.c_longlong),
        ("job_time", ctypes.c_longlong),
        ("flags", wintypes.DWORD),
        ("least_memory", ctypes.c_size_t),
        ("most_memory", ctypes.c_size_t),
        ("most_processes", wintypes.DWORD),
        ("affinity", ctypes.c_size_t),
        ("priority", wintypes.DWORD),
        ("scheduling", wintypes.DWORD),
    )


class _Limits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_ = (
        ("basic", _BasicLimits),
        ("io", ctypes.c_ulonglong * 6),
        ("memory", ctypes.c_size_t * 4),
    )


class _Accounting(ctypes.Structure):
    """JOBOBJECT_BASIC_ACCOUNTING_INFORMATION."""

    _fields_ = (
        ("times", ctypes.c_longlong * 4),
        ("faults", wintypes.DWORD),
        ("total", wintypes.DWORD),
        ("active", wintypes.DWORD),
        ("terminated", wintypes.DWORD),
    )


_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
_userenv = ctypes.WinDLL("userenv", use_last_error=True)
_kernel32.CreateJobObjectW.restype = wintypes.HANDLE
_kernel32.GetCurrentProcess.restype = wintypes.HANDLE
for _name, _taken in (
    ("AssignProcessToJobObject", (wintypes.HANDLE, wintypes.HANDLE)),
    ("TerminateJobObject", (wintypes.HANDLE, wintypes.UINT)),
    ("TerminateProcess", (wintypes.HANDLE, wintypes.UINT)),
    ("SetInformationJobObject", (wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD)),
    (
        "QueryInformationJobObject",
        (wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p, wintypes.DWORD, ctypes.c_void_p),
    ),
    ("ResumeThread", (wintypes.HANDLE,)),
    ("CloseHandle", (wintypes.HANDLE,)),
    ("GetExitCodeProcess", (wintypes.HANDLE, ctypes.POINTER(wintypes.DWORD))),
    (
        "InitializeProcThreadAttributeList",
        (ctypes.c_void_p, wintypes.DWORD, wintypes.DWORD, ctypes.POINTER(ctypes.c_size_t)),
    ),
    (
        "UpdateProcThreadAttribute",
        (
            *(ctypes.c_void_p, wintypes.DWORD, ctypes.c_size_t, ctypes.c_void_p),
            *(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p),
        ),
    ),
    ("DeleteProcThreadAttributeList", (ctypes.c_void_p,)),
    (
        "CreateProcessW",
        (
            *(wintypes.LPCWSTR, wintypes.LPWSTR, ctypes.c_void_p, ctypes.c_void_p, wintypes.BOOL),
            *(wintypes.DWORD, ctypes.c_void_p, wintypes.LPCWSTR),
            *(ctypes.POINTER(_StartupInfo), ctypes.POINTER(_ProcessInformation)),
        ),
    ),
):
    getattr(_kernel32, _name).argtypes = _taken
_advapi32.OpenProcessToken.argtypes = (wintypes.HANDLE, wintypes.DWORD, ctypes.POINTER(wintypes.HANDLE))
_userenv.CreateEnvironmentBlock.argtypes = (
    ctypes.POINTER(ctypes.c_void_p),
    wintypes.HANDLE,
    wintypes.BOOL,
)
_userenv.DestroyEnvironmentBlock.argtypes = (ctypes.c_void_p,)


class StartedProgram:
    """A program in its job; made by `start_program`.

    Attributes:
        handle: of its process, for waiting.
    """

    def __init__(self, job: int, handle: int) -> None:
        self._job = job
        self.handle = handle

    @property
    def exit_code(self) -> int | None:
        """What it exited with, 0 … 2³²-1; None while it runs."""
        code = wintypes.DWORD()
        if not _kernel32.GetExitCodeProcess(self.handle, ctypes.byref(code)):
            raise _last_error()
        return None if code.value == _STILL_ACTIVE else int(code.value)

    def count(self) -> int:
        """How many processes are in its job."""
        found = _Accounting()
        if not _kernel32.QueryInformationJobObject(
            self._job, _BASIC_ACCOUNTING, ctypes.byref(found), ctypes.sizeof(found), None
        ):
            raise _last_error()
        return int(found.active)

    def wait_gone(self, timeout: float) -> bool:
        """Wait until all of its job has ended; False if it has not within `timeout` seconds. Blocks."""
        end = time.monotonic() + timeout
        while self.count():
            if time.monotonic() > end:
                return False
            time.sleep(_LOOK_EVERY)
        return True

    def kill(self) -> None:
        """End everything in its job."""
        _kernel32.TerminateJobObject(self._job, _KILLED)

    def close(self) -> None:
        """Close the handles; whatever is in the job still is killed by Windows."""
        _kernel32.CloseHandle(self.handle)
        _kernel32.CloseHandle(self._job)


def start_program(
    command_line: str, *, folder: str, console: int | None = None, pipes: Sequence[int] = ()
) -> StartedProgram:
    """Start a program in a job of its own.

    Args:
        command_line: program and arguments, as Windows splits them.
        folder: where it begins.
        console: a pseudo-console that it is to sit at.
        pipes: inheritable handles of its input and its output, instead of a console.

    Raises:
        OSError: it cannot be started.
    """
    job = _make_job()
    try:
        made = _create_process(command_line, folder, console, pipes)
        try:
            if not _kernel32.AssignProcessToJobObject(job, made.process):
                raise _last_error()
            _kernel32.ResumeThread(made.thread)
        except BaseException:
            _kernel32.TerminateProcess(made.process, _KILLED)
            _kernel32.CloseHandle(made.process)
            raise
        finally:
            _kernel32.CloseHandle(made.thread)
    except BaseException:
        _kernel32.CloseHandle(job)
        raise
    return StartedProgram(job, int(made.process))


def _make_job() -> int:
    job = _kernel32.CreateJobObjectW(None, None)
    if not job:
        raise _last_error()
    limits = _Limits()
    limits.basic.flags = _KILL_ON_CLOSE
    if not _kernel32.SetInformationJobObject(
        job, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)
    ):
        error = _last_error()
        _kernel32.CloseHandle(job)
        raise error
    return int(job)


def _create_process(
    command_line: str, folder: str, console: int | None, pipes: Sequence[int]
) -> _ProcessInformation:
    startup = _StartupInfo()
    startup.size = ctypes.sizeof(startup)
    # Also with a console, and then none: else it would get what this program's own output was led to.
    startup.flags = _USE_HANDLES
    startup.input = startup.output = startup.error = _NO_HANDLE
    flags = _SUSPENDED | _UNICODE_ENVIRONMENT | _EXTENDED_STARTUP
    if pipes:
        startup.input, startup.output = pipes
        startup.error = startup.output
        flags |= _NO_WINDOW
        inherited = (wintypes.HANDLE * len(pipes))(*pipes)
        attributes = _Attributes(_ATTRIBUTE_HANDLES, ctypes.addressof(inherited), ctypes.sizeof(inherited))
    else:
        attributes = _Attributes(_ATTRIBUTE_CONSOLE, console or 0, ctypes.sizeof(wintypes.HANDLE))
    made = _ProcessInformation()
    with attributes as listed, _Environment() as environment:
        startup.attributes = listed
        if not _kernel32.CreateProcessW(
            None,
            ctypes.create_unicode_buffer(command_line),
            None,
            None,
            bool(pipes),
            flags,
            environment,
            folder,
            ctypes.byref(startup),
            ctypes.byref(made),
        ):
            raise _last_error()
    return made


class _Attributes:
    """A PROC_THREAD_ATTRIBUTE_LIST of one attribute, for the time of a block."""

    def __init__(self, attribute: int, value: int, size: int) -> None:
        self._wanted = attribute, value, size

    def __enter__(self) -> int:
        length = ctypes.c_size_t()
        _kernel32.InitializeProcThreadAttributeList(None, 1, 0, ctypes.byref(length))
        self._list = ctypes.create_string_buffer(length.value)
        if not _kernel32.InitializeProcThreadAttributeList(self._list, 1, 0, ctypes.byref(length)):
            raise _last_error()
        attribute, value, size = self._wanted
        if not _kernel32.UpdateProcThreadAttribute(self._list, 0, attribute, value, size, None, None):
            raise _last_error()
        return ctypes.addressof(self._list)

    def __exit__(self, *error: object) -> None:
        _kernel32.DeleteProcThreadAttributeList(self._list)


class _Environment:
    """The user's own variables, as a new sign-in would have them, for the time of a block."""

    def __enter__(self) -> ctypes.c_void_p:
        token = wintypes.HANDLE()
        rights = _QUERY | _DUPLICATE
        if not _advapi32.OpenProcessToken(_kernel32.GetCurrentProcess(), rights, ctypes.byref(token)):
            raise _last_error()
        self._block = ctypes.c_void_p()
        try:
            if not _userenv.CreateEnvironmentBlock(ctypes.byref(self._block), token, False):
                raise _last_error()
        finally:
            _kernel32.CloseHandle(token)
        return self._block

    def __exit__(self, *error: object) -> None:
        _userenv.DestroyEnvironmentBlock(self._block)


def _last_error() -> OSError:
    return error_of(ctypes.get_last_error())


def handle_value(handle: Any) -> int:
    """The number of a handle that a call returned."""
    return int(handle.value or 0)
