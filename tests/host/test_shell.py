"""A real shell at a real pseudo-terminal, and what a hostile viewer gets."""

import os
import pwd
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
import trio

from host import pseudo_terminal
from host.pseudo_terminal import PLAIN_PATH, shell_environment
from host.record import SessionRecord
from host.shell import MAX_COMMAND, MAX_INPUT_BYTES, MAX_SHELLS, Shells, serve_shell
from peer.errors import StreamClosed
from peer.messages import MessageStream
from relay.protocol.close_reasons import CloseReason
from tests.helpers.tool_pairs import MemoryEnd, joined

PATIENCE = 20.0
SIZE: dict[str, object] = {"size": [80, 24]}


class Viewer:
    """The far side of a shell, and what came from it.

    Attributes:
        shown: what the terminal showed so far.
        closed: how the host's end was closed, if it was.
    """

    def __init__(self, end: MemoryEnd) -> None:
        self.end = end
        self.stream = MessageStream(end)
        self.shown = b""
        self.closed: StreamClosed | None = None
        self.is_served = trio.Event()

    async def type(self, text: str) -> None:
        await self.stream.send({}, text.encode())

    async def wait_shown(self, wanted: str) -> str:
        """Until the terminal showed this, from where it was last waited for; what came before it."""
        pattern = wanted.encode()
        # A flood is looked through once, not again with each piece: that would hold up the host beside it.
        seen, begin = bytearray(self.shown), 0
        with trio.fail_after(PATIENCE):
            while (found := seen.find(pattern, begin)) < 0:
                begin = max(0, len(seen) - len(pattern) + 1)
                message = await self.stream.receive()
                assert message is not None, seen[-1000:]
                assert not message.head, (message.head, seen[-1000:])
                seen += message.body
        self.shown = bytes(seen[found + len(pattern) :])
        return seen[:found].decode()

    async def wait_status(self) -> int:
        """Until the shell exits."""
        with trio.fail_after(PATIENCE):
            while True:
                message = await self.stream.receive()
                assert message is not None
                if message.head:
                    assert set(message.head) == {"exited"}
                    status = message.head["exited"]
                    assert isinstance(status, int)
                    return status
                self.shown += message.body

    async def wait_closed(self) -> CloseReason | None:
        """Until the host has done with the stream; why it closed it."""
        with trio.fail_after(PATIENCE):
            await self.is_served.wait()
        return None if self.closed is None else self.closed.close_reason


@pytest.fixture
def heard_signals() -> Iterator[None]:
    """The host listens to SIGINT; a job begun in the background, and what it starts, would ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def shells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard_signals: None) -> Shells:
    """The shells of a host whose user has an empty home and a plain shell."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/sh")
    monkeypatch.setenv("ADHOC_SECRET", "host's own")
    return Shells(SessionRecord(None))


@asynccontextmanager
async def attached(shells: Shells) -> AsyncIterator[Viewer]:
    """A viewer whose stream was accepted and who has said nothing yet; it leaves at the end of the block."""
    near, far = joined()
    viewer = Viewer(near)

    async def answer() -> None:
        try:
            await serve_shell(MessageStream(far), shells, technician="Anna")
        except StreamClosed as exc:
            viewer.closed = exc
        finally:
            far.close()
            viewer.is_served.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        yield viewer
        near.close()
        with trio.fail_after(PATIENCE):
            await viewer.is_served.wait()


@asynccontextmanager
async def opened(shells: Shells) -> AsyncIterator[Viewer]:
    """A viewer with a shell that says ``ready>`` when it waits."""
    async with attached(shells) as viewer:
        await viewer.stream.send(SIZE)
        await viewer.type("PS1='ready''> '\n")
        await viewer.wait_shown("ready> ")
        yield viewer


async def run(shells: Shells, command: str) -> tuple[int, bytes]:
    """A command's exit status and output."""
    async with attached(shells) as viewer:
        await viewer.stream.send(SIZE | {"command": command})
        return await viewer.wait_status(), viewer.shown


def acts(shells: Shells) -> list[tuple[str, str]]:
    return [(act["act"], act["detail"]) for act in shells.record.acts()]


async def until(is_so: Callable[[], bool]) -> None:
    """For what the kernel does by itself: nothing tells of it."""
    with trio.fail_after(PATIENCE):
        while not is_so():  # noqa: ASYNC110
            await trio.sleep(0.01)


async def test_what_is_typed_runs_and_what_it_prints_is_shown(shells: Shells) -> None:
    async with opened(shells) as viewer:
        await viewer.type("echo $((6 * 7))\n")
        shown = await viewer.wait_shown("ready> ")
        assert shown == "echo $((6 * 7))\r\n42\r\n"
        await viewer.type("exit 5\n")
        assert await viewer.wait_status() == 5
        assert await viewer.wait_closed() is None
    assert acts(shells) == [("shell_opened", "")]


async def test_the_window_of_the_viewer_is_the_size_of_the_terminal(shells: Shells) -> None:
    async with opened(shells) as viewer:
        await viewer.type("stty size\n")
        assert "24 80" in await viewer.wait_shown("ready> ")
        await viewer.stream.send({"size": [132, 50]})
        await viewer.type("stty size\n")
        assert "50 132" in await viewer.wait_shown("ready> ")


async def test_ctrl_c_comes_through_a_flood_that_nobody_reads(shells: Shells) -> None:
    async with opened(shells) as viewer:
        await viewer.type("yes flood\n")
        await viewer.wait_shown("flood\r\nflood\r\n")
        await viewer.type("\x03")
        await viewer.wait_shown("ready> ")
        await viewer.type("echo done $?\n")
        assert "done 130" in await viewer.wait_shown("ready> ")


async def test_a_flood_that_nobody_reads_waits_in_the_program(shells: Shells) -> None:
    async with opened(shells) as viewer:
        (sh,) = psutil.Process().children()
        await viewer.type("yes flood\n")
        await viewer.wait_shown("flood\r\nflood\r\n")  # the echo of what was typed, and the program
        (yes,) = sh.children()
        # All that may be under way is; the next piece, of at most 32 KiB, waits at the host, as `yes` does.
        await until(lambda: viewer.end.statistics().tasks_waiting_send == 1)
        await until(lambda: yes.status() == psutil.STATUS_SLEEPING)
        before = yes.cpu_times().user
        await viewer.type("\n")
        await until(lambda: yes.status() == psutil.STATUS_SLEEPING)
        assert yes.cpu_times().user - before < 0.1
        assert viewer.end.statistics().tasks_waiting_send == 1


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("sleep 1000", id="a program"),
        pytest.param("sleep 1000 & sleep 1000", id="one behind it too"),
        pytest.param(
            "sh -c 'trap \"\" HUP TERM INT; echo ready; while :; do sleep 1; done'", id="a deaf one"
        ),
    ],
)
async def test_nothing_runs_when_the_viewer_has_gone(
    shells: Shells, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pseudo_terminal, "HANG_UP_TIMEOUT", 0.5)
    async with opened(shells) as viewer:
        (sh,) = psutil.Process().children()
        await viewer.type(program + "\n")
        await until(lambda: len(sh.children(recursive=True)) >= program.count("sleep"))
        found = [sh, *sh.children(recursive=True)]
        viewer.end.close()
        await viewer.wait_closed()
        await until(lambda: not any(process.is_running() for process in found))
    assert shells.opened == 0


async def test_a_program_behind_a_shell_that_exited_is_ended_too(shells: Shells) -> None:
    async with opened(shells) as viewer:
        (sh,) = psutil.Process().children()
        await viewer.type("sleep 1000 & echo star''ted\n")  # the echo of what is typed does not match
        await viewer.wait_shown("started\r\n")
        (sleep,) = sh.children()
        await viewer.type("exit\n")
        await viewer.wait_status()
        await viewer.wait_closed()
        await until(lambda: not sleep.is_running())


async def test_the_hosts_end_ends_the_shell(shells: Shells) -> None:
    near, far = joined()
    async with trio.open_nursery() as nursery:

        async def serve() -> None:
            await serve_shell(MessageStream(far), shells, technician="Anna")

        nursery.start_soon(serve)
        await MessageStream(near).send(SIZE)
        assert await MessageStream(near).receive() is not None
        (sh,) = psutil.Process().children()
        nursery.cancel_scope.cancel()
    assert not sh.is_running()
    assert shells.opened == 0


async def test_a_command_prints_as_it_is_and_says_how_it_ended(shells: Shells) -> None:
    assert await run(shells, "printf 'a\\nb\\n'; exit 3") == (3, b"a\nb\n")
    assert await run(shells, "kill -9 $$") == (128 + signal.SIGKILL, b"")
    assert await run(shells, "head -c 300000 /dev/zero | tr '\\0' x") == (0, b"x" * 300_000)


async def test_a_shell_has_the_users_home_and_nothing_of_the_host(shells: Shells, tmp_path: Path) -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    try:
        status, printed = await run(shells, "pwd; env; ls -l /proc/self/fd; tty; ps -o tty= -p $$")
    finally:
        os.close(read)
        os.close(write)
    assert status == 0
    lines = printed.decode().splitlines()
    assert lines[0] == str(tmp_path)
    assert "TERM=xterm-256color" in lines
    assert b"ADHOC_SECRET" not in printed
    assert b"PYTHON" not in printed
    assert b"pipe:" not in printed
    assert lines[-2].startswith("/dev/pts/")
    assert lines[-1].strip() == lines[-2].removeprefix("/dev/")


def test_whoever_has_no_home_and_no_shell_gets_plain_ones() -> None:
    account = pwd.struct_passwd(("ana", "x", "1000", "1000", "", "/nowhere", "/no/shell"))
    assert shell_environment({"SHELL": "sh", "LD_LIBRARY_PATH": "/x", "LC_ALL": "C"}, account) == {
        "USER": "ana",
        "LOGNAME": "ana",
        "HOME": "/",
        "PATH": PLAIN_PATH,
        "LC_ALL": "C",
        "SHELL": "/bin/sh",
        "TERM": "xterm-256color",
    }


async def test_more_shells_than_allowed_are_refused_until_one_ends(shells: Shells) -> None:
    shells.opened = MAX_SHELLS - 1
    async with opened(shells), attached(shells) as another:
        await another.stream.send(SIZE)
        assert await another.wait_closed() is CloseReason.LIMIT
    async with opened(shells) as viewer:
        assert viewer.closed is None


async def test_a_host_that_can_start_nothing_says_so(shells: Shells, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_terminals() -> tuple[int, int]:
        raise OSError("out of pty devices")

    monkeypatch.setattr(os, "openpty", no_terminals)
    async with attached(shells) as viewer:
        await viewer.stream.send(SIZE)
        assert await viewer.wait_closed() is CloseReason.UNAVAILABLE
    assert acts(shells) == []


SIZES: list[object] = [
    *(None, 80, [], [80], [80, 24, 1], [0, 24], [80, -1], [1001, 24], [80, 1 << 62]),
    *(["80", "24"], [80.0, 24.0], [True, True], {"80": 24}),
]
FIRST: list[tuple[dict[str, object], bytes]] = [
    ({}, b""),
    ({}, b"id\n"),
    ({"input": "id\n"}, b""),
    ({"size": [80, 24], "shell": "/bin/evil"}, b""),
    ({"size": [80, 24], "command": 7}, b""),
    ({"size": [80, 24], "command": "id\0"}, b""),
    ({"size": [80, 24], "command": "x" * (MAX_COMMAND + 1)}, b""),
    ({"size": [80, 24]}, bytes(MAX_INPUT_BYTES + 1)),
]
FIRST += [({"size": size}, b"") for size in SIZES]


@pytest.mark.parametrize("message", FIRST)
async def test_a_hostile_first_message_starts_nothing(
    shells: Shells, message: tuple[dict[str, object], bytes]
) -> None:
    async with attached(shells) as viewer:
        await viewer.stream.send(*message)
        assert await viewer.wait_closed() is CloseReason.BAD_FRAME
    assert acts(shells) == []


@pytest.mark.parametrize(
    "message",
    [
        ({}, b""),
        ({"size": [0, 0]}, b""),
        ({"command": "id"}, b""),
        ({"exited": 0}, b""),
        ({"size": [80, 24], "more": 1}, b"x"),
        ({}, bytes(MAX_INPUT_BYTES + 1)),
    ],
)
async def test_a_hostile_message_ends_the_shell(
    shells: Shells, message: tuple[dict[str, object], bytes]
) -> None:
    async with opened(shells) as viewer:
        await viewer.stream.send(*message)
        assert await viewer.wait_closed() is CloseReason.BAD_FRAME
    assert not psutil.Process().children()


async def test_bytes_that_are_no_messages_end_the_shell(shells: Shells) -> None:
    async with opened(shells) as viewer:
        await viewer.end.send(b"\xff" * 64)
        assert await viewer.wait_closed() is CloseReason.BAD_FRAME
