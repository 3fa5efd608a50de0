"""Windows' services: list, start, stop, restart, by the service control manager. Everything blocks."""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import wintypes
from typing import Any, Final

from host.problems import RequestProblem
from host.windows import registry
from host.windows.codes import error_of
from host.windows.words import service_state, start_of, text

ACTIONS: Final = frozenset({"start", "stop", "restart"})
TIMEOUT: Final = 30.0
"""Seconds that a service has to start or stop."""
_MAX: Final = 4000
_NAME: Final = re.compile(r"[^\x00-\x1f\\/\"]{1,256}")
_KEYS: Final = r"SYSTEM\CurrentControlSet\Services"

_CONNECT: Final = 0x1
_ENUMERATE: Final = 0x4
_QUERY_STATUS: Final = 0x4
_START: Final = 0x10
_STOP: Final = 0x20
_WIN32_SERVICES: Final = 0x30
_ALL_STATES: Final = 3
_STOP_CONTROL: Final = 1
_MORE_DATA: Final = 234
_STOPPED: Final = 1
_RUNNING: Final = 4
_LIST_BYTES: Final = 256 * 1024
_LOOK_EVERY: Final = 0.2

_ACCESS_DENIED: Final = 5
_DOES_NOT_EXIST: Final = frozenset({123, 1060})
_SENTENCES: Final = {
    _ACCESS_DENIED: "This needs more rights than the program has.",
    1051: "Other services that run need this one.",
    1053: "The service did not answer in time.",
    1056: "The service runs already.",
    1058: "The service is disabled.",
    1062: "The service does not run.",
    1068: "A service that this one needs could not be started.",
    1052: "The service cannot be stopped.",
}


class _Status(ctypes.Structure):
    """SERVICE_STATUS_PROCESS."""

    _fields_ = (
        ("kind", wintypes.DWORD),
        ("state", wintypes.DWORD),
        ("accepted", wintypes.DWORD),
        ("exit_code", wintypes.DWORD),
        ("own_exit_code", wintypes.DWORD),
        ("check_point", wintypes.DWORD),
        ("wait_hint", wintypes.DWORD),
        ("pid", wintypes.DWORD),
        ("flags", wintypes.DWORD),
    )


class _Listed(ctypes.Structure):
    """ENUM_SERVICE_STATUS_PROCESSW."""

    _fields_ = (("name", wintypes.LPWSTR), ("shown", wintypes.LPWSTR), ("status", _Status))


_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
_advapi32.OpenSCManagerW.restype = wintypes.HANDLE
_advapi32.OpenSCManagerW.argtypes = (wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.DWORD)
_advapi32.OpenServiceW.restype = wintypes.HANDLE
_advapi32.OpenServiceW.argtypes = (wintypes.HANDLE, wintypes.LPCWSTR, wintypes.DWORD)
_advapi32.CloseServiceHandle.argtypes = (wintypes.HANDLE,)
_advapi32.StartServiceW.argtypes = (wintypes.HANDLE, wintypes.DWORD, ctypes.c_void_p)
_advapi32.ControlService.argtypes = (wintypes.HANDLE, wintypes.DWORD, ctypes.c_void_p)
_advapi32.QueryServiceStatusEx.argtypes = (
    *(wintypes.HANDLE, ctypes.c_int, ctypes.c_void_p),
    *(wintypes.DWORD, ctypes.POINTER(wintypes.DWORD)),
)
_advapi32.EnumServicesStatusExW.argtypes = (
    *(wintypes.HANDLE, ctypes.c_int, wintypes.DWORD, wintypes.DWORD, ctypes.c_void_p, wintypes.DWORD),
    *(ctypes.POINTER(wintypes.DWORD), ctypes.POINTER(wintypes.DWORD), ctypes.POINTER(wintypes.DWORD)),
    wintypes.LPCWSTR,
)


def services() -> list[dict[str, Any]]:
    """Maps of name, description, state ("active", "inactive", "failed" …), detail and start ("enabled",
    "manual", "disabled").

    Raises:
        RequestProblem: unavailable: the service control manager does not answer.
    """
    with _manager(_ENUMERATE) as manager:
        found = list(_listed(manager))
    for row in found:
        values = registry.values(registry.MACHINE, f"{_KEYS}\\{row['name']}")
        row["start"] = start_of(values)
    return found


def _listed(manager: int) -> Iterator[dict[str, Any]]:
    resume, count = wintypes.DWORD(), 0
    is_over = False
    while not is_over and count < _MAX:
        buffer = ctypes.create_string_buffer(_LIST_BYTES)
        needed, returned = wintypes.DWORD(), wintypes.DWORD()
        is_over = bool(
            _advapi32.EnumServicesStatusExW(
                *(manager, 0, _WIN32_SERVICES, _ALL_STATES, buffer, _LIST_BYTES),
                *(ctypes.byref(needed), ctypes.byref(returned), ctypes.byref(resume), None),
            )
        )
        if not is_over and ctypes.get_last_error() != _MORE_DATA:
            raise _problem(ctypes.get_last_error())
        if not returned.value:
            return
        for each in (_Listed * returned.value).from_buffer(buffer):
            state, detail = service_state(each.status.state, each.status.exit_code)
            shown = text({"shown": each.shown}, "shown", 300)
            yield {"name": each.name or "", "description": shown, "state": state, "detail": detail}
            count += 1


def control_service(name: str, action: str) -> None:
    """Start, stop or restart the service `name`, and wait until it has.

    Raises:
        RequestProblem: bad_value; denied; or failed, with a sentence.
    """
    if action not in ACTIONS or not _NAME.fullmatch(name):
        raise RequestProblem("bad_value", "There is no such service or action.")
    rights = _QUERY_STATUS | (0 if action == "stop" else _START) | (0 if action == "start" else _STOP)
    with _manager(_CONNECT) as manager, _opened(_advapi32.OpenServiceW(manager, name, rights)) as service:
        if action == "start" or (action == "restart" and _stop(service)):
            _start(service)
        elif action == "stop":
            _stop(service)


def _start(service: int) -> None:
    if not _advapi32.StartServiceW(service, 0, None):
        raise _problem(ctypes.get_last_error())
    _wait(service, _RUNNING)


def _stop(service: int) -> bool:
    """True once it has stopped, or did not run."""
    if _state(service) == _STOPPED:
        return True
    if not _advapi32.ControlService(service, _STOP_CONTROL, ctypes.byref(_Status())):
        raise _problem(ctypes.get_last_error())
    _wait(service, _STOPPED)
    return True


def _wait(service: int, wanted: int) -> None:
    """Until it is in a state. Windows tells of that only whoever runs a message loop or polls."""
    end = time.monotonic() + TIMEOUT
    while (state := _state(service)) != wanted:
        if time.monotonic() > end:
            raise RequestProblem("failed", _SENTENCES[1053])
        if wanted == _RUNNING and state == _STOPPED:
            raise RequestProblem("failed", "The service ended again.")
        time.sleep(_LOOK_EVERY)


def _state(service: int) -> int:
    found, needed = _Status(), wintypes.DWORD()
    if not _advapi32.QueryServiceStatusEx(
        service, 0, ctypes.byref(found), ctypes.sizeof(found), ctypes.byref(needed)
    ):
        raise _problem(ctypes.get_last_error())
    return int(found.state)


@contextmanager
def _manager(rights: int) -> Iterator[int]:
    with _opened(_advapi32.OpenSCManagerW(None, None, rights)) as manager:
        yield manager


@contextmanager
def _opened(handle: int | None) -> Iterator[int]:
    if not handle:
        raise _problem(ctypes.get_last_error())
    try:
        yield handle
    finally:
        _advapi32.CloseServiceHandle(handle)


def _problem(code: int) -> RequestProblem:
    if code in _DOES_NOT_EXIST:
        return RequestProblem("bad_value", "There is no such service.")
    word = "denied" if code == _ACCESS_DENIED else "failed"
    return RequestProblem(word, _SENTENCES.get(code) or str(error_of(code).strerror))
