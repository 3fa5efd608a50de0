"""One question to the relay before anything is installed: plain HTTP by the standard library only.

Redirects are not followed, answers are bounded in size and in time, certificates are checked. Through a
SOCKS5 proxy nothing is asked here: the tunnel, which can, finds out a little later what this would have told.
"""

import base64
import http.client
import threading
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from peer.proxy_settings import Proxy, choose_proxy
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
    if proxy is not None and proxy.kind != "http":
        raise ConnectionError("The way leads through a proxy that is not spoken to here.")
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
