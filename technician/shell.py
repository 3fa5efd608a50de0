"""``technician shell``: a shell on the customer's computer, at this terminal (docs/protocol.md §11)."""

import os
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import trio
import typer

from peer.errors import StreamClosed
from peer.messages import MessageStream
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import Channel, FieldReader
from relay.protocol.messages import Message
from technician.attaching import open_tool
from technician.keyring import Keyring
from technician.printing import say
from technician.relay_client import RelayClient
from technician.running import AccessPassword, UsageProblem, choose_session, run_signed_in, unlock

MAX_SIDE: Final = 1000
TYPED_BYTES: Final = 4096
"""Read from the keyboard at once."""


def shell(
    session: Annotated[str | None, typer.Option("--session", help="Not needed when one is open.")] = None,
    command: Annotated[
        str | None, typer.Option("--command", help="Run this, print what it prints, and exit as it does.")
    ] = None,
    access_password: AccessPassword = None,
) -> None:
    """Open a shell on the customer's computer; ~. at the beginning of a line leaves it."""
    if command is None and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageProblem("A shell needs a terminal; without one, use --command.")

    async def run(relay: RelayClient, keyring: Keyring) -> int | None:
        chosen = await choose_session(relay, session, "active")
        password, key = await unlock(relay, keyring, chosen, access_password)
        async with open_tool(relay, chosen.id, Channel.SHELL, key, password) as stream:
            remote = RemoteShell(MessageStream(stream))
            if command is not None:
                return await remote.run_command(command)
            with raw_terminal(sys.stdin.fileno()):
                return await remote.run_here()

    status = run_signed_in(run)
    if status is None:
        say("You left the shell, and it is ended.")
    elif status:
        raise typer.Exit(status)


class RemoteShell:
    """One `shell` stream as a viewer. What its terminal shows is shown here as it is, as ssh does."""

    def __init__(self, stream: MessageStream) -> None:
        self._stream = stream
        # Keyboard and window both have something to send; one task sends it.
        self._queue, self._queued = trio.open_memory_channel[tuple[dict[str, object], bytes]](0)

    async def run_command(self, command: str) -> int:
        """Run `command` without a keyboard; its exit status, 0 … 255.

        Raises:
            StreamClosed: the connection was lost, or the host broke the protocol.
        """
        await self._stream.send({"size": terminal_size(), "command": command})
        return await self._show()

    async def run_here(self) -> int | None:
        """The shell at this terminal, which is raw; its exit status, None if the technician left it.

        Raises:
            StreamClosed: the connection was lost, or the host broke the protocol.
        """
        await self._stream.send({"size": terminal_size()})
        status: int | None = None
        failure: StreamClosed | None = None
        async with trio.open_nursery() as nursery:

            async def until_left() -> None:
                await self._read_keyboard()
                nursery.cancel_scope.cancel()

            nursery.start_soon(self._ended_with_the_stream, self._send)
            nursery.start_soon(self._follow_size)
            nursery.start_soon(until_left)
            try:
                status = await self._show()
            except StreamClosed as exc:
                failure = exc
            nursery.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return status

    async def _show(self) -> int:
        """Print what the terminal shows until the shell exits; its status."""
        while True:
            message = await self._stream.receive()
            if message is None:
                raise StreamClosed(CloseReason.DONE, "The computer closed the shell.")
            status = self._status(message)
            if status is not None:
                return status
            await trio.to_thread.run_sync(_print, message.body, abandon_on_cancel=True)

    def _status(self, message: Message) -> int | None:
        if not message.head:
            return None
        try:
            return FieldReader(message.head).number("exited", at_most=255)
        except RemoteProtocolError as exc:
            self._stream.close(exc.close_reason)
            raise StreamClosed(exc.close_reason, "The computer broke the protocol.") from exc

    async def _send(self) -> None:
        async for head, body in self._queued:
            await self._stream.send(head, body)

    async def _ended_with_the_stream(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except StreamClosed:
            await trio.sleep_forever()  # `_show` sees it too, and says why

    async def _follow_size(self) -> None:
        with trio.open_signal_receiver(signal.SIGWINCH) as signals:
            async for _ in signals:
                await self._queue.send(({"size": terminal_size()}, b""))

    async def _read_keyboard(self) -> None:
        """Send what is typed; returns when the technician leaves, or the keyboard is gone."""
        keyboard = sys.stdin.fileno()
        escape = Escape()
        while True:
            await trio.lowlevel.wait_readable(keyboard)
            typed = os.read(keyboard, TYPED_BYTES)
            if not typed:
                return
            passed = escape.feed(typed)
            if passed:
                await self._queue.send(({}, passed))
            if escape.is_leaving:
                return


class Escape:
    """Looks for ``~.`` at the beginning of a line, as ssh(1) does; ``~~`` there is one ``~``.

    Attributes:
        is_leaving: it was typed.
    """

    def __init__(self) -> None:
        self.is_leaving = False
        self._is_line_start = True
        self._has_tilde = False

    def feed(self, typed: bytes) -> bytes:
        """What of `typed` goes to the shell now; nothing after ``~.``."""
        passed = bytearray()
        for byte in typed:
            if self._has_tilde:
                self._has_tilde = False
                if byte == ord("."):
                    self.is_leaving = True
                    break
                passed += b"~"
                if byte == ord("~"):
                    self._is_line_start = False
                    continue
            elif self._is_line_start and byte == ord("~"):
                self._has_tilde = True
                continue
            passed.append(byte)
            self._is_line_start = byte in b"\r\n"
        return bytes(passed)


def terminal_size() -> list[int]:
    """Columns and rows of this terminal, or 80 and 24."""
    size = shutil.get_terminal_size()
    return [min(max(side, 1), MAX_SIDE) for side in (size.columns, size.lines)]


@contextmanager
def raw_terminal(descriptor: int) -> Iterator[None]:
    """Every key is passed on as it is for the time of the block, Ctrl+C too."""
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


def _print(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
