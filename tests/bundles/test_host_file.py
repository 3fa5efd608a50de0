"""The temporary host's single file: built, looked into, and run by a Python that has none of its packages."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

import relay
from bundles.bootstrap import find_problem
from relay.protocol.link_blob import make_empty_blob
from technician.remote_control import measure_desktop, open_control
from tests.bundles.stories import activate, build_host, write_link_into
from tests.helpers.relays import CUSTOMER, House, open_relay
from tests.helpers.xvfb import open_xvfb
from tests.host.host_program import open_host
from tests.host.test_killed_removal import exec_of

pytestmark = [pytest.mark.slow, pytest.mark.sockets, pytest.mark.timeout(300)]

BARE_PYTHON = (str(Path(sys.executable).resolve()), "-I", "-S")
"""An interpreter that finds no installed package and none of the project's folders."""


@pytest.fixture(scope="module")
def host_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("build")
    build_host("python", out)
    return out / "adhoc-host.pyz"


def test_the_same_inputs_give_the_same_bytes(host_file: Path, tmp_path: Path) -> None:
    build_host("python", tmp_path)
    assert (tmp_path / "adhoc-host.pyz").read_bytes() == host_file.read_bytes()


def test_the_sidecar_tells_what_the_relay_offers(host_file: Path) -> None:
    data = host_file.read_bytes()
    assert json.loads(host_file.with_name("adhoc-host.pyz.json").read_text()) == {
        "target": "python",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "signer": None,
        "blob": {"offset": len(data) - 2304, "size": 2304},
        "machine": os.uname().machine,
        "python": ["{}.{}".format(*sys.version_info[:2])],
        "version": relay.__version__,
    }
    assert data.endswith(make_empty_blob())
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
    version: tuple[int, ...],
    system: str,
    machine: str,
    problem: str | None,
) -> None:
    facts: dict[str, Any] = {"system": "Linux", "machine": "x86_64", "python": ["3.11", "3.12"]}
    assert find_problem(facts, version, system, machine) == problem


@pytest.mark.parametrize("is_in_the_file", [False, True])
async def test_a_system_that_is_too_old_is_told_to_the_relay(
    host_file: Path, tmp_path: Path, is_in_the_file: bool
) -> None:
    async with open_relay(tmp_path / "relay") as house:
        prepared = await house.relay.prepare(CUSTOMER)
        file = tmp_path / "adhoc-host.pyz"
        shutil.copy(host_file, file)
        arguments = [] if is_in_the_file else [prepared.link.url()]
        if is_in_the_file:
            blob = json.loads(host_file.with_name(f"{host_file.name}.json").read_text())["blob"]
            write_link_into(file, blob, prepared.link.url())
        # The file's own first code, for a computer of another kind.
        program = (
            "import platform, runpy, sys; platform.machine = lambda: 'vax'; "
            "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
        )
        command = [*BARE_PYTHON, "-c", program, str(file), *arguments]
        done = await trio.run_process(command, env={"HOME": str(tmp_path)}, check=False, capture_stderr=True)
        session = await house.relay.session(prepared.session.id)
    assert done.returncode == 2
    assert b"This file is for computers of the kind" in done.stderr
    assert [step.step for step in session.funnel] == ["refused_old_system"]


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


def test_it_still_runs_with_a_link_in_it(host_file: Path, tmp_path: Path) -> None:
    sidecar = json.loads(host_file.with_name("adhoc-host.pyz.json").read_text())
    file = Path(shutil.copy(host_file, tmp_path))
    write_link_into(file, sidecar["blob"], "https://relay.example/d/AAECAwQFBgcICQoLDA0ODw#secret")
    assert file.stat().st_size == sidecar["size"]
    command: list[str | Path] = [*BARE_PYTHON, file, "--help"]
    done = subprocess.run(command, env={"HOME": str(tmp_path)}, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None


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


async def test_what_could_not_be_removed_goes_at_the_next_start_which_says_so(
    house: House, download: Download
) -> None:
    prepared = await house.relay.prepare(CUSTOMER)
    async with open_host(download.command(prepared.link.url()), download.home) as host:
        await activate(house, prepared, host)
        (packages,) = download.home.glob(".local/share/adhoc-host/*/packages")
        foreign = packages / "notes.txt"
        foreign.write_text("somebody else's")
        await house.relay.end(prepared.session.id)
        assert await host.wait() == 3
    session = await house.relay.session(prepared.session.id)
    assert session.removal == "pending"
    (warning,) = session.warnings
    assert warning.startswith("The host could not remove everything: packages, program,")
    assert warning.endswith("It tries again when the computer starts next.")
    foreign.unlink()
    (entry,) = (download.home / ".config/autostart").iterdir()
    async with open_host(["/bin/sh", "-c", exec_of(entry.read_text())], download.home) as host:
        assert await host.wait() == 0
        assert host.complained == ""
        assert host.traces() == []
    session = await house.relay.session(prepared.session.id)
    assert (session.removal, session.warnings) == ("confirmed", [])


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
