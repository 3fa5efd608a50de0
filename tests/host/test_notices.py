"""Calling the customer: through the desktop's own program, seldom, and with nothing in it but text."""

import json
import sys
import time
from pathlib import Path

import pytest

from host.notices import INTERVAL, MAX_CHARACTERS, TIMEOUT, Bell, DesktopNotices

PATIENCE = 20.0


class Clock:
    """Goes on when told to."""

    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


class Desktop:
    """A desktop whose ``notify-send`` writes its arguments down."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *, ending: str = "") -> None:
        self._heard = folder / "heard"
        self._heard.touch()
        program = folder / "notify-send"
        program.write_text(
            f"#!{sys.executable}\nimport json, sys, time\n"
            f"with open({str(self._heard)!r}, 'a') as file:\n    print(json.dumps(sys.argv[1:]), file=file)\n"
            f"{ending}\n"
        )
        program.chmod(0o700)
        monkeypatch.setenv("PATH", str(folder))
        self.clock = Clock()
        self.notices = DesktopNotices("Support", now=self.clock)

    def wait(self, count: int) -> list[list[str]]:
        """Look until so many notifications were shown; their arguments."""
        deadline = time.monotonic() + PATIENCE
        while len(heard := self._heard.read_text().splitlines()) < count:
            assert time.monotonic() < deadline, heard
        return [json.loads(line) for line in heard]

    def finish(self) -> None:
        """Wait for the program that runs now, and see that it has ended."""
        if self.notices._process is not None:
            self.notices._process.wait(PATIENCE)


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desktop:
    return Desktop(tmp_path, monkeypatch)


def test_a_notification_is_text_and_nothing_else(desktop: Desktop) -> None:
    desktop.notices.tell("--help\x1b[31m", "<a href='x'>click</a> & \u202ego\n" + "x" * 1000)
    (arguments,) = desktop.wait(1)
    assert arguments[:3] == ["--app-name=Support", "--", "--help[31m"]
    assert arguments[3].startswith("&lt;a href='x'&gt;click&lt;/a&gt; &amp; go xxx")
    assert len(arguments[3]) < MAX_CHARACTERS + 30
    desktop.notices.close()


def test_notifications_are_seldom_and_the_last_one_is_not_lost(desktop: Desktop) -> None:
    for number in range(50):
        desktop.notices.tell("Tess", f"line {number}")
    desktop.wait(1)
    desktop.finish()
    desktop.notices.look()
    desktop.clock.time += INTERVAL - 0.1
    desktop.notices.look()
    assert len(desktop.wait(1)) == 1
    desktop.clock.time += 0.2
    desktop.notices.look()
    assert [arguments[-1] for arguments in desktop.wait(2)] == ["line 0", "line 49"]
    desktop.finish()
    desktop.clock.time += 10 * INTERVAL
    desktop.notices.look()
    desktop.notices.close()
    assert len(desktop.wait(2)) == 2


def test_a_program_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desktop = Desktop(tmp_path, monkeypatch, ending="time.sleep(600)")
    desktop.notices.tell("Tess", "one")
    desktop.wait(1)
    process = desktop.notices._process
    assert process is not None
    desktop.clock.time += TIMEOUT
    desktop.notices.look()
    assert process.wait(PATIENCE) != 0
    desktop.notices.tell("Tess", "two")
    desktop.wait(2)
    desktop.notices.close()
    assert desktop.notices._process is None


def test_without_the_program_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    notices = DesktopNotices("Support")
    notices.tell("Tess", "hello")
    notices.look()
    notices.close()


def test_a_program_that_cannot_be_run_is_not_tried_again(desktop: Desktop, tmp_path: Path) -> None:
    (tmp_path / "notify-send").write_text("#!/no such interpreter\n")
    desktop.notices.tell("Tess", "one")
    desktop.clock.time += INTERVAL
    desktop.notices.tell("Tess", "two")
    assert desktop.wait(0) == []


def test_a_bell_does_not_ring_on_and_on() -> None:
    clock, rung = Clock(), list[float]()
    bell = Bell(lambda: rung.append(clock.time), now=clock)
    for _ in range(100):
        bell.ring()
        clock.time += 0.1
    assert len(rung) == 2
