"""The first steps of the Linux executable, taken here: what is left behind is found, and nothing leaks."""

import ctypes.util
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundles.linux_entry import (
    MARKER,
    MAX_FOLDERS,
    find_bundled_libraries,
    is_left_behind,
    lock,
    restore_environment,
    unpacked_folders,
)


def unpack(folder: Path, *names: str) -> Path:
    for name in (MARKER, *names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return folder


def test_programs_that_it_starts_get_their_own_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("LD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LD_LIBRARY_PATH", "/tmp/_MEI123456")
    monkeypatch.setenv("_PYI_APPLICATION_HOME_DIR", "/tmp/_MEI123456")
    restore_environment()
    assert not [name for name in os.environ if name.startswith(("_PYI_", "LD_"))]
    monkeypatch.setenv("LD_LIBRARY_PATH", "/tmp/_MEI123456")
    monkeypatch.setenv("LD_LIBRARY_PATH_ORIG", "/opt/lib")
    restore_environment()
    assert {name: value for name, value in os.environ.items() if name.startswith("LD_")} == {
        "LD_LIBRARY_PATH": "/opt/lib"
    }


def test_our_own_folder_comes_first_with_its_files(tmp_path: Path) -> None:
    left = unpack(tmp_path / "_MEI000001abcdef", "deep/library.so")
    own = unpack(tmp_path / "_MEI000002abcdef", "base.zip", "tcl/init.tcl")
    unpack(tmp_path / "somebody-elses")
    (tmp_path / "_MEI000003abcdef").mkdir()  # of another program
    assert list(unpacked_folders(own)) == [
        (own, [MARKER, "base.zip", "tcl/init.tcl"]),
        (left, [MARKER, "deep/library.so"]),
    ]


def test_a_folder_that_is_run_from_is_not_left_behind(tmp_path: Path) -> None:
    folder = unpack(tmp_path / "_MEI000001abcdef")
    with lock(folder):
        assert not is_left_behind(folder)
    assert is_left_behind(folder)
    with (folder / MARKER).open("rb") as marker:  # two of ours look at the same time
        fcntl.flock(marker, fcntl.LOCK_EX)
        assert not is_left_behind(folder)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    elsewhere = unpack(tmp_path / "elsewhere")
    link = tmp_path / "_MEI000001abcdef"
    link.symlink_to(elsewhere)
    folder = tmp_path / "_MEI000002abcdef"
    folder.mkdir()
    (folder / MARKER).symlink_to(elsewhere / MARKER)
    assert not is_left_behind(folder)
    own = unpack(tmp_path / "_MEI000003abcdef")
    assert [found for found, _ in unpacked_folders(own)] == [own]


def test_so_many_folders_and_no_more(tmp_path: Path) -> None:
    own = unpack(tmp_path / "_MEI99abcdef")
    for number in range(MAX_FOLDERS + 3):
        unpack(tmp_path / f"_MEI{number:02}abcdef")
    assert len(list(unpacked_folders(own))) == MAX_FOLDERS


@pytest.fixture
def _own_search() -> Iterator[None]:
    before = ctypes.util.find_library
    yield
    ctypes.util.find_library = before


@pytest.mark.usefixtures("_own_search")
def test_a_library_in_the_bundle_is_found_where_the_computer_has_none(tmp_path: Path) -> None:
    bundled = tmp_path / "libnobodyhasthis.so.1"
    bundled.write_text("")
    find_bundled_libraries(tmp_path)
    assert ctypes.util.find_library("nobodyhasthis") == str(bundled)
    assert ctypes.util.find_library("nobodyhasthiseither") is None
