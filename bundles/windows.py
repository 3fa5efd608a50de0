"""The host as one program for Windows computers: ``adhoc-host.exe``, made on Linux by NSIS.

It carries CPython's embeddable edition with Tk, the packages' wheels for Windows and our sources; it asks for
administrator rights by its manifest, unpacks into a folder of its own for this run, waits, and cleans up::

    python/    CPython; pythonXY._pth says where modules are
    lib/       packages, tkinter
    app/       our sources
    licences/  of all that
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bundles import licences
from bundles.archives import Files, fetch_stand_ins, read_archive, take_tk
from bundles.artifact import Artifact, Target
from bundles.contents import install, read_packages, read_sources
from bundles.errors import BuildError
from bundles.portable_executable import is_elf, is_windows_amd64
from bundles.signing import Signing, read_signer, sign
from relay.protocol.link_blob import BLOB_BYTES, make_empty_blob

HERE: Final = Path(__file__).parent
PLATFORM: Final = "x86_64-pc-windows-msvc"
EPOCH: Final = "315532800"  # 1980: what a zip can say at least
BUILD_SECONDS: Final = 900.0
PROGRAM_ENDINGS: Final = (".exe", ".dll", ".pyd")
# Of CPython: no database, no sound, no installers; nothing of ours imports them.
_UNUSED: Final = frozenset({"sqlite3.dll", "_sqlite3.pyd", "winsound.pyd", "_msi.pyd", "python.cat"})
_PLAIN: Final = re.compile(r"[A-Za-z0-9 ._+@=,()/-]+")
_PTH: Final = re.compile(r"python(\d)(\d+)\._pth")


@dataclass(frozen=True, slots=True)
class Contents:
    """What will be unpacked on the customer's computer.

    Attributes:
        files: by relative path with slashes.
        version: of Python, such as "3.13".
        is_stand_in: True if CPython is not from the archive that somebody named.
    """

    files: Files
    version: str
    is_stand_in: bool


def build_installer(
    python_zip: Path | None = None,
    tk_zip: Path | None = None,
    trusted: Collection[str] = (),
    signing: Signing | None = None,
) -> Artifact:
    """The file.

    Args:
        python_zip: CPython's embeddable edition; None: what the package index has of it.
        tk_zip: a whole CPython for Windows, for its Tk; None: likewise.
        trusted: SHA-256 of archives that are not known here.
        signing: in whose name it is signed; None: it is not.

    Raises:
        BuildError: something is missing, or what came out is not what it should be.
        OSError: an archive cannot be read.
    """
    if shutil.which("makensis") is None:
        raise BuildError("Please install what Debian calls: nsis.")
    contents = gather(python_zip, tk_zip, trusted)
    program, is_compiled = pack(contents)
    if signing is None:
        data, blob_size = program + make_empty_blob(), BLOB_BYTES
    else:
        data, blob_size = sign(program, signing)
    return Artifact(
        target=Target.WINDOWS,
        data=data,
        machine="x86_64",
        blob_size=blob_size,
        signer=None if signing is None else read_signer(signing),
        notes={"carries": contents.version, "compiled": is_compiled, "stand_in": contents.is_stand_in},
    )


def gather(
    python_zip: Path | None = None, tk_zip: Path | None = None, trusted: Collection[str] = ()
) -> Contents:
    """Everything that goes into the file, checked; see `build_installer`."""
    stand_ins = fetch_stand_ins() if python_zip is None or tk_zip is None else ({}, {})
    python = stand_ins[0] if python_zip is None else read_archive(python_zip, trusted)
    tk = take_tk(stand_ins[1] if tk_zip is None else read_archive(tk_zip, trusted))
    version = find_version(python)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        install(folder, version=version, platform=PLATFORM)
        packages = read_packages(folder)
        terms = licences.of_packages(folder) | licences.of_libraries([shutil.which("makensis") or ""])
    files = lay_out(python, tk, packages, terms, version)
    check(files, version)
    return Contents(files, version, python_zip is None)


def pack(contents: Contents) -> tuple[bytes, bool]:
    """The self-extracting program, without a blob; and whether modules are compiled in it.

    Raises:
        BuildError: NSIS or Python's compiler failed.
    """
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        stage = folder / "stage"
        _write(contents.files, stage)
        is_compiled = _compile(stage, contents.version)
        script = folder / "files.nsh"
        script.write_text(list_files(stage))
        program = _run_makensis(script, folder / "host.exe")
    if not is_windows_amd64(program):
        raise BuildError("NSIS made something else than a 64-bit program.")
    return program, is_compiled


def find_version(python: Files) -> str:
    """Such as "3.13": of CPython's embeddable edition.

    Raises:
        BuildError: this is none.
    """
    for name in python:
        found = _PTH.fullmatch(name)
        if found is not None:
            return f"{found[1]}.{found[2]}"
    raise BuildError("This is not the embeddable edition of CPython: it has no ._pth file.")


def lay_out(python: Files, tk: Files, packages: Files, terms: Files, version: str) -> Files:
    """All files that are unpacked on the customer's computer."""
    tag = "python" + version.replace(".", "")
    files = {f"python/{name}": data for name, data in python.items() if name not in _UNUSED}
    files |= tk
    files |= {f"lib/{name}": data for name, data in packages.items()}
    files |= {f"app/{name}": data for name, data in read_sources()}
    files["app/start.py"] = (HERE / "windows_entry.py").read_bytes()
    files |= {f"licences/{name}": data for name, data in terms.items()}
    files[f"python/{tag}._pth"] = "\r\n".join([f"{tag}.zip", ".", r"..\lib", r"..\app", ""]).encode()
    return files


def check(files: Files, version: str) -> None:
    """Look at what will be unpacked.

    Raises:
        BuildError: something in it cannot run on Windows, or something is missing.
    """
    tag = "python" + version.replace(".", "")
    for name, data in files.items():
        if is_elf(data) or name.endswith(".so") or ".so." in name:
            raise BuildError(f"{name} is for Linux.")
        if name.endswith(PROGRAM_ENDINGS) and not is_windows_amd64(data):
            raise BuildError(f"{name} is no 64-bit program or library of Windows.")
    needed = (
        *(
            f"python/{name}"
            for name in ("pythonw.exe", "python.exe", f"{tag}.dll", f"{tag}.zip", "LICENSE.txt")
        ),
        *("lib/cffi/__init__.py", "lib/trio/__init__.py", "lib/tkinter/__init__.py"),
        *("app/start.py", "app/host/bundled.py", "app/peer/__init__.py", "app/relay/protocol/link_blob.py"),
    )
    missing = [name for name in needed if name not in files]
    if missing:
        raise BuildError(f"{', '.join(missing)} is missing.")
    if not any(name.startswith("lib/_cffi_backend.") and name.endswith(".pyd") for name in files):
        raise BuildError("cffi's library is missing: were the packages chosen for Windows?")


def _write(files: Files, stage: Path) -> None:
    for name, data in files.items():
        path = stage / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _compile(stage: Path, version: str) -> bool:
    """Compile our modules and the packages, which makes each start on the customer's computer quicker.

    Only a Python of the same version can; without one it is left out, and False returned.
    """
    python = _find_python(version)
    if python is None:
        return False
    command = [
        *(python, "-I", "-m", "compileall", "-q", "-j", "1", "--invalidation-mode", "unchecked-hash"),
        *("-s", str(stage), str(stage / "lib"), str(stage / "app")),
    ]
    environment = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONHASHSEED": "0"}
    done = subprocess.run(  # noqa: S603 - our own words
        command, env=environment, check=False, capture_output=True, text=True, timeout=BUILD_SECONDS
    )
    if done.returncode != 0:
        raise BuildError(f"The modules cannot be compiled: {(done.stdout + done.stderr).strip()[-1000:]}")
    return True


def _find_python(version: str) -> str | None:
    for python in (sys.executable, shutil.which(f"python{version}")):
        if python is None:
            continue
        done = subprocess.run(  # noqa: S603 - our own words
            [python, "-I", "-c", "import sys; print('{}.{}'.format(*sys.version_info))"],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode == 0 and done.stdout.strip() == version:
            return python
    return None


def list_files(stage: Path) -> str:
    """NSIS's instructions to unpack what is in `stage`, sorted by name.

    Raises:
        BuildError: a name that NSIS would read as something else.
    """
    lines = []
    for folder in sorted([stage, *(path for path in stage.rglob("*") if path.is_dir())]):
        files = sorted(path for path in folder.iterdir() if path.is_file())
        inner = "\\".join(("$PLUGINSDIR", "host", *folder.relative_to(stage).parts))
        if files:
            lines.append(f'SetOutPath "{inner}"')
        for path in files:
            if _PLAIN.fullmatch(path.relative_to(stage).as_posix()) is None:
                raise BuildError(f"{path.relative_to(stage)} is no name for a file here.")
            lines.append(f'File "{path}"')
    return "".join(f"{line}\n" for line in lines)


def _run_makensis(script: Path, out: Path) -> bytes:
    """The self-extracting program, also at `out`."""
    command = ["makensis", "-NOCD", "-V2", "-INPUTCHARSET", "UTF8", f"-DFILES={script}", f"-DOUT={out}"]
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "SOURCE_DATE_EPOCH": EPOCH,
        "TZ": "UTC",
        "LANG": "C.UTF-8",
    }
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            [*command, str(HERE / "windows.nsi")],
            env=environment,
            stdin=subprocess.DEVNULL,
            check=False,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
        )
    except subprocess.TimeoutExpired as exc:
        raise BuildError(f"NSIS took more than {BUILD_SECONDS:.0f} seconds.") from exc
    if done.returncode != 0:
        raise BuildError(f"NSIS failed: {(done.stdout + done.stderr).strip()[-1000:]}")
    return out.read_bytes()
