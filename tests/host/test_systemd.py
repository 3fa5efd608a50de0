"""The way back by systemd: what is written, and whether systemd itself understands it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from host import installation as installation_module
from host import systemd
from host.host_lock import HostLock
from host.installation import Installation
from host.layout import data_folder, session_folder
from host.systemd import Manager, find_manager, make_unit, quote_argument
from tests.host.fake_systemd import FakeSystemd

INVITE = bytes(range(16))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    return home


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSystemd:
    folder = tmp_path / "systemd"
    folder.mkdir()
    fake = FakeSystemd(folder)
    monkeypatch.setattr(installation_module, "find_manager", lambda: fake.manager)
    monkeypatch.setattr(installation_module, "manager_of", lambda kind: fake.manager)
    return fake


class Placed:
    """An installation that comes back by a unit."""

    def __init__(self, home: Path) -> None:
        folder = session_folder(data_folder(), INVITE)
        self.lock = HostLock(folder.parent)
        self.installation = Installation.create(folder, self.lock.made_folders)
        self.download = home / "adhoc-host.pyz"
        self.download.write_bytes(b"zip")
        self.installation.enable_return(self.download, "/usr/bin/python3")
        self.name = f"adhoc-host-{folder.name}.service"

    def remove(self) -> list[str]:
        return self.installation.remove(self.lock).left


def test_a_unit_is_written_enabled_and_told_to_systemd(home: Path, fake: FakeSystemd) -> None:
    placed = Placed(home)
    unit, link = fake.units / placed.name, fake.units / "multi-user.target.wants" / placed.name
    assert unit.stat().st_mode & 0o777 == 0o600
    assert os.readlink(link) == str(unit)
    assert "--resume" in unit.read_text()
    assert fake.calls == ["daemon-reload"]
    assert not (home / ".config").exists()


def test_the_manifest_names_each_before_it_is_there(
    home: Path, fake: FakeSystemd, monkeypatch: pytest.MonkeyPatch
) -> None:
    symlink_to = Path.symlink_to

    def watch(path: Path, target: Path) -> None:
        manifest = next(home.rglob("manifest.json")).read_text()
        assert str(path) in manifest
        symlink_to(path, target)

    monkeypatch.setattr(Path, "symlink_to", watch)
    placed = Placed(home)
    assert (fake.units / "multi-user.target.wants" / placed.name).is_symlink()


def test_removal_takes_unit_link_and_what_systemd_knows(home: Path, fake: FakeSystemd) -> None:
    placed = Placed(home)
    placed.download.unlink()
    assert placed.remove() == []
    assert list(fake.units.rglob("*")) == []
    assert list(home.rglob("*")) == []
    assert fake.calls == [
        "daemon-reload",
        "daemon-reload",
        f"reset-failed {placed.name}",
        f"show --property=LoadState --value {placed.name}",
    ]


def test_a_link_that_leads_elsewhere_by_now_is_not_ours(home: Path, fake: FakeSystemd) -> None:
    placed = Placed(home)
    link = fake.units / "multi-user.target.wants" / placed.name
    link.unlink()
    link.symlink_to("/etc/passwd")
    assert placed.remove() == ["service link"]
    assert link.is_symlink()


def test_a_unit_that_systemd_goes_on_knowing_is_named(home: Path, fake: FakeSystemd) -> None:
    placed = Placed(home)
    fake.program.write_text("#!/bin/sh\necho loaded\n")
    assert placed.remove() == ["service registration"]


def test_where_systemctl_cannot_be_run_the_files_go_all_the_same(home: Path, fake: FakeSystemd) -> None:
    placed = Placed(home)
    fake.program.unlink()
    assert placed.remove() == []
    assert list(fake.units.rglob("*")) == []


@pytest.mark.parametrize("kind", ["system", "user"])
def test_systemd_itself_understands_the_unit(tmp_path: Path, kind: str) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    target = "multi-user.target" if kind == "system" else "graphical-session.target"
    manager = Manager("system" if kind == "system" else "user", "/bin/false", tmp_path, target)
    word = "[ -e '/a b/%c' ] && exec /usr/bin/python3 '/a \"b\"/$HOME' ~; rm -f -- '/x\\y'"
    unit = tmp_path / f"adhoc-host-{kind}.service"
    unit.write_bytes(make_unit(manager, word))
    done = subprocess.run(
        [analyze, "verify", "--man=no", *(["--user"] if kind == "user" else []), str(unit)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    complaints = [line for line in done.stderr.splitlines() if unit.name in line]
    assert (done.returncode, complaints) == (0, []), done.stderr


def test_an_argument_survives_every_character() -> None:
    word = "a \"b\" 'c' \\d $e ${f} %g\n\t%%"
    quoted = quote_argument(word)
    assert quoted[0] == quoted[-1] == '"'
    # Undone in systemd's order: C escapes, then specifiers and variables.
    undone = re.sub(r"\\(.)", lambda found: {"n": "\n", "t": "\t"}.get(found[1], found[1]), quoted[1:-1])
    assert undone.replace("%%", "%").replace("$$", "$") == word


def test_only_a_desktop_that_systemd_knows_of_brings_a_user_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(systemd, "is_for_system", lambda: False)
    monkeypatch.setattr(systemd, "PROGRAM_PATH", str(tmp_path))
    assert find_manager() is None
    FakeSystemd(tmp_path, active="inactive")
    assert find_manager() is None
    FakeSystemd(tmp_path)
    found = find_manager()
    assert found is not None
    assert (found.kind, found.target) == ("user", "graphical-session.target")


def test_root_uses_the_systems_manager_where_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeSystemd(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(systemd, "PROGRAM_PATH", str(tmp_path))
    for is_for_system, kind in ((True, "system"), (False, None)):
        monkeypatch.setattr(systemd, "is_for_system", lambda value=is_for_system: value)
        found = find_manager()
        assert (found and found.kind) == kind
