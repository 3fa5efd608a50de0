"""The customer at a terminal, or a program that plays one through pipes.

Two prompts are all that must be answered: one ends with "code: ", the other with "[y/N] ". Whoever answers
the latter with "f" is asked for folders, by a prompt that ends with "folder: ", until one is left empty.
In an active session a line is a command (`COMMANDS`) or goes into the chat; a question about a tool ends with
"[1-4] ". What was typed before such a question was shown is no answer to it.
"""

import os
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final, TextIO

import trio

from host.brand import Brand
from host.consent import CHOICES, CannotChoose, Consent, Duration, choose_folder, has_files
from host.customer import Asker, Wish, clean
from host.notices import Bell
from host.texts import Texts
from relay.protocol.claims import PairClaims
from relay.protocol.codes import CodeError, parse_security_code

MAX_LINE_BYTES: Final = 1024
MAX_WAITING_LINES: Final = 16
MAX_CHAT_CHARACTERS: Final = 2000
ONLY_FOLDERS: Final = frozenset({"f", "c"})
"""Yes, but files only in folders that are named next; in English or Spanish."""
COMMANDS: Final[Mapping[str, Wish]] = {
    "pause": Wish.PAUSE,
    "pausa": Wish.PAUSE,
    "resume": Wish.RESUME,
    "seguir": Wish.RESUME,
    "allow": Wish.CHANGE,
    "permitir": Wish.CHANGE,
}
HELP: Final = frozenset({"help", "ayuda"})
ANSWER_DELAY: Final = 0.5
"""Seconds in which nothing typed is an answer: nobody has read the question by then."""
YES: Final = frozenset({"y", "yes", "s", "si", "sí"})


class _Lines:
    """Standard input, line by line, read by a thread that no end of this program has to wait for.

    A thread, since not everything that standard input can be (a file, a terminal of another job) can be
    waited for by the event loop; `os.read`, since a thread inside Python's own buffer would block the
    interpreter's end.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._feed, self._lines = trio.open_memory_channel[str](MAX_WAITING_LINES)
        self._token = trio.lowlevel.current_trio_token()
        self.exhausted = trio.Event()

    def start(self) -> None:
        threading.Thread(target=self._read, name="standard input", daemon=True).start()

    async def next(self, *, is_needed: bool = True) -> str:
        """The next line, without its end. After the last it waits forever, and sets `exhausted` if needed.

        Cancellation: no line is lost.
        """
        with suppress(trio.EndOfChannel):
            return await self._lines.receive()
        if is_needed:
            self.exhausted.set()
        await trio.sleep_forever()
        raise AssertionError("forever is over")

    def forget(self) -> None:
        """Drop what was typed and not read."""
        with suppress(trio.WouldBlock, trio.EndOfChannel):
            while True:
                self._lines.receive_nowait()

    def _read(self) -> None:
        pending = b""
        with suppress(trio.RunFinishedError):
            while True:
                try:
                    data = os.read(self._descriptor, MAX_LINE_BYTES)
                except OSError:
                    data = b""
                if not data:
                    self._token.run_sync_soon(self._feed.close)
                    return
                *lines, pending = (pending + data).split(b"\n")
                pending = pending[-MAX_LINE_BYTES:]
                for line in lines:
                    self._token.run_sync_soon(self._take, line.decode("utf-8", "replace").strip())

    def _take(self, line: str) -> None:
        with suppress(trio.WouldBlock):  # nobody types that far ahead
            self._feed.send_nowait(line)


class TerminalCustomer:
    """A `host.customer.Customer` on standard input and output; made by `open_terminal`."""

    shows_brand = False

    def __init__(self, texts: Texts, lines: _Lines, output: TextIO) -> None:
        self._texts = texts
        self._lines = lines
        self._output = output
        self._asker: Asker | None = None
        self._is_prompting = False
        self._is_in_trouble = False
        self._viewers: Mapping[str, Sequence[str]] = {}
        self._wants_to_end = trio.Event()
        self._wishes: deque[Wish] = deque()
        self._wished = trio.Event()
        self._questions = 0
        self._answered = trio.Event()
        self._listening = trio.CancelScope()
        self._is_paused = False
        self._bell = Bell(self._ring)

    async def ask_code(self, asker: Asker, sentence: str) -> str:
        """See `host.customer.Customer`."""
        if asker != self._asker:
            self._asker = asker
            self._introduce(asker)
        while True:
            if sentence:
                self._say(sentence)
            self._prompt(f"{self._texts.get('ask_code')}: ")
            try:
                code = parse_security_code(await self._next_line())
            except CodeError:
                sentence = self._texts.get("not_a_code")
            else:
                return code

    async def ask_allow(self, claims: PairClaims) -> Consent:
        """See `host.customer.Customer`."""
        question = self._texts.get(
            "allow",
            technician=clean(claims.technician),
            company=clean(claims.company),
            hours=self._texts.duration(claims.lifetime),
        )
        can_limit = has_files(claims.kinds)
        self._say(f"{question} {self._texts.get('allow_folders')}" if can_limit else question)
        self._prompt("[y/N] ")
        answer = (await self._next_line()).lower()
        if can_limit and answer in ONLY_FOLDERS:
            return Consent(True, await self._ask_folders())
        return Consent(answer in YES)

    async def _ask_folders(self) -> tuple[str, ...]:
        self._say(self._texts.get("name_folders"))
        folders: tuple[str, ...] = ()
        while True:
            self._prompt(f"{self._texts.get('ask_folder')}: ")
            typed = await self._next_line()
            if not typed:
                self._say(self._texts.only_folders(folders))
                return folders
            try:
                folders = choose_folder(typed, folders)
            except CannotChoose as exc:
                self._say(self._texts.get(exc.key))

    async def ask_permission(self, kind: str, technician: str) -> Duration:
        """See `host.customer.Customer`."""
        async with self._question():
            tool = self._texts.get(f"tool_{kind}")
            self._say(self._texts.get("ask_permission", technician=technician, tool=tool))
            return await self._ask_duration(Duration.NEVER)

    async def ask_changes(self, choices: Mapping[str, Duration]) -> Mapping[str, Duration]:
        """See `host.customer.Customer`."""
        chosen = dict(choices)
        async with self._question():
            self._say(self._texts.get("change_title"))
            for kind, now in choices.items():
                words = self._texts.get(f"duration_{now.value}")
                self._say(f"{self._texts.get(f'tool_{kind}')}: {words}. {self._texts.get('keep_choice')}")
                chosen[kind] = await self._ask_duration(now)
        return chosen

    async def wait_refused(self, sentence: str) -> None:
        """See `host.customer.Customer`."""
        async with self._question():
            self._say(sentence)
            self._bell.ring()
            while True:
                self._prompt(self._texts.get("restart_prompt"))
                if (await self._next_line()).strip().lower() in ("n", "no"):
                    return

    async def _ask_duration(self, otherwise: Duration) -> Duration:
        self._say(self._texts.get("choose_duration"))
        self._prompt("[1-4] ")
        answers = {str(number): choice for number, choice in enumerate(CHOICES, 1)}
        return answers.get(await self._next_line(), otherwise)

    @asynccontextmanager
    async def _question(self) -> AsyncIterator[None]:
        """A question in the middle of the session: lines are answers now, and no chat."""
        self._questions += 1
        self._listening.cancel()
        try:
            self._say(self._texts.get("input_held"))
            self._bell.ring()
            await trio.sleep(ANSWER_DELAY)
            self._lines.forget()
            yield
        finally:
            self._questions -= 1
            self._answered.set()
            self._answered = trio.Event()

    async def next_wish(self) -> Wish:
        """See `host.customer.Customer`: learned by `next_chat_text`."""
        while not self._wishes:
            await self._wished.wait()
        return self._wishes.popleft()

    async def wait_wants_to_end(self) -> None:
        """See `host.customer.Customer`."""
        await self._wants_to_end.wait()

    async def wait_gone(self) -> None:
        """See `host.customer.Customer`: no code can come from an input that has ended."""
        await self._lines.exhausted.wait()

    async def next_chat_text(self) -> str:
        """See `host.customer.Customer`. The end of the input is only the end of writing."""
        while True:
            line = await self._next_line_between_questions()
            if line.lower() in HELP:
                self._say(self._texts.get("commands"))
            elif (wish := COMMANDS.get(line.lower())) is None:
                return line
            elif wish not in self._wishes:
                self._wishes.append(wish)
                self._wished.set()
                self._wished = trio.Event()

    async def _next_line_between_questions(self) -> str:
        while True:
            while self._questions:
                await self._answered.wait()
            line: str | None = None
            with trio.CancelScope() as self._listening:
                line = await self._lines.next(is_needed=False)
            if line is not None:
                return line

    async def wait_dismissed(self) -> None:
        """See `host.customer.Customer`: what was printed stays."""

    def ask_to_end(self) -> None:
        """See `host.customer.Customer`."""
        self._wants_to_end.set()

    def show_brand(self, brand: Brand) -> None:
        """See `host.customer.Customer`: never called."""

    def show_connecting(self) -> None:
        """See `host.customer.Customer`."""
        self._say(self._texts.get("connecting"))

    def show_waiting_for_technician(self) -> None:
        """See `host.customer.Customer`."""
        self._say(self._texts.get("waiting_technician"))

    def show_new_code_needed(self) -> None:
        """See `host.customer.Customer`."""
        self._say(self._texts.get("code_dead"))

    def show_active(self, seconds_left: float) -> None:
        """See `host.customer.Customer`."""
        self._say(self._texts.get("active", left=self._texts.duration(seconds_left)))
        self._say(self._texts.get("stop_hint"))
        self._say(self._texts.get("commands"))

    def show_viewers(self, viewers: Mapping[str, Sequence[str]]) -> None:
        """See `host.customer.Customer`."""
        if viewers == self._viewers:
            return
        self._viewers = viewers
        self._say(self._texts.viewers(viewers))

    def show_paused(self, is_paused: bool) -> None:
        """See `host.customer.Customer`."""
        if is_paused is not self._is_paused:
            self._is_paused = is_paused
            self._say(self._texts.get("paused" if is_paused else "resumed"))

    def show_chat(self, author: str, text: str, *, is_new: bool = True) -> None:
        """See `host.customer.Customer`."""
        if author:
            self._say(f"{author}: {clean(text, MAX_CHAT_CHARACTERS)}")
            if is_new:
                self._bell.ring()

    def open_chat(self) -> None:
        """See `host.customer.Customer`."""
        self._bell.ring()
        self._say(self._texts.get("chat_begins"))

    def show_trouble(self, sentence: str) -> None:
        """See `host.customer.Customer`."""
        if not self._is_in_trouble:
            self._is_in_trouble = True
            self._say(sentence)

    def show_online(self) -> None:
        """See `host.customer.Customer`."""
        if self._is_in_trouble:
            self._is_in_trouble = False
            self._say(self._texts.get("online"))

    def show_gone(self, sentence: str) -> None:
        """See `host.customer.Customer`."""
        self._say(sentence)

    def show_removed(self, sentence: str, left: Sequence[str]) -> None:
        """See `host.customer.Customer`."""
        self._say(sentence)
        if left:
            self._say(self._texts.get("left", names=", ".join(left)))

    def _introduce(self, asker: Asker) -> None:
        self._say("")
        self._say(self._texts.asks(asker))
        if asker.phone:
            self._say(self._texts.get("phone", phone=asker.phone))
        self._say(self._texts.get("warning"))
        self._say("")

    async def _next_line(self) -> str:
        try:
            return await self._lines.next()
        finally:
            self._is_prompting = False

    def _prompt(self, text: str) -> None:
        self._write(text)
        self._is_prompting = True

    def _say(self, line: str) -> None:
        start = "\n" if self._is_prompting else ""
        self._is_prompting = False
        self._write(f"{start}{line}\n")

    def _ring(self) -> None:
        with suppress(ValueError):  # it was closed
            if self._output.isatty():
                self._write("\a")

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # the terminal was closed; the session goes on without it
            self._output.write(text)
            self._output.flush()


@asynccontextmanager
async def open_terminal(
    texts: Texts, *, descriptor: int = 0, output: TextIO | None = None
) -> AsyncIterator[TerminalCustomer]:
    """A customer at standard input and output, for the time of the block.

    Args:
        texts: of the customer's language.
        descriptor: to read from instead of standard input; stays open.
        output: to write to instead of standard output.
    """
    lines = _Lines(descriptor)
    lines.start()
    yield TerminalCustomer(texts, lines, output or sys.stdout)
