"""``./dev run``, played in full: real relay, real desktop, real host file, each in a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio

from demo.__main__ import HOST_FILE, NOTE, ROOT
from technician.attaching import fetch_pairing_key
from technician.relay_client import open_relay_client, split_sign_in_link
from technician.remote_control import measure_desktop, open_control

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sockets,
    pytest.mark.skipif(not HOST_FILE.exists(), reason="the host file is not built; ./dev build makes it"),
]

STORY_TIMEOUT = 90.0


class Demonstration:
    """A running demonstration."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self._said = ""

    async def wait_said(self, words: str) -> str:
        """What it printed up to and including `words`."""
        assert self.process.stdout is not None
        while words not in self._said:
            data = await self.process.stdout.receive_some()
            assert data, f"it ended after saying: {self._said}"
            self._said += bytes(data).decode()
        before, _, self._said = self._said.partition(words)
        return before + words


@asynccontextmanager
async def open_demonstration(folder: Path, *arguments: str) -> AsyncIterator[Demonstration]:
    command = [sys.executable, "-m", "demo", "--port", "0", "--folder", str(folder), *arguments]
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            partial(
                trio.run_process,
                command,
                stdin=b"",
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
                cwd=ROOT,
            )
        )
        yield Demonstration(process)


def word_after(text: str, start: str) -> str:
    return text.partition(start)[2].split()[0]


def commands_mentioning(folder: Path) -> list[str]:
    """Command lines of living processes that name `folder`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in command and str(os.getpid()) != path.parent.name:
            found.append(command)
    return found


async def test_a_session_is_ready_ends_and_leaves_nothing(tmp_path: Path) -> None:
    with trio.fail_after(STORY_TIMEOUT):
        async with open_demonstration(tmp_path) as demonstration:
            ready = await demonstration.wait_said("Ctrl-C stops everything.")
            origin, token = split_sign_in_link(word_after(ready, "1. Open"))
            password = word_after(ready, "3. Type")
            async with open_relay_client(origin) as relay:
                await relay.sign_in_by_token(token or "")
                (session,) = await relay.sessions()
                assert (session.state, session.note) == ("active", NOTE)
                key = await fetch_pairing_key(relay, session.id, password)
                async with open_control(relay, session.id, key, password) as stream:
                    facts = await measure_desktop(stream)
                assert (facts.width, facts.height) == (1440, 900)

                await relay.end(session.id)
                await demonstration.wait_said("The host's process is gone, and so are its files.")
                # Nobody is at the keyboard, so that the next session comes by itself.
                await demonstration.wait_said("Ctrl-C stops everything.")
                (following,) = await relay.sessions()
                assert following.id != session.id
            demonstration.process.send_signal(signal.SIGTERM)
            assert await demonstration.process.wait() == 0
    assert commands_mentioning(tmp_path) == []
    assert [path for path in (tmp_path / "demo" / "customer").rglob("*") if path.is_file()] == []


async def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        port = listener.socket.getsockname()[1]
        async with open_demonstration(tmp_path, "--port", str(port)) as demonstration:
            said = await demonstration.wait_said("\n")
            assert said == f"demo: Cannot listen on 127.0.0.1:{port}: Address already in use.\n"
            assert await demonstration.process.wait() == 2
