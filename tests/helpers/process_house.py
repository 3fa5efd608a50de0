"""A relay in a process of its own with a signed-in technician, and peers that talk through it, or cannot."""

import ctypes
import math
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import trio

from peer.sealed import SealedStream, open_sealed
from peer.tunnel import Tunnel
from relay.accounts import Accounts, AccountSettings
from relay.auth import Sealer, load_or_make_relay_key
from relay.people import Plan, TechnicianRole
from relay.protocol.frames import SUBPROTOCOL, Channel, Hello, Notice, Role, Welcome
from relay.protocol.pairing import ViewerHandshake
from relay.protocol.upgrade import client_request, make_key, split_head
from relay.store import open_store
from relay.transport import SocketTransport
from technician.attaching import attach
from technician.relay_client import RelayClient, open_relay_client
from tests.helpers.far_end import FarEnd
from tests.helpers.relay_process import RelayProcess
from tests.helpers.relays import ActiveSession, SignedIn, echo

SCRAPE_INTERVAL = 0.05
"""Seconds between two looks at the metrics of another process, whose changes nobody announces."""

SO_ATTACH_FILTER = 26
"""Linux, asm-generic/socket.h."""


@dataclass
class ProcessHouse:
    """A running relay and its signed-in owner."""

    process: RelayProcess
    relay: RelayClient

    @property
    def origin(self) -> str:
        return self.process.origin

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, _, port = self.process.address.rpartition(":")
        return host, int(port)

    async def sample(self, name: str, **labels: str) -> float:
        """One of its metrics, now."""
        return await trio.to_thread.run_sync(partial(self.process.sample, name, **labels))

    async def wait_sample(self, name: str, expected: float, **labels: str) -> None:
        """Ask until a metric is `expected`: things are counted when they are over, not when they are seen."""
        await self.wait_counted(lambda found: found == expected, name, **labels)

    async def wait_counted(self, is_enough: Callable[[float], bool], name: str, **labels: str) -> None:
        """The same for a condition."""
        found = math.nan
        with trio.move_on_after(10):
            while not is_enough(found):
                await trio.sleep(SCRAPE_INTERVAL)
                found = await self.sample(name, **labels)
        assert is_enough(found), f"{name}{labels} is {found}"

    @asynccontextmanager
    async def connect(
        self, role: Role, *, receive_buffer: int = 0, source: str = ""
    ) -> AsyncIterator[tuple[FarEnd, socket.socket]]:
        """A WebSocket that has said nothing yet, and a second handle of its socket.

        Args:
            role: which door.
            receive_buffer: bytes that the kernel may keep unread for it; 0: as usual.
            source: the address of 127.0.0.0/8 to come from.
        """
        sock = trio.socket.socket()
        if receive_buffer:
            sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer)
        if source:
            await sock.bind((source, 0))
        await sock.connect(self.address)
        with socket.socket(fileno=os.dup(sock.fileno())) as handle:
            transport = SocketTransport(sock)
            try:
                far = FarEnd(transport)
                await self._upgrade(far, role)
                yield far, handle
            finally:
                transport.abort()

    async def _upgrade(self, far: FarEnd, role: Role) -> None:
        authority = self.origin.partition("://")[2]
        await far.pipe.send_all(client_request(authority, f"/tunnel/{role}", make_key(), SUBPROTOCOL))
        head = b""
        while (split := split_head(head)) is None:
            piece = await far.pipe.receive_some()
            assert piece, f"the relay hung up after {head!r}"
            head += piece
        assert head.startswith(b"HTTP/1.1 101 "), head
        far.events += far.codec.receive_data(split[1])


@asynccontextmanager
async def attach_raw(
    house: ProcessHouse, active: ActiveSession, *, receive_buffer: int = 0
) -> AsyncIterator[tuple[FarEnd, socket.socket, int]]:
    """A viewer of our own, admitted: its connection, a second handle of its socket, and its number."""
    ticket = await house.relay.ticket(active.id, [Channel.CONTROL])
    async with house.connect("viewer", receive_buffer=receive_buffer) as (far, handle):
        await far.send(Hello(1, "viewer", ticket.ticket, {"program": "test"}))
        welcome = await far.read()
        assert isinstance(welcome, Welcome), welcome
        number = welcome.fields["viewer"]
        assert isinstance(number, int)
        yield far, handle, number


@asynccontextmanager
async def open_process(
    folder: Path,
    *options: str,
    tuning: Mapping[str, object] | None = None,
    sessions: int = 1,
) -> AsyncIterator[ProcessHouse]:
    """A relay's process with its data in `folder`, gone afterwards.

    Args:
        folder: may have the data of an earlier one.
        options: further arguments of ``relay up``.
        tuning: see `tests.helpers.tuned_relay`.
        sessions: how many may be open at once.
    """
    if sessions > 1:
        await _make_room(folder / "relay", sessions)
    start = partial(RelayProcess, folder / "relay", options, tuning=tuning)
    process = await trio.to_thread.run_sync(start)
    try:
        async with open_relay_client(process.origin) as client:
            await client.sign_in_by_token(process.sign_in_link.partition("#")[2])
            yield ProcessHouse(process, client)
    finally:
        with trio.CancelScope(shield=True):  # bounded: it is killed in the end
            await trio.to_thread.run_sync(process.stop)


async def _make_room(data: Path, sessions: int) -> None:
    """Make company and owner before the relay does, with larger limits."""
    async with open_store(data / "relay.db") as store:
        accounts = Accounts(
            store,
            AccountSettings(),
            now=lambda: datetime.now(UTC),
            sealer=Sealer(load_or_make_relay_key(data / "relay.key")),
            origin="http://127.0.0.1",
        )
        company = await accounts.create_company(
            name="Acme Support",
            plan=Plan.PREMIER,
            max_open_per_technician=sessions,
            max_open_per_company=sessions,
        )
        await accounts.create_technician(
            company.id, name="Owner", email="owner@localhost", role=TechnicianRole.OWNER
        )


@asynccontextmanager
async def open_pair(house: SignedIn, active: ActiveSession) -> AsyncIterator[SealedStream]:
    """A host that echoes, and a viewer's sealed control stream to it."""
    async with active.host.connected() as host, trio.open_nursery() as nursery:
        nursery.start_soon(echo, active, host)
        async with attach(house.relay, active.id, [Channel.CONTROL]) as viewer:
            yield await open_control(viewer, active)
        nursery.cancel_scope.cancel()


async def open_control(viewer: Tunnel, active: ActiveSession) -> SealedStream:
    """Open the next control stream of an attached viewer, proven."""
    handshake = ViewerHandshake.for_connection(
        channel="control",
        origin=active.host.link.origin,
        session=active.id,
        stream=viewer.next_stream_id(),
        pairing_key=active.pairing_key,
        access_password=active.host.link.access_password,
    )
    sealed, _ = await open_sealed(viewer, Channel.CONTROL, handshake)
    return sealed


async def exchange(sealed: SealedStream, rounds: int) -> None:
    """Send and get back `rounds` numbered messages, each before the next."""
    for number in range(rounds):
        sent = number.to_bytes(4, "big") * 16
        await sealed.send(sent)
        assert await sealed.receive() == sent


@asynccontextmanager
async def exchanging(sealed: SealedStream, *, at_least: int = 20) -> AsyncIterator[None]:
    """Exchange all through the block, and after it until `at_least` messages came back in all."""
    done = 0
    is_over = False

    async def go_on() -> None:
        nonlocal done
        while not is_over or done < at_least:
            await exchange(sealed, 1)
            done += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(go_on)
        yield
        is_over = True


async def next_notice(tunnel: Tunnel, name: str) -> Notice:
    """The next notice of this name, within ten seconds."""
    with trio.fail_after(10):
        async for notice in tunnel.notices:
            if notice.name == name:
                return notice
    raise AssertionError(f"the connection ended before the notice {name!r}")


def vanish(handle: socket.socket) -> None:
    """Let the network before this socket be gone: nothing that arrives reaches it, nobody is told.

    A classic BPF program that takes no byte of any segment (socket(7)) makes the kernel drop all of them
    before TCP sees them: no acknowledgement, no reset. A pulled cable looks like that to the other side.
    """
    program = ctypes.create_string_buffer(struct.pack("=HBBI", 0x06, 0, 0, 0))  # BPF_RET | BPF_K, 0 bytes
    handle.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("@HP", 1, ctypes.addressof(program)))
