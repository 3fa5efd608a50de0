"""The WebSocket opening handshake (RFC 6455 §4), both sides, as pure functions of bytes.

The client writes `client_request` and checks the answer's head with `check_client_response`; the relay's
front door has parsed the request already and gives its headers to `check_server_request`, then writes
`server_response`. No extension is ever offered or accepted, so that frames are what
`relay.protocol.websocket` says they are. Nothing secret belongs here: heads get logged by proxies
(admission is by the first frame, docs/protocol.md).
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable, Sequence
from functools import cache

from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import LocalProtocolError, RemoteProtocolError

MAX_HEAD_BYTES = 16384
"""Largest head of a request or an answer (SECURITY: numbers to start from)."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 §1.3
_KEY = re.compile(rb"[0-9A-Za-z+/]{22}==")  # base64 of 16 bytes
_END_OF_HEAD = b"\r\n\r\n"
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_LINE = re.compile(rb"(%s):[ \t]*([\t\x20-\x7e\x80-\xff]*)" % _NAME.pattern)
_SAFE_VALUE = re.compile(rb"[\t\x20-\x7e]*")
_SAFE_TARGET = re.compile(r"/[\x21-\x7e]*")
_SAFE_HOST = re.compile(r"[0-9A-Za-z.:\[\]_-]+")


class UpgradeError(RemoteProtocolError):
    """The other side's half of the handshake is not what it must be.

    Attributes:
        status: on the client, the status the relay answered (101 if the answer was wrong in another way); on
            the relay, the HTTP status to answer with: 400, 405, or 426, which goes with a header
            ``Sec-WebSocket-Version: 13`` (RFC 6455 §4.4).
    """

    def __init__(
        self, message: str, status: int, close_reason: CloseReason = CloseReason.BAD_WEBSOCKET
    ) -> None:
        super().__init__(message, close_reason)
        self.status = status


def make_key() -> bytes:
    """A fresh ``Sec-WebSocket-Key``: 24 ASCII bytes, base64 of 16 random ones (RFC 6455 §4.1)."""
    return base64.b64encode(secrets.token_bytes(16))


def accept_value(key: bytes) -> bytes:
    """The ``Sec-WebSocket-Accept`` that answers `key` (RFC 6455 §4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


def split_head(data: bytes) -> tuple[bytes, bytes] | None:
    """Cuts received bytes into head (with its blank line) and the rest; None while the head is incomplete.

    Raises:
        RemoteProtocolError: the head is longer than `MAX_HEAD_BYTES`.
    """
    end = data.find(_END_OF_HEAD, 0, MAX_HEAD_BYTES)
    if end >= 0:
        end += len(_END_OF_HEAD)
        return data[:end], data[end:]
    if len(data) >= MAX_HEAD_BYTES:
        raise RemoteProtocolError("The answer's head is too long.", CloseReason.TOO_LARGE)
    return None


# The client's side


def client_request(
    host: str,
    path: str,
    key: bytes,
    subprotocol: str | None,
    extra_headers: Iterable[tuple[bytes, bytes]] = (),
) -> bytes:
    """The request that asks for the upgrade (RFC 6455 §4.1).

    Args:
        host: the ``Host`` header: name or address, with the port unless it is the scheme's own.
        path: the request target, beginning with ``/``; no secrets.
        key: from `make_key`; keep it for `check_client_response`.
        subprotocol: the one to offer, or None.
        extra_headers: name and value pairs, such as ``User-Agent``.

    Raises:
        LocalProtocolError: an argument would not stay on its line of the head.
    """
    if not _SAFE_HOST.fullmatch(host) or not _SAFE_TARGET.fullmatch(path):
        raise LocalProtocolError("Host or path cannot be written into a request.")
    headers = [
        (b"Host", host.encode()),
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Key", key),
        (b"Sec-WebSocket-Version", b"13"),
    ]
    if subprotocol is not None:
        headers.append((b"Sec-WebSocket-Protocol", subprotocol.encode()))
    return _write_head(f"GET {path} HTTP/1.1".encode(), [*headers, *extra_headers])


def check_client_response(head: bytes, key: bytes, subprotocol: str | None) -> None:
    """Returns if the relay agreed to the upgrade (RFC 6455 §4.1, "once the client's opening handshake…").

    Args:
        head: the answer up to and including its blank line, as `split_head` gives it.
        key: the key of the request.
        subprotocol: the one offered: the relay must have chosen it; None: it must have chosen none.

    Raises:
        UpgradeError: it did not agree, or the answer is malformed; `.status` says which.
    """
    status, headers = _parse_response(head)
    if status != 101:
        raise UpgradeError(f"The relay answered {status}.", status, _reason_for_status(status))
    if b"websocket" not in _tokens(_values(headers, b"upgrade")):
        raise UpgradeError("The answer does not upgrade to a WebSocket.", status)
    if b"upgrade" not in _tokens(_values(headers, b"connection")):
        raise UpgradeError("The answer does not upgrade the connection.", status)
    if _values(headers, b"sec-websocket-accept") != [accept_value(key)]:
        raise UpgradeError("The answer does not fit the request's key.", status)
    if _values(headers, b"sec-websocket-extensions"):
        raise UpgradeError("The relay chose an extension that was not offered.", status)
    expected = [] if subprotocol is None else [subprotocol.encode()]
    if _values(headers, b"sec-websocket-protocol") != expected:
        raise UpgradeError(
            "The relay speaks another version of the protocol.", status, CloseReason.BAD_VERSION
        )


# The relay's side


def check_server_request(
    headers: Sequence[tuple[bytes, bytes]], method: bytes, subprotocol: str | None
) -> bytes:
    """The key of a proper request for an upgrade (RFC 6455 §4.2.1).

    Args:
        headers: name and value pairs as h11 gives them: any case of name, values stripped.
        method: as in the request line.
        subprotocol: one that the client must offer, or None to ignore what it offers.

    Returns:
        The ``Sec-WebSocket-Key``, for `server_response`.

    Raises:
        UpgradeError: with one sentence, and the status to answer.
    """
    by_name: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        by_name.setdefault(name.lower(), []).append(value)
    if method != b"GET":
        raise UpgradeError("A WebSocket is asked for with GET.", 405)
    if len(by_name.get(b"host", ())) != 1:
        raise UpgradeError("The request needs one Host header.", 400)
    if not _has(by_name.get(b"upgrade", ()), b"websocket"):
        raise UpgradeError("The request does not ask for a WebSocket.", 400)
    if not _has(by_name.get(b"connection", ()), b"upgrade"):
        raise UpgradeError("The request does not ask to upgrade the connection.", 400)
    if by_name.get(b"sec-websocket-version") != [b"13"]:
        raise UpgradeError("Only version 13 of the WebSocket protocol is spoken here.", 426)
    keys = by_name.get(b"sec-websocket-key", ())
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        raise UpgradeError("The request needs one Sec-WebSocket-Key of 16 bytes.", 400)
    if subprotocol is not None and subprotocol.encode() not in _elements(
        by_name.get(b"sec-websocket-protocol", ())
    ):
        raise UpgradeError(
            f"The request does not offer the subprotocol {subprotocol}.", 400, CloseReason.BAD_VERSION
        )
    return keys[0]


def server_response(key: bytes, subprotocol: str | None) -> bytes:
    """The answer that agrees to the upgrade (RFC 6455 §4.2.2); after it, both sides send frames."""
    before, after = _server_head(subprotocol)
    return before + accept_value(key) + after


@cache
def _server_head(subprotocol: str | None) -> tuple[bytes, bytes]:
    """What stands before and behind the accept value, which is the same in every answer."""
    mark = b"accept"
    headers = [
        (b"Upgrade", b"websocket"),
        (b"Connection", b"Upgrade"),
        (b"Sec-WebSocket-Accept", mark),
    ]
    if subprotocol is not None:
        headers.append((b"Sec-WebSocket-Protocol", subprotocol.encode()))
    before, _, after = _write_head(b"HTTP/1.1 101 Switching Protocols", headers).partition(b" " + mark)
    return before + b" ", after


def _write_head(first_line: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    lines = [first_line]
    for name, value in headers:
        if not _NAME.fullmatch(name) or not _SAFE_VALUE.fullmatch(value):
            raise LocalProtocolError("A header cannot be written into a head.")
        lines.append(name + b": " + value)
    return b"\r\n".join(lines) + _END_OF_HEAD


def _parse_response(head: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
    """Status and headers (names in lower case). Strict: no folded lines, no bare line feeds (RFC 9112 §2.2).

    A peer has no h11 (it ships small), and needs of HTTP only this.
    """
    first_line, *lines = head.removesuffix(_END_OF_HEAD).split(b"\r\n")
    match = _STATUS_LINE.fullmatch(first_line)
    if match is None:
        raise RemoteProtocolError("The answer is not HTTP/1.1.", CloseReason.BAD_WEBSOCKET)
    headers = []
    for line in lines:
        header = _HEADER_LINE.fullmatch(line)
        if header is None:
            raise RemoteProtocolError("The answer's head is malformed.", CloseReason.BAD_WEBSOCKET)
        headers.append((header[1].lower(), header[2].rstrip(b" \t")))
    return int(match[1]), headers


def _reason_for_status(status: int) -> CloseReason:
    """Whether a refused peer may come back: it may after an unknown answer, as from a captive portal."""
    if status in (401, 403, 404, 410):
        return CloseReason.REFUSED
    if status in (429, 503):
        return CloseReason.LIMIT
    return CloseReason.INTERNAL if status >= 500 else CloseReason.BAD_WEBSOCKET


def _values(headers: Sequence[tuple[bytes, bytes]], wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name == wanted]


def _elements(values: Iterable[bytes]) -> list[bytes]:
    """The elements of a comma-separated header that may be repeated (RFC 9110 §5.6.1)."""
    return [element.strip(b" \t") for value in values for element in value.split(b",")]


def _tokens(values: Iterable[bytes]) -> list[bytes]:
    """The same where their case means nothing: in lower case."""
    return [element.lower() for element in _elements(values)]


def _has(values: Sequence[bytes], token: bytes) -> bool:
    """Whether a header holds `token`, which is in lower case; most hold it alone and so written."""
    return token in values or token in _tokens(values)
