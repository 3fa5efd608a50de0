"""Sealed streams between a viewer's and a host's tunnel, over a relay that copies frames, or meddles."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import get_args

import pytest
import trio
import trio.testing

from peer.errors import StreamClosed
from peer.sealed import REKEY_INTERVAL, SealedStream, accept_sealed, open_sealed
from peer.tunnel import Tunnel
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import MAX_PAYLOAD_BYTES, Channel, Data, Frame
from relay.protocol.pairing import HostHandshake, ViewerHandshake
from tests.helpers.relays import closes_with
from tests.helpers.scripted_relay import FIRST_STREAM, ScriptedRelay, admitted

SECRET, PASSWORD = bytes(range(32)), "correct horse"
Meddle = Callable[[Frame], Sequence[Frame]]


def as_it_came(frame: Frame) -> list[Frame]:
    return [frame]


def without_data(frame: Frame) -> list[Frame]:
    return [] if isinstance(frame, Data) else [frame]


@asynccontextmanager
async def tunnels(
    monkeypatch: pytest.MonkeyPatch, meddle: Meddle = as_it_came
) -> AsyncIterator[tuple[Tunnel, Tunnel]]:
    """A viewer's and a host's; what the viewer sends goes through `meddle`."""

    async def copy(source: ScriptedRelay, target: ScriptedRelay, change: Meddle) -> None:
        while (event := await source.read()) is not None:
            if isinstance(event, get_args(Frame)):
                await target.send(*change(event))

    async with (
        admitted(monkeypatch, "viewer") as (viewer, viewers_relay),
        admitted(monkeypatch, "host") as (host, hosts_relay),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(copy, viewers_relay, hosts_relay, meddle)
        nursery.start_soon(copy, hosts_relay, viewers_relay, as_it_came)
        yield viewer, host
        nursery.cancel_scope.cancel()


def viewer_handshake(password: str = PASSWORD, channel: Channel = Channel.CONTROL) -> ViewerHandshake:
    return ViewerHandshake.for_connection(
        channel=channel.value,
        origin="https://relay.example",
        session="s",
        stream=FIRST_STREAM,
        pairing_key=SECRET,
        access_password=password,
    )


async def accept(host: Tunnel) -> SealedStream:
    stream = await host.incoming.receive()
    handshake = HostHandshake.for_connection(
        channel=stream.channel.value,
        origin="https://relay.example",
        session="s",
        stream=stream.number,
        pairing_key=SECRET,
        access_password=PASSWORD,
    )
    return (await accept_sealed(stream, handshake))[0]


async def ends(
    viewer: Tunnel, host: Tunnel, channel: Channel = Channel.CONTROL
) -> tuple[SealedStream, SealedStream]:
    """Both ends of a sealed stream."""
    accepted: list[SealedStream] = []

    async def take() -> None:
        accepted.append(await accept(host))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(take)
        opened, _ = await open_sealed(viewer, channel, viewer_handshake(channel=channel))
    return opened, accepted[0]


async def test_more_than_any_window_arrives_whole_and_ends_with_an_authenticated_end(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = bytes(range(256)) * 8192
    async with tunnels(monkeypatch) as (viewer, host):
        here, there = await ends(viewer, host)

        async def send() -> None:
            await here.send(sent)
            await here.finish()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            received = b""
            while data := await there.receive():
                received += data
        assert received == sent
        assert await there.receive() == b""


async def test_a_file_of_a_mebibyte_fits_a_fresh_stream_in_pieces(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def note(frame: Frame) -> list[Frame]:
        if isinstance(frame, Data):
            sizes.append(len(frame.payload))
        return [frame]

    sent = bytes(range(256)) * 4096
    async with tunnels(monkeypatch, note) as (viewer, host), trio.open_nursery() as nursery:
        here, there = await ends(viewer, host, Channel.FILES)
        nursery.start_soon(here.send, sent)
        received = b""
        while len(received) < len(sent):
            received += await there.receive()
        assert received == sent
    assert max(sizes) <= MAX_PAYLOAD_BYTES


async def test_a_key_is_replaced_in_time(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    records: list[bytes] = []

    def note(frame: Frame) -> list[Frame]:
        if isinstance(frame, Data):
            records.append(frame.payload)
        return [frame]

    async with tunnels(monkeypatch, note) as (viewer, host):
        here, there = await ends(viewer, host)
        await here.send(b"before")
        here._rekey_at -= REKEY_INTERVAL
        await here.send(b"after")
        await here.send(b"later")
        assert [await there.receive() for _ in range(3)] == [b"before", b"after", b"later"]
    assert [record[0] for record in records[1:]] == [0, 2, 0, 0]  # types of records, after the handshake


async def test_a_wrong_password_is_named_on_both_sides(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tunnels(monkeypatch) as (viewer, host), trio.open_nursery() as nursery:

        async def refuse() -> None:
            with closes_with(CloseReason.WRONG_PASSWORD):
                await accept(host)

        nursery.start_soon(refuse)
        with closes_with(CloseReason.WRONG_PASSWORD):
            await open_sealed(viewer, Channel.CONTROL, viewer_handshake("wrong"))


@pytest.mark.parametrize("how", ["altered", "dropped", "replayed"])
async def test_a_record_that_a_relay_meddled_with_closes_the_stream(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    count = 0

    def meddle(frame: Frame) -> Sequence[Frame]:
        nonlocal count
        count += isinstance(frame, Data)
        if count != 2 or not isinstance(frame, Data):  # the first is the handshake's
            return [frame]
        changed = replace(frame, payload=frame.payload[:-1] + bytes([frame.payload[-1] ^ 1]))
        return {"altered": [changed], "dropped": [], "replayed": [frame, frame]}[how]

    async with tunnels(monkeypatch, meddle) as (viewer, host):
        here, there = await ends(viewer, host)
        await here.send(b"one")
        await here.send(b"two")
        with closes_with(CloseReason.SEAL_BROKEN):
            while True:
                await there.receive()
        with closes_with(CloseReason.SEAL_BROKEN):
            await here.receive()


async def test_a_stream_that_is_cut_is_no_end(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tunnels(monkeypatch) as (viewer, host):
        here, there = await ends(viewer, host)
        await here.send(b"half")
        here.close()
        assert await there.receive() == b"half"
        with pytest.raises(StreamClosed):
            await there.receive()


async def test_giving_up_a_handshake_closes_the_stream_for_both(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tunnels(monkeypatch, without_data) as (viewer, host), trio.open_nursery() as nursery:

        async def hear() -> None:
            with closes_with(CloseReason.DETACHED):
                await accept(host)

        nursery.start_soon(hear)
        with trio.move_on_after(5) as scope:
            await open_sealed(viewer, Channel.CONTROL, viewer_handshake())
    assert scope.cancelled_caught


async def test_a_host_that_gives_up_a_handshake_closes_the_stream_for_both(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tunnels(monkeypatch, without_data) as (viewer, host), trio.open_nursery() as nursery:

        async def hear() -> None:
            with closes_with(CloseReason.DETACHED):
                await open_sealed(viewer, Channel.CONTROL, viewer_handshake())

        nursery.start_soon(hear)
        with trio.move_on_after(5) as scope:
            await accept(host)
    assert scope.cancelled_caught
