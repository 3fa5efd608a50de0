"""The conversation at a terminal: through pipes, and at a real one."""

import io
import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio
import trio.testing

from host.consent import MAX_FOLDERS, Consent
from host.customer import Asker
from host.terminal import TerminalCustomer, open_terminal
from host.texts import Texts
from relay.protocol.claims import PairClaims

ASKER = Asker("Tess", "Acme", "+34 600 000 000")
CLAIMS = PairClaims(technician="Tess\x1b[31m", company="Acme", kinds=["control"], lifetime=86_400)
WITH_FILES = replace(CLAIMS, kinds=["control", "files"])


class Conversation:
    """A customer whose input is a pipe and whose output is kept."""

    def __init__(self, customer: TerminalCustomer, writer: int, output: io.StringIO) -> None:
        self.customer = customer
        self._writer = writer
        self._output = output

    def type(self, text: str) -> None:
        os.write(self._writer, text.encode())

    def hang_up(self) -> None:
        os.close(self._writer)
        self._writer = -1

    @property
    def said(self) -> str:
        return self._output.getvalue()


@asynccontextmanager
async def converse(language: str = "en") -> AsyncIterator[Conversation]:
    reader, writer = os.pipe()
    output = io.StringIO()
    async with open_terminal(Texts(language), descriptor=reader, output=output) as customer:
        conversation = Conversation(customer, writer, output)
        yield conversation
    if conversation._writer >= 0:
        conversation.hang_up()


async def test_the_code_is_asked_for_after_who_asks_and_the_warning() -> None:
    async with converse() as talk:
        talk.type(" 123-456 789\n")
        assert await talk.customer.ask_code(ASKER, "") == "123456789"
        assert "Tess of Acme asks to help you" in talk.said
        assert "If a stranger called you" in talk.said
        assert "+34 600 000 000" in talk.said
        assert talk.said.endswith("Security code: ")


async def test_what_is_no_code_costs_no_try() -> None:
    async with converse() as talk:
        talk.type("12345678\nhello\n123456789\n")
        assert await talk.customer.ask_code(ASKER, "That was wrong.") == "123456789"
        assert "That was wrong." in talk.said
        assert talk.said.count("has nine digits") == 2
        assert talk.said.count("Security code: ") == 3


async def test_who_asks_is_said_once() -> None:
    async with converse() as talk:
        talk.type("123456789\n123456789\n")
        await talk.customer.ask_code(ASKER, "")
        await talk.customer.ask_code(ASKER, "Wrong.")
        assert talk.said.count("asks to help you") == 1


@pytest.mark.parametrize(
    ("typed", "is_allowed"), [("y", True), ("YES", True), ("sí", True), ("n", False), ("", False)]
)
async def test_only_a_yes_allows(typed: str, is_allowed: bool) -> None:
    async with converse() as talk:
        talk.type(typed + "\n")
        assert await talk.customer.ask_allow(CLAIMS) == Consent(is_allowed)
        assert talk.said.endswith("[y/N] ")
        assert "Tess[31m of Acme is confirmed" in talk.said
        assert "24 hours" in talk.said


async def test_files_may_be_limited_to_folders_that_are_named(tmp_path: Path) -> None:
    (tmp_path / "a" / "inner").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "link").symlink_to("b")
    async with converse() as talk:
        talk.type(f"f\n{tmp_path}/a/inner\n{tmp_path}/none\n{tmp_path}/a\n{tmp_path}/link/\n\n")
        consent = await talk.customer.ask_allow(WITH_FILES)
        assert consent == Consent(True, (f"{tmp_path}/a", f"{tmp_path}/b"))
        assert "with files only in folders that you name, type f.\n[y/N] " in talk.said
        assert talk.said.count("There is no such folder on this computer.") == 1
        assert talk.said.endswith(f"Files only in: {tmp_path}/a, {tmp_path}/b\n")


async def test_without_any_folder_there_are_no_files() -> None:
    async with converse("es") as talk:
        talk.type("c\n\n")
        assert await talk.customer.ask_allow(WITH_FILES) == Consent(True, ())
        assert "el técnico no recibe archivos" in talk.said


async def test_a_technician_without_files_is_not_limited() -> None:
    async with converse() as talk:
        talk.type("f\n")
        assert await talk.customer.ask_allow(CLAIMS) == Consent(False)
        assert "type f" not in talk.said


async def test_there_are_not_endlessly_many_folders(tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(MAX_FOLDERS + 1)]
    for folder in folders:
        folder.mkdir()
    async with converse() as talk:

        async def type_slowly() -> None:
            for number, folder in enumerate(folders):
                talk.type(f"{folder}\n")
                while talk.said.count("folder: ") < number + 2:
                    await trio.lowlevel.checkpoint()
            talk.type("\n")

        talk.type("f\n")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(type_slowly)
            consent = await talk.customer.ask_allow(WITH_FILES)
        assert consent.folders is not None
        assert 1 < len(consent.folders) <= MAX_FOLDERS
        assert "These are too many folders." in talk.said


async def test_a_line_typed_while_nobody_asks_is_kept() -> None:
    async with converse() as talk:
        with trio.move_on_after(0.01) as scope:
            await talk.customer.ask_code(ASKER, "")
        assert scope.cancelled_caught
        talk.type("123456789\n")
        assert await talk.customer.ask_code(ASKER, "") == "123456789"


async def test_an_input_that_ends_is_noticed_only_when_something_is_asked() -> None:
    async with converse() as talk:
        talk.type("123456789\n")
        talk.hang_up()
        assert await talk.customer.ask_code(ASKER, "") == "123456789"
        talk.customer.show_active(86_400)
        with trio.move_on_after(0.02) as scope:
            await talk.customer.wait_gone()
        assert scope.cancelled_caught
        async with trio.open_nursery() as nursery:
            nursery.start_soon(talk.customer.ask_code, ASKER, "")
            await talk.customer.wait_gone()
            nursery.cancel_scope.cancel()


async def test_the_states_have_their_sentences_and_trouble_is_told_once() -> None:
    async with converse() as talk:
        customer = talk.customer
        customer.show_connecting()
        customer.show_waiting_for_technician()
        customer.show_new_code_needed()
        customer.show_active(86_399)
        customer.show_viewers({"Tess": ["control"], "Ana": ["files", "dashboard"]})
        customer.show_viewers({"Tess": ["control"], "Ana": ["files", "dashboard"]})
        customer.show_viewers({})
        customer.show_trouble("Trouble.")
        customer.show_trouble("Trouble.")
        customer.show_online()
        customer.show_online()
        customer.show_removed("Over.", ["packages"])
        assert talk.said.splitlines() == [
            "Connecting to the support service…",
            "Checking the code with the technician…",
            "Too many wrong codes. Ask the technician to read out a new one.",
            "Connected for support. Time left: 24 hours.",
            "Press Ctrl+C to end the session and remove the program.",
            Texts("en").get("commands"),
            "Connected now: Tess (Remote Control), Ana (File Manager, Dashboard)",
            "Nobody is connected.",
            "Trouble.",
            "The connection is back.",
            "Over.",
            "These could not be removed; that is tried again when the computer starts: packages",
        ]


class Tty(io.StringIO):
    """Output to a real terminal."""

    def isatty(self) -> bool:
        return True


async def test_a_new_line_of_the_chat_rings_the_terminals_bell_but_not_on_and_on() -> None:
    reader, writer = os.pipe()
    output = Tty()
    async with open_terminal(Texts("en"), descriptor=reader, output=output) as customer:
        customer.show_chat("Tess", "from before", is_new=False)
        customer.show_chat("", "mine")
        assert "\a" not in output.getvalue()
        for _ in range(20):
            customer.show_chat("Tess", "hello")
        customer.open_chat()
        assert output.getvalue().count("\a") == 1
        assert output.getvalue().count("Tess: hello\n") == 20
    os.close(writer)


async def test_a_program_that_listens_hears_no_bell() -> None:
    async with converse() as talk:
        talk.customer.show_chat("Tess", "hello")
        assert talk.said == "Tess: hello\n"


async def test_it_speaks_spanish() -> None:
    async with converse("es") as talk:
        talk.type("123456789\n")
        await talk.customer.ask_code(ASKER, "")
        assert "pide ayudarle" in talk.said
        assert talk.said.endswith("Código de seguridad: ")


async def test_a_closed_terminal_does_not_end_the_session() -> None:
    reader, writer = os.pipe()
    output = io.StringIO()
    output.close()
    async with open_terminal(Texts("en"), descriptor=reader, output=output) as customer:
        customer.show_connecting()
    os.close(writer)


@pytest.mark.slow
def test_the_program_ends_while_a_terminal_waits_for_input() -> None:
    """A thread that reads must not keep the interpreter from its end, nor crash it."""
    script = """
import trio
from host.terminal import open_terminal
from host.texts import Texts
async def main():
    async with open_terminal(Texts("en")) as customer:
        customer.show_connecting()
trio.run(main)
"""
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", script],
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert (done.stdout, done.stderr) == ("Connecting to the support service…\n", "")
