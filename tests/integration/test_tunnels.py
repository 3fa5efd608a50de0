"""Hosts and viewers at a real relay over real sockets; hostile ones through trio-websocket."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx
import msgpack
import pytest
import trio

from peer.errors import ConnectionFailed
from peer.sealed import open_sealed
from peer.tunnel import Tunnel
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import (
    MAX_MESSAGE_BYTES,
    SUBPROTOCOL,
    Channel,
    Close,
    Credit,
    Data,
    Hello,
    Notice,
    Open,
    Welcome,
    encode_frame,
)
from relay.protocol.lease import Receipt, sign_receipt, verify_lease
from relay.protocol.pairing import ViewerHandshake
from technician.attaching import attach
from technician.errors import RelayRefused, TechnicianError
from technician.pairing import PairingEvents, pair
from tests.helpers.relays import (
    ActiveSession,
    House,
    ScriptedHost,
    activate,
    closes_with,
    echo,
    open_raw_peer,
    open_relay,
    random_secret,
)

pytestmark = [pytest.mark.sockets]
CUSTOMER = "customer@example.com"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_relay(tmp_path / "relay") as it:
        yield it


@pytest.fixture
async def active(house: House) -> ActiveSession:
    return await activate(house)


def handshake_for(tunnel: Tunnel, active: ActiveSession, password: str | None = None) -> ViewerHandshake:
    return ViewerHandshake.for_connection(
        channel="control",
        origin=active.host.link.origin,
        session=active.id,
        stream=tunnel.next_stream_id(),
        pairing_key=active.pairing_key,
        access_password=password or active.host.link.access_password,
    )


async def next_notice(tunnel: Tunnel, name: str) -> Notice:
    async for notice in tunnel.notices:
        if notice.name == name:
            return notice
    raise AssertionError(f"the connection ended before the notice {name!r}")


async def test_pairing_activates_for_both_sides_and_brings_a_lease(house: House) -> None:
    active = await activate(house)
    session = await house.relay.session(active.id)
    assert session.state == "active"
    async with active.host.connected() as tunnel:
        relay_key, lease = tunnel.welcome["relay_key"], tunnel.welcome["lease"]
        assert isinstance(relay_key, bytes)
        assert isinstance(lease, bytes)
        read = verify_lease(lease, relay_key=relay_key, host_key=active.host.public_key, session=active.id)
    assert read.expires_at - read.activated_at == 24 * 3600


async def test_a_viewer_and_a_host_talk_sealed_in_both_directions(
    house: House, active: ActiveSession
) -> None:
    async with active.host.connected() as host_tunnel, trio.open_nursery() as nursery:
        nursery.start_soon(echo, active, host_tunnel)
        async with attach(house.relay, active.id, [Channel.CONTROL]) as tunnel:
            sealed, _ = await open_sealed(tunnel, Channel.CONTROL, handshake_for(tunnel, active))
            big = bytes(range(256)) * 8192
            nursery.start_soon(sealed.send, big)
            got = b""
            while len(got) < len(big):
                got += await sealed.receive()
            assert got == big
        nursery.cancel_scope.cancel()


async def test_a_wrong_access_password_is_refused_by_the_host(house: House, active: ActiveSession) -> None:
    async with active.host.connected() as host_tunnel, trio.open_nursery() as nursery:
        nursery.start_soon(echo, active, host_tunnel)
        async with attach(house.relay, active.id, [Channel.CONTROL]) as tunnel:
            with closes_with(CloseReason.WRONG_PASSWORD):
                await open_sealed(tunnel, Channel.CONTROL, handshake_for(tunnel, active, "not-the-one"))
        nursery.cancel_scope.cancel()


async def test_a_ticket_opens_only_the_channels_it_is_for(house: House, active: ActiveSession) -> None:
    async with active.host.connected(), attach(house.relay, active.id, [Channel.CONTROL]) as tunnel:
        with closes_with(CloseReason.KIND_NOT_GRANTED):
            await tunnel.open_stream(Channel.FILES, {})


async def test_a_ticket_works_once(house: House, active: ActiveSession) -> None:
    ticket = await house.relay.ticket(active.id, [Channel.CONTROL])
    hello = Hello(1, "viewer", ticket.ticket, {"program": "test"})
    async with open_raw_peer(house, "viewer") as first:
        await first.send(hello)
        assert isinstance(await first.read(), Welcome)
        async with open_raw_peer(house, "viewer") as second:
            await second.send(hello)
            assert await second.read_to_the_end() == ([Close(0, CloseReason.REFUSED)], 4013)


async def test_unknown_invite_ticket_and_credential_look_alike(house: House, active: ActiveSession) -> None:
    answers = []
    stranger = ScriptedHost(active.host.link)
    for role, hello in [
        ("host", stranger.hello()),  # the invite died at activation
        ("host", stranger.hello(random_secret(16))),
        ("host", stranger.hello(random_secret(32))),
        ("host", stranger.hello(active.host.credential)),  # right credential, another computer's key
        ("viewer", Hello(1, "viewer", random_secret(), {"program": "x"})),
    ]:
        async with open_raw_peer(house, role) as peer:
            await peer.send(hello)
            answers.append(await peer.read_to_the_end())
    assert answers == [([Close(0, CloseReason.REFUSED)], 4013)] * 5


async def test_ending_closes_everybody_with_the_reason_and_kills_the_credential(
    house: House, active: ActiveSession
) -> None:
    unused = await house.relay.ticket(active.id, [Channel.CONTROL])
    async with (
        active.host.connected() as host_tunnel,
        attach(house.relay, active.id, [Channel.CONTROL]) as viewer_tunnel,
    ):
        await house.relay.end(active.id)
        with trio.fail_after(1):
            assert await host_tunnel.wait_closed() is CloseReason.ENDED_BY_TECHNICIAN
            assert await viewer_tunnel.wait_closed() is CloseReason.ENDED_BY_TECHNICIAN
        assert (await next_notice(viewer_tunnel, "ended")).fields == {"reason": "technician"}
    with pytest.raises(RelayRefused):
        await house.relay.ticket(active.id, [Channel.CONTROL])
    async with open_raw_peer(house, "viewer") as late:
        await late.send(Hello(1, "viewer", unused.ticket, {"program": "x"}))
        assert await late.read_to_the_end() == ([Close(0, CloseReason.REFUSED)], 4013)


async def test_a_host_of_an_ended_session_may_only_hand_in_its_receipt(
    house: House, active: ActiveSession
) -> None:
    await house.relay.end(active.id)
    host = active.host
    async with open_raw_peer(house, "host") as peer:
        await peer.send(host.hello())
        welcome = await peer.read()
        assert isinstance(welcome, Welcome)
        assert welcome.fields["state"] == "ended"
        await peer.send(Notice("ready", {}))
        assert (await peer.read_to_the_end())[0] == [Close(0, CloseReason.OUT_OF_ORDER)]
    assert (await house.relay.session(active.id)).removal != "confirmed"
    receipt = Receipt(session=active.id, ended_at=1, reason="technician", removed=["files"], left=[])
    body, signature = sign_receipt(receipt, host.key)
    async with host.connected() as tunnel:
        tunnel.notify("receipt", {"body": body, "signature": signature})
        assert await tunnel.wait_closed() is CloseReason.NORMAL
    assert (await house.relay.session(active.id)).removal == "confirmed"


async def test_the_customer_ends_the_session_through_the_host(house: House, active: ActiveSession) -> None:
    async with active.host.connected() as tunnel:
        tunnel.notify("ending", {})
        assert await tunnel.wait_closed() is CloseReason.ENDED_BY_CUSTOMER
    session = await house.relay.session(active.id)
    assert (session.state, session.end_reason) == ("ended", "customer")


async def test_a_lost_host_leaves_the_viewer_waiting_and_comes_back(
    house: House, active: ActiveSession
) -> None:
    async with attach(house.relay, active.id, [Channel.CONTROL]) as viewer:
        async with active.host.connected() as host_tunnel, trio.open_nursery() as nursery:
            nursery.start_soon(echo, active, host_tunnel)
            await next_notice(viewer, "host_online")
            sealed, _ = await open_sealed(viewer, Channel.CONTROL, handshake_for(viewer, active))
            nursery.cancel_scope.cancel()
        with closes_with(CloseReason.HOST_OFFLINE):
            await sealed.receive()
        await next_notice(viewer, "host_offline")
        assert (await house.relay.session(active.id)).state == "active"
        async with active.host.connected() as host_tunnel, trio.open_nursery() as nursery:
            nursery.start_soon(echo, active, host_tunnel)
            await next_notice(viewer, "host_online")
            sealed, _ = await open_sealed(viewer, Channel.CONTROL, handshake_for(viewer, active))
            await sealed.send(b"back")
            assert await sealed.receive() == b"back"
            nursery.cancel_scope.cancel()


async def test_before_activation_the_newest_host_wins_and_the_technician_is_warned(house: House) -> None:
    prepared = await house.relay.prepare(CUSTOMER)
    first, second = ScriptedHost(prepared.link, computer="PC-1"), ScriptedHost(prepared.link, computer="PC-2")
    async with first.connected() as first_tunnel, second.connected():
        assert await first_tunnel.wait_closed() is CloseReason.REPLACED
        session = await house.relay.session(prepared.session.id)
        assert session.host is not None
        assert session.host.computer == "PC-2"
        assert session.warnings


def wrong_code(code: str) -> str:
    return f"{(int(code) + 1) % 10**9:09d}"


@pytest.mark.slow
async def test_five_wrong_codes_kill_a_code_and_three_dead_codes_end_the_session(house: House) -> None:
    prepared = await house.relay.prepare(CUSTOMER)
    host = ScriptedHost(prepared.link)
    codes = [prepared.security_code]
    events = PairingEvents(say=lambda _: None, show_code=codes.append, store=lambda _: None)
    async with host.connected() as tunnel, trio.open_nursery() as nursery:
        pairing = partial(pair, house.relay, prepared.session.id, prepared.link, codes[0], events)
        nursery.start_soon(_pair_until_refused, pairing)
        for number in range(15):
            with closes_with(CloseReason.WRONG_CODE):
                await host.try_code(tunnel, wrong_code(codes[-1]))
            session = await house.relay.session(prepared.session.id)
            if number < 14:
                assert session.tries in (number % 5 + 1, 0)
        assert await tunnel.wait_closed() is CloseReason.GUESSES
        nursery.cancel_scope.cancel()
    session = await house.relay.session(prepared.session.id)
    assert (session.state, session.end_reason, len(codes)) == ("ended", "guesses", 3)


async def _pair_until_refused(pairing: Callable[[], Awaitable[object]]) -> None:
    with suppress(TechnicianError):
        await pairing()


HOSTILE = {
    "text": ("text", CloseReason.TEXT_MESSAGE),
    "not msgpack": (b"\xc1", CloseReason.BAD_FRAME),
    "a frame before hello": (encode_frame(Notice("ready", {})), CloseReason.OUT_OF_ORDER),
    "another version": (encode_frame(Hello(9, "viewer", bytes(32), {})), CloseReason.BAD_VERSION),
    "the other role": (encode_frame(Hello(1, "host", bytes(32), {})), CloseReason.OUT_OF_ORDER),
    "a deep bomb": (b"\x91" * 10_000, CloseReason.BAD_FRAME),
    "a large frame": (msgpack.packb([8, 0, "x", {"a": bytes(20_000)}]), CloseReason.TOO_LARGE),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_stranger_that_talks_nonsense_is_told_and_closed(house: House, name: str) -> None:
    message, reason = HOSTILE[name]
    async with open_raw_peer(house, "viewer") as peer:
        await peer.socket.send_message(message)
        assert await peer.read_to_the_end() == ([Close(0, reason)], reason.ws_code)


async def test_a_message_larger_than_any_frame_is_refused_from_its_header(house: House) -> None:
    async with open_raw_peer(house, "viewer") as peer:
        await peer.socket._stream.send_all(
            b"\x82\xff" + (MAX_MESSAGE_BYTES + 1).to_bytes(8, "big") + bytes(4)
        )
        frames, code = await peer.read_to_the_end()
    assert (frames, code) == ([Close(0, CloseReason.TOO_LARGE)], 1009)


async def test_a_viewer_that_breaks_the_protocol_harms_nobody_else(
    house: House, active: ActiveSession
) -> None:
    async with active.host.connected() as host_tunnel, trio.open_nursery() as nursery:
        nursery.start_soon(echo, active, host_tunnel)
        async with attach(house.relay, active.id, [Channel.CONTROL]) as good:
            sealed, _ = await open_sealed(good, Channel.CONTROL, handshake_for(good, active))
            for attack in _attacks(sealed.stream.number):
                ticket = await house.relay.ticket(active.id, [Channel.CONTROL])
                async with open_raw_peer(house, "viewer") as bad:
                    await bad.send(Hello(1, "viewer", ticket.ticket, {"program": "x"}))
                    welcome = await bad.read()
                    assert isinstance(welcome, Welcome)
                    await bad.socket.send_message(attack)
                    frames, _ = await bad.read_to_the_end()
                    assert isinstance(frames[-1], Close)
                    assert frames[-1].stream == 0
            await sealed.send(b"unharmed")
            assert await sealed.receive() == b"unharmed"
        nursery.cancel_scope.cancel()


def _attacks(stream_of_another: int) -> list[bytes]:
    return [
        encode_frame(Data(stream_of_another, b"inject")),
        encode_frame(Credit(stream_of_another, 1)),
        encode_frame(Close(stream_of_another, CloseReason.DONE)),
        encode_frame(Open(stream_of_another + 1, Channel.CONTROL, 1, {})),
        encode_frame(Notice("ending", {})),
        encode_frame(Notice("paired", {"attempt": 9})),
        encode_frame(Welcome({})),
        b"",
    ]


async def upgrade_status(house: House, role: str, **changed: str | None) -> int:
    """The status of the answer to a request for an upgrade, written by httpx."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Protocol": SUBPROTOCOL,
    }
    for name, value in changed.items():
        headers.pop(name, None)
        if value is not None:
            headers[name] = value
    async with (
        httpx.AsyncClient() as http,
        http.stream("GET", f"{house.origin}/tunnel/{role}", headers=headers) as answer,
    ):
        return answer.status_code


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1"])
async def test_a_foreign_page_cannot_open_a_tunnel(house: House, origin: str) -> None:
    assert await upgrade_status(house, "viewer", Origin=origin) == 403
    assert await upgrade_status(house, "host", Origin=origin) == 403


async def test_our_own_page_may_open_a_viewer_but_no_host(house: House) -> None:
    assert await upgrade_status(house, "viewer", Origin=house.origin) == 101
    assert await upgrade_status(house, "host", Origin=house.origin) == 403


async def test_the_subprotocol_is_required(house: House) -> None:
    changed = {"Sec-WebSocket-Protocol": "other"}
    assert await upgrade_status(house, "viewer", **changed) == 400
    changed = {"Sec-WebSocket-Protocol": f"other, {SUBPROTOCOL}"}
    assert await upgrade_status(house, "viewer", **changed) == 101


async def test_a_plain_request_to_the_tunnel_is_answered_in_http(house: House) -> None:
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"{house.origin}/tunnel/viewer")
    assert 400 <= answer.status_code < 500


async def test_a_draining_relay_tells_its_peers_to_come_back(house: House, active: ActiveSession) -> None:
    async with active.host.connected() as tunnel:
        house.running.stop()
        assert await tunnel.wait_closed() is CloseReason.GOING_AWAY
        assert (await next_notice(tunnel, "move")).fields["within"] == 2


async def test_a_session_survives_a_restart_of_the_relay(tmp_path: Path) -> None:
    async with open_relay(tmp_path / "relay") as house:
        active = await activate(house)
        port = house.running.address.port
    async with open_relay(tmp_path / "relay", port=port), active.host.connected() as tunnel:
        assert tunnel.welcome["state"] == "active"


async def test_a_dead_relay_is_a_failed_connection(house: House, active: ActiveSession) -> None:
    house.running.stop()
    with trio.fail_after(10):
        while True:
            try:
                async with active.host.connected():
                    pass
            except ConnectionFailed as exc:
                if exc.close_reason is CloseReason.DEAD:
                    break


async def test_raw_peers_read_frames(house: House, active: ActiveSession) -> None:
    ticket = await house.relay.ticket(active.id, [Channel.CONTROL])
    async with open_raw_peer(house, "viewer") as peer:
        await peer.send(Hello(1, "viewer", ticket.ticket, {"program": "x"}))
        welcome = await peer.read()
        assert isinstance(welcome, Welcome)
        assert welcome.fields["session"] == active.id
        assert welcome.fields["host_online"] is False
        viewer = welcome.fields["viewer"]
        assert isinstance(viewer, int)
        await peer.send(Open(viewer << 16 | 1, Channel.CONTROL, 1000, {}))
        assert await peer.read() == Close(viewer << 16 | 1, CloseReason.HOST_OFFLINE)
