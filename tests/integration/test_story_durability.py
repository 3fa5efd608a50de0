"""The story between processes, with the technician's library in place of a browser: what outlives which end.

Relay and host are programs of their own, killed with SIGKILL and started again.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from host.hello import ComputerFacts, make_hello
from peer.errors import ConnectionFailed
from peer.tunnel import open_tunnel
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import PROTOCOL_VERSION, Channel, Hello
from technician.errors import RelayRefused
from tests.helpers.active_story import open_active_session
from tests.helpers.desktops import Desktop
from tests.helpers.host_process import HostProcess

pytestmark = pytest.mark.sockets

FACTS = ComputerFacts(computer="PC", os="Debian", user="ana")


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    """The customer's desktop."""
    with Desktop() as running:
        yield running


async def test_host_that_was_killed_comes_back_to_its_session(tmp_path: Path, desktop: Desktop) -> None:
    async with open_active_session(tmp_path, desktop) as session:
        session.host.kill()
        await session.wait_online(is_online=False)
        assert (await session.client.session(session.id)).state == "active"
        session.host = HostProcess.resume(session.host.home, display=desktop.name)
        await session.wait_online(is_online=True)
        await session.assert_controllable()
        await session.client.end(session.id)
        await trio.to_thread.run_sync(session.host.wait_removed)


async def test_session_outlives_both_programs(tmp_path: Path, desktop: Desktop) -> None:
    async with open_active_session(tmp_path, desktop) as session:
        session.host.kill()
        session.relay.kill()
        await trio.to_thread.run_sync(session.relay.start_again)
        session.host = HostProcess.resume(session.host.home, display=desktop.name)
        await session.wait_online(is_online=True)
        await session.assert_controllable()


async def test_ended_is_ended_for_tickets_credentials_and_invites(tmp_path: Path, desktop: Desktop) -> None:
    async with open_active_session(tmp_path, desktop) as session:
        state = session.host_state
        ticket = await session.client.ticket(session.id, [Channel.CONTROL])
        await session.client.end(session.id)
        await trio.to_thread.run_sync(session.host.wait_removed)
        assert (await session.client.session(session.id)).removal == "confirmed"
        hellos = {
            "ticket": Hello(PROTOCOL_VERSION, "viewer", ticket.ticket, {"program": "test"}),
            "credential": make_hello(state, FACTS),
            "invite": make_hello(replace(state, credential=b""), FACTS),
        }
        for name, hello in hellos.items():
            with pytest.raises(ConnectionFailed) as refused:
                async with open_tunnel(session.relay.origin, hello):
                    pytest.fail(f"the {name} still works")
            assert refused.value.close_reason is CloseReason.REFUSED
        with pytest.raises(RelayRefused):
            await session.client.ticket(session.id, [Channel.CONTROL])


async def test_host_removes_itself_at_the_end_with_no_relay_in_reach(
    tmp_path: Path, desktop: Desktop
) -> None:
    async with open_active_session(tmp_path, desktop, "--session-lifetime", "5") as session:
        session.relay.kill()
        await trio.to_thread.run_sync(session.host.wait_removed)
        assert "The session's time is over." in session.host.out.text
        await trio.to_thread.run_sync(session.relay.start_again)
        ended = await session.client.session(session.id)
        assert (ended.state, ended.end_reason, ended.removal) == ("ended", "expired", "pending")


async def test_relay_keeps_no_secret_of_a_session(tmp_path: Path, desktop: Desktop) -> None:
    async with open_active_session(tmp_path, desktop) as session:
        await session.assert_controllable()
        state, link = session.host_state, session.prepared.link
        secrets: dict[str, str | bytes] = {
            "security code": session.prepared.security_code,
            "access password": link.access_password,
            "invite": link.invite,
            "invite secret": bytes(link.secret),
            "pairing key": bytes(session.pairing_key),
            "host credential": bytes(state.credential),
            "host's private key": state.key,
            "sign-in token": session.relay.sign_in_link.partition("#")[2],
            "cookie": session.client.cookie or "",
        }
        assert all(secrets.values())
        assert session.relay.find_kept(secrets) == []
        await session.client.end(session.id)
        await trio.to_thread.run_sync(session.host.wait_removed)
        assert session.relay.find_kept(secrets) == []
