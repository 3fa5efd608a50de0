"""A relay for tests: in this process, on a port of its own, with a signed-in technician."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from peer.errors import PeerError, StreamClosed
from peer.sealed import SealedStream, accept_sealed
from peer.tunnel import Stream, Tunnel, open_tunnel
from relay.config import Config, ListenAddress
from relay.protocol.claims import PairFacts, pack_answer, unpack_stored
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import SUBPROTOCOL, Channel, Fields, Frame, Hello, decode_frame, encode_frame
from relay.protocol.lease import make_join_proof
from relay.protocol.links import DeploymentLink
from relay.protocol.pairing import HostHandshake
from relay.server import Running, serve
from technician.models import PreparedSession
from technician.pairing import PairingEvents, pair
from technician.relay_client import RelayClient, open_relay_client

CUSTOMER = "customer@example.com"


@dataclass
class House:
    """A running relay and its signed-in owner."""

    running: Running
    relay: RelayClient

    @property
    def origin(self) -> str:
        return self.running.origin


class SignedIn(Protocol):
    """A relay, wherever it runs, and its signed-in owner's client."""

    @property
    def relay(self) -> RelayClient: ...

    @property
    def origin(self) -> str: ...


@asynccontextmanager
async def open_relay(data: Path, *, port: int = 0, **settings: Any) -> AsyncIterator[House]:
    """A relay in this process, on a port of its own unless `port` is given."""
    config = Config(data=data, listen=ListenAddress("127.0.0.1", port), shutdown_timeout=2, **settings)
    async with trio.open_nursery() as nursery:
        running: Running = await nursery.start(partial(serve, config, make_sign_in_link=True))
        assert running.sign_in_link is not None
        async with open_relay_client(running.origin) as relay:
            await relay.sign_in_by_token(running.sign_in_link.partition("#")[2])
            yield House(running, relay)
        running.stop()


class ScriptedHost:
    """A host without a desktop: joins, pairs with whatever code it is given, answers streams."""

    def __init__(self, link: DeploymentLink, *, computer: str = "PC-1") -> None:
        self.link = link
        self.computer = computer
        self.key = Ed25519PrivateKey.generate()
        self.public_key = self.key.public_key().public_bytes_raw()
        self.credential = b""
        self.pairing_key = b""
        self.attempts = 0
        self.session = ""

    def hello(self, secret: bytes | None = None) -> Hello:
        secret = secret or self.credential or self.link.invite
        about: Fields = {
            "key": self.public_key,
            "computer": self.computer,
            "os": "Debian",
            "user": "ana",
            "program": "test",
            "proof": make_join_proof(secret, self.link.origin, self.key),
        }
        return Hello(1, "host", secret, about)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Tunnel]:
        """Join, or join again."""
        async with open_tunnel(self.link.origin, self.hello()) as tunnel:
            credential = tunnel.welcome["credential"]
            if isinstance(credential, bytes):
                self.credential = credential
            self.session = str(tunnel.welcome["session"])
            yield tunnel

    async def try_code(self, tunnel: Tunnel, code: str) -> None:
        """Accept the next pair stream with `code`, allow, and report; StreamClosed if it is wrong."""
        stream = await tunnel.incoming.receive()
        assert stream.channel is Channel.PAIR
        facts = PairFacts(computer=self.computer, os="Debian", user="ana", key=self.public_key)
        handshake = HostHandshake.for_pairing(
            origin=self.link.origin,
            session=self.session,
            stream=stream.number,
            code_number=int(str(stream.params["code"])),
            last_attempt=self.attempts,
            invite_secret=self.link.secret,
            security_code=code,
            facts=facts,
        )
        self.attempts += 1
        sealed, keys = await accept_sealed(stream, handshake)
        await sealed.send(pack_answer(is_allowed=True))
        assert unpack_stored(await sealed.receive())
        assert keys.pairing_key is not None
        self.pairing_key = bytes(keys.pairing_key)
        tunnel.notify("ready", {})
        tunnel.notify("paired", {"attempt": handshake.attempt})

    async def accept(self, stream: Stream) -> SealedStream:
        """Prove a tool's stream with the pairing key and the link's access password."""
        handshake = HostHandshake.for_connection(
            channel=stream.channel.value,
            origin=self.link.origin,
            session=self.session,
            stream=stream.number,
            pairing_key=self.pairing_key,
            access_password=self.link.access_password,
        )
        sealed, _ = await accept_sealed(stream, handshake)
        return sealed


@dataclass
class ActiveSession:
    """An active session with its host, which is connected or can connect again."""

    prepared: PreparedSession
    host: ScriptedHost
    pairing_key: bytes

    @property
    def id(self) -> str:
        return self.prepared.session.id


async def activate(house: SignedIn) -> ActiveSession:
    """Prepare, join and pair; the host's connection is closed again afterwards."""
    prepared = await house.relay.prepare(CUSTOMER)
    host = ScriptedHost(prepared.link)
    stored: list[bytes] = []
    events = PairingEvents(say=lambda _: None, show_code=lambda _: None, store=stored.append)
    async with host.connected() as tunnel, trio.open_nursery() as nursery:
        code = prepared.security_code
        nursery.start_soon(pair, house.relay, prepared.session.id, prepared.link, code, events)
        await host.try_code(tunnel, code)
        async for notice in tunnel.notices:
            if notice.name == "active":
                break
    return ActiveSession(prepared, host, stored[0])


async def echo(active: ActiveSession, tunnel: Tunnel) -> None:
    """A host that proves every stream and sends back what it gets."""

    async def serve(stream: Stream) -> None:
        try:
            sealed = await active.host.accept(stream)
            while data := await sealed.receive():
                await sealed.send(data)
        except StreamClosed:
            pass

    async with trio.open_nursery() as nursery:
        async for stream in tunnel.incoming:
            nursery.start_soon(serve, stream)


class RawPeer:
    """A peer made of trio-websocket, which nobody here wrote: sends what it likes, reads frames."""

    def __init__(self, socket: WebSocketConnection) -> None:
        self.socket = socket

    async def send(self, frame: Frame) -> None:
        await self.socket.send_message(encode_frame(frame))

    async def read(self) -> Frame:
        message = await self.socket.get_message()
        assert isinstance(message, bytes)
        return decode_frame(message)

    async def read_to_the_end(self) -> tuple[list[Frame], int]:
        """Every frame until the relay closes, and the WebSocket close code."""
        frames: list[Frame] = []
        while True:
            try:
                frames.append(await self.read())
            except ConnectionClosed as exc:
                return frames, exc.reason.code if exc.reason is not None else 0


@asynccontextmanager
async def open_raw_peer(house: SignedIn, role: str, **options: Any) -> AsyncIterator[RawPeer]:
    """A WebSocket at ``/tunnel/host`` or ``/tunnel/viewer`` that has said nothing yet."""
    url = f"{house.origin.replace('http', 'ws', 1)}/tunnel/{role}"
    async with open_websocket_url(url, subprotocols=[SUBPROTOCOL], **options) as socket:
        try:
            yield RawPeer(socket)
        finally:
            # trio-websocket leaves its socket to the garbage collector when the other side closed first.
            await trio.aclose_forcefully(socket._stream)


def random_secret(size: int = 32) -> bytes:
    """Bytes that open nothing."""
    return secrets.token_bytes(size)


@contextmanager
def closes_with(reason: CloseReason) -> Iterator[None]:
    """The block ends with a peer's error of this reason."""
    try:
        yield
    except PeerError as exc:
        assert exc.close_reason is reason  # noqa: PT017 - the helper is what asserts
    else:
        raise AssertionError(f"nothing was closed with {reason}")
