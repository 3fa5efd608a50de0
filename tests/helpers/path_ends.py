"""What a path carries: plain TCP and our own streams, one after the other, between two programs.

`measure_path` starts the *near* program; that one starts the relay, a host, a TCP server and the *far*
program, the viewer, at the other end of the path: in another network namespace, behind `DelayProxy`, or both.
Each round measures, over the same path:

- *plain*: how much a TCP connection carries that does nothing else;
- *alone*: how long 64 bytes take there and back on a TCP connection of their own;
- *files*: how much a sealed `files` stream carries through the relay, while
- *control*: 64 bytes go there and back on a sealed `control` stream of the same two connections.

The beginning of each, while windows open, is left out.
"""

import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal

import trio

from peer.errors import StreamClosed
from peer.sealed import SealedStream, open_sealed
from peer.tunnel import Stream, Tunnel, open_tunnel
from relay.protocol.frames import Channel, Hello
from relay.protocol.pairing import ViewerHandshake
from tests.helpers.delay_proxy import DelayProxy
from tests.helpers.process_house import ProcessHouse, open_process
from tests.helpers.programs import Program
from tests.helpers.relays import ActiveSession, activate

WARM_UP_SHARE: Final = 0.4
CONTROL_BYTES: Final = 64
CONTROL_INTERVAL: Final = 0.02
BLOCK: Final = bytes(256 * 1024)
PATIENCE: Final = 60.0
"""Seconds beyond those of the measurements, for a relay and two programs to start and end."""

Way = Literal["down", "up"]
"""Down: from host to viewer."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to measure.

    Attributes:
        near, far: commands that run a command at one end; empty for this namespace.
        address: of the near end, where the far end reaches it.
        round_trip, bytes_per_second: of a `DelayProxy` before the relay and one before the plain server; with
            round_trip 0 there is none.
        way: in which files go.
        seconds: of each measurement; `WARM_UP_SHARE` of them are the beginning that is left out.
        rounds: how often.
    """

    near: Sequence[str] = ()
    far: Sequence[str] = ()
    address: str = "127.0.0.1"
    round_trip: float = 0.0
    bytes_per_second: float | None = None
    way: Way = "down"
    seconds: float = 4.0
    rounds: int = 1

    @property
    def patience(self) -> float:
        """Seconds after which there is no answer any more; a round has three measurements."""
        return 3 * self.rounds * self.seconds + PATIENCE


@dataclass(frozen=True, kw_only=True)
class Turn:
    """What one round found.

    Attributes:
        plain, files: bytes a second.
        alone, control: seconds there and back, of each 64 bytes, shortest first.
    """

    plain: float
    files: float
    alone: list[float] = field(repr=False)
    control: list[float] = field(repr=False)


def share(sorted_values: Sequence[float], part: float) -> float:
    """The value that `part` of them do not exceed."""
    return sorted_values[min(len(sorted_values) - 1, int(part * len(sorted_values)))]


def measure_path(plan: Plan) -> list[Turn]:
    """Measure as `plan` says, in programs of their own.

    Raises:
        AssertionError: one of them failed; with what it said.
    """
    command = [*plan.near, sys.executable, "-m", "tests.helpers.path_ends", "near", json.dumps(asdict(plan))]
    with Program(command) as near:
        turns = [Turn(**turn) for turn in json.loads(_answer_of(near, 2 * plan.patience))]
        near.wait_gone()  # by itself: whoever ends it before leaves its relay running
        return turns


def _answer_of(program: Program, patience: float) -> str:
    try:
        return program.out.wait_for(r"turns (.*)\n", within=patience)[1]
    except AssertionError as exc:
        raise AssertionError(f"{exc}\n{program.err.text}") from exc


# The near end


async def _run_near(plan: Plan) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        house = await stack.enter_async_context(open_process(folder, "--listen", f"{plan.address}:0"))
        active = await activate(house)
        tunnel = await stack.enter_async_context(active.host.connected())
        nursery = await stack.enter_async_context(trio.open_nursery())
        listeners = await nursery.start(trio.serve_tcp, partial(_serve_plain, plan.seconds), 0)
        port: int = listeners[0].socket.getsockname()[1]
        nursery.start_soon(_serve_streams, plan.seconds, active, tunnel)
        report = await _run_far(plan, house, active, (plan.address, port))
        print(f"turns {report}", flush=True)
        nursery.cancel_scope.cancel()


async def _run_far(plan: Plan, house: ProcessHouse, active: ActiveSession, plain: tuple[str, int]) -> str:
    with ExitStack() as stack:
        doors = [house.address, plain]
        if plan.round_trip:
            doors = [
                stack.enter_context(DelayProxy(door, plan.round_trip, plan.bytes_per_second)).address
                for door in doors
            ]
        ticket = await house.relay.ticket(active.id, [Channel.CONTROL, Channel.FILES])
        tasks = {
            "relay": f"http://{doors[0][0]}:{doors[0][1]}",
            "plain": doors[1],
            "ticket": ticket.ticket.hex(),
            "origin": active.host.link.origin,
            "session": active.id,
            "pairing_key": active.pairing_key.hex(),
            "access_password": active.host.link.access_password,
            "way": plan.way,
            "seconds": plan.seconds,
            "rounds": plan.rounds,
        }
        command = [*plan.far, sys.executable, "-m", "tests.helpers.path_ends", "far", json.dumps(tasks)]
        far = stack.enter_context(Program(command))
        return await trio.to_thread.run_sync(_answer_of, far, plan.patience)


async def _serve_plain(seconds: float, connection: trio.SocketStream) -> None:
    order = bytes(await connection.receive_some(1))
    try:
        if order == b"d":
            while True:
                await connection.send_all(BLOCK)
        elif order == b"u":
            rate = await _count(lambda: connection.receive_some(len(BLOCK)), seconds, to_the_end=True)
            await connection.send_all(json.dumps(rate).encode())
        else:
            while data := await connection.receive_some(CONTROL_BYTES):
                await connection.send_all(data)
    except trio.BrokenResourceError:
        pass


async def _serve_streams(seconds: float, active: ActiveSession, tunnel: Tunnel) -> None:
    async def serve(stream: Stream) -> None:
        try:
            sealed = await active.host.accept(stream)
            order = await sealed.receive()
            if order == b"d":
                while True:
                    await sealed.send(BLOCK)
            elif order == b"u":
                rate = await _count(sealed.receive, seconds, to_the_end=True)
                await sealed.send(json.dumps(rate).encode())
            else:
                while data := await sealed.receive():
                    await sealed.send(data)
        except StreamClosed:
            pass

    async with trio.open_nursery() as nursery:
        async for stream in tunnel.incoming:
            nursery.start_soon(serve, stream)


# The far end


@dataclass
class _Viewer:
    """The far end's part of what `_run_far` says."""

    relay: str
    plain: tuple[str, int]
    ticket: str
    origin: str
    session: str
    pairing_key: str
    access_password: str
    way: Way
    seconds: float
    rounds: int

    async def run(self) -> None:
        hello = Hello(1, "viewer", bytes.fromhex(self.ticket), {"program": "test"})
        async with open_tunnel(self.relay, hello) as tunnel:
            turns = [await self._turn(tunnel) for _ in range(self.rounds)]
        print(f"turns {json.dumps([asdict(turn) for turn in turns])}", flush=True)

    async def _turn(self, tunnel: Tunnel) -> Turn:
        plain = await self._plain_rate()
        async with self._plain_stream(b"e") as connection:
            alone = await _ping(
                connection.send_all, partial(connection.receive_some, CONTROL_BYTES), self.seconds
            )
        control = await self._open(tunnel, Channel.CONTROL)
        await control.send(b"e")
        times: list[float] = []

        async def ping() -> None:
            times.extend(await _ping(control.send, control.receive, self.seconds))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ping)
            files = await self._files_rate(tunnel)
        control.close()
        return Turn(plain=plain, files=files, alone=alone, control=times)

    async def _plain_rate(self) -> float:
        async with self._plain_stream(self.way[:1].encode()) as connection:
            if self.way == "down":
                return await _count(lambda: connection.receive_some(len(BLOCK)), self.seconds)
            with trio.move_on_after(self.seconds):
                while True:
                    await connection.send_all(BLOCK)
            await connection.send_eof()
            return float(await connection.receive_some())

    async def _files_rate(self, tunnel: Tunnel) -> float:
        files = await self._open(tunnel, Channel.FILES)
        await files.send(self.way[:1].encode())
        try:
            if self.way == "down":
                return await _count(files.receive, self.seconds)
            deadline = trio.current_time() + self.seconds
            while trio.current_time() < deadline:
                await files.send(BLOCK)
            await files.finish()
            return float(await files.receive())
        finally:
            files.close()

    @asynccontextmanager
    async def _plain_stream(self, order: bytes) -> AsyncIterator[trio.SocketStream]:
        async with await trio.open_tcp_stream(*self.plain) as connection:
            await connection.send_all(order)
            yield connection

    async def _open(self, tunnel: Tunnel, channel: Channel) -> SealedStream:
        handshake = ViewerHandshake.for_connection(
            channel=channel.value,
            origin=self.origin,
            session=self.session,
            stream=tunnel.next_stream_id(),
            pairing_key=bytes.fromhex(self.pairing_key),
            access_password=self.access_password,
        )
        sealed, _ = await open_sealed(tunnel, channel, handshake)
        return sealed


async def _count(
    receive: Callable[[], Awaitable[bytes]], seconds: float, *, to_the_end: bool = False
) -> float:
    """Bytes a second that come behind the beginning, for `seconds` in all or until nothing more comes."""
    started = time.monotonic()
    since, count = started, 0
    while data := await receive():
        now = time.monotonic()
        if now < started + WARM_UP_SHARE * seconds:
            since = now
        else:
            count += len(data)
        if now >= started + seconds and not to_the_end:
            break
    return count / (time.monotonic() - since)


async def _ping(
    send: Callable[[bytes], Awaitable[None]], receive: Callable[[], Awaitable[bytes]], seconds: float
) -> list[float]:
    """Send 64 bytes again and again; the seconds until each came back, sorted, without the beginning."""
    started = time.monotonic()
    total = int(seconds / CONTROL_INTERVAL)
    times: list[float] = []

    async def receive_all() -> None:
        received = b""
        for number in range(total):
            while len(received) < CONTROL_BYTES:
                received += await receive()
            sent_at = float(received[:CONTROL_BYTES])
            received = received[CONTROL_BYTES:]
            if number >= WARM_UP_SHARE * total:
                times.append(time.monotonic() - sent_at)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(receive_all)
        for number in range(total):
            await trio.sleep(max(0.0, started + number * CONTROL_INTERVAL - time.monotonic()))
            await send(f"{time.monotonic():{CONTROL_BYTES}.9f}".encode())
    return sorted(times)


if __name__ == "__main__":
    _, role, given = sys.argv
    if role == "near":
        trio.run(_run_near, Plan(**json.loads(given)))
    else:
        trio.run(_Viewer(**json.loads(given)).run)
