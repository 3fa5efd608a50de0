"""From a parsed request to a checked one: the pure half of the front door.

h11 (RFC 9112) parses; here stands what it lets through and we do not: control characters in field values,
Content-Length beside Transfer-Encoding (the classic of request smuggling), other versions, other forms of the
target, paths that are not UTF-8 or hide control characters behind percent signs. A head that passes gives a
`RequestHead`; any other one gives `RequestRefused`, nothing else.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import unquote_to_bytes

import h11

from relay.http.problems import RequestRefused

_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
"""CTL without HTAB (RFC 9110 §5.5). h11 allows most of them, because some cookies have them."""
_CONTROL_TEXT = re.compile(r"[\x00-\x1f\x7f]")
_AUTHORITY = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._~!$&'()*+,;=%-]+)(?::[0-9]{0,5})?")
"""uri-host [":" port] (RFC 3986 §3.2.2), never empty, no user information."""
_ABSOLUTE_FORM = re.compile(rb"(?i:https?)://([^/?]*)(.*)")
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_FORBIDDEN_IN_TARGET = re.compile(rb'[#<>"\\^`{|}]')
"""Printable, hence passed by h11, but never literal in a URI (RFC 3986 §2). Browsers do leave `|`, `^` and
others raw in queries, so only the path is held to this; `#` is refused anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHead:
    """One checked request head.

    Attributes:
        method: as sent; methods are case-sensitive.
        http_version: ``"1.0"`` or ``"1.1"``.
        raw_path: the path as sent, ASCII, begins with ``/``.
        path: `raw_path` percent-decoded, UTF-8, without control characters.
        query_string: what follows the first ``?``, as sent.
        headers: field names in lower case and values, in the order they came; at most one ``host``.
        content_length: announced, or None (none, or chunked).
        is_chunked: the content comes chunked.
    """

    method: str
    http_version: str
    raw_path: bytes
    path: str
    query_string: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    content_length: int | None
    is_chunked: bool

    def values(self, name: bytes) -> list[bytes]:
        """All values of one field, `name` in lower case."""
        return [value for key, value in self.headers if key == name]

    def has_token(self, name: bytes, token: bytes) -> bool:
        """True if a comma-separated field holds `token`, compared without case; both in lower case."""
        return any(
            token == element.strip().lower() for value in self.values(name) for element in value.split(b",")
        )

    @property
    def is_websocket_upgrade(self) -> bool:
        """True if this asks for a WebSocket (RFC 6455 §4.1): GET, HTTP/1.1, both fields, no content."""
        return (
            self.method == "GET"
            and self.http_version == "1.1"
            and self.has_token(b"connection", b"upgrade")
            and self.has_token(b"upgrade", b"websocket")
            and not self.content_length
            and not self.is_chunked
        )


def check_request(request: h11.Request) -> RequestHead:
    """Checks what h11 parsed.

    Raises:
        RequestRefused: 400, 501 (CONNECT) or 505, with a sentence.
    """
    if request.http_version not in (b"1.0", b"1.1"):
        raise RequestRefused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "Only HTTP/1.1 is spoken here.")
    if request.method == b"CONNECT":
        raise RequestRefused(HTTPStatus.NOT_IMPLEMENTED, "This is not a proxy.")
    # Its `raw_items` are a plain list, at a third of the time that iterating over its own class takes.
    headers = [(bytes(name).lower(), bytes(value)) for name, value in request.headers.raw_items()]
    if _CONTROL.search(b"".join([value for _, value in headers])):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "A header field holds control characters.")
    names = {name for name, _ in headers}
    is_chunked = b"transfer-encoding" in names
    if is_chunked and b"content-length" in names:
        raise RequestRefused(
            HTTPStatus.BAD_REQUEST, "Content-Length and Transfer-Encoding may not come together."
        )
    if is_chunked and request.http_version == b"1.0":
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "HTTP/1.0 knows no Transfer-Encoding.")
    target, authority = _split_target(bytes(request.target))
    if authority is not None:
        # RFC 9112 §3.2.2: the target's authority replaces the Host field.
        headers = [(b"host", authority), *(pair for pair in headers if pair[0] != b"host")]
    for name, value in headers:
        if name == b"host" and not _AUTHORITY.fullmatch(value):
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "The Host field is not valid.")
    raw_path, _, query_string = target.partition(b"?")
    has_length = b"content-length" in names
    lengths = [int(value) for name, value in headers if name == b"content-length"] if has_length else []
    return RequestHead(
        method=request.method.decode("ascii"),
        http_version=request.http_version.decode("ascii"),
        raw_path=raw_path,
        path=_decode_path(raw_path),
        query_string=query_string,
        headers=tuple(headers),
        content_length=lengths[0] if lengths else None,
        is_chunked=is_chunked,
    )


def _split_target(target: bytes) -> tuple[bytes, bytes | None]:
    """The target as path and query, and the authority of the absolute form (RFC 9112 §3.2)."""
    authority = None
    absolute = _ABSOLUTE_FORM.fullmatch(target)
    if absolute is not None:
        authority, target = absolute.groups()
        if not target.startswith(b"/"):
            target = b"/" + target
    if not target.startswith(b"/") or b"#" in target:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "The request target must be a path.")
    return target, authority


def _decode_path(raw_path: bytes) -> str:
    if _FORBIDDEN_IN_TARGET.search(raw_path) or _BAD_ESCAPE.search(raw_path):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "The path is not a valid URL path.")
    try:
        path = unquote_to_bytes(raw_path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "The path is not UTF-8.") from error
    if _CONTROL_TEXT.search(path):
        raise RequestRefused(HTTPStatus.BAD_REQUEST, "The path holds control characters.")
    return path


def client_of(
    head: RequestHead,
    *,
    peer_address: tuple[str, int],
    is_tls: bool,
    trusted_proxies: Sequence[IPv4Network | IPv6Network],
) -> tuple[tuple[str, int], str]:
    """Who asks, and by which scheme; proxies' words count only if the socket's peer is a trusted proxy.

    ``X-Forwarded-For`` is read from its end, where the nearest proxy wrote: addresses of trusted proxies
    are skipped, the first other one is the client. Whatever stands before it was written by strangers.

    Args:
        head: the request.
        peer_address: the socket's other end.
        is_tls: True if this transport is TLS.
        trusted_proxies: networks that are believed.

    Returns:
        Address and port of the client (port 0 if only a proxy knows it), and ``"http"`` or ``"https"``.
    """
    scheme = "https" if is_tls else "http"
    forwarded = head.values(b"x-forwarded-for")
    protocol = head.values(b"x-forwarded-proto")
    if not (forwarded or protocol) or not is_trusted(peer_address[0], trusted_proxies):
        return peer_address, scheme
    protocols = [value.strip().lower() for value in b",".join(protocol).split(b",")]
    if protocols[-1] in (b"http", b"https"):
        scheme = protocols[-1].decode("ascii")
    client = peer_address
    for element in reversed(b",".join(forwarded).split(b",")) if forwarded else ():
        address = _parse_forwarded(element.decode("latin-1").strip())
        if address is None:
            break  # nothing, or nonsense: whoever handed it on is the last one known
        client = (address, 0)
        if not is_trusted(address, trusted_proxies):
            break
    return client, scheme


def is_trusted(address: str, trusted_proxies: Sequence[IPv4Network | IPv6Network]) -> bool:
    """True if `address` lies in one of the networks; an IPv4-mapped IPv6 address counts as IPv4."""
    if not trusted_proxies:
        return False
    parsed = _parse_address(address)
    return parsed is not None and any(parsed in network for network in trusted_proxies)


@lru_cache(maxsize=1024)  # behind a proxy every connection has its address, and is asked about it three times
def _parse_address(address: str) -> IPv4Address | IPv6Address | None:
    """An address, an IPv4-mapped IPv6 one as IPv4; None if it is something else."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def _parse_forwarded(element: str) -> str | None:
    """One element of ``X-Forwarded-For``: an address, perhaps with a port as some balancers add."""
    if element.startswith("["):
        element = element[1:].partition("]")[0]
    elif element.count(":") == 1:
        element = element.partition(":")[0]
    try:
        return str(ipaddress.ip_address(element))
    except ValueError:
        return None
