"""Programs in processes of their own, for tests without an event loop: what they say is read as they say it.

Nothing here sleeps to let something happen: a test waits for words, for an end or for a fact, each with a
deadline, and what was seen instead is in the failure.
"""

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

PATIENCE: Final = 30.0
"""Seconds that anything may take on a slow machine before a test gives up."""

_POLL_INTERVAL: Final = 0.02
_TAIL_CHARACTERS: Final = 3000


class Transcript:
    """Everything that came out of one pipe, growing while it comes."""

    def __init__(self, pipe: IO[bytes], name: str) -> None:
        self._pipe = pipe
        self._name = name
        self._data = b""
        self._is_over = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, name=name, daemon=True)
        self._thread.start()

    @property
    def text(self) -> str:
        """What was said so far."""
        with self._changed:
            return self._data.decode(errors="replace")

    def wait_for(self, pattern: str, *, after: int = 0, within: float = PATIENCE) -> re.Match[str]:
        """Return the first match of a regular expression in the text from the character `after` on.

        Raises:
            AssertionError: it was not said in `within` seconds, or the pipe was closed before.
        """
        deadline = time.monotonic() + within
        with self._changed:
            while True:
                text = self._data.decode(errors="replace")
                found = re.compile(pattern).search(text, after)
                if found is not None:
                    return found
                left = deadline - time.monotonic()
                if left <= 0 or self._is_over:
                    why = "ended" if self._is_over else f"was silent for {within:g} s"
                    raise AssertionError(
                        f"{self._name} {why} without {pattern!r}:\n{text[-_TAIL_CHARACTERS:]}"
                    )
                self._changed.wait(left)

    def join(self) -> None:
        """Return when the pipe has been read to its end."""
        self._thread.join(PATIENCE)
        self._pipe.close()

    def _read(self) -> None:
        while True:
            piece = os.read(self._pipe.fileno(), 65536)
            with self._changed:
                self._data += piece
                self._is_over = not piece
                self._changed.notify_all()
            if not piece:
                return


class Program:
    """A program that runs until the end of the block, unless it ends by itself before.

    Attributes:
        out: what it says on standard output.
        err: what it says on standard error.
    """

    def __init__(
        self, command: Sequence[str | Path], *, environment: Mapping[str, str] | None = None
    ) -> None:
        words = [str(word) for word in command]
        self.process = subprocess.Popen(
            words,
            env=None if environment is None else dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        if self.process.stdin is None or self.process.stdout is None or self.process.stderr is None:
            raise AssertionError("all three are pipes")
        self._stdin = self.process.stdin
        self.out = Transcript(self.process.stdout, f"{words[0]} stdout")
        self.err = Transcript(self.process.stderr, f"{words[0]} stderr")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """False once it has ended."""
        return self.process.poll() is None

    def type(self, line: str) -> None:
        """Type a line on its standard input."""
        self._stdin.write(f"{line}\n".encode())
        self._stdin.flush()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and return when it has gone."""
        self.process.kill()
        self.wait_gone()

    def wait_gone(self, within: float = PATIENCE) -> int:
        """Return its exit code when it has ended.

        Raises:
            AssertionError: it has not in `within` seconds.
        """
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            words = self.out.text[-_TAIL_CHARACTERS:] + self.err.text[-_TAIL_CHARACTERS:]
            raise AssertionError(f"it still runs after {within:g} s:\n{words}") from None
        with suppress(OSError):  # what was typed and not read
            self._stdin.close()
        self.out.join()
        self.err.join()
        return code

    def stop(self) -> None:
        """Ask it to end, then end it, with everything that it has started."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
            with suppress(AssertionError):
                self.wait_gone(10)
                break


def wait_until(is_so: Callable[[], bool], what: str, *, within: float = PATIENCE) -> None:
    """Return when something is so that nobody announces: a file is there, a pixel has a colour.

    Raises:
        AssertionError: it was not in `within` seconds; `what` says what was hoped for.
    """
    deadline = time.monotonic() + within
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {what}")
        time.sleep(_POLL_INTERVAL)
