"""The console's live feed, asked by trio-websocket's own client over real sockets."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from relay.api.events import PATH, EventFeed, cookie_in
from relay.http import FrontDoor, serve_front_door
from relay.protocol.close_reasons import CloseReason
from relay.protocol.links import encode_base64url
from tests.api.conftest import ORIGIN, World

pytestmark = pytest.mark.sockets


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[str]:
    """The feed behind a real front door; gives its URL."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    door = FrontDoor(world.app, upgrades={PATH: EventFeed(world.context).handle})
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve_front_door, listeners, door, stop_accepting=trio.Event()))
        yield f"ws://127.0.0.1:{listeners[0].socket.getsockname()[1]}{PATH}"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def feed(
    url: str, cookie: bytes | None, origin: str | None = ORIGIN
) -> AsyncIterator[WebSocketConnection]:
    headers = [] if origin is None else [(b"Origin", origin.encode())]
    if cookie is not None:
        headers.append((b"Cookie", f"other=1; adhoc_session={encode_base64url(cookie)}".encode()))
    host, _, port = url.removeprefix("ws://").removesuffix(PATH).partition(":")
    # The stream is ours to close: trio-websocket's client forgets it when the other side closes first.
    with trio.fail_after(10):
        async with await trio.open_tcp_stream(host, int(port)) as stream, trio.open_nursery() as nursery:
            yield await wrap_client_stream(nursery, stream, host, PATH, extra_headers=headers)
            nursery.cancel_scope.cancel()


async def message_of(connection: WebSocketConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await connection.get_message())
    assert message["now"].endswith("Z")
    return message


async def assert_refused(url: str, cookie: bytes | None, origin: str | None, status: int) -> None:
    """By httpx: trio-websocket's client leaves its socket open when it is refused."""
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    headers["Sec-WebSocket-Key"] = "AAAAAAAAAAAAAAAAAAAAAA=="
    if origin is not None:
        headers["Origin"] = origin
    if cookie is not None:
        headers["Cookie"] = f"adhoc_session={encode_base64url(cookie)}"
    async with httpx.AsyncClient(trust_env=False) as client:
        response = await client.get(url.replace("ws://", "http://"), headers=headers)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


async def test_first_all_sessions_then_each_change(world: World) -> None:
    cookie = await world.sign_in(world.alice)
    async with serving(world) as url, feed(url, cookie) as connection:
        assert (await message_of(connection))["sessions"] == []
        prepare = world.broker.prepare
        session = await prepare(world.alice.id, invite=bytes(16), customer_email="a@b.example")
        message = await message_of(connection)
        assert message["type"] == "session"
        assert (message["session"]["id"], message["session"]["state"]) == (session.id, "prepared")
        await prepare(world.mallory.id, invite=bytes(15) + b"1", customer_email="a@b.example")
        await world.broker.end(session.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=world.alice.id)
        message = await message_of(connection)
        assert (message["session"]["id"], message["session"]["end_reason"]) == (session.id, "technician")
    assert world.context.feeds.open_feeds == 0


@pytest.mark.parametrize("foreign", [None, "https://evil.example", "null", ORIGIN + ".evil.example"])
async def test_other_origins_are_refused(world: World, foreign: str | None) -> None:
    cookie = await world.sign_in(world.alice)
    async with serving(world) as url:
        await assert_refused(url, cookie, foreign, 403)


@pytest.mark.parametrize("cookie", [None, b"\0" * 32, b"short"])
async def test_strangers_are_refused(world: World, cookie: bytes | None) -> None:
    async with serving(world) as url:
        await assert_refused(url, cookie, ORIGIN, 401)


async def test_a_console_that_talks_is_closed(world: World) -> None:
    cookie = await world.sign_in(world.alice)
    async with serving(world) as url, feed(url, cookie) as connection:
        await message_of(connection)
        await connection.send_message("hello?")
        with pytest.raises(ConnectionClosed) as caught:
            await connection.get_message()
        assert caught.value.reason is not None
        assert caught.value.reason.code == 1008


async def test_signing_out_closes_the_feed(world: World) -> None:
    cookie = await world.sign_in(world.alice)
    async with serving(world) as url, feed(url, cookie) as connection, world.client(cookie) as client:
        await message_of(connection)
        assert (await client.post("/api/v1/sign-out", json={})).status_code == 204
        with pytest.raises(ConnectionClosed) as caught:
            await connection.get_message()
        assert caught.value.reason is not None
        assert (caught.value.reason.code, caught.value.reason.reason) == (1008, "signed out")


async def test_an_expired_cookie_closes_the_feed_at_the_next_ping(world: World) -> None:
    cookie = await world.sign_in(world.alice)
    settings = replace(world.context.settings, ping_interval=0.05)
    world.context = replace(world.context, settings=settings)
    async with serving(world) as url, feed(url, cookie) as connection:
        await message_of(connection)
        world.clock.advance(12 * 3600 + 1)
        with pytest.raises(ConnectionClosed):
            await connection.get_message()


async def test_feeds_of_one_technician_are_limited(world: World) -> None:
    cookie = await world.sign_in(world.alice)
    async with serving(world) as url, feed(url, cookie) as first, feed(url, cookie) as second:
        await message_of(first)
        await message_of(second)
        await assert_refused(url, cookie, ORIGIN, 429)


@pytest.mark.parametrize(
    "value", [b"", b"adhoc_session", b"adhoc_session=x", b"\xff=1", b"=;=;", b"a" * 9000]
)
def test_cookie_headers_of_any_kind_name_nobody(value: bytes) -> None:
    assert cookie_in([(b"cookie", value)], "adhoc_session") is None


def test_two_cookie_headers_name_nobody() -> None:
    pair = (b"cookie", b"adhoc_session=" + encode_base64url(bytes(32)).encode())
    assert cookie_in([pair], "adhoc_session") == bytes(32)
    assert cookie_in([pair, pair], "adhoc_session") is None
