"""How Windows writes lists of proxies, and of hosts without one, as text. Pure; scripts may say anything."""

import fnmatch
from typing import Final

MAX_RULES: Final = 256
"""Of hosts; more are not looked at."""


def choose_server(servers: str, scheme: str) -> str:
    """The proxy for a scheme, as an address; "" if there is none.

    Args:
        servers: ``proxy:8080``, or ``http=a:1;https=b:2;socks=c:3``; between them semicolons or blanks.
        scheme: ``http`` or ``https``.
    """
    by_scheme: dict[str, str] = {}
    for entry in servers.replace(";", " ").split():
        name, separator, address = entry.partition("=")
        kind, place = (name.lower(), address) if separator else ("", entry)
        if place and "=" not in place:
            by_scheme.setdefault(kind, place)
    chosen = by_scheme.get(scheme) or by_scheme.get("")
    if chosen:
        return chosen if "://" in chosen else f"http://{chosen}"
    socks = by_scheme.get("socks", "")
    return f"socks5://{socks.rpartition('://')[2]}" if socks else ""


def is_excepted(host: str, exceptions: str) -> bool:
    """Whether `host` is reached directly: patterns with ``*``, and ``<local>`` for names without a dot."""
    name = host.lower()
    for rule in exceptions.lower().replace(";", " ").split()[:MAX_RULES]:
        if rule == "<local>":
            if "." not in name and ":" not in name:
                return True
        elif fnmatch.fnmatchcase(name, rule.replace("[", "[[]")):
            return True
    return False
