"""The program for Windows: built twice, looked into, and started in wine.

The story of a session on Windows is told in `tests/windows`. Here is what the file itself has to do: unpack,
start the host that is in it, pass its exit code on, and leave nothing.
"""

import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

import relay
from bundles.portable_executable import is_windows_amd64
from bundles.signing import sign
from bundles.windows import gather, pack
from host.texts import Texts
from relay.protocol.link_blob import TAIL_BYTES, make_empty_blob, read_link
from tests.bundles.stories import build_host, write_link_into
from tests.bundles.test_signing import make_signing, verify
from tests.helpers.programs import Program
from tests.helpers.wine import Wine, find_missing
from tests.windows.shims import complex_math

pytestmark = [pytest.mark.slow, pytest.mark.windows, pytest.mark.timeout(900)]

LINK: Final = "https://relay.example/d/AAECAwQFBgcICQoLDA0ODw#EBESExQVFhcYGRobHB0eHw.k7mp-w2xa-9tfe"
RUN_SECONDS: Final = 100.0
TITLE: Final = Texts("en").get("title")
SOCKETS: Final = """
import trio._core._io_windows as windows
def itself(sock, *, which=None):
    return windows._handle(sock if isinstance(sock, int) else sock.fileno())
windows._get_underlying_socket = windows._get_base_socket = itself
"""
"""As `tests.windows.in_wine` does it."""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("makensis") is None:
        pytest.skip("makensis is not here")
    out = tmp_path_factory.mktemp("windows")
    build_host("windows", out)
    return out / "adhoc-host.exe"


@pytest.fixture(scope="module")
def sidecar(program: Path) -> Any:
    return json.loads(program.with_name("adhoc-host.exe.json").read_text())


@pytest.fixture(scope="module")
def wine() -> Any:
    missing = find_missing()
    if missing:
        pytest.skip(f"these tests need programs that are not here: {', '.join(missing)}")
    with Wine() as computer:
        yield computer


@pytest.fixture(scope="module")
def for_wine(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same program but for what wine lacks: mathematics for NumPy, and answers to Trio about sockets."""
    folder = tmp_path_factory.mktemp("for_wine")
    contents = gather()
    (extension,) = (name for name in contents.files if "/_multiarray_umath.cp" in name)
    main = "app/start.py"
    patched = folder / "extension.pyd"
    patched.write_bytes(contents.files[extension])
    complex_math.repair(patched, folder)
    files = contents.files | {
        extension: patched.read_bytes(),
        f"python/{complex_math.LIBRARY}": (folder / complex_math.LIBRARY).read_bytes(),
        main: SOCKETS.encode() + contents.files[main],
    }
    packed, _ = pack(replace(contents, files=files))
    file = folder / "adhoc-host.exe"
    file.write_bytes(packed + make_empty_blob())
    return file


def run(wine: Wine, file: Path, *arguments: str) -> tuple[int, str]:
    """Start the file as Windows does; its exit code, and what was said before its window was closed."""
    with Program(["wine", str(file), *arguments], environment=wine.environment) as started:
        started.err.wait_for("adhoc-host: .*\n", within=RUN_SECONDS)
        close_window(wine)
        code = started.wait_gone(RUN_SECONDS)
        return code, started.out.text + started.err.text


def close_window(wine: Wine) -> None:
    """Press Return in the window that tells why nothing begins."""
    find = ["search", "--sync", "--onlyvisible", "--name", TITLE]
    subprocess.run(
        ["xdotool", *find, "windowfocus", "--sync", "%1", "key", "Return"],
        env={**os.environ, "DISPLAY": wine.desktop.name},
        check=True,
        timeout=RUN_SECONDS,
    )


def temporary_files(wine: Wine) -> list[str]:
    return sorted(str(path) for path in wine.drive.glob("users/*/Temp/*"))


def test_the_same_inputs_give_the_same_bytes(program: Path, tmp_path: Path) -> None:
    build_host("windows", tmp_path)
    again = tmp_path / "adhoc-host.exe"
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(program.read_bytes()).digest()


def test_the_sidecar_tells_what_the_file_is(program: Path, sidecar: Any) -> None:
    data = program.read_bytes()
    assert sidecar | {"compiled": None} == {
        "target": "windows",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "signer": None,
        "blob": {"offset": len(data) - 2304, "size": 2304},
        "machine": "x86_64",
        "python": None,
        "version": relay.__version__,
        "carries": "3.13",
        "compiled": None,
        "stand_in": True,
    }
    assert data.endswith(make_empty_blob())
    assert is_windows_amd64(data)
    assert b'level="requireAdministrator"' in data
    assert len(data) < 45e6


def test_it_starts_the_host_passes_its_exit_code_on_and_leaves_nothing(
    wine: Wine, for_wine: Path, tmp_path: Path
) -> None:
    file = Path(shutil.copy(for_wine, tmp_path))
    blob = {"offset": file.stat().st_size - 2304, "size": 2304}
    write_link_into(file, blob, LINK)
    before = wine.snapshot()
    code, said = run(wine, file, "--no-such-option")
    assert (code, said.strip().count("\n")) == (2, 0), said
    assert said.startswith("adhoc-host: ")
    assert temporary_files(wine) == []
    assert {name for name in wine.snapshot() - before if "adhoc" in name.lower()} == set()


@pytest.mark.parametrize("kept", [0.3, 0.999])
def test_half_a_download_starts_nothing(wine: Wine, program: Path, tmp_path: Path, kept: float) -> None:
    data = program.read_bytes()
    file = tmp_path / "adhoc-host.exe"
    file.write_bytes(data[: int(len(data) * kept)])
    with Program(["wine", str(file)], environment=wine.environment) as started:
        assert started.wait_gone(RUN_SECONDS) != 0
        assert started.out.text + started.err.text == ""
    assert temporary_files(wine) == []


def test_a_signed_one_with_a_link_in_it_is_still_signed_and_starts(
    wine: Wine, for_wine: Path, tmp_path: Path
) -> None:
    signing = make_signing(tmp_path / "certificate")
    data, size = sign(for_wine.read_bytes()[:-2304], signing)
    file = tmp_path / "adhoc-host.exe"
    file.write_bytes(data)
    write_link_into(file, {"offset": data.rfind(make_empty_blob(size)), "size": size}, LINK)
    assert read_link(file.read_bytes()[-TAIL_BYTES:]) == LINK
    assert verify(file.read_bytes(), signing, tmp_path)
    code, said = run(wine, file, "--no-such-option")
    assert code == 2, said


def test_the_command_line_signs(tmp_path: Path) -> None:
    signing = make_signing(tmp_path / "certificate")
    options = {
        "--sign-certificate": signing.certificate,
        "--sign-key": signing.key,
        "--sign-password-file": signing.password_file,
    }
    build_host("windows", tmp_path, *(str(word) for option in options.items() for word in option))
    sidecar = json.loads((tmp_path / "adhoc-host.exe.json").read_text())
    assert sidecar["signer"] == "Example IT"
    assert sidecar["blob"]["size"] >= 900
    assert verify((tmp_path / "adhoc-host.exe").read_bytes(), signing, tmp_path)
