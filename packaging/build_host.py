"""Builds the temporary host as a single file: ``adhoc-host.pyz``, and ``adhoc-host.json`` beside it.

::

    python packaging/build_host.py [--out DIR] [--python 3.11 --python 3.12 …]

The file is a zip that Python runs: ``__main__.py`` is `bootstrap.py`; ``any/`` has our sources and what of
the packages of ``requirements/host.lock`` is the same for every Python asked for, ``cp311/`` and so on the
rest; ``bundle.json`` says what it runs on. Only wheels are used, each checked against its hash in the lock,
and nothing depends on time, order or place: the same sources and lock give the same bytes.
"""

import argparse
import hashlib
import json
import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
LOCK: Final = ROOT / "requirements" / "host.lock"
FILE_NAME: Final = "adhoc-host.pyz"
FACTS_NAME: Final = "adhoc-host.json"
SHEBANG: Final = b"#!/usr/bin/env python3\n"
SOURCES: Final = ("host/**/*.py", "peer/**/*.py", "relay/__init__.py", "relay/protocol/**/*.py")
OLDEST_LIBC: Final = "manylinux_2_28"
"""glibc of 2018: Debian 10, Ubuntu 18.10, RHEL 8 and everything after."""

_TIME: Final = (1980, 1, 1, 0, 0, 0)
_LEVEL: Final = 6

# Never imported by a running program: tests, what compilers and type checkers read, what installers note.
_JUNK_FOLDERS: Final = frozenset(
    {"__pycache__", "bin", "tests", "_tests", "include", "_pyinstaller", "_tools"}
)
_JUNK_ENDINGS: Final = frozenset({".a", ".c", ".h", ".lib", ".pc", ".pxd", ".pyc", ".pyi", ".pyx", ".typed"})
_JUNK_NAMES: Final = frozenset({".lock", "INSTALLER", "RECORD", "REQUESTED", "WHEEL", "direct_url.json"})
_JUNK_PACKAGES: Final = (("numpy", "distutils"), ("numpy", "f2py"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    running = "{}.{}".format(*sys.version_info[:2])
    parser = argparse.ArgumentParser(description="Build the temporary host's single file.")
    parser.add_argument("--out", type=Path, default=ROOT / "build", metavar="DIR", help="default: build")
    parser.add_argument(
        "--python",
        action="append",
        metavar="X.Y",
        help=f"a Python version it shall run on; may be repeated (default: {running})",
    )
    parser.add_argument("--machine", default=platform.machine(), help="default: this computer's kind")
    given = parser.parse_args(arguments)
    try:
        size = build(given.out, sorted(set(given.python or [running]), key=_version), given.machine)
    except (OSError, BuildError) as exc:
        print(f"build_host: {exc}", file=sys.stderr)
        return 1
    print(f"{given.out / FILE_NAME}: {size / 1e6:.1f} MB")
    return 0


class BuildError(Exception):
    """`str(error)` is one sentence."""


def build(out: Path, versions: Sequence[str], machine: str) -> int:
    """Write both files into the folder `out`.

    Args:
        versions: of Python, such as "3.11".
        machine: as `platform.machine` tells, x86_64 or aarch64.

    Returns:
        The single file's size in bytes.

    Raises:
        BuildError: a package cannot be had.
        OSError: nothing can be written there.
    """
    with tempfile.TemporaryDirectory() as scratch:
        trees = {}
        for version in versions:
            folder = Path(scratch, version)
            install(folder, version, machine)
            trees[version] = read_packages(folder)
    facts = {"machine": machine, "python": list(versions), "system": "Linux"}
    data = pack(
        {
            "__main__.py": (ROOT / "packaging" / "bootstrap.py").read_bytes(),
            "bundle.json": json.dumps(facts, sort_keys=True).encode(),
            **{f"any/{name}": data for name, data in read_sources()},
            **share(trees),
        }
    )
    out.mkdir(parents=True, exist_ok=True)
    sidecar = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "python": list(versions)}
    _replace(out / FILE_NAME, data, 0o755)
    _replace(out / FACTS_NAME, json.dumps(sidecar).encode() + b"\n", 0o644)
    return len(data)


def install(folder: Path, version: str, machine: str) -> None:
    """Install the lock's wheels for one Python into `folder`.

    Raises:
        BuildError: the installer said no; it has said why.
    """
    command = [
        *(sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--no-build"),
        *("--requirement", str(LOCK), "--target", str(folder), "--link-mode", "copy"),
        *("--python-version", version, "--python-platform", f"{machine}-{OLDEST_LIBC}"),
    ]
    if subprocess.run(command, check=False).returncode != 0:  # noqa: S603 - a fixed command
        raise BuildError(f"The packages for Python {version} on {machine} cannot be installed.")


def read_packages(folder: Path) -> dict[str, bytes]:
    """What of the installed packages a running program needs, by relative path."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not _is_junk(name):
            found[name.as_posix()] = path.read_bytes()
    return found


def read_sources() -> Iterator[tuple[str, bytes]]:
    """Our own modules that run on the customer's computer, by relative path."""
    for pattern in SOURCES:
        for path in sorted(ROOT.glob(pattern)):
            yield path.relative_to(ROOT).as_posix(), path.read_bytes()


def share(trees: Mapping[str, Mapping[str, bytes]]) -> dict[str, bytes]:
    """One tree of all, in which files that are the same for every version are there once."""
    first, *others = trees.values()
    shared = {name for name, data in first.items() if all(other.get(name) == data for other in others)}
    members = {f"any/{name}": first[name] for name in shared}
    for version, tree in trees.items():
        tag = "cp" + version.replace(".", "")
        members |= {f"{tag}/{name}": data for name, data in tree.items() if name not in shared}
    return members


def pack(members: Mapping[str, bytes]) -> bytes:
    """The runnable zip of these files."""
    with tempfile.TemporaryFile() as file:
        file.write(SHEBANG)
        with zipfile.ZipFile(file, "w") as archive:
            for name in sorted(members):
                info = zipfile.ZipInfo(name, _TIME)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.create_system = 3  # Unix, wherever it is built
                info.external_attr = 0o644 << 16
                archive.writestr(info, members[name], compresslevel=_LEVEL)
        file.seek(0)
        return file.read()


def _is_junk(name: Path) -> bool:
    return (
        not _JUNK_FOLDERS.isdisjoint(name.parts[:-1])
        or name.suffix in _JUNK_ENDINGS
        or name.name in _JUNK_NAMES
        or name.parts[:2] in _JUNK_PACKAGES
    )


def _replace(path: Path, data: bytes, mode: int) -> None:
    new = path.with_name(path.name + ".new")
    new.write_bytes(data)
    new.chmod(mode)
    new.replace(path)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in PurePosixPath(text).name.split("."))


if __name__ == "__main__":
    sys.exit(main())
