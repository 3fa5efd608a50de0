"""The field for the link, on a real display."""

import os
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


COMPLAINT = """
import sys
from pathlib import Path
from host import last_words
last_words.own_file = lambda: Path("adhoc-host")
last_words.SHOWN_FOR, last_words.DISPLAY_TIMEOUT = 0.2, float(sys.argv[1])
last_words.complain("adhoc-host", "The disk is full.")
print("closed")
"""


async def complain_at(environment: dict[str, str], display_timeout: float = 30) -> tuple[int, str, str]:
    """The exit code and what was said, with nobody at any terminal."""
    with trio.fail_after(60):
        done = await trio.run_process(
            [sys.executable, "-c", COMPLAINT, str(display_timeout)],
            env=environment,
            stdin=b"",
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    return done.returncode, done.stdout.decode().strip(), done.stderr.decode().strip()


async def test_a_window_that_nobody_closes_goes_by_itself(desktop: Xvfb) -> None:
    assert await complain_at(desktop.environment) == (0, "closed", "adhoc-host: The disk is full.")


async def test_without_a_display_nothing_waits(desktop: Xvfb) -> None:
    nowhere = {**desktop.environment, "DISPLAY": ":64999"}
    assert await complain_at(nowhere) == (0, "closed", "adhoc-host: The disk is full.")


async def test_a_display_that_does_not_answer_holds_nothing(desktop: Xvfb) -> None:
    with trio.socket.socket(trio.socket.AF_UNIX) as silent:
        # The abstract name is what X's clients try first; its number is none of a real display.
        number = 60_000 + os.getpid() % 5_000
        await silent.bind(f"\0/tmp/.X11-unix/X{number}")
        silent.listen()
        said = await complain_at({**desktop.environment, "DISPLAY": f":{number}"}, 0.1)
    assert said == (1, "", "adhoc-host: The disk is full.")
