"""The RFB server: one viewer, one stream, one desktop.

Three tasks share a connection's state, all in one Trio thread:

    reader   stream → messages → desktop's input, or a note of what the viewer wants
    watcher  desktop's changes → wakes the writer
    writer   alone sends: answers first, then updates, each made of the newest picture

An update is begun only when the viewer can take one: it asked, or continuous updates are on and few enough
are unconfirmed. So nothing stale is ever queued; a slow viewer gets fewer updates, not late ones. Capturing,
comparing and encoding run in worker threads; input never waits for them.
"""

import contextlib
import math
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import trio

from host.remote_control import clipboard, encodings
from host.remote_control.clipboard import Action
from host.remote_control.desktop import Desktop
from host.remote_control.encodings import ViewerEncodings
from host.remote_control.errors import DesktopUnavailable, RfbProtocolError
from host.remote_control.guarded import InputGate
from host.remote_control.messages import (
    ClientMessage,
    ClientParser,
    ContinuousUpdates,
    CutText,
    ExtendedCutText,
    Fence,
    KeyEvent,
    PointerEvent,
    SetDesktopSize,
    SetEncodings,
    SetPixelFormat,
    UpdateRequest,
)
from host.remote_control.pacing import Pacer
from host.remote_control.picture import Picture, Plan
from host.remote_control.pixels import CAPTURED_FORMAT
from host.remote_control.settings import RfbSettings
from host.remote_control.stream import ByteStream, shake_hands
from host.remote_control.tight import TightEncoder
from host.remote_control.tiles import TileMap, tiles_in_area
from peer.errors import PeerError
from relay.protocol.errors import ProtocolError

_CLEANUP_TIMEOUT: Final = 5.0
_BATCH_BLOCKS: Final = 12
"""Blocks encoded before their bytes are sent, where LastRect allows it: about a third of 1920x1080."""

_EXPECTED: Final = (
    ProtocolError,
    PeerError,
    DesktopUnavailable,
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)
"""What ends a connection; raised to the caller as it is, not inside an exception group."""

HELD_MARK: Final = " (waits for the customer)"
"""Behind the desktop's name while no input is taken; docs/protocol.md §6."""

_UPDATE_NUMBER: Final = struct.Struct(">Q")
"""Payload of the fence that follows an update."""


async def serve_rfb(
    stream: ByteStream,
    desktop: Desktop,
    *,
    settings: RfbSettings | None = None,
    name: str,
    gate: InputGate | None = None,
) -> None:
    """Show `desktop` to the viewer at the other end of `stream`, until that ends.

    Args:
        stream: not closed here.
        desktop: may be shared with other viewers; its keys and buttons are released at the end.
        settings: the defaults if None.
        name: the desktop's name as the viewer shows it; at most 255 bytes of it are used.
        gate: holds the input back, which `HELD_MARK` behind the name tells the viewer; None: nothing does.

    Raises:
        RfbProtocolError: the viewer broke the protocol or did not finish the handshake in time.
        DesktopUnavailable: the desktop went away.
        Exception: what `stream` raises, unchanged.

    Cancellation: at any time; keys and buttons are released all the same.
    """
    connection = _Connection(stream, desktop, settings or RfbSettings(), name, gate)
    try:
        await connection.run()
    finally:
        with trio.move_on_after(_CLEANUP_TIMEOUT, shield=True), contextlib.suppress(DesktopUnavailable):
            await desktop.release_all()


@dataclass(frozen=True)
class _Area:
    """Part of the screen in pixels; may reach beyond it."""

    x: int
    y: int
    width: int
    height: int

    def join(self, other: "_Area | None") -> "_Area":
        """The smallest area around both."""
        if other is None:
            return self
        x, y = min(self.x, other.x), min(self.y, other.y)
        right = max(self.x + self.width, other.x + other.width)
        bottom = max(self.y + self.height, other.y + other.height)
        return _Area(x, y, right - x, bottom - y)


class _Connection:
    """State of one viewer's connection; its fields are used in the Trio thread only."""

    def __init__(
        self,
        stream: ByteStream,
        desktop: Desktop,
        settings: RfbSettings,
        name: str,
        gate: InputGate | None,
    ) -> None:
        # Never changed.
        self._stream = stream
        self._desktop = desktop
        self._settings = settings
        self._name = name
        self._gate = gate
        self._clipping_before = desktop.clipping.serial
        self._pacer = Pacer(settings)
        # The reader's.
        self._parser = ClientParser()
        self._received_text: str | None = None
        self._fence_after_next: Fence | None = None
        # What the viewer wants: noted by the reader, acted on by the writer.
        self._pixel_format = CAPTURED_FORMAT
        self._encodings = ViewerEncodings()
        self._continuous: _Area | None = None
        self._request: _Area | None = None
        self._refresh: _Area | None = None
        self._owes_key_support = False
        self._owes_desktop_size = False
        self._owes_resize_refusal = False
        self._owes_text = False
        self._cursor_shown: int | None = None
        self._is_shown_held = False
        self._active_at = -math.inf
        # The writer's.
        self._size = desktop.size
        self._picture = Picture(*desktop.size, settings)
        self._encoder = TightEncoder()
        self._limiter = trio.CapacityLimiter(1)
        self._captured_at = -math.inf
        self._captured_damage = -1
        # Shared.
        self._outbox = bytearray()
        self._outbox_sent = trio.Event()
        self._wake = trio.Event()
        self._failure: Exception | None = None

    async def run(self) -> None:
        """See `serve_rfb`."""
        with trio.move_on_after(self._settings.handshake_timeout) as scope:
            messages = await shake_hands(self._stream, self._parser, size=self._size, name=self._name)
        if scope.cancelled_caught:
            raise RfbProtocolError("The viewer did not finish the handshake in time.")
        if messages is None:
            return
        async with trio.open_nursery() as nursery:
            for task in (partial(self._read, messages), self._write, self._watch, self._follow_gate):
                nursery.start_soon(self._guard, task, nursery.cancel_scope)
        if self._failure is not None:
            raise self._failure

    async def _guard(self, task: Callable[[], Awaitable[None]], scope: trio.CancelScope) -> None:
        """Run one of the tasks; its end is the end of all."""
        try:
            await task()
        except _EXPECTED as error:
            self._failure = self._failure or error
        scope.cancel()

    # Reader

    async def _read(self, messages: list[ClientMessage]) -> None:
        while True:
            for position, message in enumerate(messages):
                following = messages[position + 1] if position + 1 < len(messages) else None
                if not _is_overtaken(message, following):
                    await self._handle(message)
            data = await self._stream.receive()
            if not data:
                return
            messages = self._parser.feed(data)

    async def _handle(self, message: ClientMessage) -> None:
        fence, self._fence_after_next = self._fence_after_next, None
        match message:
            case UpdateRequest():
                self._note_request(message)
            case KeyEvent():
                self._note_activity()
                await self._desktop.press_key(message.keysym, message.scancode, message.is_down)
            case PointerEvent():
                self._note_activity()
                await self._desktop.pointer(message.x, message.y, message.buttons)
            case Fence():
                await self._handle_fence(message)
            case SetPixelFormat():
                self._pixel_format = message.format
                self._cursor_shown = None
            case SetEncodings():
                await self._handle_encodings(ViewerEncodings.choose(message.encodings))
            case ContinuousUpdates():
                await self._handle_continuous(message)
            case SetDesktopSize():
                self._owes_resize_refusal = True
            case CutText():
                await self._paste(message.text.replace("\r\n", "\n"))
            case ExtendedCutText():
                await self._handle_clipboard(clipboard.parse_extended(message.data))
            case _:
                raise AssertionError(f"the parser gives no {message} after the handshake")
        if fence is not None:
            await self._answer_fence(fence)
        self._wake.set()

    async def _answer(self, data: bytes) -> None:
        """Have the writer send `data` before anything else; waits while the viewer does not read."""
        self._outbox += data
        self._wake.set()
        while len(self._outbox) > self._settings.max_outbox_bytes:
            await self._outbox_sent.wait()

    def _note_activity(self) -> None:
        self._active_at = trio.current_time()

    def _note_request(self, message: UpdateRequest) -> None:
        area = _Area(message.x, message.y, message.width, message.height)
        if not message.is_incremental:
            self._refresh = area.join(self._refresh)
            self._owes_desktop_size = encodings.EXTENDED_DESKTOP_SIZE in self._encodings
        elif self._continuous is not None:
            return  # rfbproto, EnableContinuousUpdates: to be ignored then
        if encodings.FENCE not in self._encodings:
            self._pacer.all_confirmed(trio.current_time())
        self._request = area.join(self._request)

    async def _handle_fence(self, fence: Fence) -> None:
        if not fence.flags & encodings.FENCE_REQUEST:
            if len(fence.payload) == _UPDATE_NUMBER.size:
                (number,) = _UPDATE_NUMBER.unpack(fence.payload)
                self._pacer.confirmed(number, trio.current_time())
        elif fence.flags & encodings.FENCE_SYNC_NEXT:
            self._fence_after_next = fence
        else:
            await self._answer_fence(fence)

    async def _answer_fence(self, fence: Fence) -> None:
        """Messages take effect in order and answers leave before the next update: all flags hold."""
        await self._answer(encodings.build_fence(fence.flags & encodings.FENCE_KNOWN, fence.payload))

    async def _handle_encodings(self, chosen: ViewerEncodings) -> None:
        before, self._encodings = self._encodings, chosen
        self._cursor_shown = None
        if encodings.FENCE in chosen and encodings.FENCE not in before:
            await self._answer(encodings.build_fence(encodings.FENCE_REQUEST, b""))
        if chosen.has_continuous_updates and not before.has_continuous_updates:
            await self._answer(encodings.build_end_of_continuous_updates())
        if encodings.EXTENDED_CLIPBOARD in chosen:
            await self._answer(encodings.build_extended_cut_text(clipboard.build_caps()))
        if encodings.QEMU_EXTENDED_KEY in chosen and encodings.QEMU_EXTENDED_KEY not in before:
            self._owes_key_support = True

    async def _handle_continuous(self, message: ContinuousUpdates) -> None:
        if not self._encodings.has_continuous_updates:
            raise RfbProtocolError("Continuous updates were not offered to this viewer.")
        if message.is_enabled:
            self._continuous = _Area(message.x, message.y, message.width, message.height)
        else:
            self._continuous = None
            await self._answer(encodings.build_end_of_continuous_updates())

    async def _handle_clipboard(self, message: clipboard.Extended) -> None:
        match message.action:
            case Action.NOTIFY if message.has_text:
                await self._answer(encodings.build_extended_cut_text(clipboard.build_request()))
            case Action.PROVIDE if message.text is not None:
                await self._paste(message.text)
            case Action.REQUEST if message.has_text:
                self._owes_text = self._may_have_text
            case Action.PEEK:
                notify = clipboard.build_notify(self._may_have_text)
                await self._answer(encodings.build_extended_cut_text(notify))

    @property
    def _may_have_text(self) -> bool:
        """Something was copied since this viewer came; what was copied before is not its business."""
        return self._desktop.clipping.serial != self._clipping_before

    async def _paste(self, text: str) -> None:
        self._received_text = text
        await self._desktop.set_clipboard(text)

    # Watcher

    async def _watch(self) -> None:
        """Wake the writer at every change, and tell of what is copied."""
        told = self._clipping_before
        while True:
            seen = self._desktop.serial
            clipping = self._desktop.clipping
            if clipping.serial != told:
                told = clipping.serial
                await self._tell_of(clipping.text)
            self._wake.set()
            await self._desktop.wait_changed(seen)

    async def _follow_gate(self) -> None:
        """Wake the writer when the input is held back, and when it is not any more."""
        if self._gate is None:
            await trio.sleep_forever()
        while True:
            await self._gate.wait_changed()
            self._wake.set()

    async def _tell_of(self, text: str) -> None:
        if text == self._received_text:
            return  # its own
        if encodings.EXTENDED_CLIPBOARD in self._encodings:
            await self._answer(encodings.build_extended_cut_text(clipboard.build_notify(has_text=True)))
        else:
            await self._answer(encodings.build_cut_text(text))

    # Writer

    async def _write(self) -> None:
        while True:
            # Whatever is noted from here on sets the new event, so that nothing is slept through.
            wake = self._wake = trio.Event()
            if self._outbox:
                data = bytes(self._outbox)
                self._outbox.clear()
                self._outbox_sent.set()
                self._outbox_sent = trio.Event()
                await self._stream.send(data)
            elif not (await self._send_owed() or await self._send_update()):
                with trio.move_on_after(self._time_to_next_step()):
                    await wake.wait()

    async def _send_owed(self) -> bool:
        """Send one thing that may not share an update with pixels; False if nothing is owed."""
        if self._owes_text:
            self._owes_text = False
            data = clipboard.build_provide(self._desktop.clipping.text)
            await self._stream.send(encodings.build_extended_cut_text(data))
            return True
        if self._owes_resize_refusal:
            self._owes_resize_refusal = False
            await self._send_desktop_size(reason=1, status=encodings.RESIZE_PROHIBITED)
            return True
        if self._wanted() is None:
            return False
        can_resize = self._encodings.can_resize
        if can_resize and self._desktop.size != self._size:
            self._size = self._desktop.size
            self._picture = Picture(*self._size, self._settings)
            self._captured_at = -math.inf
            self._owes_desktop_size = True
        if can_resize and self._owes_desktop_size:
            # This counts as an update; the viewer asks anew, and what is dirty stays so.
            self._owes_desktop_size = False
            self._request = None
            await self._send_desktop_size()
            return True
        return False

    async def _send_desktop_size(self, *, reason: int = 0, status: int = 0) -> None:
        width, height = self._size
        if encodings.EXTENDED_DESKTOP_SIZE in self._encodings:
            rectangle = encodings.build_extended_desktop_size(width, height, reason=reason, status=status)
        elif reason:
            return  # it asked for what it does not understand
        else:
            rectangle = encodings.build_rectangle_head(0, 0, width, height, encodings.DESKTOP_SIZE)
        await self._stream.send(encodings.build_update_head(1) + rectangle)

    def _wanted(self) -> _Area | None:
        """What an update may cover now; None if the viewer cannot take one."""
        continuous = self._continuous if self._pacer.has_room else None
        return continuous if self._request is None else self._request.join(continuous)

    def _wanted_tiles(self, area: _Area) -> TileMap:
        return tiles_in_area(self._picture.shape, area.x, area.y, area.width, area.height)

    def _next_capture(self) -> float:
        """When to look at the screen again."""
        if self._captured_damage != self._desktop.damage_serial:
            return self._captured_at + 1 / self._settings.max_updates_per_second
        idle = trio.current_time() - self._active_at
        return self._captured_at + self._settings.look_interval(idle, self._desktop.reports_damage)

    def _time_to_next_step(self) -> float:
        """Seconds the writer may sleep if nothing wakes it."""
        area = self._wanted()
        if area is None:
            return math.inf
        refinement = self._picture.next_refinement(self._wanted_tiles(area))
        return max(0.0, min(self._next_capture(), refinement) - trio.current_time())

    async def _send_update(self) -> bool:
        """Look at the screen if it is time, and send what the viewer lacks; False if that is nothing."""
        if self._wanted() is None:
            return False
        if trio.current_time() >= self._next_capture():
            await self._look()
        area = self._wanted()
        if area is None:
            return True  # stopped meanwhile: look again from the beginning
        now = trio.current_time()
        refresh, self._refresh = self._refresh, None
        if refresh is not None:
            self._picture.mark_dirty(self._wanted_tiles(refresh))
        plan = self._picture.plan(self._wanted_tiles(area), now)
        extras = self._take_extra_rectangles()
        if plan is None and not extras and refresh is None:
            return False
        self._request = None
        await self._send_plan(plan or Plan([], must_be_exact=False), extras)
        return True

    async def _look(self) -> None:
        now = trio.current_time()
        self._captured_at = now
        self._captured_damage = self._desktop.damage_serial
        frame = await self._desktop.grab()
        pixels = frame.view(np.uint32)[:, :, 0]
        look = partial(self._picture.look, pixels, now, may_move=encodings.COPY_RECT in self._encodings)
        if await trio.to_thread.run_sync(look, limiter=self._limiter):
            self._active_at = now

    def _take_extra_rectangles(self) -> list[bytes]:
        """Pseudo-rectangles that ride on the next update."""
        extras = []
        if self._owes_key_support:
            self._owes_key_support = False
            extras.append(encodings.build_rectangle_head(0, 0, 0, 0, encodings.QEMU_EXTENDED_KEY))
        is_held = self._gate is not None and self._gate.is_closed
        if is_held is not self._is_shown_held and encodings.DESKTOP_NAME in self._encodings:
            self._is_shown_held = is_held
            extras.append(
                encodings.build_desktop_name(self._name[:50] + HELD_MARK if is_held else self._name)
            )
        cursor = self._desktop.cursor
        if cursor.serial != self._cursor_shown:
            self._cursor_shown = cursor.serial
            if encodings.CURSOR_WITH_ALPHA in self._encodings:
                extras.append(encodings.build_cursor_with_alpha(cursor))
            elif encodings.CURSOR in self._encodings:
                extras.append(encodings.build_cursor(cursor, self._pixel_format))
        return extras

    async def _send_plan(self, plan: Plan, extras: list[bytes]) -> None:
        """One FramebufferUpdate, and the fence that confirms it.

        With LastRect the first rectangles of a large update leave while the rest is still to be encoded.
        """
        chosen, pixel_format = self._encodings, self._pixel_format  # may change while this waits
        quality = None
        if chosen.quality is not None and not plan.must_be_exact:
            quality = max(0, chosen.quality - self._pacer.quality_loss)
        may_stream = encodings.LAST_RECT in chosen and len(plan.blocks) > _BATCH_BLOCKS
        step = _BATCH_BLOCKS if may_stream else max(1, len(plan.blocks))
        count = len(extras) + len(plan.moves) + len(plan.blocks)
        head = encodings.build_update_head(encodings.UNKNOWN_COUNT if may_stream else count)
        data = b"".join((head, *extras, self._picture.encode_moves(plan.moves)))
        size = 0
        began_at = math.inf
        for start in range(0, len(plan.blocks), step):
            data += await trio.to_thread.run_sync(
                self._picture.encode,
                plan.blocks[start : start + step],
                self._encoder,
                pixel_format,
                chosen,
                quality,
                limiter=self._limiter,
            )
            if start + step < len(plan.blocks):
                began_at = min(began_at, trio.current_time())
                await self._stream.send(data)
                size += len(data)
                data = b""
        if may_stream:
            data += encodings.build_rectangle_head(0, 0, 0, 0, encodings.LAST_RECT)
        number = self._pacer.sent(size + len(data), min(began_at, trio.current_time()))
        if encodings.FENCE in chosen:
            flags = encodings.FENCE_REQUEST | encodings.FENCE_BLOCK_BEFORE
            data += encodings.build_fence(flags, _UPDATE_NUMBER.pack(number))
        await self._stream.send(data)


def _is_overtaken(message: ClientMessage, following: ClientMessage | None) -> bool:
    """True for a pointer position that the next message already replaces."""
    return (
        isinstance(message, PointerEvent)
        and isinstance(following, PointerEvent)
        and message.buttons == following.buttons
    )
