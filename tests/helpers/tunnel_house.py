"""A `TunnelServer` over a real broker and store, and peers in memory: the tunnels without the front door."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from relay.audit.recorder import Recorder
from relay.connections import TunnelServer, TunnelSettings
from relay.metrics import Metrics
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import (
    SUBPROTOCOL,
    Accept,
    Channel,
    Close,
    Frame,
    Hello,
    Notice,
    Open,
    Role,
    Welcome,
)
from relay.protocol.upgrade import client_request, make_key, split_head
from relay.sessions import Session, SessionId
from relay.store import audit_rows
from relay.transport import Transport, memory_transport_pair
from tests.helpers.far_end import FarEnd
from tests.helpers.office import ORIGIN, Clock, FakeHost, Office, open_office


@dataclass
class MemoryUpgrade:
    """A request for an upgrade, as the front door hands it over."""

    transport: Transport
    headers: Sequence[tuple[bytes, bytes]]
    client: tuple[str, int] = ("192.0.2.1", 5000)
    refused: tuple[int, str] | None = None

    async def refuse(self, status: int, sentence: str) -> None:
        self.refused = status, sentence
        await self.transport.aclose()


@dataclass
class TunnelHouse:
    """Office, tunnels, and the nursery in which connections are served."""

    office: Office
    server: TunnelServer
    metrics: Metrics
    nursery: trio.Nursery
    serving: dict[int, trio.CancelScope] = field(default_factory=dict)

    async def connect(self, role: Role) -> FarEnd:
        """A WebSocket that has said nothing yet."""
        upgrade, transport = _memory_upgrade(role)
        scope = await self.nursery.start(self._serve, role, upgrade)
        split = split_head(await transport.receive_some())
        assert split is not None
        far = FarEnd(transport)
        far.events += far.codec.receive_data(split[1])
        self.serving[id(far)] = scope
        return far

    async def ask_upgrade(self, role: Role) -> MemoryUpgrade:
        """An upgrade that is refused."""
        upgrade, _ = _memory_upgrade(role)
        await self._handle(role, upgrade)
        return upgrade

    def _handle(self, role: Role, upgrade: MemoryUpgrade) -> Awaitable[None]:
        handle = self.server.handle_host if role == "host" else self.server.handle_viewer
        return handle(upgrade)

    async def _serve(
        self, role: Role, upgrade: MemoryUpgrade, task_status: trio.TaskStatus[trio.CancelScope]
    ) -> None:
        with trio.CancelScope() as scope:
            task_status.started(scope)
            try:
                await self._handle(role, upgrade)
            finally:
                await upgrade.transport.aclose()

    def cancel(self, far: FarEnd) -> None:
        """Cancel the task that serves this connection, as a shutdown does."""
        self.serving[id(far)].cancel()

    async def join(self, secret: bytes, host: FakeHost | None = None) -> FarEnd:
        """A host that is welcome."""
        far = await self.connect("host")
        await far.send(self.host_hello(secret, host))
        welcome = await far.read()
        assert isinstance(welcome, Welcome), welcome
        return far

    def host_hello(self, secret: bytes, host: FakeHost | None = None) -> Hello:
        about = (host or self.office.host).about(secret)
        names = ("key", "computer", "os", "user", "program", "proof")
        return Hello(1, "host", secret, {name: getattr(about, name) for name in names})

    async def attach(self, session: Session, *kinds: Channel) -> tuple[FarEnd, int]:
        """A viewer that is welcome, and its number."""
        far = await self.connect("viewer")
        await far.send(await self.viewer_hello(session, *kinds))
        welcome = await far.read()
        assert isinstance(welcome, Welcome), welcome
        viewer = welcome.fields["viewer"]
        assert isinstance(viewer, int)
        return far, viewer

    async def viewer_hello(self, session: Session, *kinds: Channel) -> Hello:
        ticket = await self.office.broker.issue_ticket(
            self.office.technician.id, session.id, frozenset(kinds or (Channel.CONTROL,))
        )
        return Hello(1, "viewer", ticket.secret, {"program": "test"})

    async def open_stream(
        self, host: FarEnd, viewer: FarEnd, number: int, channel: Channel, credit: int = 100_000
    ) -> None:
        """Opened by the viewer and accepted by the host."""
        await viewer.send(Open(number, channel, credit, {}))
        await until(host, Open(number, channel, credit, {}))
        await host.send(Accept(number, credit, {}))
        await until(viewer, Accept(number, credit, {}))

    async def everybody_left(self) -> None:
        """Returns once no connection is served any more."""
        with trio.fail_after(10):
            while self.server._connections:
                await self.server._an_end.wait()

    async def audited(self, session_id: SessionId) -> list[str]:
        """The actions in the session's audit log."""
        rows = await self.office.store.read(lambda tx: audit_rows.of_session(tx, session_id))
        return [row.action for row in rows]

    def count(self, sample: str, **labels: str) -> float:
        """A sample of the metrics, 0 if there is none."""
        return self.metrics.registry.get_sample_value(sample, labels) or 0.0


def _memory_upgrade(role: Role) -> tuple[MemoryUpgrade, Transport]:
    """A request for an upgrade, and the end of whoever asks."""
    near, transport = memory_transport_pair()
    request = client_request("relay.example", f"/tunnel/{role}", make_key(), SUBPROTOCOL)
    lines = request.split(b"\r\n")[1:-2]
    headers = [(name.lower(), value) for name, _, value in (line.partition(b": ") for line in lines)]
    return MemoryUpgrade(near, headers), transport


async def until(far: FarEnd, frame: Frame) -> None:
    """Read until this frame comes."""
    with trio.fail_after(10):
        while (got := await far.read()) != frame:
            assert got is not None, f"{frame} never came"


async def until_notice(far: FarEnd, name: str) -> Notice:
    """Read until a notice of this name comes."""
    with trio.fail_after(10):
        while True:
            got = await far.read()
            assert got is not None, f"the notice {name} never came"
            if isinstance(got, Notice) and got.name == name:
                return got


async def closing(far: FarEnd) -> list[CloseReason]:
    """Read to the end: the reasons of the CLOSE frames for the connection."""
    with trio.fail_after(10):
        events = await far.read_all()
    await far.pipe.aclose()
    return [event.reason for event in events if isinstance(event, Close) and event.stream == 0]


@asynccontextmanager
async def open_house(folder: Path, settings: TunnelSettings) -> AsyncIterator[TunnelHouse]:
    """A house, which must be empty again once the block's peers have left: no entry, no task stays."""
    async with open_office(folder / "relay.db", now=Clock()) as office:
        metrics = Metrics()
        recorder = Recorder(office.store, now=office.broker.now)
        server = TunnelServer(
            office.broker,
            metrics,
            origin=ORIGIN,
            allowed_origins=[ORIGIN],
            settings=settings,
            recorder=recorder,
        )
        office.broker.revoke = server.revoke
        office.broker.recheck = server.recheck
        office.broker.withdraw = server.withdraw
        office.broker.notify = server.notify
        async with trio.open_nursery() as background:
            await background.start(office.broker.run_deadlines)
            await background.start(server.run_housekeeping)
            async with trio.open_nursery() as connections:
                house = TunnelHouse(office, server, metrics, connections)
                yield house
                with trio.fail_after(10):
                    await server.drain(1)
            now = server.statistics()
            assert (now.hosts, now.viewers, now.handshaking, now.tunnels, now.streams, now.queued_bytes) == (
                0,
            ) * 6
            assert not server._tunnels
            presence = office.broker.statistics()
            assert (presence.hosts_online, presence.viewers) == (0, 0)
            background.cancel_scope.cancel()
