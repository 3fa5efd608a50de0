"""The whole story without a browser, and then a search: no secret stays with the relay, in any spelling, in
its database, its other files, its logs or its metrics; and nobody's address is in logs or metrics."""

from functools import partial
from pathlib import Path

import httpx
import pytest
import trio

from peer.errors import PeerError
from peer.tunnel import open_tunnel
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Channel, Close, Hello
from relay.protocol.links import encode_base64url
from technician.attaching import attach
from technician.models import PreparedSession
from technician.pairing import PairingEvents, pair
from tests.helpers.process_house import ProcessHouse, exchange, open_control, open_process
from tests.helpers.relays import CUSTOMER, ActiveSession, ScriptedHost, closes_with, echo, random_secret

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

STRANGER = "127.0.0.77"
PASSWORD = "a password that nobody guesses"
NOTE = "Ticket 4711 of Ana"


def secrets_of(prepared: PreparedSession) -> dict[str, str | bytes]:
    return {
        "invite": prepared.link.invite,
        "invite secret": bytes(prepared.link.secret),
        "access password": prepared.link.access_password,
        "security code": prepared.security_code,
    }


async def pair_at_the_second_try(house: ProcessHouse) -> tuple[ActiveSession, dict[str, str | bytes]]:
    """An active session, after one wrong code; and what is secret about it."""
    prepared = await house.relay.prepare(CUSTOMER, note=NOTE)
    host = ScriptedHost(prepared.link)
    stored: list[bytes] = []
    code = prepared.security_code
    wrong = f"{(int(code) + 1) % 10**9:09}"
    events = PairingEvents(say=lambda _: None, show_code=lambda _: None, store=stored.append)
    async with host.connected() as tunnel, trio.open_nursery() as nursery:
        nursery.start_soon(pair, house.relay, prepared.session.id, prepared.link, code, events)
        with closes_with(CloseReason.WRONG_CODE):
            await host.try_code(tunnel, wrong)
        await host.try_code(tunnel, code)
        async for notice in tunnel.notices:
            if notice.name == "active":
                break
    secrets = secrets_of(prepared) | {
        "wrong code": wrong,
        "pairing key": bytes(stored[0]),
        "host credential": host.credential,
    }
    return ActiveSession(prepared, host, stored[0]), secrets


async def knock(house: ProcessHouse) -> dict[str, str | bytes]:
    """A stranger tries every door, from an address of their own; what they tried with."""
    guesses: dict[str, str | bytes] = {
        "guessed invite": random_secret(16),
        "guessed ticket": random_secret(),
        "guessed token": encode_base64url(random_secret()),
        "guessed password": "correct horse battery staple",
    }
    headers = {"X-Adhoc-Csrf": "1"}
    transport = httpx.AsyncHTTPTransport(local_address=STRANGER)
    async with httpx.AsyncClient(transport=transport, base_url=house.origin, headers=headers) as http:
        wrong = {"email": "owner@localhost", "password": guesses["guessed password"]}
        assert (await http.post("/api/v1/sign-in", json=wrong)).status_code == 401
        token = {"token": guesses["guessed token"]}
        assert (await http.post("/api/v1/sign-in/link", json=token)).status_code == 401
        invite = encode_base64url(bytes(guesses["guessed invite"]))  # type: ignore[arg-type] # bytes, above
        for path in (f"/api/v1/links/{invite}", f"/api/v1/links/{invite}/receipt", f"/d/{invite}"):
            await http.get(path)
    ticket = guesses["guessed ticket"]
    assert isinstance(ticket, bytes)
    async with house.connect("viewer", source=STRANGER) as (far, _):
        await far.send(Hello(1, "viewer", ticket, {"program": "test"}))
        assert isinstance(await far.read(), Close)
    return guesses


async def test_no_secret_and_no_address_stays_with_the_relay(tmp_path: Path) -> None:
    async with open_process(tmp_path) as house:
        secrets: dict[str, str | bytes] = {
            "sign-in token": house.process.sign_in_link.partition("#")[2],
            "cookie": (house.relay.cookie or "").partition("=")[2],
            "password": PASSWORD,
        }
        active, more = await pair_at_the_second_try(house)
        secrets |= more
        secrets |= await knock(house)
        unused = await house.relay.ticket(active.id, [Channel.CONTROL])
        secrets["ticket"] = bytes(unused.ticket)
        async with active.host.connected() as host, trio.open_nursery() as nursery:
            nursery.start_soon(echo, active, host)
            async with attach(house.relay, active.id, [Channel.CONTROL]) as viewer:
                sealed = await open_control(viewer, active)
                await exchange(sealed, 3)
                await house.relay.end(active.id)
            nursery.cancel_scope.cancel()
        with pytest.raises(PeerError):
            async with open_tunnel(house.origin, active.host.hello(active.prepared.link.invite)):
                pass
        await house.wait_sample("relay_connections", 0, role="viewer")
        assert all(secrets.values())
        assert await trio.to_thread.run_sync(partial(house.process.find_kept, secrets)) == []
        said = {"customer": CUSTOMER, "technician": "owner@localhost", "stranger": STRANGER, "note": NOTE}
        assert await trio.to_thread.run_sync(partial(house.process.find_said, said)) == []
        # A network address belongs nowhere, not even into the database.
        kept = await trio.to_thread.run_sync(partial(house.process.find_kept, {"stranger": STRANGER}))
        assert kept == []
