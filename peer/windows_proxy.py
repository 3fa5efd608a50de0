"""Which proxy Windows is set to: by hand, by a script (PAC), or by one that is found in the network (WPAD).

Scripts decide by the address, so they must be run. WinHTTP does that, fetching and discovery included: on
Windows in a service of the system, not in this program. A script comes from the network and is untrusted; all
that it can do is name a proxy, which sees no more than any other machine on the way, or take too long, and
then the direct way is taken. It is told the relay's address without a path.

The service of a session is no person, and has no settings of its own: there those of whoever is signed in are
looked for, as far as they may be read. Standard library only; only for Windows.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
import re
import threading
import winreg
from collections.abc import Iterator
from contextlib import suppress
from ctypes import wintypes
from dataclasses import dataclass
from typing import Final

from peer.proxy_rules import choose_server, is_excepted

ASK_TIMEOUT: Final = 5.0
"""Seconds for discovery, fetching and running together; a customer waits for it."""
STEP_TIMEOUT_MS: Final = 3000
MAX_TEXT: Final = 4096
"""Characters of anything that is answered."""
MAX_VALUES: Final = 500

_SETTINGS: Final = r"Software\Microsoft\Windows\CurrentVersion\Internet Settings"
_PERSON: Final = re.compile(r"S-1-5-21-[0-9-]{1,100}")
_NO_PROXY: Final = 1
_NAMED_PROXY: Final = 3
_AUTO_DETECT, _CONFIG_URL = 1, 2
_BY_DHCP_AND_DNS: Final = 3


class _UserConfig(ctypes.Structure):
    """WINHTTP_CURRENT_USER_IE_PROXY_CONFIG. Its texts are to be freed, so they are addresses here."""

    _fields_ = (
        ("auto_detect", wintypes.BOOL),
        ("script", ctypes.c_void_p),
        ("proxy", ctypes.c_void_p),
        ("bypass", ctypes.c_void_p),
    )


class _Options(ctypes.Structure):
    """WINHTTP_AUTOPROXY_OPTIONS."""

    _fields_ = (
        ("flags", wintypes.DWORD),
        ("detect_flags", wintypes.DWORD),
        ("script", wintypes.LPCWSTR),
        ("reserved", ctypes.c_void_p),
        ("reserved_too", wintypes.DWORD),
        ("signs_in", wintypes.BOOL),
    )


class _Info(ctypes.Structure):
    """WINHTTP_PROXY_INFO."""

    _fields_ = (("access", wintypes.DWORD), ("proxy", ctypes.c_void_p), ("bypass", ctypes.c_void_p))


_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.GlobalFree.restype = ctypes.c_void_p
_kernel32.GlobalFree.argtypes = [ctypes.c_void_p]
_winhttp = ctypes.WinDLL("winhttp", use_last_error=True)
_winhttp.WinHttpOpen.restype = ctypes.c_void_p
_winhttp.WinHttpOpen.argtypes = [
    wintypes.LPCWSTR,
    wintypes.DWORD,
    wintypes.LPCWSTR,
    wintypes.LPCWSTR,
    wintypes.DWORD,
]
_winhttp.WinHttpCloseHandle.argtypes = [ctypes.c_void_p]
_winhttp.WinHttpSetTimeouts.argtypes = [ctypes.c_void_p, *[ctypes.c_int] * 4]
_winhttp.WinHttpGetProxyForUrl.argtypes = [
    ctypes.c_void_p,
    wintypes.LPCWSTR,
    ctypes.POINTER(_Options),
    ctypes.POINTER(_Info),
]
_winhttp.WinHttpGetIEProxyConfigForCurrentUser.argtypes = [ctypes.POINTER(_UserConfig)]


@dataclass(frozen=True, slots=True)
class _Settings:
    """What somebody has set.

    Attributes:
        detects: look for a script in the network.
        script: its address, or "".
        servers, exceptions: by hand, as Windows writes them.
    """

    detects: bool = False
    script: str = ""
    servers: str = ""
    exceptions: str = ""


def find_windows_proxy(scheme: str, host: str) -> str:
    """The address of the proxy for connections to `host`; "" for the direct way. Blocks for a while.

    Args:
        scheme: ``http`` or ``https``.
    """
    found: list[str] = []
    # Discovery may take as long as it likes, and cannot be called off.
    thread = threading.Thread(target=lambda: found.append(_find(scheme, host)), daemon=True)
    thread.start()
    thread.join(ASK_TIMEOUT)
    return found[0] if found else ""


def _find(scheme: str, host: str) -> str:
    for settings in _all_settings():
        if settings.detects or settings.script:
            address = _ask_script(settings, scheme, host)
            if address is not None:
                return address
        if settings.servers and not is_excepted(host, settings.exceptions):
            return choose_server(settings.servers, scheme)
    return ""


def _all_settings() -> Iterator[_Settings]:
    """This person's, then those of others who are signed in, as far as they may be read."""
    own = _UserConfig()
    if _winhttp.WinHttpGetIEProxyConfigForCurrentUser(ctypes.byref(own)):
        texts = [_take(address) for address in (own.script, own.proxy, own.bypass)]
        yield _Settings(bool(own.auto_detect), *texts)
    yield _settings_in(winreg.HKEY_CURRENT_USER, _SETTINGS)
    for person in _signed_in():
        yield _settings_in(winreg.HKEY_USERS, rf"{person}\{_SETTINGS}")


def _signed_in() -> list[str]:
    with winreg.OpenKey(winreg.HKEY_USERS, None) as users:
        names = (winreg.EnumKey(users, place) for place in range(winreg.QueryInfoKey(users)[0]))
        return [name for name in names if _PERSON.fullmatch(name)]


def _settings_in(root: int, path: str) -> _Settings:
    values = _values(root, path)
    servers = values.get("ProxyServer", "") if values.get("ProxyEnable") == "1" else ""
    return _Settings(False, values.get("AutoConfigURL", ""), servers, values.get("ProxyOverride", ""))


def _values(root: int, path: str) -> dict[str, str]:
    found: dict[str, str] = {}
    with suppress(OSError), winreg.OpenKey(root, path) as key:
        for number in range(MAX_VALUES):  # ends by OSError
            name, value, _ = winreg.EnumValue(key, number)
            found[name] = str(value)[:MAX_TEXT]
    return found


def _ask_script(settings: _Settings, scheme: str, host: str) -> str | None:
    """What the script says; None if there is none, or it says nothing that can be used."""
    session = _winhttp.WinHttpOpen("adhoc", _NO_PROXY, None, None, 0)
    if not session:
        return None
    try:
        _winhttp.WinHttpSetTimeouts(session, *[STEP_TIMEOUT_MS] * 4)
        options = _Options(
            flags=(_AUTO_DETECT if settings.detects else 0) | (_CONFIG_URL if settings.script else 0),
            detect_flags=_BY_DHCP_AND_DNS if settings.detects else 0,
            script=settings.script or None,
        )
        info = _Info()
        name = f"[{host}]" if ":" in host else host
        if not _winhttp.WinHttpGetProxyForUrl(
            session, f"{scheme}://{name}/", ctypes.byref(options), ctypes.byref(info)
        ):
            return None
        servers, exceptions = _take(info.proxy), _take(info.bypass)
        if info.access != _NAMED_PROXY or is_excepted(host, exceptions):
            return ""
        return choose_server(servers, scheme)
    finally:
        _winhttp.WinHttpCloseHandle(session)


def _take(address: int | None) -> str:
    """The text at `address`, which is freed."""
    if not address:
        return ""
    try:
        return ctypes.wstring_at(address)[:MAX_TEXT]
    finally:
        _kernel32.GlobalFree(address)
