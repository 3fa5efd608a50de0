"""Connections that change hands: at any request, with every byte, and only for valid requests."""

import json
from ipaddress import ip_network

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from relay.errors import PeerGone
from relay.http import FrontDoorEvent, Receive, Scope, Send, UpgradeRequest
from tests.http.visitor import GET, UPGRADE_FIELDS, Tally, answer, hello_app, make_door, open_visit

SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


def upgrade(target: bytes = b"/tunnel", fields: bytes = UPGRADE_FIELDS) -> bytes:
    return b"GET " + target + b" HTTP/1.1\r\n" + fields + b"\r\n"


async def echo_handler(request: UpgradeRequest) -> None:
    """Accepts and sends back what it gets until the client ends."""
    await request.transport.send_all(SWITCHING)
    while data := await request.transport.receive_some():
        await request.transport.send_all(data)


async def test_handler_gets_the_request_and_the_bytes_right_behind_it() -> None:
    requests: list[UpgradeRequest] = []
    early: list[bytes] = []

    async def handler(request: UpgradeRequest) -> None:
        requests.append(request)
        early.append(await request.transport.receive_some())

    tally = Tally()
    async with open_visit(make_door(hello_app, upgrades={"/tunnel": handler}, tally=tally)) as visitor:
        await visitor.send(upgrade(b"/tunnel?a=b") + b"\x82\x05hello")
        assert await visitor.read_to_end() == b""
    (request,) = requests
    assert (request.path, request.query_string, request.is_tls) == ("/tunnel", b"a=b", False)
    assert request.client == ("192.0.2.1", 4711)
    assert (b"upgrade", b"WebSocket") in request.headers
    assert early == [b"\x82\x05hello"]
    assert tally == {FrontDoorEvent.UPGRADE: 1}


async def test_second_request_of_a_connection_may_be_the_upgrade() -> None:
    door = make_door(hello_app, upgrades={"/tunnel": echo_handler})
    async with open_visit(door) as visitor:
        assert (await visitor.ask(GET)).body == b"/"
        await visitor.send(upgrade() + b"early")
        received = b""
        while not received.endswith(b"early"):
            received += await visitor.transport.receive_some()
        assert received == SWITCHING + b"early"
        await visitor.send(b"late")
        assert await visitor.transport.receive_some() == b"late"


async def test_upgrade_may_be_pipelined_behind_a_request() -> None:
    async with open_visit(make_door(hello_app, upgrades={"/tunnel": echo_handler})) as visitor:
        await visitor.send(GET + upgrade() + b"early")
        assert (await visitor.read_answer()).body == b"/"
        visitor.transport._outgoing.end_writing()
        assert await visitor.read_to_end() == SWITCHING + b"early"


async def test_place_in_the_budget_is_given_back_when_the_handler_takes_over() -> None:
    async def handler(request: UpgradeRequest) -> None:
        statistics = door.admission.statistics()
        assert (statistics.unproven.held, statistics.connections.held) == (0, 0)
        await request.refuse(503, "Seen.")

    door = make_door(hello_app, upgrades={"/tunnel": handler})
    async with open_visit(door) as visitor:
        assert (await visitor.ask(upgrade())).status == 503


@pytest.mark.parametrize(
    "request_bytes",
    [
        pytest.param(upgrade(b"/tunnel/"), id="path goes on"),
        pytest.param(upgrade(b"/tunne%6c"), id="path is escaped"),
        pytest.param(upgrade(b"/Tunnel"), id="other case"),
        pytest.param(upgrade(b"//tunnel"), id="two slashes"),
        pytest.param(upgrade(b"/x/../tunnel"), id="dots"),
        pytest.param(upgrade().replace(b"GET", b"POST"), id="other method"),
        pytest.param(upgrade(fields=b"Host: a\r\n"), id="no upgrade"),
        pytest.param(upgrade(fields=b"Host: a\r\nUpgrade: websocket\r\n"), id="not in Connection"),
        pytest.param(upgrade(fields=UPGRADE_FIELDS + b"Content-Length: 1\r\n") + b"x", id="content"),
    ],
)
async def test_anything_but_an_upgrade_for_the_exact_path_goes_to_the_app(request_bytes: bytes) -> None:
    async def handler(request: UpgradeRequest) -> None:
        raise AssertionError("must not be reached")

    async with open_visit(make_door(hello_app, upgrades={"/tunnel": handler})) as visitor:
        assert (await visitor.ask(request_bytes)).status == 200
        assert (await visitor.ask(GET)).status == 200


async def test_refused_upgrade_is_a_problem_and_closes() -> None:
    async def handler(request: UpgradeRequest) -> None:
        await request.refuse(
            426, "Only version 13 is spoken here.", retry_after=1.2, headers={"Sec-WebSocket-Version": "13"}
        )

    async with open_visit(make_door(hello_app, upgrades={"/tunnel": handler})) as visitor:
        found = await visitor.ask(upgrade())
        assert found.status == 426
        assert found.headers[b"sec-websocket-version"] == b"13"
        assert found.headers[b"retry-after"] == b"2"
        assert json.loads(found.body)["detail"] == "Only version 13 is spoken here."
        assert await visitor.read_to_end() == b""


async def test_crashing_handler_is_logged_once_and_harms_nobody() -> None:
    async def handler(request: UpgradeRequest) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(echo_handler, request)
            await trio.lowlevel.checkpoint()
            raise LookupError("boom")

    tally = Tally()
    door = make_door(hello_app, upgrades={"/tunnel": handler}, tally=tally)
    with capture_logs() as logs:
        async with open_visit(door) as other:
            async with open_visit(door) as visitor:
                await visitor.send(upgrade())
                with pytest.raises(PeerGone):
                    await visitor.read_to_end()
            assert (await other.ask(GET)).status == 200
    assert tally[FrontDoorEvent.UPGRADE_ERROR] == 1
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == [
        "an upgrade handler failed"
    ]


async def test_client_that_leaves_an_upgraded_connection_is_ordinary() -> None:
    tally = Tally()
    with capture_logs() as logs:
        async with open_visit(
            make_door(hello_app, upgrades={"/tunnel": echo_handler}, tally=tally)
        ) as visitor:
            await visitor.send(upgrade())
            await visitor.transport.receive_some()
            visitor.transport.abort()
    assert tally == {FrontDoorEvent.UPGRADE: 1}
    assert not [entry for entry in logs if entry["log_level"] == "error"]


async def test_front_door_has_no_clock_on_an_upgraded_connection(autojump_clock: MockClock) -> None:
    async with open_visit(make_door(hello_app, upgrades={"/tunnel": echo_handler})) as visitor:
        await visitor.send(upgrade())
        await visitor.transport.receive_some()
        await trio.sleep(80_000)
        await visitor.send(b"still there")
        assert await visitor.transport.receive_some() == b"still there"


async def test_upgrades_through_a_proxy_are_counted_by_client() -> None:
    async def handler(request: UpgradeRequest) -> None:
        await request.refuse(503, f"{request.client[0]} {request.is_tls}.")

    tally = Tally()
    door = make_door(
        hello_app,
        upgrades={"/tunnel": handler},
        tally=tally,
        trusted_proxies=(ip_network("10.0.0.0/8"),),
        connection_burst=2,
    )

    async def status_for(client: bytes) -> int:
        async with open_visit(door, peer="10.0.0.1") as visitor:
            fields = UPGRADE_FIELDS + b"X-Forwarded-Proto: https\r\nX-Forwarded-For: " + client + b"\r\n"
            found = await visitor.ask(upgrade(fields=fields))
            if found.status == 503:
                assert json.loads(found.body)["detail"] == f"{client.decode()} True."
            else:
                assert b"retry-after" in found.headers
            return found.status

    assert [await status_for(b"198.51.100.7") for _ in range(3)] == [503, 503, 429]
    assert await status_for(b"198.51.100.8") == 503
    assert tally[FrontDoorEvent.REFUSED_LIMIT] == 1


async def test_app_may_offer_an_upgrade_that_is_not_taken() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"use another path", status=426)

    async with open_visit(make_door(app)) as visitor:
        assert (await visitor.ask(upgrade(b"/other") + GET)).status == 426
        assert (await visitor.read_answer()).status == 426
