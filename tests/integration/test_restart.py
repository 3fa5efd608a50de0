"""A relay that is killed in the middle of transfers and started again: everybody is back by themselves."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trio

from peer.backoff import Backoff
from peer.errors import PeerError, StreamClosed
from peer.tunnel import Tunnel
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Channel
from technician.attaching import attach
from technician.errors import TechnicianError
from tests.helpers.process_house import ProcessHouse, open_control, open_process
from tests.helpers.relays import ActiveSession, activate

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

SESSIONS = 4
BACK_WITHIN = 10.0
"""Seconds from the time that the relay is up again."""


@dataclass
class Transfer:
    """One session whose host sends to a viewer for ever; both come back whenever they are cut off.

    Attributes:
        cuts: why streams ended, as host and viewer heard it, in the order in which they did.
        received: bytes at the viewer, of the stream that is open.
        moves: set when bytes arrive, and replaced.
    """

    house: ProcessHouse
    active: ActiveSession
    host_cuts: list[CloseReason] = field(default_factory=list)
    viewer_cuts: list[CloseReason] = field(default_factory=list)
    received: int = 0
    moves: trio.Event = field(default_factory=trio.Event)

    async def run_host(self) -> None:
        """Join, and send on every stream that a viewer opens; again after each loss."""
        backoff = Backoff()
        while True:
            with suppress(PeerError):
                async with self.active.host.connected() as tunnel:
                    backoff.reset()
                    await self._send(tunnel)
            await trio.sleep(backoff.next_delay())

    async def _send(self, tunnel: Tunnel) -> None:
        async for stream in tunnel.incoming:
            try:
                sealed = await self.active.host.accept(stream)
                while True:
                    await sealed.send(bytes(50_000))
            except StreamClosed as closed:
                self.host_cuts.append(closed.close_reason)

    async def run_viewer(self) -> None:
        """Get a ticket, attach, open a stream and read; again after each loss, or while the host is away."""
        backoff = Backoff()
        while True:
            with suppress(PeerError, TechnicianError):
                async with attach(self.house.relay, self.active.id, [Channel.CONTROL]) as tunnel:
                    sealed = await open_control(tunnel, self.active)
                    backoff.reset()
                    self.received = 0
                    try:
                        while True:
                            self.received += len(await sealed.receive())
                            self.moves.set()
                            self.moves = trio.Event()
                    except StreamClosed as closed:
                        self.viewer_cuts.append(closed.close_reason)
            await trio.sleep(backoff.next_delay())

    async def wait_moving(self, size: int) -> None:
        """Return when a stream has brought so many bytes."""
        while self.received < size:
            await self.moves.wait()


@asynccontextmanager
async def transferring(house: ProcessHouse) -> AsyncIterator[list[Transfer]]:
    """Several sessions, each with a transfer under way."""
    transfers = [Transfer(house, await activate(house)) for _ in range(SESSIONS)]
    async with trio.open_nursery() as nursery:
        for transfer in transfers:
            nursery.start_soon(transfer.run_host)
            nursery.start_soon(transfer.run_viewer)
        for transfer in transfers:
            await transfer.wait_moving(100_000)
        yield transfers
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_everybody_is_back_after_a_restart_in_mid_transfer(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with open_process(tmp_path, sessions=SESSIONS) as house, transferring(house) as transfers:
        house.process.send(number)
        await trio.to_thread.run_sync(house.process.wait_gone)
        for transfer in transfers:
            transfer.received = 0
        await trio.to_thread.run_sync(house.process.start_again)
        with trio.fail_after(BACK_WITHIN):
            for transfer in transfers:
                await transfer.wait_moving(100_000)
        reason = CloseReason.DEAD if number is signal.SIGKILL else CloseReason.GOING_AWAY
        for transfer in transfers:
            assert transfer.host_cuts[0] is transfer.viewer_cuts[0] is reason
            assert (await house.relay.session(transfer.active.id)).state == "active"
