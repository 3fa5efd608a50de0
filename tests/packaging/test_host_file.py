"""The temporary host's single file: built, looked into, and run by a Python that has none of its packages."""

import hashlib
import json
import re
import runpy
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from technician.models import PreparedSession
from technician.pairing import PairingEvents, pair
from technician.remote_control import measure_desktop, open_control
from tests.helpers.relays import CUSTOMER, House, open_relay
from tests.helpers.xvfb import open_xvfb
from tests.host.host_program import HostProgram, open_host

pytestmark = [pytest.mark.slow, pytest.mark.sockets]

ROOT = Path(__file__).parent.parent.parent
BARE_PYTHON = (str(Path(sys.executable).resolve()), "-I", "-S")
"""An interpreter that finds no installed package and none of the project's folders."""


def build(out: Path) -> Path:
    command: list[str | Path] = [sys.executable, ROOT / "packaging" / "build_host.py", "--out", out]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=110)
    return out / "adhoc-host.pyz"


@pytest.fixture(scope="module")
def host_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module")
def find_problem() -> Callable[..., str | None]:
    """The bootstrap's check of the computer."""
    found: Callable[..., str | None] = runpy.run_path(str(ROOT / "packaging" / "bootstrap.py"))[
        "find_problem"
    ]
    return found


def test_the_same_inputs_give_the_same_bytes(host_file: Path, tmp_path: Path) -> None:
    assert build(tmp_path).read_bytes() == host_file.read_bytes()


def test_the_sidecar_tells_what_the_relay_offers(host_file: Path) -> None:
    data = host_file.read_bytes()
    assert json.loads(host_file.with_name("adhoc-host.json").read_text()) == {
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "python": ["{}.{}".format(*sys.version_info[:2])],
    }
    assert data.startswith(b"#!/usr/bin/env python3\n")
    assert host_file.stat().st_mode & 0o111


def test_only_what_runs_on_the_customers_computer_is_in_it(host_file: Path) -> None:
    with zipfile.ZipFile(host_file) as archive:
        names = archive.namelist()
    tops = {name.split("/")[1] for name in names if name.startswith("any/")}
    assert {
        "host",
        "peer",
        "relay",
        "trio",
        "msgpack",
        "cryptography",
        "mss",
        "numpy",
        "simplejpeg",
        "Xlib",
    } <= tops
    assert not tops & {"technician", "demo", "tests", "web", "fastapi", "sqlalchemy", "pip"}
    relay = {name for name in names if name.startswith("any/relay/")}
    assert {name for name in relay if not name.startswith("any/relay/protocol/")} == {"any/relay/__init__.py"}
    assert not [name for name in names if re.search(r"/_?tests/|\.pyc$|\.pyi$", name)]


@pytest.mark.parametrize(
    ("version", "system", "machine", "problem"),
    [
        ((3, 11, 2), "Linux", "x86_64", None),
        ((3, 10, 0), "Linux", "x86_64", "This file needs Python 3.11 or 3.12."),
        ((3, 11, 2), "Darwin", "arm64", "This file is for Linux."),
        ((3, 11, 2), "Linux", "aarch64", "This file is for computers of the kind x86_64."),
    ],
)
def test_a_computer_that_it_cannot_run_on_is_told_so(
    find_problem: Callable[..., str | None],
    version: tuple[int, ...],
    system: str,
    machine: str,
    problem: str | None,
) -> None:
    facts: dict[str, Any] = {"system": "Linux", "machine": "x86_64", "python": ["3.11", "3.12"]}
    assert find_problem(facts, version, system, machine) == problem


def test_help_and_mistakes_unpack_nothing(host_file: Path, tmp_path: Path) -> None:
    for arguments, code in ((["--help"], 0), (["nonsense"], 2)):
        done = subprocess.run(
            [*BARE_PYTHON, host_file, *arguments],
            env={"HOME": str(tmp_path), "DISPLAY": ":987"},
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code
    assert list(tmp_path.iterdir()) == []


class Download:
    """The customer's home folder with the file as the line of the customer's page downloads it."""

    def __init__(self, host_file: Path, home: Path) -> None:
        self.home = home
        scratch = home / "tmp.AbCdEf0123"
        scratch.mkdir(parents=True)
        self.file = Path(shutil.copy(host_file, scratch))

    def command(self, *arguments: str) -> list[str | Path]:
        return [*BARE_PYTHON, self.file, *arguments, "--terminal"]


@pytest.fixture
def download(host_file: Path, tmp_path: Path) -> Download:
    return Download(host_file, tmp_path / "home")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_relay(tmp_path / "relay") as house:
        yield house


async def activate(house: House, prepared: PreparedSession, host: HostProgram) -> bytes:
    """Both sides pair; the pairing key."""
    keys: list[bytes] = []
    events = PairingEvents(say=lambda _: None, show_code=lambda _: None, store=keys.append)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            pair, house.relay, prepared.session.id, prepared.link, prepared.security_code, events
        )
        await host.enter_code(prepared.security_code)
    await host.hear("Connected for support")
    return keys[0]


async def test_the_whole_story_and_nothing_is_left(house: House, download: Download) -> None:
    prepared = await house.relay.prepare(CUSTOMER)
    session = prepared.session.id
    async with (
        open_xvfb(800, 600) as desktop,
        open_host(download.command(prepared.link.url()), download.home, display=desktop.display) as host,
    ):
        key = await activate(house, prepared, host)
        password = prepared.link.access_password
        async with open_control(house.relay, session, key, password) as stream:
            facts = await measure_desktop(stream)
            assert (facts.width, facts.height) == (800, 600)
        await house.relay.end(session)
        assert await host.wait() == 0
        assert host.traces() == []  # the download and its scratch folder went, too
        assert host.complained == ""
    # It removed its own packages before it signed and handed in this receipt.
    assert (await house.relay.session(session)).removal == "confirmed"


async def test_autostart_brings_an_active_session_back(house: House, download: Download) -> None:
    prepared = await house.relay.prepare(CUSTOMER)
    async with open_host(download.command(prepared.link.url()), download.home) as host:
        await activate(house, prepared, host)
        host.send(signal.SIGKILL)
        await host.wait()
    download.file.unlink()  # the copy has to do
    (entry,) = (download.home / ".config/autostart").iterdir()
    (line,) = re.findall("^Exec=(.*)$", entry.read_text(), re.MULTILINE)
    command = re.findall('"([^"]*)"', line)
    async with open_host([*command, "--terminal"], download.home) as host:
        await host.hear("Connected for support")
        host.send(signal.SIGINT)
        assert await host.wait() == 0
        assert [trace for trace in host.traces() if not trace.startswith("tmp.")] == []
    session = await house.relay.session(prepared.session.id)
    assert (session.end_reason, session.removal) == ("customer", "confirmed")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_before_the_session_leaves_nothing(
    house: House, download: Download, number: signal.Signals
) -> None:
    prepared = await house.relay.prepare(CUSTOMER)
    async with open_host(download.command(prepared.link.url()), download.home) as host:
        await host.hear("code: $")
        host.send(number)
        await host.wait()
        assert host.traces() == []


async def test_a_second_host_is_refused_before_it_unpacks_anything(house: House, download: Download) -> None:
    prepared = await house.relay.prepare(CUSTOMER)
    async with open_host(download.command(prepared.link.url()), download.home) as host:
        await host.hear("code: $")
        before = host.traces()
        async with open_host(download.command(prepared.link.url()), download.home) as second:
            assert await second.wait() == 1
        assert "Another temporary support session" in second.complained
        assert host.traces() == before
        host.send(signal.SIGTERM)
        await host.wait()
