"""Which desktop a host offers that has none in its environment."""

import os
from pathlib import Path

import pytest

from host import desktop_session
from host.desktop_session import Desktop, find_desktop

LOGINCTL = """#!/bin/sh
if [ "$1" = list-sessions ]; then
    printf '%s\\n' '  c1 42 gdm seat0' ' 2 1000 ana seat0' ' 3 1001 eve -' '$(x) ;'
    exit
fi
case "$2" in
    c1) echo Active=no; echo Class=greeter; echo Type=x11; echo User=42; echo Remote=no ;;
    2) echo Active={active}; echo Class=user; echo Type=x11; echo User={user}; echo Remote=no ;;
    3) echo Active=yes; echo Class=user; echo Type=tty; echo User=1001; echo Remote=yes ;;
    *) exit 1 ;;
esac
"""


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A computer whose active session is this test's user's."""
    monkeypatch.setattr(desktop_session, "PROGRAM_PATH", str(tmp_path))
    write_loginctl(tmp_path, "yes", os.getuid())
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "self").mkdir()
    return proc


def write_loginctl(folder: Path, active: str, user: int) -> None:
    program = folder / "loginctl"
    program.write_text(LOGINCTL.format(active=active, user=user))
    program.chmod(0o755)


def run(proc: Path, number: int, **environment: str) -> None:
    """A process with this environment."""
    (proc / str(number)).mkdir()
    data = "".join(f"{name}={value}\0" for name, value in environment.items())
    (proc / str(number) / "environ").write_bytes(data.encode())


def test_what_the_customer_started_has_it_in_its_environment(proc: Path) -> None:
    given = {"DISPLAY": ":5", "XAUTHORITY": "/run/a"}
    assert find_desktop(None, given, proc) == Desktop(":5", "/run/a")
    assert find_desktop(":7", given, proc) == Desktop(":7", "/run/a")


def test_a_service_takes_the_desktop_of_whoever_sits_there(proc: Path) -> None:
    run(proc, 10, HOME="/home/ana")
    run(proc, 11, DISPLAY=":0")
    run(proc, 12, DISPLAY=":0", XAUTHORITY="/run/user/1000/gdm/Xauthority", LANG="es_ES.UTF-8")
    assert find_desktop(None, {}, proc) == Desktop(":0", "/run/user/1000/gdm/Xauthority")


def test_a_right_is_not_always_needed(proc: Path) -> None:
    run(proc, 11, DISPLAY=":1.0")
    assert find_desktop(None, {}, proc) == Desktop(":1.0")


@pytest.mark.parametrize("display", ["", "evil.example:0", "localhost:10.0", ":0;rm", ":x"])
def test_only_a_screen_of_this_computer_is_offered(proc: Path, display: str) -> None:
    run(proc, 11, DISPLAY=display, XAUTHORITY="/x")
    assert find_desktop(None, {}, proc) is None


def test_a_session_that_is_not_shown_is_not_offered(proc: Path, tmp_path: Path) -> None:
    run(proc, 11, DISPLAY=":0", XAUTHORITY="/x")
    write_loginctl(tmp_path, "no", os.getuid())
    assert find_desktop(None, {}, proc) is None


def test_other_users_programs_are_not_asked(proc: Path, tmp_path: Path) -> None:
    run(proc, 11, DISPLAY=":0", XAUTHORITY="/x")
    write_loginctl(tmp_path, "yes", os.getuid() + 1)
    assert find_desktop(None, {}, proc) is None


def test_without_logind_there_is_none(proc: Path, tmp_path: Path) -> None:
    run(proc, 11, DISPLAY=":0", XAUTHORITY="/x")
    (tmp_path / "loginctl").unlink()
    assert find_desktop(None, {}, proc) is None


def test_only_root_looks_at_others(proc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(proc, 11, DISPLAY=":0", XAUTHORITY="/x")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert find_desktop(None, {}, proc) is None


def test_sudo_keeps_the_display_and_the_right_is_the_customers(
    proc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Entry:
        pw_dir = str(tmp_path)

    monkeypatch.setattr("pwd.getpwuid", lambda number: Entry)
    given = {"DISPLAY": ":0", "SUDO_UID": "1000"}
    assert find_desktop(None, given, proc) == Desktop(":0")
    (tmp_path / ".Xauthority").touch()
    assert find_desktop(None, given, proc) == Desktop(":0", str(tmp_path / ".Xauthority"))


def test_programs_that_are_started_find_it_too() -> None:
    environment: dict[str, str] = {"XAUTHORITY": "/before"}
    Desktop(":3").enter(environment)
    assert environment == {"DISPLAY": ":3", "XAUTHORITY": "/before"}
    Desktop(":3", "/now").enter(environment)
    assert environment["XAUTHORITY"] == "/now"
