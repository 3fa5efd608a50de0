"""The host as one executable for Linux computers without Python: ``adhoc-host-linux``, made by PyInstaller.

It carries the Python that runs the builder, with Tk if that has one, and the libraries that those need; only
the C library and what belongs to it come from the customer's computer. So the building computer decides how
old a customer's may be: the sidecar says which glibc the file needs. PyInstaller and the packages come from
hashed locks into an environment that is made for this build and thrown away.
"""

import ctypes.util
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bundles.artifact import FILE_NAMES, Artifact, Target
from bundles.contents import LOCK, read_sources, run_uv
from bundles.errors import BuildError
from relay.protocol.link_blob import BLOB_BYTES, make_empty_blob

HERE: Final = Path(__file__).parent
MARKER: Final = "adhoc-host.bundle"  # as in `linux_entry`, which does not run here
BUILD_LOCK: Final = HERE / "linux.lock"
PROGRAMS: Final = {"objcopy": "binutils", "strip": "binutils", "ldd": "libc-bin"}
"""What PyInstaller runs, by Debian's names of the packages that have them."""

LIBRARIES: Final = ("xcb", "xcb-randr", "xcb-render", "xcb-shm", "xcb-xfixes")
"""Found by name at run time, which no analysis of imports sees (mss). Bundled if the building computer has
them."""

BUILD_SECONDS: Final = 900.0
EPOCH: Final = "315532800"  # 1980: what a zip can say at least

_PLACE: Final = re.compile(r"^\s*(\S+) \(libc6,(?:x86-64|AArch64)[^)]*\) => (\S+)$", re.MULTILINE)
_GLIBC: Final = re.compile(rb"GLIBC_(\d+)\.(\d+)\b")


def build_executable() -> Artifact:
    """The file for this kind of computer.

    Raises:
        BuildError: this is no Linux computer, a program or package is missing, or PyInstaller failed.
    """
    if platform.system() != "Linux":
        raise BuildError("The executable for Linux can only be built on Linux.")
    missing = sorted({package for name, package in PROGRAMS.items() if shutil.which(name) is None})
    if missing:
        raise BuildError(f"Please install what Debian calls: {' '.join(missing)}.")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        python = _make_environment(folder / "environment")
        lay_out(folder / "work")
        program = _run_pyinstaller(python, folder / "work")
        bundled = (folder / "work" / "bundled.txt").read_text().splitlines()
        glibc = needed_glibc([program, *map(Path, bundled)])
        data = program.read_bytes() + make_empty_blob()
    notes = {"glibc": glibc, "window": importlib.util.find_spec("_tkinter") is not None}
    return Artifact(
        target=Target.LINUX, data=data, machine=platform.machine(), blob_size=BLOB_BYTES, notes=notes
    )


def lay_out(work: Path) -> None:
    """Make the folder that ``linux.spec`` reads."""
    modules = []
    for name, data in read_sources():
        path = work / "src" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        modules.append(name.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
    (work / "modules.txt").write_text("".join(f"{name}\n" for name in sorted(modules)))
    (work / "libraries.txt").write_text("".join(f"{path}\n" for path in _find_libraries()))
    (work / MARKER).write_text("")
    shutil.copyfile(HERE / "linux_entry.py", work / "entry.py")
    for name in ("licences.py", "linux.spec", "fonts.conf"):
        shutil.copyfile(HERE / name, work / name)


def _find_libraries() -> Iterator[str]:
    """Paths of `LIBRARIES`, as far as this computer has them."""
    program = shutil.which("ldconfig", path="/sbin:/usr/sbin:/bin:/usr/bin")  # not in everybody's PATH
    if program is None:
        return
    listed = subprocess.run(  # noqa: S603 - the system's own
        [program, "-p"], capture_output=True, text=True, check=False, timeout=60
    )
    places = dict(_PLACE.findall(listed.stdout))
    for name in LIBRARIES:
        soname = ctypes.util.find_library(name)
        if soname in places:
            yield places[soname]


def _make_environment(folder: Path) -> Path:
    """A throw-away environment with PyInstaller and the host's packages; the path of its Python."""
    run_uv(
        *("venv", "--quiet", "--no-project", "--python", sys.executable, str(folder)),
        problem="An environment to build in cannot be made.",
    )
    python = folder / "bin" / "python"
    run_uv(
        *("pip", "install", "--quiet", "--require-hashes", "--no-build", "--link-mode", "copy"),
        *("--python", str(python), "--requirement", str(LOCK), "--requirement", str(BUILD_LOCK)),
        problem="The packages for the executable cannot be installed.",
    )
    return python


def _run_pyinstaller(python: Path, work: Path) -> Path:
    """The executable. Whatever the environment says, the result is the same."""
    environment = {
        "HOME": str(work),
        "LANG": "C.UTF-8",
        "PATH": os.environ.get("PATH", os.defpath),
        "PYINSTALLER_CONFIG_DIR": str(work / "cache"),
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": EPOCH,
        "TZ": "UTC",
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            [python, "-m", "PyInstaller", "--log-level", "WARN", "--noconfirm", "linux.spec"],
            cwd=work,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=BUILD_SECONDS,
        )
    except subprocess.TimeoutExpired as exc:
        raise BuildError(f"PyInstaller took more than {BUILD_SECONDS:.0f} seconds.") from exc
    if done.returncode != 0:
        raise BuildError(f"PyInstaller failed: {done.stderr.strip()[-2000:]}")
    return work / "dist" / FILE_NAMES[Target.LINUX]


def needed_glibc(files: list[Path]) -> str:
    """The oldest version of the C library that has all that these programs and libraries want of it."""
    found = {(2, 0)}
    for file in files:
        found |= {(int(major), int(minor)) for major, minor in _GLIBC.findall(file.read_bytes())}
    return "{}.{}".format(*max(found))
