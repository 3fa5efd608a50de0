"""The process of the service: what Windows' service manager and a program of ours say to each other.

`run_service` gives this process to the service manager. What the service does is a function of its own, which
runs in a thread of the manager's making and hears of everything by a queue.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
import queue
from collections.abc import Callable
from ctypes import wintypes
from enum import Enum, auto
from typing import Final

from host.windows.service_manager import RUNNING, STOPPED, ServiceStatus

START_PENDING: Final = 2
STOP_PENDING: Final = 3
_OWN_PROCESS: Final = 0x10
_ACCEPTS: Final = 0x1 | 0x4 | 0x80
"""Stop, shutdown, changes of sessions."""
_STOP: Final = 1
_INTERROGATE: Final = 4
_SHUTDOWN: Final = 5
_SESSION_CHANGE: Final = 14
_NOT_KNOWN: Final = 120
_FAILED: Final = 1066
"""ERROR_SERVICE_SPECIFIC_ERROR."""
_STOP_HINT: Final = 30_000

_Main = ctypes.WINFUNCTYPE(None, wintypes.DWORD, ctypes.POINTER(wintypes.LPWSTR))
_Handler = ctypes.WINFUNCTYPE(
    wintypes.DWORD, wintypes.DWORD, wintypes.DWORD, ctypes.c_void_p, ctypes.c_void_p
)


class _Entry(ctypes.Structure):
    _fields_ = (("name", wintypes.LPWSTR), ("main", _Main))


_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
_advapi32.StartServiceCtrlDispatcherW.argtypes = (ctypes.POINTER(_Entry),)
_advapi32.RegisterServiceCtrlHandlerExW.restype = ctypes.c_void_p
_advapi32.RegisterServiceCtrlHandlerExW.argtypes = (wintypes.LPCWSTR, _Handler, ctypes.c_void_p)
_advapi32.SetServiceStatus.argtypes = (ctypes.c_void_p, ctypes.POINTER(ServiceStatus))


class Word(Enum):
    """What the service manager says."""

    STOP = auto()
    """Also that the computer shuts down."""
    SESSION_CHANGED = auto()
    """Somebody signed in or out, or another one has the screen."""


Words = queue.SimpleQueue[Word]


def run_service(name: str, work: Callable[[Words], bool]) -> None:
    """Be the service `name`; returns when it has stopped.

    Args:
        work: does it all, and returns when it is over, or soon after `Word.STOP`; whether it went well.

    Raises:
        OSError: this process was not started by the service manager.
    """
    words: Words = queue.SimpleQueue()
    handle: int | None = None

    def tell(state: int, *, has_failed: bool = False) -> None:
        accepts = _ACCEPTS if state == RUNNING else 0
        hint = _STOP_HINT if state in (START_PENDING, STOP_PENDING) else 0
        code = _FAILED if has_failed else 0
        status = ServiceStatus(_OWN_PROCESS, state, accepts, code, int(has_failed), 0, hint)
        _advapi32.SetServiceStatus(handle, ctypes.byref(status))

    def hear(control: int, event: int, data: int | None, context: int | None) -> int:
        if control in (_STOP, _SHUTDOWN):
            tell(STOP_PENDING)
            words.put(Word.STOP)
        elif control == _SESSION_CHANGE:
            words.put(Word.SESSION_CHANGED)
        elif control != _INTERROGATE:
            return _NOT_KNOWN
        return 0

    handler = _Handler(hear)

    def main(count: int, arguments: object) -> None:
        nonlocal handle
        handle = _advapi32.RegisterServiceCtrlHandlerExW(name, handler, None)
        if not handle:
            return
        tell(RUNNING)
        has_failed = True
        try:
            has_failed = not work(words)
        finally:
            tell(STOPPED, has_failed=has_failed)

    entry = _Main(main)
    table = (_Entry * 2)(_Entry(name, entry), _Entry(None, _Main()))
    if not _advapi32.StartServiceCtrlDispatcherW(table):
        raise ctypes.WinError(ctypes.get_last_error())
