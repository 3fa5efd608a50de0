"""Real receivers to post to, and where the relay does not post."""

import socket
from typing import Any

import pytest
import trio

from relay.destinations import FORBIDDEN
from relay.webhooks.sending import (
    BAD_URL,
    DELIVERED,
    NOT_ACCEPTED,
    NOT_IN_TIME,
    NOT_REACHED,
    NOT_TRUSTED,
    BadUrl,
    Sender,
)
from tests.helpers.certificates import Certificate, make_certificate
from tests.helpers.webhook_receiver import webhook_receiver

HEADERS = {"webhook-id": "one", "webhook-timestamp": "1", "webhook-signature": "v1,x"}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"), host="localhost")


@pytest.mark.sockets
async def test_a_post_arrives_as_it_was_signed() -> None:
    async with webhook_receiver() as receiver:
        answer = await Sender(allows_private=True).post(receiver.url, HEADERS, '{"é": 1}')
    assert (answer.status, answer.detail, answer.is_accepted) == (204, DELIVERED, True)
    (found,) = receiver.received
    assert found.target == "/hook?key=1"
    assert found.body == '{"é": 1}'
    assert found.headers["host"] == f"localhost:{receiver.port}"
    assert found.headers["content-type"] == "application/json"
    assert HEADERS.items() <= found.headers.items()
    assert "cookie" not in found.headers


@pytest.mark.sockets
async def test_a_certificate_is_checked_for_the_name_although_an_address_is_dialled(
    certificate: Certificate,
) -> None:
    async with webhook_receiver(certificate.server_context()) as receiver:
        trusting = Sender(allows_private=True, tls=certificate.client_context())
        assert (await trusting.post(receiver.url, HEADERS, "{}")).is_accepted
        answer = await Sender(allows_private=True).post(receiver.url, HEADERS, "{}")
    assert (answer.status, answer.detail) == (None, NOT_TRUSTED)
    assert len(receiver.received) == 1


@pytest.mark.sockets
@pytest.mark.parametrize("status", [199 + 101, 301, 302, 307, 400, 404, 500, 503])
async def test_nothing_but_2xx_is_accepted_and_no_redirect_followed(status: int) -> None:
    async with webhook_receiver() as target, webhook_receiver() as receiver:
        receiver.statuses = [status]
        receiver.headers = [("Location", target.url)]
        answer = await Sender(allows_private=True).post(receiver.url, HEADERS, "{}")
    assert (answer.status, answer.detail, answer.is_accepted) == (status, NOT_ACCEPTED, False)
    assert target.received == []


@pytest.mark.sockets
async def test_a_receiver_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.webhooks.sending.TIMEOUT", 0.3)
    async with webhook_receiver() as receiver:
        receiver.is_hanging = True
        with trio.fail_after(5):
            answer = await Sender(allows_private=True).post(receiver.url, HEADERS, "{}")
    assert (answer.status, answer.detail) == (None, NOT_IN_TIME)


@pytest.mark.sockets
async def test_an_endless_head_is_not_read() -> None:
    async def flood(stream: trio.SocketStream) -> None:
        try:
            await stream.send_all(b"HTTP/1.1 200 OK\r\n")
            while True:
                await stream.send_all(b"X-Flood: " + b"x" * 60_000 + b"\r\n")
        except trio.BrokenResourceError:
            left.set()

    left = trio.Event()
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, flood, [listener])
        port = listener.socket.getsockname()[1]
        answer = await Sender(allows_private=True).post(f"http://127.0.0.1:{port}/", HEADERS, "{}")
        with trio.fail_after(5):
            await left.wait()
        nursery.cancel_scope.cancel()
    assert (answer.status, answer.detail) == (None, NOT_REACHED)


@pytest.mark.sockets
async def test_an_endless_answer_is_not_read() -> None:
    async def flood(stream: trio.SocketStream) -> None:
        try:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
            while True:
                await stream.send_all(b"x" * 60_000)
        except trio.BrokenResourceError:
            left.set()

    left = trio.Event()
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, flood, [listener])
        port = listener.socket.getsockname()[1]
        with trio.fail_after(5):
            answer = await Sender(allows_private=True).post(f"http://127.0.0.1:{port}/", HEADERS, "{}")
            await left.wait()
        nursery.cancel_scope.cancel()
    assert answer.status == 200


@pytest.mark.sockets
async def test_nobody_there_is_a_sentence() -> None:
    async with webhook_receiver() as receiver:
        pass
    answer = await Sender(allows_private=True).post(receiver.url, HEADERS, "{}")
    assert (answer.status, answer.detail) == (None, NOT_REACHED)


@pytest.mark.parametrize(
    "url",
    [
        *("http://hooks.example/", "ftp://hooks.example/", "https://", "https:///x", "hooks.example", ""),
        *("https://user:pw@hooks.example/", "https://user@hooks.example/", "https://@hooks.example/"),
        *("https://hooks.example/#x", "https://hooks.example/a b", "https://hooks.example/\r\nX: y"),
        *("https://h\u00f6\u00f6ks.example/", "https://hooks.example:99999/", "https://hooks.example:0/"),
        *("https://[::1", "file:///etc/passwd", "https://hooks.example/" + "x" * 500, "javascript:alert(1)"),
    ],
)
def test_urls_that_are_none(url: str) -> None:
    for allows_private in (True, False):
        with pytest.raises(BadUrl) as caught:
            Sender(allows_private=allows_private).check_url(url)
        assert str(caught.value) == BAD_URL


@pytest.mark.parametrize(
    "url",
    [
        *("https://127.0.0.1/", "https://localhost/", "https://10.0.0.1/", "https://169.254.169.254/latest"),
        *("https://[::1]/", "https://[fd00::1]/", "https://[::ffff:10.0.0.1]/", "https://a.localhost/"),
    ],
)
def test_private_receivers_are_refused_by_their_names(url: str) -> None:
    with pytest.raises(BadUrl) as caught:
        Sender(allows_private=False).check_url(url)
    assert str(caught.value) == FORBIDDEN
    assert Sender(allows_private=True).check_url(url) == url


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000/", "http://localhost/", "http://[::1]:1/"])
def test_plain_http_is_for_this_machine_where_it_is_allowed(url: str) -> None:
    assert Sender(allows_private=True).check_url(url) == url
    with pytest.raises(BadUrl):
        Sender(allows_private=False).check_url(url)


def test_plain_http_never_leaves_this_machine() -> None:
    with pytest.raises(BadUrl):
        Sender(allows_private=True).check_url("http://10.0.0.1/")


def resolver(*addresses: str) -> Any:
    def resolve(host: str, port: int, **keywords: object) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    return resolve


async def test_a_name_that_leads_inside_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolver("127.0.0.1", "10.0.0.1"))
    answer = await Sender(allows_private=False).post("https://rebind.example/", HEADERS, "{}")
    assert (answer.status, answer.detail) == (None, FORBIDDEN)


@pytest.mark.sockets
async def test_a_receiver_is_found_at_its_next_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async with webhook_receiver() as receiver:
        monkeypatch.setattr("relay.webhooks.sending.resolve", lambda *_, **__: ["127.0.0.9", "127.0.0.1"])
        assert (await Sender(allows_private=True).post(receiver.url, HEADERS, "{}")).is_accepted


@pytest.mark.sockets
async def test_ipv6_receivers_are_asked_by_their_address() -> None:
    async with webhook_receiver(host="::1") as receiver:
        answer = await Sender(allows_private=True).post(f"http://[::1]:{receiver.port}/", HEADERS, "{}")
    assert answer.is_accepted
    assert receiver.received[0].headers["host"] == f"[::1]:{receiver.port}"
