"""Processes of Windows: names, priorities, and asking one to end as a person would: closing its windows."""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
from ctypes import wintypes
from typing import Any, Final

import psutil

from host.windows.words import nice_of

PRIORITIES: Final = {"low": 0x4000, "normal": 0x20, "high": 0x8000}
"""BELOW_NORMAL, NORMAL and ABOVE_NORMAL_PRIORITY_CLASS."""
_SNAPSHOT_PROCESSES: Final = 0x2
_CLOSE: Final = 0x10
"""WM_CLOSE."""
_QUERY: Final = 0x1000


class _Entry(ctypes.Structure):
    """PROCESSENTRY32W."""

    _fields_ = (
        ("size", wintypes.DWORD),
        ("usage", wintypes.DWORD),
        ("pid", wintypes.DWORD),
        ("heap", ctypes.c_size_t),
        ("module", wintypes.DWORD),
        ("threads", wintypes.DWORD),
        ("parent", wintypes.DWORD),
        ("priority", wintypes.LONG),
        ("flags", wintypes.DWORD),
        ("name", wintypes.WCHAR * 260),
    )


_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_user32 = ctypes.WinDLL("user32")
_kernel32.CreateToolhelp32Snapshot.restype = wintypes.HANDLE
_kernel32.CreateToolhelp32Snapshot.argtypes = (wintypes.DWORD, wintypes.DWORD)
_kernel32.Process32FirstW.argtypes = (wintypes.HANDLE, ctypes.POINTER(_Entry))
_kernel32.Process32NextW.argtypes = (wintypes.HANDLE, ctypes.POINTER(_Entry))
_kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
_kernel32.OpenProcess.restype = wintypes.HANDLE
_kernel32.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
_is_process_critical: Any = getattr(_kernel32, "IsProcessCritical", None)
"""Of Windows 8.1 and later, and not of Wine."""
if _is_process_critical is not None:
    _is_process_critical.argtypes = (wintypes.HANDLE, ctypes.POINTER(wintypes.BOOL))
_user32.GetWindowThreadProcessId.argtypes = (wintypes.HWND, ctypes.POINTER(wintypes.DWORD))
_user32.PostMessageW.argtypes = (wintypes.HWND, wintypes.UINT, wintypes.WPARAM, wintypes.LPARAM)
_user32.IsWindowVisible.argtypes = (wintypes.HWND,)


def names() -> dict[int, tuple[str, int]]:
    """Name and parent of each process, by its number, in one look that needs no rights."""
    found: dict[int, tuple[str, int]] = {}
    snapshot = _kernel32.CreateToolhelp32Snapshot(_SNAPSHOT_PROCESSES, 0)
    entry = _Entry(size=ctypes.sizeof(_Entry))
    try:
        is_there = _kernel32.Process32FirstW(snapshot, ctypes.byref(entry))
        while is_there:
            found[int(entry.pid)] = (str(entry.name), int(entry.parent))
            is_there = _kernel32.Process32NextW(snapshot, ctypes.byref(entry))
    finally:
        _kernel32.CloseHandle(snapshot)
    return found


def name_of(process: psutil.Process) -> str:
    """Raises psutil.NoSuchProcess."""
    if process.pid not in (found := names()):
        raise psutil.NoSuchProcess(process.pid)
    return found[process.pid][0]


def describe(processes: list[psutil.Process]) -> dict[int, dict[str, Any]]:
    """ppid, name, username, cmdline, status, nice and create_time of each; None for what is not told."""
    known = names()
    found = {}
    for process in processes:
        if process.pid not in known:
            continue
        name, parent = known[process.pid]
        row: dict[str, Any] = {"name": name, "ppid": parent}
        with process.oneshot():
            for asked in ("username", "cmdline", "status", "nice", "create_time"):
                try:
                    row[asked] = getattr(process, asked)()
                except (OSError, psutil.Error):
                    row[asked] = None
        row["nice"] = nice_of(int(row["nice"] or 0))
        found[process.pid] = row
    return found


def close_windows(pid: int) -> bool:
    """Ask a process's windows to close, as their crosses do; False if it has none that are seen."""
    found: list[int] = []
    owner = wintypes.DWORD()

    def take(window: int, _data: int) -> bool:
        _user32.GetWindowThreadProcessId(window, ctypes.byref(owner))
        if owner.value == pid and _user32.IsWindowVisible(window):
            found.append(window)
        return True

    kind = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.HWND, wintypes.LPARAM)
    _user32.EnumWindows(kind(take), 0)
    for window in found:
        _user32.PostMessageW(window, _CLOSE, 0, 0)
    return bool(found)


def is_critical(pid: int) -> bool:
    """Whether Windows itself stops when this process ends."""
    if pid in (0, 4) or _is_process_critical is None:
        return pid in (0, 4)
    handle = _kernel32.OpenProcess(_QUERY, False, pid)
    if not handle:
        return False  # ended, or nobody that this program could end
    try:
        told = wintypes.BOOL()
        return bool(_is_process_critical(handle, ctypes.byref(told)) and told.value)
    finally:
        _kernel32.CloseHandle(handle)
