"""No unfinished upload outlives the session, and nothing else goes with them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from host import parts
from host.parts import Parts, remove_parts

NAME = ".film.mkv." + "ab" * 16 + ".part"


@contextmanager
def opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_PATH)
    yield descriptor
    os.close(descriptor)


def note(known: Parts, folder: Path, name: str = NAME) -> str:
    """A part is begun there."""
    with opened(folder) as descriptor:
        return known.begin(descriptor, name)


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """Where somebody uploads to."""
    folder = tmp_path / os.fsdecode(b"caf\xe9 there")
    folder.mkdir()
    return folder


def test_parts_that_a_killed_program_left_are_removed(tmp_path: Path, there: Path) -> None:
    note(Parts(tmp_path / "parts"), there)
    (there / NAME).write_bytes(b"half")
    note(Parts(tmp_path / "parts"), there, f".other.{'cd' * 16}.part")  # never made
    remove_parts(tmp_path / "parts")
    assert list(there.iterdir()) == []


def test_a_part_is_removed_where_a_link_led_to(tmp_path: Path, there: Path) -> None:
    (tmp_path / "link").symlink_to(there)
    assert note(Parts(tmp_path / "parts"), tmp_path / "link") == f"{there}/{NAME}"
    (there / NAME).write_bytes(b"half")
    remove_parts(tmp_path / "parts")
    assert list(there.iterdir()) == []


def test_nothing_is_removed_through_a_link_or_that_is_no_part(tmp_path: Path, there: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / NAME).write_bytes(b"mine")
    (precious / "file").write_bytes(b"mine")
    known = Parts(tmp_path / "parts")
    note(known, there)
    note(known, precious, "file")
    there.rename(tmp_path / "moved")
    there.symlink_to(precious)
    with pytest.raises(OSError, match="Not a directory"):
        remove_parts(tmp_path / "parts")
    assert sorted(path.name for path in precious.iterdir()) == sorted((NAME, "file"))


def test_a_link_with_the_name_of_a_part_stays(tmp_path: Path, there: Path) -> None:
    note(Parts(tmp_path / "parts"), there)
    (tmp_path / "precious").write_bytes(b"mine")
    (there / NAME).symlink_to(tmp_path / "precious")
    remove_parts(tmp_path / "parts")
    assert (there / NAME).is_symlink()
    assert (tmp_path / "precious").read_bytes() == b"mine"


def test_a_list_that_was_damaged_removes_what_can_be_read(tmp_path: Path, there: Path) -> None:
    note(Parts(tmp_path / "parts"), there)
    (there / NAME).write_bytes(b"half")
    with (tmp_path / "parts").open("ab") as file:
        file.write(b'["/etc/../etc/passwd"]\n["relative"]\n[1]\nnull\n["/cut')
    remove_parts(tmp_path / "parts")
    assert list(there.iterdir()) == []


def test_there_are_not_endlessly_many_and_who_drops_some_goes_on(
    there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "MAX_PARTS", 2)
    known = Parts(None)
    first = note(known, there, "a")
    note(known, there, "b")
    with pytest.raises(OSError, match="too many unfinished"):
        note(known, there, "c")
    note(known, there, "b")  # an upload that goes on
    known.forget(first)
    note(known, there, "c")


def test_after_a_restart_only_what_is_there_counts(
    tmp_path: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "MAX_PARTS", 2)
    before = Parts(tmp_path / "parts")
    for name in ("a", "b", "c", "d"):
        before.forget(note(before, there, name))
    note(Parts(tmp_path / "parts"), there, "e")


def test_the_list_does_not_grow_with_what_is_finished(
    tmp_path: Path, there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "MAX_STALE_LINES", 10)
    known = Parts(tmp_path / "parts")
    note(known, there)
    for number in range(100):
        known.forget(note(known, there, f".{number}.{'ef' * 16}.part"))
    assert len((tmp_path / "parts").read_bytes().splitlines()) <= 11
    assert (tmp_path / "parts").stat().st_mode & 0o777 == 0o600
    (there / NAME).write_bytes(b"half")
    remove_parts(tmp_path / "parts")
    assert list(there.iterdir()) == []
