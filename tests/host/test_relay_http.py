"""One question to the relay: bounded, without redirects, by a proxy too, and only to the right one."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
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


@contextmanager
def socks_proxy(*answers: bytes, far_port: int = 0) -> Iterator[tuple[Proxy, list[bytes]]]:
    """A SOCKS5 proxy, and what it was told; it gives these answers, then the way to `far_port`."""
    told: list[bytes] = []

    def forward(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with suppress(OSError), listener.accept()[0] as near:
            for answer in answers:
                told.append(near.recv(4096))
                near.sendall(answer)
            if not far_port:
                return
            with socket.create_connection(("127.0.0.1", far_port)) as far:
                back = threading.Thread(target=forward, args=(far, near), daemon=True)
                back.start()
                forward(near, far)
                back.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Proxy("socks5", "127.0.0.1", listener.getsockname()[1], "ana", "a b"), told
    thread.join(5)


SOCKS_HELLO = b"\x05\x02\x00\x02"
SOCKS_SIGN_IN = b"\x01\x03ana\x03a b"
SOCKS_NAME = b"\x05\x01\x00\x03\x0drelay.example\x01\xbb"
SOCKS_OK = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"


def test_a_question_goes_through_socks_and_is_for_the_right_relay_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_context, client_context = make_tls_contexts(tmp_path)
    monkeypatch.setattr(relay_http, "make_context", lambda: client_context)
    with serving(reply(200, b"{}"), server_context) as port:
        answers = (b"\x05\x02", b"\x01\x00", SOCKS_OK)
        with socks_proxy(*answers, far_port=port) as (proxy, told):
            monkeypatch.setattr(relay_http, "choose_proxy", lambda scheme, host: proxy)
            with pytest.raises(ssl.SSLCertVerificationError):  # the certificate is 127.0.0.1's
                ask("https://relay.example", "/")
        assert told == [SOCKS_HELLO, SOCKS_SIGN_IN, SOCKS_NAME]
        with socks_proxy(b"\x05\x00", SOCKS_OK, far_port=port) as (proxy, told):
            monkeypatch.setattr(relay_http, "choose_proxy", lambda scheme, host: proxy)
            assert ask(f"https://127.0.0.1:{port}", "/").body == b"{}"
        assert told == [SOCKS_HELLO, b"\x05\x01\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2)]


@pytest.mark.parametrize(
    "answers",
    [
        (b"\x05\xff",),
        (b"HT",),
        (b"\x05\x02", b"\x01\x01"),
        (b"\x05\x00", b"\x05\x02\x00\x01"),
        (b"\x05\x00", b"\x05\x00\x00\x09"),
        (b"\x05\x00", b"\x05\x00\x00\x03\xffshort"),
        (b"",),
    ],
)
def test_a_socks_proxy_that_refuses_or_is_none(
    answers: tuple[bytes, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socks_proxy(*answers) as (proxy, _):
        monkeypatch.setattr(relay_http, "choose_proxy", lambda scheme, host: proxy)
        with pytest.raises(OSError, match="proxy of this computer"):
            ask("http://relay.example", "/")
