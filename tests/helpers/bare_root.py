"""A root folder with a C library and a shell and nothing else: no Python, no X11, no Tk, no other program."""

import ctypes
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

_C_LIBRARY: Final = (
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
    "libz.so.1",
)
"""glibc, and zlib, which every distribution has."""

_LAYOUT: Final = """
set -e
root=$1; shift
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc" || mount --rbind /proc "$root/proc"
mount --rbind /tmp/.X11-unix "$root/tmp/.X11-unix"
exec chroot "$root" "$@"
"""


class BareRoot:
    """Such a folder, made below `path`; `HOME` in it is ``/home``.

    Attributes:
        home, scratch: the customer's folder and the temporary folder, seen from outside.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        for name in ("dev", "proc", "home", "tmp/.X11-unix", "lib/x86_64-linux-gnu", "lib64", "bin"):
            (path / name).mkdir(parents=True)
        (path / "tmp").chmod(0o1777)
        self.home = path / "home"
        self.scratch = path / "tmp"
        for name in _C_LIBRARY:
            shutil.copy(Path("/lib/x86_64-linux-gnu", name), path / "lib/x86_64-linux-gnu")
        shutil.copy("/lib64/ld-linux-x86-64.so.2", path / "lib64")
        shutil.copy(Path("/bin/sh").resolve(), path / "bin" / "sh")

    @property
    def environment(self) -> dict[str, str]:
        """What differs inside."""
        return {"HOME": "/home", "TMPDIR": "/tmp", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}

    def add_fonts(self) -> None:
        """What every desktop has, and text in a window needs."""
        shutil.copytree("/usr/share/fonts/truetype/dejavu", self.path / "usr/share/fonts/truetype/dejavu")
        shutil.copytree("/etc/fonts", self.path / "etc/fonts", symlinks=True)

    def command(self, *command: str) -> list[str]:
        """What runs `command` inside, in mounts of its own, which go with it."""
        as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
        return ["unshare", *as_root, "--mount", "sh", "-c", _LAYOUT, "bare-root", str(self.path), *command]

    def traces(self) -> list[str]:
        """Everything in the customer's and the temporary folder, but the X server's socket."""
        found = [
            path.relative_to(self.path).as_posix()
            for folder in (self.home, self.scratch)
            for path in folder.rglob("*")
        ]
        return sorted(name for name in found if not name.startswith("tmp/.X11-unix"))


def can_make_roots() -> bool:
    """True if this user may mount and change the root, perhaps in a namespace of users."""
    as_root = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(["unshare", *as_root, "--mount", "true"], capture_output=True, check=False)
    return done.returncode == 0


def glibc_of_this_computer() -> tuple[int, int]:
    """Such as (2, 36)."""
    library = ctypes.CDLL(None)
    library.gnu_get_libc_version.restype = ctypes.c_char_p
    major, minor = library.gnu_get_libc_version().decode().split(".")[:2]
    return int(major), int(minor)
