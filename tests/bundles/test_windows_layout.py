"""What goes into the Windows file, made from archives and packages of a few bytes: no NSIS, no wine."""

import hashlib
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundles import archives
from bundles.archives import read_archive, take_tk, unzip
from bundles.contents import install, read_packages
from bundles.errors import BuildError
from bundles.portable_executable import is_windows_amd64
from bundles.windows import PLATFORM, check, find_version, lay_out, list_files
from tests.bundles.fake_windows import EMBEDDABLE, PACKAGES, WHOLE, make_program, make_zip

FILES = lay_out(EMBEDDABLE, take_tk(WHOLE), PACKAGES, {"trio/LICENSE": b""}, "3.13")


def test_a_folder_around_everything_is_left_out() -> None:
    assert unzip(make_zip(EMBEDDABLE, around="cp313/")) == EMBEDDABLE
    assert unzip(make_zip(EMBEDDABLE)) == EMBEDDABLE


@pytest.mark.parametrize("name", ["../python.exe", "/python.exe", "a/../../b", "C:/python.exe"])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    with pytest.raises(BuildError, match="elsewhere"):
        unzip(make_zip({name: b""}))


@pytest.mark.parametrize("data", [b"", b"PK", make_zip(EMBEDDABLE)[:-30]])
def test_what_is_no_zip_is_refused(data: bytes) -> None:
    with pytest.raises(BuildError, match="damaged"):
        unzip(data)


def test_more_than_any_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", len(EMBEDDABLE) - 1)
    with pytest.raises(BuildError, match="larger"):
        unzip(make_zip(EMBEDDABLE))


def test_an_archive_is_used_only_if_its_hash_is_known(tmp_path: Path) -> None:
    file = tmp_path / "python.zip"
    file.write_bytes(make_zip(EMBEDDABLE))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(BuildError, match=digest):
        read_archive(file, ["0" * 64])
    assert read_archive(file, [digest.upper()]) == EMBEDDABLE


def test_tk_is_taken_from_a_whole_python() -> None:
    assert sorted(take_tk(WHOLE)) == [
        "lib/tkinter/__init__.py",
        "python/_tkinter.pyd",
        "python/tcl/tcl8.6/init.tcl",
        "python/tcl/tk8.6/tk.tcl",
        "python/tcl86t.dll",
        "python/tk86t.dll",
        "python/zlib1.dll",
    ]
    with pytest.raises(BuildError, match="_tkinter"):
        take_tk(EMBEDDABLE)


def test_the_version_is_that_of_the_embeddable_python() -> None:
    assert find_version(EMBEDDABLE) == "3.13"
    with pytest.raises(BuildError, match="embeddable"):
        find_version(WHOLE)


def test_python_finds_packages_and_sources_beside_it_and_nothing_else() -> None:
    assert FILES["python/python313._pth"] == b"python313.zip\r\n.\r\n..\\lib\r\n..\\app\r\n"
    assert {"app/host/cli.py", "app/relay/protocol/link_blob.py", "licences/trio/LICENSE"} <= set(FILES)
    assert "python/sqlite3.dll" not in FILES
    assert not [name for name in FILES if name.startswith(("app/technician", "app/relay/api"))]
    check(FILES, "3.13")


@pytest.mark.parametrize(
    ("name", "data", "problem"),
    [
        ("lib/numpy/core.so", b"", "for Linux"),
        ("lib/numpy.libs/lib.so.3", b"", "for Linux"),
        ("lib/uv", b"\x7fELF\2", "for Linux"),
        ("lib/old.pyd", make_program(machine=0x14C, magic=0x10B), "no 64-bit"),
        ("lib/arm.pyd", make_program(machine=0xAA64), "no 64-bit"),
        ("python/empty.dll", b"", "no 64-bit"),
    ],
)
def test_what_cannot_run_on_windows_is_found(name: str, data: bytes, problem: str) -> None:
    with pytest.raises(BuildError, match=problem):
        check({**FILES, name: data}, "3.13")


@pytest.mark.parametrize(
    "name",
    [
        "lib/cffi/__init__.py",
        "lib/_cffi_backend.cp313-win_amd64.pyd",
        "python/pythonw.exe",
        "app/start.py",
    ],
)
def test_what_is_missing_is_found(name: str) -> None:
    files = {known: data for known, data in FILES.items() if known != name}
    with pytest.raises(BuildError, match="missing"):
        check(files, "3.13")


@given(st.binary() | st.binary().map(lambda data: b"MZ".ljust(0x3C, b"\0") + data))
def test_any_bytes_are_a_program_or_not(data: bytes) -> None:
    assert is_windows_amd64(data) in (True, False)


def test_files_are_listed_in_order(tmp_path: Path) -> None:
    for name in ("b/two", "b/one", "a", "b/c/three"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    assert list_files(tmp_path).splitlines() == [
        r'SetOutPath "$PLUGINSDIR\host"',
        f'File "{tmp_path}/a"',
        r'SetOutPath "$PLUGINSDIR\host\b"',
        f'File "{tmp_path}/b/one"',
        f'File "{tmp_path}/b/two"',
        r'SetOutPath "$PLUGINSDIR\host\b\c"',
        f'File "{tmp_path}/b/c/three"',
    ]


@pytest.mark.parametrize("name", ["a$b", 'a"b', "a`b"])
def test_a_name_that_nsis_reads_otherwise_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(BuildError, match="no name"):
        list_files(tmp_path)


def make_wheel(folder: Path, name: str, tag: str, requires: str = "") -> str:
    """A wheel with one module; the line for a lock."""
    file = folder / f"{name}-1.0-{tag}.whl"
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr(f"{name}/__init__.py", "")
        wheel.writestr(f"{name}/tests/test_{name}.py", "")
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}")
        wheel.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}\n")
        wheel.writestr(f"{about}/licenses/LICENSE", "terms")
        wheel.writestr(f"{about}/RECORD", "")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return f"{name}==1.0 --hash=sha256:{digest}\n"


@pytest.mark.slow
def test_packages_are_those_for_windows_and_have_the_locks_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    everywhere = make_wheel(wheels, "everywhere", "py3-none-any")
    native = make_wheel(wheels, "native", "cp313-cp313-win_amd64")
    make_wheel(wheels, "native", "cp313-cp313-manylinux_2_28_x86_64")
    lock = tmp_path / "host.lock"
    lock.write_text(everywhere + native.replace(" --hash", "; os_name == 'nt' --hash"))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(wheels))
    install(tmp_path / "lib", version="3.13", platform=PLATFORM, lock=lock)
    assert sorted(read_packages(tmp_path / "lib")) == [
        "everywhere-1.0.dist-info/METADATA",
        "everywhere-1.0.dist-info/licenses/LICENSE",
        "everywhere/__init__.py",
        "native-1.0.dist-info/METADATA",
        "native-1.0.dist-info/licenses/LICENSE",
        "native/__init__.py",
    ]
    lock.write_text(everywhere.replace("sha256:", "sha256:0")[:-2] + "\n")
    with pytest.raises(BuildError, match=r"3\.13"):
        install(tmp_path / "other", version="3.13", platform=PLATFORM, lock=lock)
    assert "everywhere" in capfd.readouterr().err
