"""Everything over TLS, with a certificate of nobody's but this test's: pages, sign-in, host, viewer."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import trio

from peer.errors import ConnectionFailed
from peer.sealed import open_sealed
from peer.tunnel import open_tunnel
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Channel, Hello
from relay.protocol.pairing import ViewerHandshake
from relay.roster import issue_sign_in_link
from technician.attaching import attach
from tests.helpers.relays import House, activate, echo, open_relay
from tests.helpers.transports import make_certificate

pytestmark = [pytest.mark.sockets]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    return make_certificate(tmp_path)


@pytest.fixture
async def house(
    tmp_path: Path, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    # What a person with a certificate authority of their own sets for the command line, too.
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    async with open_relay(tmp_path / "relay", tls_cert=certificate[0], tls_key=certificate[1]) as it:
        yield it


async def test_a_session_is_prepared_paired_used_and_ended_over_tls(
    house: House, certificate: tuple[Path, Path]
) -> None:
    assert house.origin.startswith("https://")
    active = await activate(house)
    assert active.prepared.link.url().startswith(house.origin)
    ticket = await house.relay.ticket(active.id, [Channel.CONTROL])
    assert ticket.url == f"{house.origin.replace('https', 'wss', 1)}/tunnel/viewer"
    context = ssl.create_default_context(cafile=certificate[0])
    viewer_hello = Hello(1, "viewer", ticket.ticket, {"program": "test"})
    async with (
        open_tunnel(house.origin, active.host.hello(), ssl_context=context) as host,
        open_tunnel(ticket.url, viewer_hello, ssl_context=context) as viewer,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(echo, active, host)
        handshake = ViewerHandshake.for_connection(
            channel="control",
            origin=house.origin,
            session=active.id,
            stream=viewer.next_stream_id(),
            pairing_key=active.pairing_key,
            access_password=active.host.link.access_password,
        )
        sealed, _ = await open_sealed(viewer, Channel.CONTROL, handshake)
        sent = bytes(range(256)) * 8192
        nursery.start_soon(sealed.send, sent)
        received = b""
        while len(received) < len(sent):
            received += await sealed.receive()
        assert received == sent
        await house.relay.end(active.id)
        with trio.fail_after(1):
            assert await host.wait_closed() is CloseReason.ENDED_BY_TECHNICIAN
            assert await viewer.wait_closed() is CloseReason.ENDED_BY_TECHNICIAN
        nursery.cancel_scope.cancel()


async def test_the_technicians_own_way_to_attach_goes_over_tls(house: House) -> None:
    active = await activate(house)
    async with attach(house.relay, active.id, [Channel.CONTROL]) as tunnel:
        assert tunnel.welcome["session"] == active.id


async def test_the_cookie_goes_to_this_host_only_and_never_in_the_clear(
    house: House, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    link = await issue_sign_in_link(tmp_path / "relay", email=None, origin=None)
    origin, _, token = link.partition("/sign-in#")
    context = ssl.create_default_context(cafile=certificate[0])
    headers = {"X-Adhoc-Csrf": "1", "Origin": origin}
    async with httpx.AsyncClient(base_url=origin, verify=context, headers=headers) as browser:
        answer = await browser.post("/api/v1/sign-in/link", json={"token": token})
        name_and_value, *attributes = answer.headers["set-cookie"].lower().split("; ")
        assert name_and_value.startswith("__host-")
        assert {"secure", "httponly", "samesite=strict", "path=/"} <= set(attributes)
        assert not any(attribute.startswith("domain") for attribute in attributes)
        assert (await browser.get("/api/v1/me")).status_code == 200
        assert answer.headers["strict-transport-security"].startswith("max-age=")


async def test_a_peer_that_does_not_trust_the_certificate_sends_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    active = await activate(house)
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(ConnectionFailed) as caught:
        async with active.host.connected():
            pass
    assert "not trusted" in str(caught.value)


async def test_plain_http_on_the_tls_port_is_a_failed_connection(house: House) -> None:
    active = await activate(house)
    with pytest.raises(ConnectionFailed) as caught:
        async with open_tunnel(house.origin.replace("https", "http", 1), active.host.hello()):
            pass
    assert caught.value.close_reason is CloseReason.DEAD
