"""Proxy auto-configuration, as far as it goes without JavaScript: a file that answers everybody the same.

Such a file is a function that does nothing but ``return "PROXY proxy.example:8080; DIRECT";``, which is what
many a network hands out. One that decides by the address would have to be run: it is left alone, and the
direct way taken. The file comes from the network and is untrusted; all it can do is name a proxy, which sees
no more than any other machine on the way. Standard library only.
"""

import re
import urllib.request
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from peer.trust import make_context

MAX_FILE_BYTES: Final = 64 * 1024
FETCH_TIMEOUT: Final = 3.0

_TOKEN: Final = re.compile(r"""//[^\n]*|/\*.*?\*/|"[^"\\\n]*"|'[^'\\\n]*'|\s+|\w+|.""", re.DOTALL)
_FUNCTION: Final = re.compile(
    r"""function FindProxyForURL \( \w+ , \w+ \) \{ return ("[^"]*"|'[^']*') (?:; )?\}(?: ;)?"""
)
_KINDS: Final = {"PROXY": "http", "HTTP": "http", "SOCKS": "socks5", "SOCKS5": "socks5"}


def load_pac(address: str) -> str | None:
    """The proxy that the file at `address` names for everybody, as an address; "" for the direct way.

    Args:
        address: http, https or file.

    Returns:
        None if it cannot be had, or would have to be run.
    """
    try:
        data = _load(address)
    except (OSError, ValueError):
        return None
    return None if data is None else parse_static_pac(data.decode("utf-8", "replace"))


def parse_static_pac(script: str) -> str | None:
    """What the script answers to whatever it is asked: the first way that we know of.

    Returns:
        An address of a proxy; "" for the direct way; None if the answer is not always the same, or unknown.
    """
    tokens = (match[0] for match in _TOKEN.finditer(script))
    words = [token for token in tokens if not token.isspace() and not token.startswith(("//", "/*"))]
    match = _FUNCTION.fullmatch(" ".join(words))
    if match is None:
        return None
    for way in match[1][1:-1].split(";"):
        kind, _, place = way.strip().partition(" ")
        if kind.upper() == "DIRECT":
            return ""
        if kind.upper() in _KINDS and place.strip():
            return f"{_KINDS[kind.upper()]}://{place.strip()}"
    return None


def _load(address: str) -> bytes | None:
    parts = urlsplit(address)
    if parts.scheme == "file":
        with Path(url2pathname(parts.path)).open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    elif parts.scheme in ("http", "https"):
        # Asked the direct way: it is what tells of another.
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=make_context())
        )
        with opener.open(address, timeout=FETCH_TIMEOUT) as answer:
            data = answer.read(MAX_FILE_BYTES + 1)
    else:
        return None
    return data if len(data) <= MAX_FILE_BYTES else None
