"""The technician's library against a real relay and a scripted host, over sockets on 127.0.0.1."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

import pytest
import trio

from peer.errors import StreamClosed
from relay.protocol.close_reasons import CloseReason
from relay.protocol.codes import MAX_CODES, MAX_TRIES_PER_CODE
from relay.protocol.hidden import SecretBytes
from relay.server import Running
from technician.attaching import fetch_pairing_key
from technician.errors import PairingFailed, RelayRefused, RelayUnreachable, TechnicianError
from technician.models import PreparedSession
from technician.pairing import PairingEvents, pair
from technician.relay_client import RelayClient, open_relay_client, split_sign_in_link
from technician.remote_control import measure_desktop, open_control, serve_vnc
from tests.technician.conftest import OpenRelay, signed_in
from tests.technician.scripted_host import DESKTOP_NAME, HEIGHT, WIDTH, ScriptedHost

pytestmark = pytest.mark.sockets

WRONG = "000000000"


@dataclass
class Heard:
    """What a pairing told the person."""

    said: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    keys: list[SecretBytes] = field(default_factory=list)

    @property
    def events(self) -> PairingEvents:
        return PairingEvents(say=self.said.append, show_code=self.codes.append, store=self.keys.append)


async def prepare(relay: RelayClient) -> PreparedSession:
    prepared = await relay.prepare("ana@customer.example", access_password="correct horse")
    assert prepared.security_code != WRONG
    return prepared


async def pair_prepared(relay: RelayClient, prepared: PreparedSession, heard: Heard) -> None:
    session = await pair(relay, prepared.session.id, prepared.link, prepared.security_code, heard.events)
    assert session.state == "active"


@asynccontextmanager
async def paired(running: Running) -> AsyncIterator[tuple[RelayClient, PreparedSession, SecretBytes]]:
    """An active session, its host connected."""
    async with signed_in(running) as relay, trio.open_nursery() as nursery:
        prepared, heard = await prepare(relay), Heard()
        await nursery.start(ScriptedHost(prepared.link, [prepared.security_code]).run)
        await pair_prepared(relay, prepared, heard)
        yield relay, prepared, heard.keys[0]
        nursery.cancel_scope.cancel()


async def test_signing_in_by_link_works_once_and_signing_out_ends_it(open_relay: OpenRelay) -> None:
    async with open_relay() as running:
        _, token = split_sign_in_link(running.sign_in_link or "")
        async with open_relay_client(running.origin) as relay:
            await relay.sign_in_by_token(token or "")
            me = await relay.me()
            assert me.origin == running.origin
            with pytest.raises(RelayRefused) as refused:
                await relay.sign_in_by_token(token or "")
            assert refused.value.is_sign_in_needed
            cookie = relay.cookie
            await relay.sign_out()
        async with open_relay_client(running.origin, cookie=cookie) as relay:
            with pytest.raises(RelayRefused) as refused:
                await relay.me()
            assert refused.value.is_sign_in_needed


async def test_a_second_session_is_refused_with_the_limit_and_the_session_in_the_way(
    open_relay: OpenRelay,
) -> None:
    async with open_relay() as running, signed_in(running) as relay:
        prepared = await prepare(relay)
        with pytest.raises(RelayRefused) as refused:
            await prepare(relay)
        assert refused.value.limit == "sessions_per_technician"
        assert refused.value.session == prepared.session.id
        assert (await relay.end(prepared.session.id)).state == "ended"
        assert [session.id for session in await relay.sessions()] == []
        again = await prepare(relay)
        assert [session.id for session in await relay.sessions()] == [again.session.id]


async def test_pairing_with_the_right_code_makes_the_session_active(open_relay: OpenRelay) -> None:
    async with open_relay() as running, signed_in(running) as relay, trio.open_nursery() as nursery:
        prepared, heard = await prepare(relay), Heard()
        host = ScriptedHost(prepared.link, [prepared.security_code])
        await nursery.start(host.run)
        await pair_prepared(relay, prepared, heard)
        session = await relay.session(prepared.session.id)
        assert session.expires_at is not None
        left = session.expires_at - datetime.now(UTC)
        assert 86_000 < left.total_seconds() <= 86_400
        assert host.claims is not None
        assert host.claims.technician == (await relay.me()).technician.name
        assert [len(key) for key in heard.keys] == [32]
        # What another computer of the same technician gets from the relay is the same key.
        assert await fetch_pairing_key(relay, session.id, "correct horse") == heard.keys[0]
        with pytest.raises(TechnicianError, match="access password"):
            await fetch_pairing_key(relay, session.id, "wrong horse")
        nursery.cancel_scope.cancel()


async def test_pairing_may_begin_before_the_host_is_there(open_relay: OpenRelay) -> None:
    async with open_relay() as running, signed_in(running) as relay, trio.open_nursery() as nursery:
        prepared, heard = await prepare(relay), Heard()
        async with trio.open_nursery() as pairing:
            pairing.start_soon(pair_prepared, relay, prepared, heard)
            await nursery.start(ScriptedHost(prepared.link, [prepared.security_code]).run)
        assert len(heard.keys) == 1
        nursery.cancel_scope.cancel()


async def test_a_wrong_code_costs_a_try_and_the_right_one_still_works(open_relay: OpenRelay) -> None:
    async with open_relay() as running, signed_in(running) as relay, trio.open_nursery() as nursery:
        prepared, heard = await prepare(relay), Heard()
        await nursery.start(ScriptedHost(prepared.link, [WRONG, WRONG, prepared.security_code]).run)
        await pair_prepared(relay, prepared, heard)
        assert [said for said in heard.said if "Tries left" in said] == [
            "The customer typed another code. Tries left: 4.",
            "The customer typed another code. Tries left: 3.",
        ]
        assert heard.codes == []
        nursery.cancel_scope.cancel()


async def test_fifteen_wrong_codes_end_the_session(open_relay: OpenRelay) -> None:
    async with open_relay() as running, signed_in(running) as relay, trio.open_nursery() as nursery:
        prepared, heard = await prepare(relay), Heard()
        host = ScriptedHost(prepared.link, [WRONG] * MAX_TRIES_PER_CODE * MAX_CODES)
        await nursery.start(host.run)
        with pytest.raises(PairingFailed, match="Too many wrong"):
            await pair_prepared(relay, prepared, heard)
        assert host.codes_shown == [2, 3]
        assert len(heard.codes) == 2
        assert heard.keys == []
        session = await relay.session(prepared.session.id)
        assert (session.state, session.end_reason) == ("ended", "guesses")
        nursery.cancel_scope.cancel()


@pytest.mark.slow
async def test_pairing_goes_on_after_a_restart_of_the_relay(open_relay: OpenRelay) -> None:
    heard, is_attached, is_stored = Heard(), trio.Event(), trio.Event()

    def store(key: SecretBytes) -> None:
        heard.keys.append(key)
        is_stored.set()

    events = replace(heard.events, say=lambda _: is_attached.set(), store=store)

    async def pair_as(cookie: str | None, prepared: PreparedSession) -> None:
        async with open_relay_client(prepared.link.origin, cookie=cookie) as relay:
            await pair(relay, prepared.session.id, prepared.link, prepared.security_code, events)

    async with trio.open_nursery() as nursery:
        async with open_relay() as running:
            async with signed_in(running) as relay:
                prepared, cookie = await prepare(relay), relay.cookie
            await nursery.start(ScriptedHost(prepared.link, []).run)
            nursery.start_soon(pair_as, cookie, prepared)
            await is_attached.wait()
        async with open_relay(running.address.port):
            await nursery.start(ScriptedHost(prepared.link, [prepared.security_code]).run)
            await is_stored.wait()
            nursery.cancel_scope.cancel()
    assert [len(key) for key in heard.keys] == [32]


async def test_a_customer_who_declines_ends_the_pairing(open_relay: OpenRelay) -> None:
    async with open_relay() as running, signed_in(running) as relay, trio.open_nursery() as nursery:
        prepared, heard = await prepare(relay), Heard()
        await nursery.start(ScriptedHost(prepared.link, [prepared.security_code], allows=False).run)
        with pytest.raises(PairingFailed, match="declined"):
            await pair_prepared(relay, prepared, heard)
        assert heard.keys == []
        nursery.cancel_scope.cancel()


async def test_ending_the_session_ends_the_pairing(open_relay: OpenRelay) -> None:
    async with open_relay() as running, signed_in(running) as relay, trio.open_nursery() as nursery:
        prepared, heard = await prepare(relay), Heard()
        await nursery.start(ScriptedHost(prepared.link, []).run)

        async def end() -> None:
            await relay.end(prepared.session.id)

        nursery.start_soon(end)
        with pytest.raises(TechnicianError):
            await pair_prepared(relay, prepared, heard)
        nursery.cancel_scope.cancel()


async def test_the_connect_test_tells_name_size_and_round_trip(open_relay: OpenRelay) -> None:
    async with open_relay() as running, paired(running) as (relay, prepared, key):
        async with open_control(relay, prepared.session.id, key, "correct horse") as stream:
            facts = await measure_desktop(stream)
        assert (facts.name, facts.width, facts.height) == (DESKTOP_NAME, WIDTH, HEIGHT)
        assert 0 < facts.round_trip < 5


async def test_a_wrong_access_password_is_refused_by_the_host(open_relay: OpenRelay) -> None:
    async with open_relay() as running, paired(running) as (relay, prepared, key):
        with pytest.raises(StreamClosed) as closed:
            async with open_control(relay, prepared.session.id, key, "wrong horse"):
                raise AssertionError("the stream opened")
        assert closed.value.close_reason is CloseReason.WRONG_PASSWORD


async def test_a_vnc_viewer_gets_the_bytes_of_the_stream(open_relay: OpenRelay) -> None:
    async with open_relay() as running, paired(running) as (relay, prepared, key):
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        said: list[str] = []
        async with trio.open_nursery() as nursery:
            open_stream = partial(open_control, relay, prepared.session.id, key, "correct horse")
            nursery.start_soon(serve_vnc, listener, open_stream, said.append)
            viewer = await trio.testing.open_stream_to_socket_listener(listener)
            async with viewer:
                greeting = await viewer.receive_some(12)
                assert greeting == b"RFB 003.008\n"
                await viewer.send_all(greeting)
                assert await viewer.receive_some(2) == b"\x01\x01"
                # The session's end hangs up on the viewer, and says why.
                await relay.end(prepared.session.id)
                assert await viewer.receive_some(1) == b""
            nursery.cancel_scope.cancel()
        assert said == [CloseReason.ENDED_BY_TECHNICIAN.sentence]


async def test_what_is_no_relay_is_said_so(open_relay: OpenRelay) -> None:
    async def answer(stream: trio.SocketStream) -> None:
        await stream.receive_some(4096)
        await stream.send_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n")

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, answer, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        async with open_relay_client(f"http://127.0.0.1:{port}") as relay:
            with pytest.raises(RelayUnreachable, match="is not a relay"):
                await relay.me()
        nursery.cancel_scope.cancel()
    async with open_relay_client(f"http://127.0.0.1:{port}") as relay:
        with pytest.raises(RelayUnreachable, match="does not answer"):
            await relay.me()
