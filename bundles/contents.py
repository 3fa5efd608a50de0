"""What goes into every host file: our modules for the customer's computer, and packages from a hashed lock.

Nothing is compiled and nothing of the building computer's own packages is used: only wheels, each checked
against its hash in the lock, chosen by the markers of the *target* (which pip does not do).
"""

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bundles.errors import BuildError

LOCK: Final = Path(__file__).with_name("host.lock")
SOURCES: Final = (
    ("host", "**/*.py"),
    ("peer", "**/*.py"),
    ("relay", "__init__.py"),
    ("relay", "protocol/**/*.py"),
)
"""Top-level package, and what of it runs on the customer's computer."""

INSTALL_SECONDS: Final = 600.0

# Never imported by a running program: tests, what compilers and type checkers read, what installers note.
_JUNK_FOLDERS: Final = frozenset(
    {"__pycache__", "bin", "tests", "_tests", "include", "_pyinstaller", "_tools"}
)
_JUNK_ENDINGS: Final = frozenset({".a", ".c", ".h", ".lib", ".pc", ".pxd", ".pyc", ".pyi", ".pyx", ".typed"})
_JUNK_NAMES: Final = frozenset(
    {".lock", "INSTALLER", "RECORD", "REQUESTED", "WHEEL", "direct_url.json", "uv_cache.json"}
)
_JUNK_PACKAGES: Final = (("numpy", "distutils"), ("numpy", "f2py"))


def read_sources() -> Iterator[tuple[str, bytes]]:
    """Our own modules that run on the customer's computer, by relative path with slashes, sorted."""
    for package, pattern in SOURCES:
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise AssertionError(f"the package {package} is installed with this one")
        folder = Path(spec.origin).parent
        for path in sorted(folder.glob(pattern)):
            yield path.relative_to(folder.parent).as_posix(), path.read_bytes()


def install(folder: Path, *, version: str, platform: str, lock: Path = LOCK) -> None:
    """Install the lock's wheels for one Python into `folder`.

    Args:
        version: of Python, such as "3.11".
        platform: as uv calls it, such as "x86_64-manylinux_2_28".

    Raises:
        BuildError: the installer said no; it has said why.
    """
    run_uv(
        *("pip", "install", "--quiet", "--require-hashes", "--no-build", "--requirement", str(lock)),
        *("--target", str(folder), "--link-mode", "copy"),
        *("--python-version", version, "--python-platform", platform),
        problem=f"The packages for Python {version} on {platform} cannot be installed.",
    )


def run_uv(*arguments: str, problem: str) -> None:
    """Run uv, whose complaints go to standard error.

    Args:
        problem: the sentence to fail with.

    Raises:
        BuildError: it is not installed, or failed.
    """
    if importlib.util.find_spec("uv") is None:
        raise BuildError("Building needs uv: please install it (pip install 'adhoc-relay[bundles]').")
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            [sys.executable, "-m", "uv", *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired as exc:
        raise BuildError(f"{problem} It took more than {INSTALL_SECONDS:.0f} seconds.") from exc
    if done.returncode != 0:
        raise BuildError(problem)


def read_packages(folder: Path) -> dict[str, bytes]:
    """What of the installed packages a running program needs, by relative path; licences are part of it."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not is_junk(name):
            found[name.as_posix()] = path.read_bytes()
    return found


def is_junk(name: Path) -> bool:
    """True for a file of an installed package, by its relative path, that no running program needs."""
    return (
        not _JUNK_FOLDERS.isdisjoint(name.parts[:-1])
        or name.suffix in _JUNK_ENDINGS
        or name.name in _JUNK_NAMES
        or name.parts[:2] in _JUNK_PACKAGES
    )
