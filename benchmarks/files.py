"""How fast files go: one large file, and a tree of many small ones, both ways, beside `scp`.

    ./dev bench files [--json] [--rounds N] [--big BYTES] [--files N] [--folder FOLDER]

Ours is what a technician types, ``technician files get|put``, with a real relay's process and a real host's
process on this machine; `scp` goes through an OpenSSH server on loopback, started here with throw-away keys.
Both are measured from the start of the command to its end, and what arrived is compared in the first turn.

Everything is in memory where there is room (`MEMORY`): what is measured are the programs. On a disk the
kernel decides, and differently each time: it writes what was written before, and ext4, which does not use an
inode again for minutes after its file was deleted, looks at all of those for each new file (10 µs became 200
to 400 here). For the same reason no tree is deleted between the turns.
"""

import argparse
import filecmp
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import trio

from benchmarks.parts.baselines import Missing
from benchmarks.parts.command import main, parse, parser
from benchmarks.parts.remote_sessions import RemoteSession, open_session
from benchmarks.parts.report import Report, compare
from benchmarks.parts.ssh import SshServer, open_ssh
from technician.keyring import Keyring, SessionSecrets, SignIn
from tests.helpers.xvfb import open_xvfb

MEGA = 1e6
MEMORY = Path("/dev/shm")  # noqa: S108 - a file system in memory; what is made there has a name of its own
PIECE_BYTES = 1 << 20
SMALL_BYTES = range(1024, 8 * 1024)
FILES_PER_FOLDER = 100
SCP = "scp"
SEED = 1
BIG, TREE = "one file", "tree of small files"
DIRECTIONS = ("host → technician", "technician → host")
WANTED = {BIG: ">= 0.7", TREE: ">= 3"}
QUICK: dict[str, object] = {"rounds": 1, "big": 8 << 20, "files": 200}

Copy = Callable[[Path, Path, str], float]
"""Copies a source to a target in one of `DIRECTIONS`; the seconds it took."""


def measure(arguments: Sequence[str] | None = None) -> Report:
    """Run the benchmark."""
    made = parser("files", "How fast files go, beside scp.", seconds=0, rounds=3)
    made.add_argument("--big", type=int, default=1 << 30, help="bytes of the one file [%(default)s]")
    made.add_argument("--files", type=int, default=10_000, help="in the tree, 1 to 8 KiB each [%(default)s]")
    made.add_argument("--folder", type=Path, help="where everything is [memory, else temporary files]")
    made.add_argument("--only", nargs="+", choices=["big", "tree"], default=["big", "tree"])
    options = parse(made, arguments, QUICK)
    report = Report("files", "Files, beside scp", "bytes / files", as_json=options.json)
    trio.run(_measure, report, options)
    return report


async def _measure(report: Report, options: argparse.Namespace) -> None:
    with ExitStack() as stack:
        where = options.folder or memory_for(2 * options.big + (1 << 30))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=where)))
        if where is None:
            report.note("on the disk: there is no room in memory")
        sources = {}
        if "big" in options.only:
            sources[BIG] = (folder / "big", options.big)
            make_big(folder / "big", options.big)
        if "tree" in options.only:
            sources[TREE] = (folder / "tree", options.files)
            make_tree(folder / "tree", options.files)
        ways: dict[str, Copy] = {}
        async with open_xvfb(320, 200) as xvfb, open_session(xvfb.display, folder) as session:
            ways[""] = technician_copy(session, folder / "technician")
            try:
                ways[SCP] = scp_copy(stack.enter_context(open_ssh(folder / "ssh")))
            except Missing as missing:
                report.note(str(missing))
            # In a thread: the session's own tasks go on meanwhile.
            await trio.to_thread.run_sync(_measure_all, report, sources, ways, options.rounds, folder / "to")


def _measure_all(
    report: Report, sources: dict[str, tuple[Path, int]], ways: dict[str, Copy], rounds: int, target: Path
) -> None:
    number = count()
    for what, (source, size) in sources.items():
        turns: dict[tuple[str, str], list[float]] = {}
        for turn in range(rounds):
            for direction in DIRECTIONS:
                for way, copy in ways.items():
                    seconds = copy(source, target, direction)
                    if turn == 0 and not is_same(source, target):
                        report.failures.append(f"{what}, {direction}, {way}: what arrived differs")
                    if what == BIG:
                        remove(target)
                    else:
                        target.rename(target.with_name(f"{target.name} {next(number)}"))
                    rate = size / seconds / (MEGA if what == BIG else 1)
                    turns.setdefault((direction, way), []).append(rate)
        for direction in DIRECTIONS:
            baselines = {way: turns[direction, way] for way in ways if way}
            report.add(
                compare(
                    f"{what}, {direction}",
                    size,
                    "MB/s" if what == BIG else "files/s",
                    turns[direction, ""],
                    baselines,
                    {SCP: WANTED[what]},
                )
            )


def technician_copy(session: RemoteSession, folder: Path) -> Copy:
    """The technician's command, signed in by settings in `folder`."""
    keyring = Keyring(folder / "adhoc-technician")
    keyring.keep_sign_in(SignIn(origin=session.relay.origin, cookie=session.relay.cookie or ""))
    secrets = SessionSecrets(origin=session.relay.origin, pairing_key=session.pairing_key)
    keyring.keep_session(session.id, secrets)
    environment = os.environ | {
        "ADHOC_ACCESS_PASSWORD": session.access_password,
        "XDG_CONFIG_HOME": str(folder),
    }
    # As it is installed: with its bytecode at hand, which the first start writes.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run(
        [sys.executable, "-m", "technician", "--help"], env=environment, capture_output=True, check=True
    )

    def copy(source: Path, target: Path, direction: str) -> float:
        verb = "get" if direction == DIRECTIONS[0] else "put"
        command = [sys.executable, "-m", "technician", "files", verb, str(source), str(target)]
        began = time.monotonic()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - began
        if done.returncode:
            raise RuntimeError(f"technician: {done.stderr[-2000:]}")
        return seconds

    return copy


def scp_copy(server: SshServer) -> Copy:
    """`scp`, to or from the server."""

    def copy(source: Path, target: Path, direction: str) -> float:
        began = time.monotonic()
        if direction == DIRECTIONS[0]:
            server.copy(f"{server.prefix}{source}", target)
        else:
            server.copy(source, f"{server.prefix}{target}")
        return time.monotonic() - began

    return copy


def make_big(path: Path, size: int) -> None:
    """A file of chance."""
    chance = random.Random(SEED)
    with path.open("wb") as file:
        while (left := size - file.tell()) > 0:
            file.write(chance.randbytes(min(PIECE_BYTES, left)))


def make_tree(path: Path, files: int) -> None:
    """Files of chance, 1 to 8 KiB, in folders of 100, ten folders in a folder."""
    chance = random.Random(SEED)
    for number in range(files):
        folder = number // FILES_PER_FOLDER
        here = path / f"{folder // 10:02}" / f"{folder:03}"
        if number % FILES_PER_FOLDER == 0:
            here.mkdir(parents=True)
        (here / f"file {number:05}.bin").write_bytes(chance.randbytes(chance.choice(SMALL_BYTES)))


def is_same(one: Path, other: Path) -> bool:
    """Whether two files, or two trees, hold the same."""
    if one.is_file():
        return filecmp.cmp(one, other, shallow=False)
    names = sorted(path.relative_to(one) for path in one.rglob("*"))
    return names == sorted(path.relative_to(other) for path in other.rglob("*")) and all(
        (one / name).is_dir() or (one / name).read_bytes() == (other / name).read_bytes() for name in names
    )


def memory_for(size: int) -> Path | None:
    """The file system in memory, if so much fits into half of what is free."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free // 2 > size:
        return MEMORY
    return None


def remove(path: Path) -> None:
    """Delete a file or a tree."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


if __name__ == "__main__":
    raise SystemExit(main(measure, limit=1200))
