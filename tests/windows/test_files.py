"""The File Manager on Windows, in wine: the same service, at a viewer's end in memory.

Wine shows a disk that is mounted on a folder as what Windows calls a mount point, the kind of link that
junctions are; other links it follows by itself, so that only those can be tried here.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.wine import Wine
from tests.windows.ways_out import WAYS_OUT

pytestmark = [pytest.mark.slow, pytest.mark.windows, pytest.mark.timeout(600)]


def play(wine: Wine, scene: str) -> Any:
    """What came of a scene."""
    said = wine.run(f"from tests.windows.files_scenes import main\nmain([{scene!r}])\n")
    return json.loads(said.splitlines()[-1])[scene]


@pytest.fixture(scope="module")
def looked(wine: Wine) -> Any:
    return play(wine, "looking")


def test_folders_are_listed_as_windows_has_them(looked: Any) -> None:
    said = looked
    assert said["kinds"] == {
        "café ☃.txt": "file",
        "inner": "folder",
        "letter.txt": "file",
        "many": "folder",
    }
    assert "hidden" in said["hidden"]
    assert (said["size"], said["modified"], said["stat"]) == (5, 1_600_000_000, 5)
    assert said["many"] == 1200
    assert "letter.txt" in said["case"]
    assert said["found"] == [[".", "letter.txt"], ["inner/deep", "Letter 2.txt"]]
    assert said["measure"] == [7, 1, 1]
    assert {said["missing"], said["no folder"], said["other drive"]} == {"missing"}


def test_looking_begins_at_home_and_the_drives(looked: Any) -> None:
    said = looked
    assert "C:" in said["computer"]
    assert said["drive"]
    roots = {root["path"]: root for root in said["roots"]}
    assert roots["/C:"]["kind"] == "drive"
    assert 0 < roots["/C:"]["free"] <= roots["/C:"]["total"]
    assert said["roots"][0]["kind"] == "home"
    assert said["roots"][0]["path"].startswith("/C:/users/")


def test_things_are_made_moved_copied_replaced_and_deleted(wine: Wine) -> None:
    said = play(wine, "changing")
    assert (said["copied"], said["copy"], said["into itself"]) == (4, "2", 4)
    assert said["left"] == ["three", "three/file", "three/inner", "three/inner/read only"]
    assert said["there"] == ["exists", "exists", "exists", "exists", "is_folder", "exists"]
    assert said["replaced"] == "a"
    assert said["read only replaced"] == "done"
    assert said["kept"] == ["newer", "new"]
    assert said["bad names"] == ["bad_name"] * 7
    assert said["trashed"] == "done"
    assert said["drive stays"] == "denied"
    assert said["at last"] == ["kept", "three"]
    assert said["told"].count("written") == 6


def test_files_go_both_ways_and_are_whole(wine: Wine) -> None:
    said = play(wine, "transfers")
    assert all(said[name] for name in ("up", "same", "down", "digest", "time"))
    assert said["resumed at"] == 1 << 20
    assert said["left"] == ["source", "target"]
    assert said["interrupted"] == {
        "part": 1 << 20,
        "listed": 1,
        "resumed at": 1 << 20,
        "whole": True,
        "left": [],
    }


def test_a_file_that_another_program_holds_is_told_to_be_busy(wine: Wine) -> None:
    said = play(wine, "in_use")
    assert said == {
        "read": "busy",
        "put": "busy",
        "delete": "busy",
        "move": "busy",
        "afterwards": "done",
        "left": ["file"],
    }


@pytest.fixture
def mounted(wine: Wine) -> Iterator[Path]:
    """A disk with a file ``file``, mounted in the folder that the scene will choose."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a disk")
    folder = wine.drive / "scenes" / "limits" / "Chosen" / "out"
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
    try:
        (folder / "file").write_bytes(b"outside")
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        with suppress(OSError):
            folder.rmdir()


def test_nothing_leads_out_of_the_chosen_folders(wine: Wine, mounted: Path) -> None:
    said = play(wine, "limits")
    for way in WAYS_OUT:
        if way != "{top}/":  # which is the chosen folder
            assert set(said["ways"][way]) <= {"outside", "bad_name"}, way
    assert "done" not in said["ways"]["{top}/"]
    assert said["link kind"] == "link"
    assert said["link listed"] == "outside"
    assert said["search"] == []
    assert said["inside"] == ["own", "own", "done", "done", "done"]
    assert said["roots"] == ["/C:/scenes/limits/Chosen"]
    assert said["secret"] == {"file": "secret"}
    assert (mounted / "file").read_bytes() == b"outside"
    assert [each.name for each in mounted.iterdir()] == ["file"]


def test_what_the_recycle_bin_cannot_take_stays(wine: Wine) -> None:
    source = Path(__file__).parent / "shims" / "file_operation.c"
    library = wine.drive / "file_operation.dll"
    compiler = ["x86_64-w64-mingw32-gcc", "-O2", "-s", "-shared", "-o", str(library), str(source)]
    subprocess.run([*compiler, "-lole32", "-lshlwapi", "-luuid"], check=True)
    assert play(wine, "recycling") == {
        "small": "done",
        "large": "no_trash",
        "missing": "missing",
        "beneath": "done",
        "left": ["large.bin"],
        "bin": ["beneath", "small ☃.txt"],
    }


def test_a_folder_that_is_swapped_meanwhile_leads_nowhere_else(wine: Wine) -> None:
    assert play(wine, "race") == {"read": "own"}


def test_trees_are_deleted_whole_or_with_a_word(wine: Wine) -> None:
    assert play(wine, "trees") == {"in use": "busy", "still there": True, "again": "done", "left": []}
