"""One question to the relay before anything is installed: plain HTTP by the standard library only.

Redirects are not followed, answers are bounded in size and in time, certificates are checked. Proxies are the
same as the tunnel's (`peer.proxies`); only the direct way, where a proxy fails, is not tried here.
"""

import base64
import http.client
import socket
import threading
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from peer.errors import ConnectionFailed
from peer.proxy_settings import Proxy, choose_proxy
from peer.socks import Negotiation, not_a_proxy
from peer.trust import make_context

MAX_ANSWER_BYTES: Final = 64 * 1024
STEP_TIMEOUT: Final = 4.0
"""Seconds for each step on the way: a customer waits for it with nothing on the screen yet."""
TOTAL_TIMEOUT: Final = 8.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What the relay said: a status and at most `MAX_ANSWER_BYTES`."""

    status: int
    body: bytes


def ask(origin: str, path: str, body: bytes | None = None) -> Answer:
    """GET `path`, or POST `body` (JSON) to it.

    Args:
        origin: of the relay, from a deployment link that was parsed.

    Raises:
        OSError: it cannot be reached, in time or at all; `ssl.SSLCertVerificationError` if whoever answers
            is not trusted.
    """
    found: list[Answer | OSError] = []

    def run() -> None:
        try:
            found.append(_ask(origin, path, body))
        except OSError as exc:
            found.append(exc)
        except (http.client.HTTPException, ValueError) as exc:
            found.append(ConnectionError(str(exc)))

    # A timeout of the socket is one for each step only; whoever sends a byte now and then would hold us.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(TOTAL_TIMEOUT)
    match found:
        case [Answer() as answer]:
            return answer
        case [OSError() as problem]:
            raise problem
        case _:
            raise TimeoutError("The relay does not answer.")


def _ask(origin: str, path: str, body: bytes | None) -> Answer:
    parts = urlsplit(origin)
    host = parts.hostname or ""
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    connection = _open(parts.scheme, host, port, choose_proxy(parts.scheme, host))
    try:
        headers = {"Host": parts.netloc, "Accept": "application/json", "Connection": "close"}
        if body is not None:
            headers |= {"Content-Type": "application/json", "X-Adhoc-Csrf": "1"}
        connection.request("GET" if body is None else "POST", path, body, headers)
        response = connection.getresponse()
        return Answer(response.status, response.read(MAX_ANSWER_BYTES))
    finally:
        connection.close()


def _open(scheme: str, host: str, port: int, proxy: Proxy | None) -> http.client.HTTPConnection:
    if proxy is not None and proxy.kind == "socks5":
        sock = _open_through_socks(proxy, host, port)
        try:
            return _Opened(
                host,
                port,
                make_context().wrap_socket(sock, server_hostname=host) if scheme == "https" else sock,
            )
        except BaseException:
            sock.close()
            raise
    near = (host, port) if proxy is None else (proxy.host, proxy.port)
    connection = (
        http.client.HTTPSConnection(*near, timeout=STEP_TIMEOUT, context=make_context())
        if scheme == "https"
        else http.client.HTTPConnection(*near, timeout=STEP_TIMEOUT)
    )
    if proxy is not None:
        credentials = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        connection.set_tunnel(
            host, port, {"Proxy-Authorization": f"Basic {credentials}"} if proxy.user else {}
        )
    return connection


class _Opened(http.client.HTTPConnection):
    """HTTP on a socket that is connected already."""

    def __init__(self, host: str, port: int, sock: socket.socket) -> None:
        super().__init__(host, port)
        self.sock = sock


def _open_through_socks(proxy: Proxy, host: str, port: int) -> socket.socket:
    """Raises OSError: the proxy cannot be reached, or does not make the way."""
    sock = socket.create_connection((proxy.host, proxy.port), timeout=STEP_TIMEOUT)
    try:
        negotiation = Negotiation(proxy, host, port)
        while (step := negotiation.next_step()) is not None:
            if isinstance(step, bytes):
                sock.sendall(step)
            else:
                negotiation.take(_receive_exactly(sock, step))
    except ConnectionFailed as exc:
        sock.close()
        raise ConnectionError(str(exc)) from exc
    except BaseException:
        sock.close()
        raise
    return sock


def _receive_exactly(sock: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        data = sock.recv(size - len(received))
        if not data:
            raise not_a_proxy()
        received += data
    return received
