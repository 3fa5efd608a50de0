"""Which proxy this computer is set to, if any. Standard library only.

What is asked are `urllib.request.getproxies` and `proxy_bypass`: the variables ``https_proxy``,
``http_proxy``, ``all_proxy`` and ``no_proxy``, on Windows what is set by hand as well; then the desktop's
settings (`peer.desktop_proxy`), and the script that they name, if it needs not be run (`peer.pac`); on
Windows scripts are run, and looked for (`peer.windows_proxy`). This computer itself is never reached through
a proxy.
"""

import ipaddress
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote, urlsplit

from peer.desktop_proxy import read_desktop_proxy
from peer.pac import load_pac

_PORTS: Final = {"http": 8080, "socks5": 1080}
_SCHEMES: Final = {"http": "http", "socks5": "socks5", "socks5h": "socks5", "socks": "socks5"}


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where to ask for the way.

    Attributes:
        kind: ``http`` or ``socks5``.
        host, port: of the proxy.
        user, password: empty for none.
    """

    kind: str
    host: str
    port: int
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def parse_proxy(address: str) -> Proxy | None:
    """A proxy by its address as settings have it: ``[scheme://][user:password@]host[:port]``.

    Returns:
        None for what no proxy can be reached by; an https or SOCKS4 proxy is none either.
    """
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        kind = _SCHEMES.get(parts.scheme)
        if kind is None or not parts.hostname:
            return None
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return Proxy(kind, parts.hostname, parts.port or _PORTS[kind], user, password)
    except ValueError:
        return None


def choose_proxy(
    scheme: str, host: str, settings: Mapping[str, str] | None = None, *, is_bypassed: bool | None = None
) -> Proxy | None:
    """The proxy for connections to `host`; None for the direct way.

    Args:
        scheme: ``http``, ``https``, ``ws`` or ``wss``.
        settings: by scheme; None: this computer's.
        is_bypassed: the settings except this host; None: look.
    """
    if is_this_computer(host):
        return None
    if is_bypassed is None:
        is_bypassed = bool(urllib.request.proxy_bypass(host))
    if is_bypassed:
        return None
    known = urllib.request.getproxies() if settings is None else settings
    address = _address_for(scheme, known)
    if not address and settings is None:
        address = _desktop_address(scheme, host)
    return parse_proxy(address) if address else None


def _address_for(scheme: str, known: Mapping[str, str]) -> str:
    name = {"ws": "http", "wss": "https"}.get(scheme, scheme)
    return known.get(name) or known.get("all") or known.get("socks") or ""


def _desktop_address(scheme: str, host: str) -> str:
    desktop = read_desktop_proxy()
    if sys.platform == "win32" and not desktop.script:
        from peer.windows_proxy import find_windows_proxy

        return find_windows_proxy({"ws": "http", "wss": "https"}.get(scheme, scheme), host)
    if desktop.ignores(host):
        return ""
    return _address_for(scheme, desktop.manual) or (desktop.script and load_pac(desktop.script)) or ""


def is_this_computer(host: str) -> bool:
    """Whether `host` names this computer itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
