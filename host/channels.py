"""The tools a viewer may use on this computer: each incoming stream is proven, then served.

Every stream but `pair` begins with a proof of the pairing key and the access password (docs/protocol.md §5).
Whoever fails it, or leaves in the middle of it, makes everybody's next try wait longer: the password is the
only thing that keeps a thief of a technician's browser out.
"""

import logging
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import trio

from host.asking import ConsentDesk
from host.chat import serve_chat
from host.customer import Customer, clean
from host.dashboard import serve_dashboard
from host.files import Places, serve_files
from host.remote_control import DesktopUnavailable, RfbProtocolError, serve_rfb
from host.remote_control.view_only import ViewOnlyDesktop
from host.restart import ACT, Restarts, act_of, serve_restart
from host.shell import serve_shell
from host.state import HostState
from host.texts import Texts
from host.tools import Tools
from peer.errors import StreamClosed
from peer.messages import MessageStream
from peer.sealed import SealedStream, accept_sealed
from peer.tunnel import Stream
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import Channel
from relay.protocol.pairing import HostHandshake

if sys.platform == "win32":
    from host.windows.desktop import open_desktop
else:
    from host.remote_control.x11 import open_desktop

PROOF_TIMEOUT: Final = 15.0
"""Seconds a viewer has to prove itself once the stream is accepted."""
MAX_FAILED_DELAY: Final = 30.0
FREE_FAILURES: Final = 2
"""A typing mistake or two costs nobody any time."""
PICTURE_BYTES: Final = 256
"""More than any RFB message before the first picture."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AttachedViewer:
    """Who is at the other end of a viewer's streams, as the relay says.

    Attributes:
        technician: their name.
        is_view_only: they may watch the screen, and nothing else.
    """

    technician: str
    is_view_only: bool


STRANGER: Final = AttachedViewer("", True)
"""A viewer whom the relay has not announced; an honest one announces each."""


class FailureThrottle:
    """Makes guessing slow: from the third failure in a row each try waits, twice as long as the last."""

    def __init__(self) -> None:
        self._failures = 0

    async def wait(self) -> None:
        """Wait out the penalty; counts a failure until `succeeded` is called."""
        penalty = self._failures - FREE_FAILURES
        self._failures += 1
        if penalty >= 0:
            await trio.sleep(min(2.0**penalty, MAX_FAILED_DELAY))

    def succeeded(self) -> None:
        """The last try was right."""
        self._failures = 0


_Serve = Callable[[SealedStream, AttachedViewer], Awaitable[None]]


class Channels:
    """Serves the viewers' streams of one connection.

    Args:
        desk: knows what the customer allows now.
        restarts: of the computer.
        texts: in the customer's language.
        viewers: who is attached, by viewer number; kept by the connection's owner.
        on_first_picture: called once a viewer was sent its first picture.
    """

    def __init__(
        self,
        state: HostState,
        customer: Customer,
        throttle: FailureThrottle,
        tools: Tools,
        desk: ConsentDesk,
        restarts: Restarts,
        texts: Texts,
        *,
        display: str,
        computer: str,
        viewers: dict[int, AttachedViewer],
        on_first_picture: Callable[[], None],
    ) -> None:
        self._state = state
        self._customer = customer
        self._throttle = throttle
        self._tools = tools
        self._desk = desk
        self._restarts = restarts
        self._texts = texts
        self._display = display
        self._computer = computer
        self._viewers = viewers
        self._on_first_picture = on_first_picture
        self._connected: Counter[tuple[str, str]] = Counter()
        self._serving = {
            Channel.CONTROL: self._serve_control,
            Channel.FILES: self._serve_files,
            Channel.DASHBOARD: self._serve_dashboard,
            Channel.SHELL: self._serve_shell,
            Channel.CHAT: self._serve_chat,
        }

    async def serve(self, stream: Stream) -> None:
        """Serve one stream until it ends. Raises nothing that one stream could do to the others."""
        if stream.channel not in self._serving or not self._state.pairing_key:
            stream.close(CloseReason.UNAVAILABLE)
            return
        if stream.channel.value not in self._state.kinds:
            # What the customer allowed when they paired, whatever the relay says by now.
            stream.close(CloseReason.KIND_NOT_GRANTED)
            return
        viewer = self._viewers.get(stream.number >> 16, STRANGER)
        if viewer.is_view_only and stream.channel is not Channel.CONTROL:
            stream.close(CloseReason.KIND_NOT_GRANTED)
            return
        refusal = self._desk.refusal(stream.channel.value)
        if refusal is not None:
            # Before any proof: viewers try again during a pause, and must not look as if they were in.
            stream.close(refusal)
            return
        try:
            await self._serve_proven(stream, viewer)
        except* StreamClosed:
            pass
        except* Exception:
            # The barrier: a fault of one stream must not end the others, or the session.
            log.exception("a stream failed")
            stream.close(CloseReason.INTERNAL)

    async def _serve_proven(self, stream: Stream, viewer: AttachedViewer) -> None:
        sealed, claims = await self._prove(stream)
        serve = self._serving[stream.channel]
        if stream.channel is Channel.CONTROL and self._act(sealed, claims, viewer):
            serve = self._serve_restart
        if stream.channel is Channel.CHAT:  # shows itself: nobody is at the computer by it
            await serve(sealed, viewer)
            return
        technician = clean(viewer.technician)
        await self._obtain_consent(sealed, technician)
        use = (technician, stream.channel.value)
        self._connected[use] += 1
        self._show_connected()
        try:
            with self._desk.permissions.using(stream.channel.value):
                await self._serve_while_allowed(sealed, serve, viewer)
        finally:
            self._connected -= Counter([use])
            self._show_connected()

    async def _obtain_consent(self, sealed: SealedStream, technician: str) -> None:
        """Raises StreamClosed: the customer does not allow it, or the viewer went away."""
        reason: CloseReason | None = CloseReason.DETACHED
        async with trio.open_nursery() as nursery:

            async def end_with_the_stream() -> None:
                await sealed.stream.wait_closed()
                nursery.cancel_scope.cancel()

            nursery.start_soon(end_with_the_stream)
            reason = await self._desk.obtain(sealed.stream.channel.value, technician)
            nursery.cancel_scope.cancel()
        if reason is not None:
            sealed.close(reason)
            raise StreamClosed(reason)

    async def _serve_while_allowed(self, sealed: SealedStream, serve: _Serve, viewer: AttachedViewer) -> None:
        async with trio.open_nursery() as nursery:

            async def end_with_the_consent() -> None:
                # Closed first: what the tool says at its end would hide why.
                sealed.close(await self._desk.permissions.wait_refused(sealed.stream.channel.value))
                nursery.cancel_scope.cancel()

            nursery.start_soon(end_with_the_consent)
            await serve(sealed, viewer)
            nursery.cancel_scope.cancel()

    def _act(self, sealed: SealedStream, claims: bytes, viewer: AttachedViewer) -> str:
        """What a `control` stream is for. Raises StreamClosed: nothing that there is, or that they may."""
        reason = CloseReason.KIND_NOT_GRANTED
        try:
            act = act_of(claims)
        except RemoteProtocolError as exc:
            act, reason = ACT, exc.close_reason
        else:
            if not act or not viewer.is_view_only:
                return act
        sealed.close(reason)
        raise StreamClosed(reason)

    async def _prove(self, stream: Stream) -> tuple[SealedStream, bytes]:
        """The stream, and what the viewer said in its proof."""
        await self._throttle.wait()
        handshake = HostHandshake.for_connection(
            channel=stream.channel.value,
            origin=self._state.origin,
            session=self._state.session,
            stream=stream.number,
            pairing_key=self._state.pairing_key,
            access_password=self._state.access_password,
        )
        with trio.move_on_after(PROOF_TIMEOUT):
            sealed, _ = await accept_sealed(stream, handshake)
            self._throttle.succeeded()
            return sealed, handshake.claims
        raise StreamClosed(CloseReason.HANDSHAKE_TIMEOUT)

    async def _serve_control(self, sealed: SealedStream, viewer: AttachedViewer) -> None:
        reason = CloseReason.DONE
        try:
            async with open_desktop(self._display) as desktop:
                with self._desk.gate.guard(desktop) as guarded:
                    watched = _WatchedStream(sealed, self._on_first_picture)
                    # Who may only watch has nothing that could be held back.
                    gate = None if viewer.is_view_only else self._desk.gate
                    shown = ViewOnlyDesktop(desktop) if viewer.is_view_only else guarded
                    await serve_rfb(watched, shown, name=self._computer, gate=gate)
        except trio.BrokenResourceError as exc:
            raise StreamClosed(sealed.stream.close_reason or CloseReason.DETACHED) from exc
        except RfbProtocolError:
            reason = CloseReason.BAD_FRAME
        except DesktopUnavailable:
            reason = CloseReason.UNAVAILABLE
        finally:
            sealed.close(reason)

    async def _serve_restart(self, sealed: SealedStream, viewer: AttachedViewer) -> None:
        async with trio.open_nursery() as nursery:

            async def end_with_the_stream() -> None:
                # Whoever leaves while the customer can still say no takes it back.
                await sealed.stream.wait_closed()
                nursery.cancel_scope.cancel()

            nursery.start_soon(end_with_the_stream)
            try:
                await serve_restart(
                    MessageStream(sealed),
                    self._desk,
                    self._restarts,
                    self._texts,
                    technician=clean(viewer.technician),
                )
            finally:
                sealed.close()

    async def _serve_files(self, sealed: SealedStream, viewer: AttachedViewer) -> None:
        def tell(word: str, paths: Sequence[str]) -> None:
            self._tools.record.note_all(viewer.technician, f"file_{word}", paths)

        try:
            places = Places(self._state.folders)
            await serve_files(MessageStream(sealed), places, self._tools.parts, tell=tell)
        finally:
            sealed.close()

    async def _serve_dashboard(self, sealed: SealedStream, viewer: AttachedViewer) -> None:
        try:
            await serve_dashboard(MessageStream(sealed), self._tools.dashboard, technician=viewer.technician)
        finally:
            sealed.close()

    async def _serve_shell(self, sealed: SealedStream, viewer: AttachedViewer) -> None:
        async with trio.open_nursery() as nursery:

            async def end_with_the_stream() -> None:
                # While a program does not read what was typed, nothing is received that tells of the end.
                await sealed.stream.wait_closed()
                nursery.cancel_scope.cancel()

            nursery.start_soon(end_with_the_stream)
            try:
                await serve_shell(MessageStream(sealed), self._tools.shells, technician=viewer.technician)
            finally:
                sealed.close()

    async def _serve_chat(self, sealed: SealedStream, viewer: AttachedViewer) -> None:
        try:
            await serve_chat(MessageStream(sealed), self._tools.chat, technician=viewer.technician)
        finally:
            sealed.close()

    def _show_connected(self) -> None:
        # A tool may have several streams; the customer wants to know who is there, and with which tools.
        viewers: dict[str, list[str]] = {}
        for name, kind in sorted(self._connected):
            viewers.setdefault(name, []).append(kind)
        self._customer.show_viewers(viewers)


class _WatchedStream:
    """Remote Control's `ByteStream`: tells when the first picture is out, breaks as Trio's streams do."""

    def __init__(self, sealed: SealedStream, on_first_picture: Callable[[], None]) -> None:
        self._sealed = sealed
        self._tell: Callable[[], None] | None = on_first_picture

    async def send(self, data: bytes) -> None:
        try:
            await self._sealed.send(data)
        except StreamClosed as exc:
            raise trio.BrokenResourceError(str(exc)) from exc
        if self._tell is not None and len(data) > PICTURE_BYTES:
            self._tell()
            self._tell = None

    async def receive(self) -> bytes:
        try:
            return await self._sealed.receive()
        except StreamClosed as exc:
            raise trio.BrokenResourceError(str(exc)) from exc
