"""A computer of its own for programs that may leave something behind: this machine's files under a layer.

Whatever is written inside goes into the layer and can be listed afterwards. Linux, as root, with `unshare`,
`nsenter` and overlayfs; elsewhere there is none, and a sentence why. The network is this machine's.
"""

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

_SETUP: Final = """
set -e
mount -t tmpfs layer "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
for folder in proc dev sys; do mount --rbind "/$folder" "$1/root/$folder"; done
mount -t tmpfs run "$1/root/run"
mount -t tmpfs tmp "$1/root/tmp"
echo ready
read -r end
"""


class Unavailable(Exception):
    """No such computer here; `str()` says why."""


class OverlayRoot:
    """The computer; made by `open_overlay_root`."""

    def __init__(self, layer: Path, holder: int) -> None:
        self._layer = layer
        self._enter = ("nsenter", "--target", str(holder), "--mount")

    def command(self, *words: str | Path, user: int = 0) -> list[str]:
        """What runs `words` on it; becomes the program itself, so that signals reach that."""
        root = str(self._layer / "root")
        return [*self._enter, "chroot", f"--userspec={user}:{user}", root, *map(str, words)]

    def run(self, *words: str, user: int = 0, stdin: bytes = b"") -> str:
        """Run a program on it to its end; what it printed."""
        done = subprocess.run(
            self.command(*words, user=user), input=stdin, capture_output=True, check=True, timeout=60
        )
        return done.stdout.decode()

    def write(self, path: str, content: str, *, mode: str = "644", user: int = 0) -> None:
        """Put a file there, and the folders around it."""
        self.run("mkdir", "-p", str(PurePosixPath(path).parent), user=user)
        self.run("tee", path, stdin=content.encode(), user=user)
        self.run("chmod", mode, path, user=user)

    def traces(self) -> set[str]:
        """Everything that was made, changed or deleted on its disk, and what is in its volatile folders."""
        listed = subprocess.run(
            [*self._enter, "find", f"{self._layer}/upper", "-mindepth", "1", "-printf", "%y %P\\n"],
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout.decode()
        found = {f"/{line[2:]}" for line in listed.splitlines() if line[0] != "d" or _is_new(line[2:])}
        volatile = self.run("find", "/tmp", "/run", "-mindepth", "1")
        return found | set(volatile.split())


def _is_new(path: str) -> bool:
    """A folder that this machine does not have: others are in the layer once something in them changed."""
    try:
        return not stat.S_ISDIR(os.stat(f"/{path}").st_mode)
    except FileNotFoundError:
        return True


def check_available() -> None:
    """Raises `Unavailable` unless such a computer can be made here."""
    if os.geteuid() != 0:
        raise Unavailable("making mount namespaces takes root")
    if Path(__file__).is_relative_to("/tmp"):
        raise Unavailable("this checkout is in /tmp, and such a computer has one of its own")
    for program in ("unshare", "nsenter", "chroot"):
        if shutil.which(program) is None:
            raise Unavailable(f"the program {program} is not installed")


@contextmanager
def open_overlay_root(folder: Path) -> Iterator[OverlayRoot]:
    """A computer for the time of the block, with an empty ``/tmp`` and ``/run``; nothing of it stays.

    Raises:
        Unavailable: the kernel does not let us.
    """
    check_available()
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _SETUP, "sh", str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as holder:
        assert holder.stdout is not None
        assert holder.stderr is not None
        try:
            if holder.stdout.readline() != b"ready\n":
                holder.kill()
                raise Unavailable(holder.stderr.read().decode().strip())
            yield OverlayRoot(folder, holder.pid)
        finally:
            holder.kill()
