"""The field for the link, on a real display."""

import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
import trio

from tests.helpers.xvfb import Xvfb, open_xvfb

pytestmark = [pytest.mark.slow, pytest.mark.sockets]

LINK = "https://relay.example/d/AAAAAAAAAAAAAAAAAAAAAA#AAAAAAAAAAAAAAAAAAAAAA.pass"
PROGRAM = """
import os
from host.link_window import ask_at_window
from host.texts import Texts
link = ask_at_window(Texts("en"), os.environ["DISPLAY"])
print(link and link.url())
"""


@pytest.fixture
async def desktop() -> AsyncIterator[Xvfb]:
    async with open_xvfb(800, 600) as desktop:
        yield desktop


async def play(desktop: Xvfb, *keys: list[str], program: str = PROGRAM) -> str:
    """What the program answers once these keys were pressed in its window."""
    async with trio.open_nursery() as nursery:

        async def press() -> None:
            search = ["xdotool", "search", "--sync", "--onlyvisible", "--class", "Adhoc-host"]
            found = await trio.run_process(search, env=desktop.environment, capture_stdout=True)
            window = found.stdout.decode().split()[0]
            await trio.run_process(["xdotool", "windowfocus", "--sync", window], env=desktop.environment)
            for each in keys:
                await trio.run_process(["xdotool", *each], env=desktop.environment)

        nursery.start_soon(press)
        with trio.fail_after(60):
            done = await trio.run_process(
                [sys.executable, "-c", program],
                env=desktop.environment,
                capture_stdout=True,
                stdin=b"",
                stderr=subprocess.DEVNULL,
            )
    return done.stdout.decode().strip()


async def test_a_link_that_is_typed_is_the_answer_and_nonsense_is_not(desktop: Xvfb) -> None:
    said = await play(
        desktop,
        ["type", "what link"],
        ["key", "Return"],
        ["key", "ctrl+a"],
        ["key", "BackSpace"],
        ["key", "Home", "shift+End", "BackSpace"],
        ["type", LINK],
        ["key", "Return"],
    )
    assert said == LINK


async def test_escape_gives_up(desktop: Xvfb) -> None:
    assert await play(desktop, ["key", "Escape"]) == "None"


async def test_a_double_click_that_comes_to_nothing_says_why(desktop: Xvfb) -> None:
    program = """
import sys
from pathlib import Path
from host import last_words
last_words.own_file = lambda: Path("adhoc-host")
last_words.complain("adhoc-host", "The disk is full.")
print("closed")
"""
    assert await play(desktop, ["key", "Return"], program=program) == "closed"
