"""Windows' service manager, as far as a temporary host needs it: one service made, started, deleted.

Standard library only.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import contextlib
import ctypes
from collections.abc import Iterator, Sequence
from ctypes import wintypes
from pathlib import Path
from subprocess import list2cmdline
from typing import Final

DISPLAY_NAME: Final = "Ad hoc support, temporary"
"""With the service's own name behind it: no two may be shown alike."""
IS_NOT_THERE: Final = 1060
"""ERROR_SERVICE_DOES_NOT_EXIST."""
IS_THERE: Final = 1073
IS_MARKED: Final = 1072
"""ERROR_SERVICE_MARKED_FOR_DELETE."""
STOPPED: Final = 1
RUNNING: Final = 4

_MANAGER_ALL: Final = 0xF003F
_CONNECT: Final = 0x1
_SERVICE_ALL: Final = 0xF01FF
_QUERY: Final = 0x4
_OWN_PROCESS: Final = 0x10
_AUTOMATIC: Final = 2
_NORMAL_ERRORS: Final = 1
_STOP: Final = 1
_FAILURE_ACTIONS: Final = 2
_RESTART: Final = 1
_RESTART_DELAY: Final = 5000
_RESET_SECONDS: Final = 600


class ServiceStatus(ctypes.Structure):
    """SERVICE_STATUS."""

    _fields_ = (
        ("kind", wintypes.DWORD),
        ("state", wintypes.DWORD),
        ("accepts", wintypes.DWORD),
        ("exit_code", wintypes.DWORD),
        ("own_exit_code", wintypes.DWORD),
        ("check_point", wintypes.DWORD),
        ("wait_hint", wintypes.DWORD),
    )


class _Action(ctypes.Structure):
    _fields_ = (("kind", ctypes.c_int), ("delay", wintypes.DWORD))


class _FailureActions(ctypes.Structure):
    _fields_ = (
        ("reset_after", wintypes.DWORD),
        ("message", wintypes.LPWSTR),
        ("command", wintypes.LPWSTR),
        ("count", wintypes.DWORD),
        ("actions", ctypes.POINTER(_Action)),
    )


_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
_advapi32.OpenSCManagerW.restype = wintypes.HANDLE
_advapi32.OpenSCManagerW.argtypes = (wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.DWORD)
_advapi32.OpenServiceW.restype = wintypes.HANDLE
_advapi32.OpenServiceW.argtypes = (wintypes.HANDLE, wintypes.LPCWSTR, wintypes.DWORD)
_advapi32.CreateServiceW.restype = wintypes.HANDLE
_advapi32.CreateServiceW.argtypes = (
    wintypes.HANDLE,
    wintypes.LPCWSTR,
    wintypes.LPCWSTR,
    *(wintypes.DWORD,) * 4,
    wintypes.LPCWSTR,
    wintypes.LPCWSTR,
    ctypes.c_void_p,
    wintypes.LPCWSTR,
    wintypes.LPCWSTR,
    wintypes.LPCWSTR,
)
_advapi32.ChangeServiceConfig2W.argtypes = (wintypes.HANDLE, wintypes.DWORD, ctypes.c_void_p)
_advapi32.StartServiceW.argtypes = (wintypes.HANDLE, wintypes.DWORD, ctypes.c_void_p)
_advapi32.ControlService.argtypes = (wintypes.HANDLE, wintypes.DWORD, ctypes.POINTER(ServiceStatus))
_advapi32.QueryServiceStatus.argtypes = (wintypes.HANDLE, ctypes.POINTER(ServiceStatus))
_advapi32.DeleteService.argtypes = (wintypes.HANDLE,)
_advapi32.CloseServiceHandle.argtypes = (wintypes.HANDLE,)


def create_service(name: str, command: Sequence[str | Path]) -> None:
    """A service that starts with Windows, as the system, and again if it fails. One of this name stays.

    Raises:
        OSError: it cannot be made.
    """
    line = list2cmdline([str(word) for word in command])
    with _manager(_MANAGER_ALL) as manager:
        service = _advapi32.CreateServiceW(
            *(
                manager,
                name,
                f"{DISPLAY_NAME} ({name})",
                _SERVICE_ALL,
                _OWN_PROCESS,
                _AUTOMATIC,
                _NORMAL_ERRORS,
            ),
            *(line, None, None, None, None, None),
        )
        if not service:
            error = ctypes.get_last_error()
            if error == IS_THERE:
                return
            raise ctypes.WinError(error)
        try:
            actions = (_Action * 3)(*(_Action(_RESTART, _RESTART_DELAY) for _ in range(3)))
            told = _FailureActions(_RESET_SECONDS, None, None, 3, actions)
            # Without it a service that fails comes back with the next start of the computer.
            _advapi32.ChangeServiceConfig2W(service, _FAILURE_ACTIONS, ctypes.byref(told))
        finally:
            _advapi32.CloseServiceHandle(service)


def start_service(name: str) -> None:
    """Start it; returns when Windows has begun to. Raises OSError."""
    with _opened(name, _SERVICE_ALL) as service:
        if not _advapi32.StartServiceW(service, 0, None):
            raise ctypes.WinError(ctypes.get_last_error())


def stop_service(name: str) -> None:
    """Ask it to stop, and do not wait for that. Raises OSError."""
    with _opened(name, _SERVICE_ALL) as service:
        if not _advapi32.ControlService(service, _STOP, ctypes.byref(ServiceStatus())):
            raise ctypes.WinError(ctypes.get_last_error())


def service_state(name: str) -> int | None:
    """What it does now (SERVICE_STOPPED and so on); None if there is none. Raises OSError."""
    try:
        with _opened(name, _QUERY) as service:
            status = ServiceStatus()
            if not _advapi32.QueryServiceStatus(service, ctypes.byref(status)):
                raise ctypes.WinError(ctypes.get_last_error())
            return int(status.state)
    except OSError as exc:
        if exc.winerror == IS_NOT_THERE:
            return None
        raise


def delete_service(name: str) -> None:
    """Delete it; it is gone once it has stopped. None of this name is no error. Raises OSError."""
    with contextlib.suppress(FileNotFoundError), _opened(name, _SERVICE_ALL) as service:
        if not _advapi32.DeleteService(service):
            error = ctypes.get_last_error()
            if error != IS_MARKED:
                raise ctypes.WinError(error)


@contextlib.contextmanager
def _manager(access: int) -> Iterator[int]:
    manager = _advapi32.OpenSCManagerW(None, None, access)
    if not manager:
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        yield manager
    finally:
        _advapi32.CloseServiceHandle(manager)


@contextlib.contextmanager
def _opened(name: str, access: int) -> Iterator[int]:
    """Raises FileNotFoundError, or another OSError."""
    with _manager(_CONNECT) as manager:
        service = _advapi32.OpenServiceW(manager, name, access)
        if not service:
            error = ctypes.get_last_error()
            failure = ctypes.WinError(error)
            if error == IS_NOT_THERE:
                raise FileNotFoundError(failure.errno, failure.strerror, name, error)
            raise failure
        try:
            yield service
        finally:
            _advapi32.CloseServiceHandle(service)
