"""The ``technician`` command in a process of its own, against a real relay: what it prints, how it exits."""

import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trio

from relay.protocol.links import parse_deployment_link
from technician.cli import _parse_listen
from technician.errors import TechnicianError
from technician.printing import format_left, printable
from technician.relay_client import split_sign_in_link
from technician.running import UsageProblem
from tests.technician.conftest import OpenRelay
from tests.technician.scripted_host import DESKTOP_NAME, ScriptedHost

ROOT = Path(__file__).parents[2]
NOW = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Command:
    """``technician`` with settings of its own."""

    settings: Path

    async def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[bytes]:
        """Runs it to its end, in a pipe."""
        command = [sys.executable, "-m", "technician", *arguments]
        environment = {"XDG_CONFIG_HOME": str(self.settings), "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        return await trio.run_process(
            command,
            stdin=stdin.encode(),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env=environment,
            cwd=ROOT,
        )


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path / "settings")


@pytest.mark.sockets
@pytest.mark.slow
async def test_a_whole_session_from_the_command_line(open_relay: OpenRelay, command: Command) -> None:
    async with open_relay() as running, trio.open_nursery() as nursery:
        done = await command.run("sign-in", running.sign_in_link or "")
        assert (done.returncode, done.stdout) == (0, b"")
        assert b"Signed in at" in done.stderr

        done = await command.run("prepare", "--email", "ana@customer.example", "--json")
        assert done.returncode == 0, done.stderr
        prepared = json.loads(done.stdout)
        session = prepared["session"]["id"]

        done = await command.run("connect", stdin="whatever\n")
        assert done.returncode == 1
        assert b"not active yet" in done.stderr

        host = ScriptedHost(parse_deployment_link(prepared["link"]), [prepared["security_code"]])
        await nursery.start(host.run)
        done = await command.run("pair")
        assert done.returncode == 0, done.stderr
        code = prepared["security_code"]
        assert done.stdout.decode() == f"security code\t{code[:3]} {code[3:6]} {code[6:]}\n"
        assert b"the session is active" in done.stderr
        kept = (command.settings / "adhoc-technician" / "sessions" / f"{session}.json").read_text()
        assert set(json.loads(kept)) == {"origin", "pairing_key"}

        done = await command.run("connect", session[:6], "--json", stdin=prepared["access_password"] + "\n")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["desktop"] == DESKTOP_NAME

        done = await command.run("connect", stdin="wrong horse\n")
        assert done.returncode == 1
        assert done.stderr == b"technician: The access password is not right.\n"

        done = await command.run("list")
        assert done.stdout.decode().split("\t")[:3] == [session, "active", "ana@customer.example"]

        done = await command.run("end")
        assert (done.returncode, done.stderr) == (0, b"The technician ended the session.\n")
        done = await command.run("list", "--ended", "--json")
        assert [item["state"] for item in json.loads(done.stdout)] == ["ended"]

        assert (await command.run("sign-out")).returncode == 0
        done = await command.run("list")
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.startswith(b"technician: Nobody is signed in")
        nursery.cancel_scope.cancel()


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments", [["sign-in"], ["prepare"], ["no-such-command"], ["vnc", "--listen", "0.0.0.0:1"]]
)
async def test_what_cannot_be_meant_exits_with_2(command: Command, arguments: list[str]) -> None:
    done = await command.run(*arguments)
    assert done.returncode == 2
    assert done.stdout == b""
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("listen", ["127.0.0.1:5900", "[::1]:0", "127.8.9.10:65535"])
def test_listening_is_possible_on_this_computer(listen: str) -> None:
    address, port = _parse_listen(listen)
    assert listen in (f"{address}:{port}", f"[{address}]:{port}")


@pytest.mark.parametrize(
    "listen", ["0.0.0.0:5900", "5900", "127.0.0.1", "127.0.0.1:65536", "example:1", ":1", "::1"]
)
def test_listening_for_others_is_refused(listen: str) -> None:
    with pytest.raises(UsageProblem, match="--listen"):
        _parse_listen(listen)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("RECEPTION-2", "RECEPTION-2"),
        ("Ana Müller 日本", "Ana Müller 日本"),
        ("a\x1b[31mb", "a [31mb"),
        ("two\nlines", "two lines"),
        ("\u202eevil\u202c", "evil"),
        ("x" * 1000, "x" * 200),
    ],
)
def test_what_a_host_says_is_stripped_before_it_reaches_a_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("left", "shown"),
    [
        (timedelta(hours=23, minutes=59, seconds=59), "23 h 59 min"),
        (timedelta(minutes=12), "12 min"),
        (timedelta(), "over"),
    ],
)
def test_time_left_is_told_in_hours_and_minutes(left: timedelta, shown: str) -> None:
    assert format_left(NOW + left, NOW) == shown


@pytest.mark.parametrize(
    ("text", "origin", "token"),
    [
        ("https://relay.example/sign-in#AbC", "https://relay.example", "AbC"),
        ("https://Relay.example:443/", "https://relay.example", None),
        (" http://127.0.0.1:8080 ", "http://127.0.0.1:8080", None),
    ],
)
def test_sign_in_links_are_read(text: str, origin: str, token: str | None) -> None:
    assert split_sign_in_link(text) == (origin, token)


@pytest.mark.parametrize(
    "text", ["", "relay.example", "http://relay.example", "https://relay.example/other#x"]
)
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(TechnicianError, match="not the address of a relay"):
        split_sign_in_link(text)
