"""People, with a real relay in a process of its own, a real mail server, and real sockets: invited, at work,
disabled, without their password."""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
import trio
from trio_websocket import ConnectionClosed, wrap_client_stream

from tests.helpers.inbox import Inbox, link_in
from tests.helpers.relay_process import COMPANY, TECHNICIAN, RelayProcess

pytestmark = [pytest.mark.slow, pytest.mark.sockets]

PASSWORD = "correct horse battery"
SOON = 1.0
"""Seconds within which whoever is disabled is disconnected (SECURITY)."""


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """Where all mail goes."""
    with Inbox() as opened:
        yield opened


@pytest.fixture
def relay(tmp_path: Path, inbox: Inbox) -> Iterator[RelayProcess]:
    """The relay."""
    process = RelayProcess(tmp_path / "data", ["--smtp-url", inbox.url, "--mail-from", "relay@help.example"])
    yield process
    process.stop()


@asynccontextmanager
async def browser(relay: RelayProcess) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody's browser."""
    async with httpx.AsyncClient(
        base_url=relay.origin, headers={"X-Adhoc-Csrf": "1", "Origin": relay.origin}, timeout=30
    ) as client:
        yield client


async def run_relay(*arguments: str) -> str:
    """What a command of the relay prints."""
    done = await trio.run_process([sys.executable, "-m", "relay", *arguments], capture_stdout=True)
    return str(done.stdout.decode())


async def feed_closed(
    relay: RelayProcess, client: httpx.AsyncClient, disable: Callable[[], Awaitable[None]]
) -> float:
    """Seconds from somebody's being disabled to the end of their live feed."""
    host, _, port = relay.address.rpartition(":")
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    headers = [(b"Origin", relay.origin.encode()), (b"Cookie", cookie.encode())]
    # The stream is ours to close: trio-websocket's client forgets it when the other side closes first.
    with trio.fail_after(20):
        async with await trio.open_tcp_stream(host, int(port)) as stream, trio.open_nursery() as nursery:
            feed = await wrap_client_stream(
                nursery, stream, relay.address, "/api/v1/events", extra_headers=headers
            )
            await feed.get_message()
            await disable()
            began = trio.current_time()
            with suppress(ConnectionClosed):
                while True:
                    await feed.get_message()
            took = trio.current_time() - began
            nursery.cancel_scope.cancel()
    return took


async def test_from_the_first_link_to_a_forgotten_password(relay: RelayProcess, inbox: Inbox) -> None:
    async with browser(relay) as owner, browser(relay) as nina:
        token = relay.sign_in_link.partition("#")[2]
        signed_in = (await owner.post("/api/v1/sign-in/link", json={"token": token})).json()
        assert signed_in["signed_in"]["technician"]["role"] == "owner"

        body = {"name": "Nina Ñ", "email": "nina@help.example", "role": "technician", "language": "es"}
        invited = (await owner.post("/api/v1/people", json=body)).json()
        assert invited["mail"]["state"] == "sent"
        mail = await trio.to_thread.run_sync(inbox.next_for, "nina@help.example")
        assert COMPANY in str(mail["Subject"]) + str(mail["From"])
        assert TECHNICIAN in str(mail.get_body(("plain",)))
        invitation = link_in(mail, "/invite").partition("#")[2]
        accept = {"token": invitation, "password": PASSWORD}
        assert (await nina.post("/api/v1/invitations/accept", json=accept)).status_code == 200
        assert (await nina.get("/api/v1/me")).json()["technician"]["name"] == "Nina Ñ"

        await owner.post("/api/v1/sign-in/reset", json={"email": "nobody@help.example"})
        asked = await nina.post("/api/v1/sign-in/reset", json={"email": "NINA@help.example"})
        assert asked.status_code == 202
        mail = await trio.to_thread.run_sync(inbox.next_for, "nina@help.example")
        reset = link_in(mail, "/reset").partition("#")[2]
        new = {"token": reset, "password": "a new long password"}
        assert (await owner.post("/api/v1/invitations/look", json={"token": reset})).json()[
            "purpose"
        ] == "reset"
        async with browser(relay) as elsewhere:
            assert (await elsewhere.post("/api/v1/invitations/accept", json=new)).status_code == 200
        assert (await nina.get("/api/v1/me")).status_code == 401
        old = {"email": "nina@help.example", "password": PASSWORD}
        assert (await nina.post("/api/v1/sign-in", json=old)).status_code == 401

        secrets = {"invitation": invitation, "reset": reset, "password": PASSWORD, "owner's link": token}
        assert await trio.to_thread.run_sync(relay.find_kept, secrets) == []
        people = {"nina": "nina@help.example", "nobody": "nobody@help.example", "name": "Nina Ñ"}
        assert await trio.to_thread.run_sync(relay.find_said, people) == []


async def test_whoever_is_disabled_is_disconnected_within_a_second(relay: RelayProcess) -> None:
    async with browser(relay) as owner, browser(relay) as adam:
        token = relay.sign_in_link.partition("#")[2]
        await owner.post("/api/v1/sign-in/link", json={"token": token})
        data = ("--data", str(relay.data))
        added = await run_relay("technician", "add", "--name", "Adam", "--email", "adam@help.example", *data)
        await adam.post("/api/v1/sign-in/link", json={"token": added.strip().partition("#")[2]})
        people = (await owner.get("/api/v1/people")).json()["people"]
        adams = next(person["id"] for person in people if person["name"] == "Adam")

        async def in_the_console() -> None:
            answer = await owner.patch(f"/api/v1/people/{adams}", json={"is_disabled": True})
            assert answer.status_code == 200

        async def on_the_terminal() -> None:
            await run_relay("technician", "disable", "--email", "adam@help.example", *data)

        assert await feed_closed(relay, adam, in_the_console) < SOON
        assert (await adam.get("/api/v1/me")).status_code == 401
        await run_relay("technician", "enable", "--email", "adam@help.example", *data)
        link = await run_relay("technician", "link", "--email", "adam@help.example", *data)
        await adam.post("/api/v1/sign-in/link", json={"token": link.strip().partition("#")[2]})
        assert await feed_closed(relay, adam, on_the_terminal) < SOON
