"""The RFB server with a desktop in memory, seen by an independent client."""

import math
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
import trio
import trio.testing

from host.remote_control import Cursor, RfbProtocolError, RfbSettings, serve_rfb
from host.remote_control.clipboard import Action, build_caps, build_notify, build_provide, build_request
from host.remote_control.desktop import Desktop
from host.remote_control.guarded import InputGate
from host.remote_control.view_only import ViewOnlyDesktop
from tests.host.remote_control.fake_desktop import FakeDesktop
from tests.host.remote_control.rfb_client import (
    CONTINUOUS_UPDATES,
    CURSOR,
    CURSOR_WITH_ALPHA,
    DESKTOP_NAME,
    DESKTOP_SIZE,
    EXTENDED_CLIPBOARD,
    EXTENDED_DESKTOP_SIZE,
    EXTENDED_KEY,
    FENCE,
    JPEG_QUALITY_6,
    LAST_RECT,
    RAW,
    TIGHT,
    RfbClient,
    TrioByteStream,
)

ONLY_ON_DAMAGE = RfbSettings(look_interval_with_damage=math.inf, refine_after=0.05)


@asynccontextmanager
async def open_viewer(
    desktop: Desktop,
    *encodings: int,
    settings: RfbSettings = ONLY_ON_DAMAGE,
    version: bytes = b"RFB 003.008\n",
    gate: InputGate | None = None,
) -> AsyncIterator[RfbClient]:
    """A client connected to a server of `desktop`; the server must end by itself when the client does."""
    ours, theirs = trio.testing.memory_stream_pair()

    async def serve() -> None:
        await serve_rfb(TrioByteStream(theirs), desktop, settings=settings, name="Anna's computer", gate=gate)

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve)  # noqa: ASYNC113 - a memory stream holds what comes early
            client = RfbClient(TrioByteStream(ours))
            await client.connect(*encodings, version=version)
            yield client
            await ours.aclose()


async def see_all(client: RfbClient) -> None:
    """Ask for the whole screen anew and take it."""
    await client.request(incremental=False)
    await client.receive_update()


@pytest.mark.parametrize("version", [b"RFB 003.003\n", b"RFB 003.007\n", b"RFB 003.008\n"])
async def test_raw_viewer_of_any_version_sees_the_exact_screen(version: bytes) -> None:
    desktop = FakeDesktop()
    desktop.paint(10, 20, np.random.default_rng(0).integers(0, 1 << 24, (100, 150), dtype=np.uint32))
    async with open_viewer(desktop, version=version) as client:
        assert client.name == "Anna's computer"
        assert client.screen.shape == (150, 200, 3)
        await see_all(client)
        assert np.array_equal(client.screen, desktop.rgb)


async def test_update_waits_for_damage_and_holds_only_the_changed_tile() -> None:
    desktop = FakeDesktop()
    async with open_viewer(desktop) as client:
        await see_all(client)
        await client.request()
        await trio.testing.wait_all_tasks_blocked(0.02)
        desktop.paint(70, 70, 0x00FF00)
        update = await client.receive_update()
        assert update.areas == [(64, 64, 64, 64)]
        assert np.array_equal(client.screen, desktop.rgb)


async def test_nothing_is_captured_while_the_viewer_does_not_ask() -> None:
    desktop = FakeDesktop()
    async with open_viewer(desktop) as client:
        await see_all(client)
        grabs = desktop.grabs
        for shade in range(5):
            desktop.paint(0, 0, shade)
            await trio.testing.wait_all_tasks_blocked(0.01)
        assert desktop.grabs == grabs


async def test_damage_outside_the_requested_area_is_kept_for_later() -> None:
    desktop = FakeDesktop()
    async with open_viewer(desktop) as client:
        await see_all(client)
        desktop.paint(0, 0, 0xFF)
        desktop.paint(130, 130, 0xFF)
        await client.request(area=(100, 100, 60000, 60000))
        assert (await client.receive_update()).areas == [(128, 128, 64, 22)]
        await client.request()
        assert (await client.receive_update()).areas == [(0, 0, 64, 64)]


async def test_request_beyond_the_screen_is_answered_with_nothing() -> None:
    async with open_viewer(FakeDesktop()) as client:
        await client.request(incremental=False, area=(5000, 5000, 10, 10))
        assert (await client.receive_update()).areas == []


async def test_jpeg_areas_become_exact_when_the_screen_is_quiet() -> None:
    desktop = FakeDesktop(128, 128)
    ramp = np.arange(128, dtype=np.uint32)
    desktop.paint(0, 0, ramp[np.newaxis, :] << np.uint32(17) | ramp[:, np.newaxis] << np.uint32(9))
    async with open_viewer(desktop, TIGHT, JPEG_QUALITY_6) as client:
        await client.request(incremental=False)
        assert 9 in (await client.receive_update()).tight_kinds
        assert 0 < np.abs(client.screen.astype(int) - desktop.rgb).max() < 40
        await client.request()
        assert 9 not in (await client.receive_update()).tight_kinds
        assert np.array_equal(client.screen, desktop.rgb)


async def test_large_update_is_ended_by_last_rect() -> None:
    desktop = FakeDesktop(1920, 1080)
    desktop.paint(0, 0, np.random.default_rng(0).integers(0, 50, (1080, 1920), dtype=np.uint32))
    async with open_viewer(desktop, TIGHT, LAST_RECT) as client:
        await see_all(client)
        assert np.array_equal(client.screen, desktop.rgb)


async def test_continuous_updates_come_unasked_but_only_so_many_unconfirmed() -> None:
    desktop = FakeDesktop()
    settings = RfbSettings(look_interval_with_damage=math.inf, max_updates_in_flight=2)
    async with open_viewer(desktop, FENCE, CONTINUOUS_UPDATES, settings=settings) as client:
        while not client.may_be_continuous:
            await client.receive_message()
        await client.enable_continuous_updates()
        await client.receive_update()
        client.answers_fences = False
        await client.receive_message()  # the first update's fence
        desktop.paint(0, 0, 1)
        await client.receive_update()
        grabs = desktop.grabs
        for shade in (2, 3, 4):
            desktop.paint(0, 0, shade)
            await trio.testing.wait_all_tasks_blocked(0.02)
        assert desktop.grabs == grabs  # two are unconfirmed
        await client.enable_continuous_updates(False)
        client.may_be_continuous = False
        while not client.may_be_continuous:
            assert await client.receive_message() is None


async def test_cursor_shapes_arrive() -> None:
    desktop = FakeDesktop()
    async with open_viewer(desktop, CURSOR) as client:
        await see_all(client)
        assert client.cursor is not None
        assert client.cursor[2].tolist() == [[[0x12, 0x34, 0x56, 255]] * 3] * 2
        await client.request()
        desktop.change_cursor(Cursor(2, 1, 1, np.full((4, 4), 0xFFFF0000, np.uint32)))
        await client.receive_update()
        assert client.cursor[:2] == (1, 1)


async def test_cursor_goes_with_alpha_where_that_is_understood() -> None:
    async with open_viewer(FakeDesktop(), CURSOR, CURSOR_WITH_ALPHA) as client:
        await client.request(incremental=False)
        assert CURSOR_WITH_ALPHA in (await client.receive_update()).encodings


@pytest.mark.parametrize("encoding", [DESKTOP_SIZE, EXTENDED_DESKTOP_SIZE])
async def test_viewer_follows_a_new_screen_size(encoding: int) -> None:
    desktop = FakeDesktop()
    async with open_viewer(desktop, encoding) as client:
        await see_all(client)
        await client.request()
        if encoding == EXTENDED_DESKTOP_SIZE:
            await client.receive_update()
            await client.request()
        desktop.resize(300, 90)
        desktop.paint(290, 80, 0xFFFFFF)
        await client.receive_update()
        assert client.size_changes[-1] == (0, 0, 300, 90)
        await client.request()
        await client.receive_update()
        assert np.array_equal(client.screen, desktop.rgb)


async def test_viewer_that_cannot_resize_keeps_its_size() -> None:
    desktop = FakeDesktop()
    async with open_viewer(desktop) as client:
        await see_all(client)
        desktop.resize(50, 300)
        desktop.paint(0, 0, 0xFFFFFF, 50, 300)
        await client.request()
        await client.receive_update()
        assert client.screen[:, :50].min() == 255
        assert client.screen[:, 50:].max() == 0


async def test_wish_for_another_screen_size_is_refused_with_the_reason() -> None:
    async with open_viewer(FakeDesktop(), EXTENDED_DESKTOP_SIZE) as client:
        await client.send(struct.pack(">BxHHBx", 251, 800, 600, 0))
        await client.receive_update()
        assert client.size_changes == [(1, 1, 200, 150)]


async def test_keys_and_pointer_reach_the_desktop_and_are_released_at_the_end() -> None:
    desktop = FakeDesktop()
    async with open_viewer(desktop, EXTENDED_KEY) as client:
        await see_all(client)
        assert client.has_extended_keys
        await client.key(0x61, True)
        await client.key(0x61, False, scancode=0x1E)
        await client.pointer(5, 6, 1)
        await client.cut_text(b"last")  # in order: when this has arrived, the others have
        while not desktop.pasted:
            await desktop.wait_changed(desktop.serial)
        assert desktop.keys == [(0x61, None, True), (0x61, 0x1E, False)]
        assert desktop.pointers == [(5, 6, 1)]
        assert desktop.releases == 0
    assert desktop.releases == 1


async def test_whoever_may_only_watch_sees_the_screen_and_nothing_else() -> None:
    desktop = FakeDesktop()
    async with open_viewer(ViewOnlyDesktop(desktop), EXTENDED_KEY, FENCE) as client:
        await see_all(client)
        assert np.array_equal(client.screen, desktop.rgb)
        await client.key(0x61, True)
        await client.pointer(5, 6, 1)
        await client.cut_text(b"paste this")
        desktop.copy("a secret of the customer")
        await client.synchronize()  # what came before it has been taken by now
        assert client.cut_texts == []
    assert (desktop.keys, desktop.pointers, desktop.pasted, desktop.releases) == ([], [], [], 0)


async def test_pointer_positions_that_arrive_together_become_one_but_clicks_stay() -> None:
    desktop = FakeDesktop()
    async with open_viewer(desktop) as client:
        moves = [(1, 1, 0), (2, 2, 0), (3, 3, 1), (3, 3, 0), (4, 4, 0)]
        await client.send(b"".join(struct.pack(">BBHH", 5, buttons, x, y) for x, y, buttons in moves))
        while len(desktop.pointers) < 4 and desktop.pointers[-1:] != [(4, 4, 0)]:
            await desktop.wait_changed(desktop.serial)
        assert desktop.pointers == [(2, 2, 0), (3, 3, 1), (4, 4, 0)]


async def test_fence_is_answered_without_flags_we_do_not_know() -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lambda: serve_rfb(TrioByteStream(theirs), FakeDesktop(), name=""))
        client = RfbClient(TrioByteStream(ours))
        await client.connect()
        await client.send(struct.pack(">BxxxIB", 248, 0xFFFFFFFF, 3) + b"abc")
        await client.request(area=(0, 0, 1, 1))  # SyncNext: answered after the message that follows
        assert await client.receive_exactly(12) == struct.pack(">BxxxIB", 248, 7, 3) + b"abc"
        nursery.cancel_scope.cancel()


async def test_latin_clipboard_goes_both_ways() -> None:
    desktop = FakeDesktop()
    async with open_viewer(desktop) as client:
        desktop.copy("señal → €")
        await client.receive_message()
        assert client.cut_texts == ["señal ? ?"]
        await client.cut_text("línea\r\nfin".encode("latin-1"))
        while not desktop.pasted:
            await desktop.wait_changed(desktop.serial)
        assert desktop.pasted == ["línea\nfin"]


async def test_unicode_clipboard_goes_both_ways() -> None:
    desktop = FakeDesktop()
    async with open_viewer(desktop, EXTENDED_CLIPBOARD) as client:
        await client.receive_message()  # what the server can do
        desktop.copy("€ → 日本")
        await client.receive_message()
        assert client.cut_texts[-1] == build_notify(has_text=True)
        await client.cut_text(build_request(), is_extended=True)
        await client.receive_message()
        assert client.cut_texts[-1] == build_provide("€ → 日本")
        await client.cut_text(build_notify(has_text=True), is_extended=True)
        await client.receive_message()
        assert client.cut_texts[-1] == build_request()
        await client.cut_text(build_provide("¿qué?"), is_extended=True)
        while not desktop.pasted:
            await desktop.wait_changed(desktop.serial)
        assert desktop.pasted == ["¿qué?"]


async def test_text_copied_before_the_viewer_came_is_neither_told_nor_given() -> None:
    desktop = FakeDesktop()
    desktop.copy("a secret")
    async with open_viewer(desktop, EXTENDED_CLIPBOARD) as client:
        await client.cut_text(build_request(), is_extended=True)
        await client.cut_text(struct.pack(">I", Action.PEEK), is_extended=True)
        await see_all(client)
        assert client.cut_texts == [build_caps(), build_notify(has_text=False)]


async def serve_bytes(data: bytes, settings: RfbSettings | None = None) -> None:
    """Serve a viewer that sends `data` and stays connected."""
    ours, theirs = trio.testing.memory_stream_pair()
    await ours.send_all(data)
    with trio.fail_after(10):
        await serve_rfb(TrioByteStream(theirs), FakeDesktop(), settings=settings, name="")


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-x\r\n",
        b"RFB 003.008\n\2",  # another security type
        b"RFB 003.008\n\1\1\x4d",  # unknown message
        b"RFB 003.008\n\1\1" + struct.pack(">BBHHHH", 150, 1, 0, 0, 9, 9),  # never offered
        b"RFB 003.008\n\1\1" + struct.pack(">Bxxxi", 6, -2) + b"xx",
    ],
)
async def test_viewer_that_breaks_the_protocol_is_let_go(data: bytes) -> None:
    with pytest.raises(RfbProtocolError):
        await serve_bytes(data)


async def test_silent_viewer_is_let_go() -> None:
    with pytest.raises(RfbProtocolError, match="in time"):
        await serve_bytes(b"RFB 003.008\n", RfbSettings(handshake_timeout=0.05))


class StuckStream:
    """A viewer that repeats one message for ever and reads nothing after the handshake."""

    def __init__(self, handshake: bytes, message: bytes) -> None:
        self._handshake = handshake
        self._message = message
        self._sends_left = 4  # version, security, result, ServerInit
        self.received = 0

    async def send(self, data: bytes) -> None:
        self._sends_left -= 1
        if self._sends_left < 0:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()

    async def receive(self) -> bytes:
        await trio.lowlevel.checkpoint()
        if self._handshake:
            data, self._handshake = self._handshake, b""
            return data
        self.received += 1
        return self._message


async def test_viewer_that_asks_but_does_not_read_is_not_read_either() -> None:
    request = struct.pack(">BxxxIB", 248, 1 << 31, 64) + bytes(64)
    viewer = StuckStream(b"RFB 003.008\n\1\1", request)
    async with trio.open_nursery() as nursery:
        settings = RfbSettings(max_outbox_bytes=1000)
        nursery.start_soon(lambda: serve_rfb(viewer, FakeDesktop(), settings=settings, name=""))
        await trio.testing.wait_all_tasks_blocked(0.02)
        assert viewer.received <= 1 + 2 * 1000 // len(request)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("encoding", [RAW, TIGHT])
async def test_end_of_the_stream_ends_the_server(encoding: int) -> None:
    async with open_viewer(FakeDesktop(), encoding) as client:
        await client.request(incremental=False)


async def test_the_viewer_is_told_while_its_input_is_held_back() -> None:
    desktop, gate = FakeDesktop(), InputGate()
    async with open_viewer(desktop, RAW, DESKTOP_NAME, FENCE, CONTINUOUS_UPDATES, gate=gate) as client:
        await see_all(client)
        assert client.names == []
        await client.enable_continuous_updates()
        async with gate.closed():
            await client.receive_update()
            async with gate.closed():
                pass
        await client.receive_update()
    assert client.names == ["Anna's computer (waits for the customer)", "Anna's computer"]


async def test_a_viewer_that_knows_no_names_is_not_told() -> None:
    gate = InputGate()
    async with gate.closed(), open_viewer(FakeDesktop(), RAW, FENCE, gate=gate) as client:
        await see_all(client)
    assert client.names == []
