"""Scenes with a shell, played inside wine: ``shell_scenes SCENE…`` prints what came of each as JSON.

`tests.windows.test_shell` starts them and judges.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import json
import re
from typing import Any, Final

import psutil
import trio

from host.record import SessionRecord
from host.shell import MAX_SHELLS, Shells, serve_shell
from host.windows import pseudo_terminal
from host.windows.pseudo_terminal import PseudoTerminal, Size, open_shell
from peer.errors import StreamClosed
from peer.messages import MessageStream
from tests.helpers.tool_pairs import MemoryEnd, joined

SIZE: Final = Size(80, 25)
PATIENCE: Final = 30.0


async def read_until(terminal: PseudoTerminal, pattern: bytes) -> bytes:
    shown = b""
    with trio.fail_after(PATIENCE):
        while not re.search(pattern, shown, re.DOTALL) and (data := await terminal.read()):
            shown += data
    return shown


def children() -> list[int]:
    return [child.pid for child in psutil.Process().children(recursive=True)]


# Scenes


async def typing() -> Any:
    """A line typed at the shell is run, and seen; also letters beyond ASCII; then it exits."""
    # Wine's PowerShell does nothing, and its programs do not find the pseudo-console by themselves.
    pseudo_terminal.shell_line = lambda: 'cmd.exe /d /c "cmd.exe <conin$ >conout$ 2>&1"'
    said: dict[str, Any] = {}
    async with open_shell(SIZE) as terminal, trio.open_nursery() as nursery:
        nursery.start_soon(terminal.watch)
        # Each time until the prompt: what is typed while a program of wine does not read may be lost.
        prompt = rb"C:\\[^>\r\n]*>"
        await read_until(terminal, prompt)
        await terminal.write(b"set /a 40+2\r")
        shown = await read_until(terminal, rb"42.*(?:" + prompt + rb")")
        terminal.resize(Size(132, 50))
        await terminal.write("echo gr\u00fcn\r".encode())
        shown += await read_until(terminal, "gr\u00fcn.*gr\u00fcn.*".encode() + rb"(?:" + prompt + rb")")
        said["sum"] = b"42" in shown
        said["letters"] = "grün".encode() in shown
        await terminal.write(b"exit 7\r")
        with trio.fail_after(PATIENCE):
            while await terminal.read():
                pass
        said["status"] = terminal.status
    return said


async def command() -> Any:
    """A single command's output is its own, in UTF-8, with its exit code."""
    said = {}
    for line in ("echo one& echo two 1>&2", "exit 3", "echo \u00fcber", 'echo "a b" c', "no-such-program"):
        shown = b""
        async with open_shell(SIZE, line) as terminal, trio.open_nursery() as nursery:
            nursery.start_soon(terminal.watch)
            with trio.fail_after(PATIENCE):
                while data := await terminal.read():
                    shown += data
            said[line] = [shown.decode(errors="replace"), terminal.status]
    return said


async def hang_up() -> Any:
    """What the shell started ends with it, also what would not end by itself."""
    async with open_shell(SIZE, "start /b cmd /c ping -n 600 127.0.0.1 >nul & ping -n 600 127.0.0.1 >nul"):
        with trio.fail_after(PATIENCE):
            while len(children()) < 3:  # noqa: ASYNC110 - processes, not tasks
                await trio.sleep(0.05)
        began = trio.current_time()
    return {"seconds": trio.current_time() - began, "left": len(children())}


async def environment() -> Any:
    """Nothing of this program's environment reaches the shell."""
    shown = b""
    async with open_shell(SIZE, "set") as terminal, trio.open_nursery() as nursery:
        nursery.start_soon(terminal.watch)
        while data := await terminal.read():
            shown += data
    names = {line.partition("=")[0].upper() for line in shown.decode(errors="replace").splitlines()}
    return {
        "ours": sorted(name for name in names if "PYTHON" in name or "ADHOC" in name),
        "path": "PATH" in names,
        "home": "USERPROFILE" in names,
    }


async def stream() -> Any:
    """The whole way: a viewer's stream with a command, one that floods and hangs up, and one too many."""
    shells = Shells(SessionRecord(None))
    said: dict[str, Any] = {"command": await _run(shells, {"size": [80, 25], "command": "echo hello"})}
    said["wrong"] = await _run(shells, {"size": [0, 25]})
    shells.opened = MAX_SHELLS
    said["too many"] = await _run(shells, {"size": [80, 25]})
    shells.opened = 0
    said["flood"] = await _flood(shells)
    said["opened"] = shells.opened
    said["record"] = [act["act"] for act in shells.record.acts()]
    return said


async def _run(shells: Shells, opening: dict[str, Any]) -> Any:
    near, far = joined()
    viewer, shown, closed = MessageStream(near), b"", ""
    exited = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_serve, far, shells)
        await viewer.send(opening)
        try:
            with trio.fail_after(PATIENCE):
                while (message := await viewer.receive()) is not None:
                    shown += message.body
                    exited = message.head.get("exited", exited)
        except StreamClosed as exc:
            closed = exc.close_reason.name
    return [shown.decode(errors="replace"), exited, closed or (far.reason and far.reason.name)]


async def _flood(shells: Shells) -> Any:
    """A program that writes without end waits for the viewer, and ends when the viewer leaves."""
    near, far = joined()
    viewer = MessageStream(near)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_serve, far, shells)
        await viewer.send(
            {"size": [80, 25], "command": "for /l %i in (0,0,1) do @echo 0123456789012345678901234567890"}
        )
        size = 0
        with trio.fail_after(PATIENCE):
            while size < 100_000 and (message := await viewer.receive()) is not None:
                size += len(message.body)
        near.close()
        began = trio.current_time()
    return {"size": size >= 100_000, "seconds": trio.current_time() - began, "left": len(children())}


async def _serve(far: MemoryEnd, shells: Shells) -> None:
    try:
        await serve_shell(MessageStream(far), shells, technician="Tess")
        await far.finish()
    except StreamClosed as exc:
        far.close(exc.close_reason)


SCENES: Final = {scene.__name__: scene for scene in (typing, command, hang_up, environment, stream)}


def main(wanted: list[str]) -> None:
    print(json.dumps({name: trio.run(SCENES[name]) for name in wanted}))


if __name__ == "__main__":
    main(sys.argv[1:])
