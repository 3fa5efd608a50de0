"""One question to the relay: bounded, without redirects, by a proxy too, and only to the right one."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from host import relay_http
from host.relay_http import MAX_ANSWER_BYTES, ask
from peer.proxy_settings import Proxy
from tests.helpers.transports import make_tls_contexts

pytestmark = pytest.mark.sockets
Answering = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def serving(answer: Answering, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that answers so; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def do_POST(self) -> None:
            answer(self)

        def do_CONNECT(self) -> None:
            answer(self)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def reply(status: int, body: bytes, **headers: str) -> Answering:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def test_an_answer_and_what_was_asked() -> None:
    asked: list[tuple[str, str, str | None, bytes]] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        size = int(handler.headers.get("Content-Length", 0))
        token = handler.headers.get("X-Adhoc-Csrf")
        asked.append((handler.command, handler.path, token, handler.rfile.read(size)))
        reply(204, b"")(handler)

    with serving(answer) as port:
        assert ask(f"http://127.0.0.1:{port}", "/a").status == 204
        assert ask(f"http://127.0.0.1:{port}", "/b", b"{}").status == 204
    assert asked == [("GET", "/a", None, b""), ("POST", "/b", "1", b"{}")]


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    with serving(reply(302, b"", Location="http://portal.example/")) as port:
        assert ask(f"http://127.0.0.1:{port}", "/").status == 302


def test_an_endless_answer_is_cut() -> None:
    with serving(reply(200, b"x" * (MAX_ANSWER_BYTES + 1000))) as port:
        assert len(ask(f"http://127.0.0.1:{port}", "/").body) == MAX_ANSWER_BYTES


def test_a_slow_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_http, "TOTAL_TIMEOUT", 0.05)
    go_on = threading.Event()

    def wait(handler: BaseHTTPRequestHandler) -> None:
        go_on.wait(5)

    with serving(wait) as port:
        with pytest.raises(TimeoutError):
            ask(f"http://127.0.0.1:{port}", "/")
        go_on.set()


def test_whatever_is_no_http_is_an_error() -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"SSH-2.0-OpenSSH\r\n\r\n")

    with serving(answer) as port, pytest.raises(ConnectionError):
        ask(f"http://127.0.0.1:{port}", "/")


def test_tls_is_checked_before_anything_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server_context, client_context = make_tls_contexts(tmp_path)
    asked: list[str] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append(handler.path)
        reply(200, b"{}")(handler)

    with serving(answer, server_context) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(f"https://127.0.0.1:{port}", "/secret")
        assert asked == []
        monkeypatch.setattr(relay_http, "make_context", lambda: client_context)
        assert ask(f"https://127.0.0.1:{port}", "/open").body == b"{}"
    assert asked == ["/open"]


def test_a_proxy_is_asked_for_the_way_with_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str, str | None]] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        asked.append((handler.command, handler.path, handler.headers.get("Proxy-Authorization")))
        handler.send_error(403)

    with serving(answer) as port:
        proxy = Proxy("http", "127.0.0.1", port, "ana", "a b")
        monkeypatch.setattr(relay_http, "choose_proxy", lambda scheme, host: proxy)
        with pytest.raises(OSError, match="403"):
            ask("https://relay.example", "/")
    assert asked == [("CONNECT", "relay.example:443", "Basic YW5hOmEgYg==")]


def test_a_proxy_of_another_kind_is_left_to_the_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        relay_http, "choose_proxy", lambda scheme, host: Proxy("socks5", "127.0.0.1", 1, "", "")
    )
    with pytest.raises(OSError, match="proxy"):
        ask("https://relay.example", "/")
