"""A removal that is killed at any step is finished by the next start of the computer."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from host import installation as installation_module
from host.host_lock import HostLock
from host.installation import Installation
from host.layout import data_folder, session_folder
from tests.host.fake_systemd import FakeSystemd

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
INVITE = bytes(range(16))
FILES = {"host/cli.py": b"one", "host/deep/x.so": b"two", "six.py": b"three"}

PROGRAM = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from host import installation
from host.host_lock import HostLock
from tests.host.fake_systemd import FakeSystemd
manager = FakeSystemd(Path(sys.argv[3])).manager if len(sys.argv) > 3 else None
installation.manager_of = lambda kind: manager
folder = Path(sys.argv[2])
found = installation.Installation.open(folder)
sys.exit(1 if found.remove(HostLock(folder.parent)).left else 0)
"""
"""What the next start does, without the rest of the host: the single file is tested elsewhere."""


class Scene:
    """A home folder with an installation that comes back in one of two ways."""

    def __init__(self, home: Path, fake: FakeSystemd | None) -> None:
        self.home = home
        self.fake = fake

    def place(self) -> None:
        folder = session_folder(data_folder(), INVITE)
        self.lock = HostLock(folder.parent)
        self.installation = Installation.create(folder, self.lock.made_folders)
        (folder / "state").write_bytes(b"secret")
        (folder / "record").write_bytes(b"")
        (folder / "farewell").write_bytes(b"key")
        download = self.home / "adhoc-host.pyz"
        download.write_text(PROGRAM)
        self.installation.note_download(download)
        self.installation.unpack(FILES, lambda name: FILES[name])
        self.installation.enable_return(download, sys.executable)

    def remove_until(self, step: int) -> bool:
        """Remove in a child that is killed before its n-th change of the disk; whether it came that far."""
        child = os.fork()
        if child == 0:
            count_down(step)
            self.installation.remove(self.lock)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        os.close(self.lock._file)
        assert status in (0, signal.SIGKILL)
        return status != 0

    def start_computer(self) -> None:
        """Run what a start of the computer would, as often as there is something to run."""
        for script in self.scripts():
            done = subprocess.run(["/bin/sh", "-c", script], check=False, timeout=60, capture_output=True)
            assert b"Traceback" not in done.stderr, done.stderr

    def scripts(self) -> Iterator[str]:
        if self.fake is None:
            for entry in self.home.glob(".config/autostart/*.desktop"):
                yield exec_of(entry.read_text())
        else:
            for link in self.fake.units.glob("*.wants/*.service"):
                if link.exists():
                    yield exec_start_of(link.read_text()).replace(
                        str(self.installation.folder) + ";",
                        f"{self.installation.folder} {self.fake.program.parent};",
                        1,
                    )

    def traces(self) -> list[Path]:
        places = [self.home] if self.fake is None else [self.home, self.fake.units]
        return [path for place in places for path in sorted(place.rglob("*"))]


def exec_of(entry: str) -> str:
    """The shell's script in an autostart entry."""
    (line,) = re.findall(r"^Exec=(.*)$", entry, re.MULTILINE)
    value = re.sub(r"\\(.)", r"\1", line).replace("%%", "%")
    words = re.findall(r'"((?:[^"\\]|\\.)*)"', value)
    return re.sub(r"\\(.)", r"\1", words[2])


def exec_start_of(unit: str) -> str:
    """The shell's script in a unit file."""
    (line,) = re.findall(r'^ExecStart=/bin/sh -c "(.*)"$', unit, re.MULTILINE)
    return re.sub(r"\\(.)", r"\1", line).replace("%%", "%").replace("$$", "$")


def count_down(step: int) -> None:
    """Kill this process before its `step`-th call that changes something on the disk."""
    left = step

    def fatal(real: Callable[..., Any], counts: Callable[..., bool] = lambda *_, **__: True) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            nonlocal left
            if counts(*arguments, **named):
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)

        return call

    def creates(path: object, flags: int, *_: object, **__: object) -> bool:
        return bool(flags & os.O_CREAT)

    for name in ("unlink", "rmdir", "replace", "fsync"):
        setattr(os, name, fatal(getattr(os, name)))
    os.open = fatal(os.open, creates)
    subprocess.run = fatal(subprocess.run)


@pytest.fixture(params=["autostart", "service"])
def scene(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)
    if request.param == "autostart":
        return Scene(home, None)
    folder = tmp_path / "systemd"
    folder.mkdir()
    fake = FakeSystemd(folder)
    monkeypatch.setattr(installation_module, "find_manager", lambda: fake.manager)
    monkeypatch.setattr(installation_module, "manager_of", lambda kind: fake.manager)
    return Scene(home, fake)


def test_at_every_step(scene: Scene) -> None:
    step = 0
    was_killed = True
    while was_killed:
        step += 1
        scene.place()
        was_killed = scene.remove_until(step)
        scene.start_computer()
        left = scene.traces()
        assert all(path.is_dir() for path in left), (step, left)
        # The last thing that could bring the program back was gone, and not yet the folders made around it.
        for path in reversed(left):
            path.rmdir()
    assert step > 20


def test_what_was_left_is_tried_once_more_and_then_nothing_comes_back(scene: Scene) -> None:
    scene.place()
    foreign = scene.installation.folder / "packages/notes.txt"
    foreign.write_text("mine")
    removal = scene.installation.remove(scene.lock)
    assert removal.left[0] == "packages"
    assert removal.is_retried
    assert (scene.installation.folder / "farewell").exists()
    assert len(list(scene.scripts())) == 1
    scene.start_computer()
    assert list(scene.scripts()) == []
    assert [path for path in scene.traces() if not path.is_dir()] == [foreign]


def test_what_could_not_be_removed_goes_at_the_next_start(scene: Scene) -> None:
    scene.place()
    foreign = scene.installation.folder / "packages/notes.txt"
    foreign.write_text("mine")
    scene.installation.remove(scene.lock)
    foreign.unlink()
    scene.start_computer()
    assert scene.traces() == []
