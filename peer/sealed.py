"""Sealed streams: the handshake of docs/protocol.md §5 on a stream, and records (§6) on top of it."""

from typing import Final

import trio

from peer.errors import StreamClosed
from peer.tunnel import Stream, Tunnel
from relay.protocol.batching import MAX_RECORD_BYTES, RecordSize
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import ProtocolError
from relay.protocol.frames import Channel
from relay.protocol.pairing import HostHandshake, Keys, ViewerHandshake
from relay.protocol.sealing import OVERHEAD_BYTES, Opener, Sealer

REKEY_INTERVAL: Final = 3600.0
"""Seconds after which a direction's key is replaced at the latest (SECURITY)."""


class SealedStream:
    """An ordered, encrypted and authenticated stream of bytes between viewer and host.

    Concurrency: one task may send and one receive at a time.

    Attributes:
        stream: the stream underneath.
    """

    def __init__(self, stream: Stream, ends: tuple[Sealer, Opener]) -> None:
        self.stream = stream
        self._sealer, self._opener = ends
        self._record_size = RecordSize() if stream.channel is Channel.FILES else None
        self._rekey_at = trio.current_time() + REKEY_INTERVAL
        self._has_final = False

    async def send(self, data: bytes) -> None:
        """Send bytes of any length; returns once they are queued within the receiver's credit.

        Raises:
            StreamClosed: the stream is closed.

        Cancellation: a record may be sealed and never sent; all that is left to do is `close`.
        """
        if trio.current_time() >= self._rekey_at:
            self._rekey_at = trio.current_time() + REKEY_INTERVAL
            await self.stream.send(self._sealer.rekey())
        view = memoryview(data)
        while True:
            size = self._next_record_bytes(len(view))
            for record in self._sealer.seal(view[:size]):
                await self.stream.send(record)
            view = view[size:]
            if not view:
                return

    async def receive(self) -> bytes:
        """The next bytes; b"" after the other side's authenticated end.

        Raises:
            StreamClosed: closed without such an end (cut), or the seal was broken, with the reason.
        """
        while not self._has_final:
            if data := self._open(await self.stream.receive()):
                return data
        return b""

    def receive_nowait(self) -> bytes | None:
        """Bytes that are there already, or None; also None at the end, which is for `receive` to tell.

        Raises:
            StreamClosed: the seal was broken.
        """
        while not self._has_final and (record := self.stream.receive_nowait()) is not None:
            if data := self._open(record):
                return data
        return None

    def _open(self, record: bytes) -> bytes:
        """What a record holds; b"" for one that has nothing to say."""
        try:
            opened = self._opener.open(record)
        except ProtocolError as exc:
            self.stream.close(exc.close_reason)
            raise StreamClosed(exc.close_reason) from exc
        if opened is None:
            return b""
        self._has_final = opened.is_final
        return opened.data

    async def finish(self) -> None:
        """Send the authenticated end; the stream itself is closed by `close`."""
        for record in self._sealer.seal(b"", final=True):
            await self.stream.send(record)

    def close(self, reason: CloseReason = CloseReason.DONE) -> None:
        """Close the stream underneath."""
        self.stream.close(reason)

    def _next_record_bytes(self, left: int) -> int:
        if self._record_size is None:
            return min(left, MAX_RECORD_BYTES)
        return self._record_size.take(
            min(left, self.stream.max_payload_bytes - OVERHEAD_BYTES), trio.current_time()
        )


async def open_sealed(
    tunnel: Tunnel, channel: Channel, handshake: ViewerHandshake
) -> tuple[SealedStream, Keys]:
    """Open a stream as the viewer. `handshake` was made for `tunnel.next_stream_id()`.

    Raises:
        StreamClosed: refused, or the other side does not know the secret.
    """
    stream = await tunnel.open_stream(channel, handshake.open_params())
    try:
        await stream.send(handshake.receive_accept(stream.params))
        keys = handshake.receive_confirmation(await stream.receive())
    except ProtocolError as exc:
        stream.close(exc.close_reason)
        raise StreamClosed(exc.close_reason, str(exc)) from exc
    except trio.Cancelled:
        stream.close(CloseReason.DETACHED)
        raise
    return SealedStream(stream, keys.viewer_ends()), keys


async def accept_sealed(stream: Stream, handshake: HostHandshake) -> tuple[SealedStream, Keys]:
    """Accept a stream as the host. Accepting a pair stream is what the relay counts as a try.

    Raises:
        StreamClosed: the viewer left, or does not know the secret (WRONG_CODE, WRONG_PASSWORD).
    """
    try:
        handshake.receive_open(stream.params)
        await stream.accept(handshake.accept_params())
        answer, keys = handshake.receive_share(await stream.receive())
        await stream.send(answer)
    except ProtocolError as exc:
        stream.close(exc.close_reason)
        raise StreamClosed(exc.close_reason, str(exc)) from exc
    except trio.Cancelled:
        stream.close(CloseReason.DETACHED)
        raise
    return SealedStream(stream, keys.host_ends()), keys
