"""The program for Windows: built twice, looked into, and started in wine.

The story of a session on Windows is told in `tests/windows`. Here is what the file itself has to do: unpack,
start the host that is in it, pass its exit code on, and leave nothing.
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, Final

import pytest

import relay
from bundles.portable_executable import is_windows_amd64
from bundles.signing import sign
from relay.protocol.link_blob import TAIL_BYTES, make_empty_blob, read_link
from tests.bundles.stories import build_host, write_link_into
from tests.bundles.test_signing import make_signing, verify
from tests.helpers.programs import Program
from tests.helpers.windows_program import RUN_SECONDS, start_in_vain, temporary_files
from tests.helpers.wine import Wine, find_missing

pytestmark = [pytest.mark.slow, pytest.mark.windows, pytest.mark.timeout(900)]

LINK: Final = "https://relay.example/d/AAECAwQFBgcICQoLDA0ODw#EBESExQVFhcYGRobHB0eHw.k7mp-w2xa-9tfe"


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
    wine: Wine, program: Path, tmp_path: Path
) -> None:
    file = Path(shutil.copy(program, tmp_path))
    blob = {"offset": file.stat().st_size - 2304, "size": 2304}
    write_link_into(file, blob, LINK)
    before = wine.snapshot()
    code, said = start_in_vain(wine, file, "--no-such-option")
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
    wine: Wine, program: Path, tmp_path: Path
) -> None:
    signing = make_signing(tmp_path / "certificate")
    data, size = sign(program.read_bytes()[:-2304], signing)
    file = tmp_path / "adhoc-host.exe"
    file.write_bytes(data)
    write_link_into(file, {"offset": data.rfind(make_empty_blob(size)), "size": size}, LINK)
    assert read_link(file.read_bytes()[-TAIL_BYTES:]) == LINK
    assert verify(file.read_bytes(), signing, tmp_path)
    code, said = start_in_vain(wine, file, "--no-such-option")
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
