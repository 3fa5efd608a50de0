"""Installing and removing: exactly what the manifest names, and never through a link."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from host.host_lock import AlreadyRunning, HostLock
from host.installation import Installation, InstallationError, finish_removals
from host.layout import data_folder, is_session_folder, session_folder
from host.parts import Parts
from host.returning import make_desktop_entry

INVITE = bytes(range(16))
LAST_THINGS = ["program", "autostart entry", "program folder"]
"""What stays for the next start, if there is something left."""
FILES = {"host/cli.py": b"one", "host/deep/er/x.so": b"two", "six.py": b"three"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The customer's home folder."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return home


class Placed:
    """An installation with everything in it, and the lock that goes with it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = session_folder(data_folder(), INVITE)
        self.lock = HostLock(self.folder.parent)
        self.installation = Installation.create(self.folder, self.lock.made_folders)
        (self.folder / "state").write_bytes(b"secret")
        self.download = home / "adhoc-host.pyz"
        self.download.write_bytes(b"zip")
        self.installation.note_download(self.download)
        self.installation.unpack(FILES, lambda name: FILES[name])
        self.installation.enable_return(self.download, "/usr/bin/python3")
        (self.autostart_entry,) = (home / ".config/autostart").iterdir()

    def remove(self) -> tuple[list[str], list[str]]:
        removal = self.installation.remove(self.lock)
        return removal.removed, removal.left

    def remove_again(self) -> tuple[list[str], list[str]]:
        """What the next start does."""
        self.lock = HostLock(self.folder.parent)
        self.installation = Installation.open(self.folder)
        assert self.installation.is_ending
        return self.remove()

    def traces(self) -> list[Path]:
        return sorted(self.home.rglob("*"))


@pytest.fixture
def placed(home: Path) -> Placed:
    return Placed(home)


def test_removal_leaves_nothing_not_even_the_folders_that_had_to_be_made(placed: Placed) -> None:
    removed, left = placed.remove()
    assert left == []
    assert removed == [
        "state",
        "packages",
        "download",
        "receipt key",
        "program",
        "program folder",
        "autostart entry",
    ]
    assert placed.traces() == []


def test_removal_takes_unfinished_uploads_along(placed: Placed) -> None:
    pictures = placed.home / "Pictures"
    pictures.mkdir()
    (pictures / "mine").touch()
    known, descriptor = Parts(placed.folder / "parts"), os.open(pictures, os.O_PATH)
    part = Path(known.begin(descriptor, f".film.{'ab' * 16}.part"))
    os.close(descriptor)
    part.write_bytes(b"half")
    removed, left = placed.remove()
    assert (removed[:2], left) == (["state", "unfinished files"], [])
    assert placed.traces() == [pictures, pictures / "mine"]


def test_an_unfinished_upload_that_cannot_be_reached_is_named(placed: Placed) -> None:
    pictures, moved = placed.home / "Pictures", placed.home / "moved"
    pictures.mkdir()
    known, descriptor = Parts(placed.folder / "parts"), os.open(pictures, os.O_PATH)
    Path(known.begin(descriptor, f".film.{'ab' * 16}.part")).write_bytes(b"half")
    os.close(descriptor)
    pictures.rename(moved)
    pictures.symlink_to(moved)
    _, left = placed.remove()
    assert left == ["unfinished files", *LAST_THINGS]
    assert len(list(moved.iterdir())) == 1
    # The list of them is gone: there is nothing that could be tried again.
    assert placed.remove_again()[1] == []


def test_everything_is_for_this_user_only(placed: Placed) -> None:
    for path in (placed.folder.parent, placed.folder, placed.folder / "packages"):
        assert path.stat().st_mode & 0o777 == 0o700
    for path in (placed.folder / "manifest.json", placed.folder / "packages/six.py", placed.autostart_entry):
        assert path.stat().st_mode & 0o777 == 0o600


def test_folders_that_were_there_before_stay(home: Path) -> None:
    (home / ".config/autostart").mkdir(parents=True)
    other = home / ".local/share/other"
    other.mkdir(parents=True)
    Placed(home).remove()
    assert sorted(home.rglob("*")) == [
        home / ".config",
        home / ".config/autostart",
        home / ".local",
        home / ".local/share",
        other,
    ]


def test_a_link_in_place_of_a_folder_is_not_followed(placed: Placed, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    (precious / "host").mkdir(parents=True)
    (precious / "six.py").write_text("mine")
    (precious / "host/cli.py").write_text("mine")
    packages = placed.folder / "packages"
    packages.rename(tmp_path / "moved")
    packages.symlink_to(precious)
    removed, left = placed.remove()
    assert left == ["packages", *LAST_THINGS]
    assert "packages" not in removed
    assert placed.remove_again()[1] == ["packages", "program folder"]
    assert (precious / "six.py").read_text() == "mine"
    assert (precious / "host/cli.py").read_text() == "mine"


def test_a_link_deep_inside_the_packages_is_not_followed(placed: Placed, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "cli.py").write_text("mine")
    inner = placed.folder / "packages/host"
    inner.rename(tmp_path / "moved")
    inner.symlink_to(precious)
    _, left = placed.remove()
    assert left == ["packages", *LAST_THINGS]
    assert (precious / "cli.py").read_text() == "mine"
    assert not (placed.folder / "packages/six.py").exists()


def test_a_link_on_the_way_to_the_installation_is_not_followed(placed: Placed, tmp_path: Path) -> None:
    share = placed.home / ".local/share"
    moved = tmp_path / "moved"
    share.rename(moved)
    share.symlink_to(moved)
    _, left = placed.remove()
    assert "state" in left
    assert (moved / "adhoc-host" / placed.folder.name / "state").exists()


@pytest.mark.parametrize("name", ["state", "adhoc-host.pyz"])
def test_a_link_in_place_of_a_file_is_left_alone_with_what_it_points_to(
    placed: Placed, tmp_path: Path, name: str
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (placed.folder / name).unlink()
    (placed.folder / name).symlink_to(precious)
    _, left = placed.remove()
    assert left == (["state", *LAST_THINGS] if name == "state" else ["program", "program folder"])
    assert precious.read_text() == "mine"


def test_what_cannot_be_removed_is_tried_once_more_at_the_next_start(placed: Placed) -> None:
    foreign = placed.folder / "packages/host/notes.txt"
    foreign.write_text("mine")
    removed, left = placed.remove()
    assert (removed, left) == (["state", "download"], ["packages", *LAST_THINGS])
    for path in (placed.folder / "adhoc-host.pyz", placed.autostart_entry):
        assert path.exists()
    foreign.unlink()
    removed, left = placed.remove_again()
    assert left == []
    assert placed.traces() == []


def test_a_foreign_file_in_our_folder_stays_and_the_rest_goes_at_the_second_try(placed: Placed) -> None:
    foreign = placed.folder / "packages/host/notes.txt"
    foreign.write_text("mine")
    placed.remove()
    removed, left = placed.remove_again()
    assert left == ["packages", "program folder"]
    assert removed == ["state", "download", "receipt key", "program", "autostart entry"]
    assert [path for path in placed.traces() if path.is_file()] == [foreign]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_left(placed: Placed) -> None:
    os.chown(placed.folder / "packages/six.py", 12345, 12345)
    _, left = placed.remove()
    assert left == ["packages", *LAST_THINGS]
    assert (placed.folder / "packages/six.py").exists()


def test_a_newer_download_under_the_same_name_is_not_ours(placed: Placed) -> None:
    new = placed.home / "new"
    new.write_text("the next session's")
    new.replace(placed.download)
    _, left = placed.remove()
    assert left == []
    assert placed.download.read_text() == "the next session's"


def test_the_scratch_folder_of_the_pasted_line_goes_if_it_is_empty(home: Path) -> None:
    scratch = home / "tmp.AbCdEf0123"
    scratch.mkdir()
    file = scratch / "adhoc-host.pyz"
    file.write_bytes(b"zip")
    installation = Installation.create(session_folder(data_folder(), INVITE))
    installation.note_download(file)
    assert "download folder" in installation.remove(None).removed
    assert not scratch.exists()


def unpack_download(around: Path) -> Path:
    """What the program for Windows unpacks for itself."""
    for name, data in FILES.items():
        path = around / "host" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return around / "host"


def test_what_a_killed_download_has_unpacked_goes_with_the_session(placed: Placed) -> None:
    unpacked = unpack_download(placed.home / "nsq1A2B.tmp")
    placed.installation.note_unpacked_download(unpacked, FILES)
    assert "download folder" in placed.remove()[0]
    assert not unpacked.parent.exists()


def test_what_a_download_has_taken_away_itself_is_no_trouble(placed: Placed) -> None:
    placed.installation.note_unpacked_download(placed.home / "nsq1A2B.tmp/host", FILES)
    assert placed.remove()[1] == []


def test_a_program_leaves_what_it_runs_from_to_the_download(
    placed: Placed, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked = unpack_download(placed.home / "nsq1A2B.tmp")
    placed.installation.note_unpacked_download(unpacked, FILES)
    monkeypatch.setattr(sys, "prefix", str(unpacked / "python"))
    assert placed.remove()[1] == []
    assert sorted(path.name for path in unpacked.rglob("*") if path.is_file()) == ["cli.py", "six.py", "x.so"]


def test_a_folder_of_another_name_is_no_download_of_ours(placed: Placed) -> None:
    unpacked = unpack_download(placed.home / "nsq1A2B.tmp.old")
    placed.installation.note_unpacked_download(unpacked, FILES)
    assert placed.remove()[1] == []
    assert (unpacked / "six.py").exists()


def test_a_folder_of_another_name_stays_when_the_download_goes(placed: Placed) -> None:
    placed.remove()
    assert placed.home.exists()


def test_a_removal_takes_the_secrets_first_and_what_starts_the_program_last(
    placed: Placed, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    unlink = os.unlink

    def watch(name: str, *, dir_fd: int | None = None) -> None:
        if dir_fd is not None:
            order.append(name)
        unlink(name, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", watch)
    placed.remove()
    assert order[0] == "state"
    assert order[-4:] == ["adhoc-host.pyz", "manifest.json", "lock", placed.autostart_entry.name]


def test_only_removals_that_had_begun_are_finished(home: Path) -> None:
    going_on = Installation.create(session_folder(data_folder(), INVITE))
    finish_removals(data_folder(), besides=Path("/"))
    assert Installation.open(going_on.folder).is_ending is False


def test_a_second_start_finds_the_first_one_again_and_unpacks_anew(placed: Placed) -> None:
    again = Installation.create(placed.folder)
    assert again.has_state
    again.unpack({"other.py": b""}, lambda name: b"new")
    assert (placed.folder / "packages/other.py").read_bytes() == b"new"
    assert not (placed.folder / "packages/six.py").exists()
    assert again.remove(placed.lock).left == []


def manifest_of(**fields: object) -> str:
    entry = {"role": "state", "kind": "file", "path": "/x", "files": [], "identity": None} | fields
    return json.dumps({"state": "open", "entries": [entry]})


@pytest.mark.parametrize(
    "manifest",
    [
        "",
        "[]",
        "{}",
        '{"state": "open"}',
        '{"state": "open", "entries": [{}]}',
        manifest_of(role="unknown"),
        manifest_of(path="relative"),
        manifest_of(path="/x/../y"),
        manifest_of(kind="tree", files=["../y"]),
        manifest_of(kind="tree", files=["/y"]),
        manifest_of(identity=[1]),
        manifest_of(kind="link"),
        manifest_of(kind="link", files=["../x"]),
        manifest_of(kind="unknown"),
        '{"state": "unknown", "entries": []}',
    ],
)
def test_a_damaged_manifest_is_an_error(home: Path, manifest: str) -> None:
    folder = Installation.create(session_folder(data_folder(), INVITE)).folder
    (folder / "manifest.json").write_text(manifest)
    with pytest.raises(InstallationError):
        Installation.open(folder)


def test_the_manifest_names_a_thing_before_it_is_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installation = Installation.create(session_folder(data_folder(), INVITE))
    open_file = os.open

    def watch(path: Path, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if "manifest" not in str(path) and flags & os.O_CREAT:
            manifest = json.loads((installation.folder / "manifest.json").read_text())
            named = [Path(entry["path"]) for entry in manifest["entries"]]
            assert any(Path(path) == name or name in Path(path).parents for name in named), path
        return open_file(path, flags, mode, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", watch)
    installation.unpack(FILES, lambda name: FILES[name])
    program = home / "file.pyz"
    program.write_bytes(b"zip")
    installation.enable_return(program, "/usr/bin/python3")
    assert (installation.folder / "adhoc-host.pyz").read_bytes() == b"zip"


def test_what_was_unpacked_before_the_manifest_goes_and_later_what_takes_its_place(
    placed: Placed, tmp_path: Path
) -> None:
    first, second = tmp_path / "_MEI1", tmp_path / "_MEI2"
    for folder in (first, second):
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "library.so").write_text("")
    placed.installation.note_unpacked([(first, ["deep/library.so"])])
    assert not placed.installation.packages.exists()
    again = Installation.open(placed.folder)
    again.note_unpacked([(second, ["deep/library.so"])])
    assert not first.exists()
    again.remove(None)
    assert not second.exists()


def test_one_host_at_a_time(home: Path) -> None:
    lock = HostLock(data_folder())
    with pytest.raises(AlreadyRunning):
        HostLock(data_folder())
    lock.release(remove=True)
    assert not data_folder().exists()
    HostLock(data_folder()).release(remove=True)


def test_a_relative_xdg_folder_is_ignored(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert data_folder() == home / ".local/share/adhoc-host"
    monkeypatch.setenv("XDG_DATA_HOME", "/somewhere")
    assert data_folder() == Path("/somewhere/adhoc-host")


def test_a_session_folder_is_told_from_others() -> None:
    assert is_session_folder(session_folder(Path("/x/adhoc-host"), INVITE))
    assert not is_session_folder(Path("/x/adhoc-host/0123"))
    assert not is_session_folder(Path("/x/other/0123456789abcdef"))


def test_the_autostart_entry_survives_every_character_of_a_path() -> None:
    words = ["/usr/bin/python3", '/home/a "b" $c `d` \\e %f;/x.pyz', "--resume", "/home/ñ x"]
    entry = make_desktop_entry(words).decode()
    (line,) = re.findall(r"^Exec=(.*)$", entry, re.MULTILINE)
    # Undone in the order of the specification: the value's escapes, field codes, then the quoted words.
    value = re.sub(r"\\(.)", lambda found: found[1], line)
    quoted = re.findall(r'"((?:[^"\\]|\\.)*)"', value.replace("%%", "%"))
    assert [re.sub(r"\\(.)", r"\1", word) for word in quoted] == words
