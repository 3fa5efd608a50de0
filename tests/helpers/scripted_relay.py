"""A relay that says what a test tells it to, at the far end of a peer's tunnel: in memory, with no socket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

import pytest
import trio
import trio.testing

import peer.tunnel
from peer.tunnel import Tunnel, open_tunnel
from relay.protocol.frames import (
    MAX_MESSAGE_BYTES,
    Fields,
    Hello,
    Role,
    Welcome,
)
from relay.protocol.websocket import WebSocketCodec
from tests.helpers.wire_end import WireEnd

VIEWER = 3
FIRST_STREAM = VIEWER << 16 | 1
MemoryStream: TypeAlias = trio.StapledStream[trio.testing.MemorySendStream, trio.testing.MemoryReceiveStream]
WELCOMES: dict[Role, Fields] = {"viewer": {"viewer": VIEWER}, "host": {"session": "s"}}


@dataclass
class ScriptedRelay(WireEnd[MemoryStream]):
    """The relay's side of one connection."""

    codec: WebSocketCodec = field(
        default_factory=lambda: WebSocketCodec(is_client=False, max_message_bytes=MAX_MESSAGE_BYTES)
    )

    async def read_now(self) -> list[object]:
        """The events that are there once the peer has nothing to do."""
        got = []
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1e-6):  # of a clock that jumps when everybody waits
            while True:
                got.append(await self.read())
        return got


def dialled_in_memory(monkeypatch: pytest.MonkeyPatch) -> ScriptedRelay:
    """The relay that the next `open_tunnel` of this test will reach."""
    near, far = trio.testing.memory_stream_pair()

    async def dial(origin: str, path: str, **options: object) -> tuple[trio.abc.Stream, bytes]:
        await trio.lowlevel.checkpoint()
        return near, b""

    monkeypatch.setattr(peer.tunnel, "dial", dial)
    return ScriptedRelay(far)


@asynccontextmanager
async def admitted(
    monkeypatch: pytest.MonkeyPatch, role: Role = "viewer"
) -> AsyncIterator[tuple[Tunnel, ScriptedRelay]]:
    """A peer's tunnel for the time of the block, and the relay that admitted it; no task outlives it."""
    tasks = trio.lowlevel.current_statistics().tasks_living
    relay = dialled_in_memory(monkeypatch)
    await relay.send(Welcome(WELCOMES[role]))
    async with open_tunnel("http://relay", hello_of(role)) as tunnel:
        assert await relay.read() == hello_of(role)
        yield tunnel, relay
    assert trio.lowlevel.current_statistics().tasks_living == tasks


def hello_of(role: Role) -> Hello:
    return Hello(1, role, bytes(32), {"program": "test"})
