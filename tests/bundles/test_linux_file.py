"""The Linux executable: built twice, and used on a computer that has no Python, X11 library or Tk."""

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import trio

import relay
from bundles import linux, linux_entry
from relay.protocol.link_blob import make_empty_blob
from technician.remote_control import measure_desktop, open_control
from tests.bundles.stories import activate, build_host, write_link_into
from tests.helpers.bare_root import BareRoot, can_make_roots, glibc_of_this_computer
from tests.helpers.relays import CUSTOMER, House, open_relay
from tests.helpers.xvfb import open_xvfb
from tests.host.host_program import open_host

REST: Final = "/d/AAECAwQFBgcICQoLDA0ODw#EBESExQVFhcYGRobHB0eHw.k7mp-w2xa-9tfe"
INCOMPLETE: Final = "adhoc-host: This file is not complete. Please download it again.\n"
BAD_LINKS: Final = [
    ("https://relay.example/d/AAECAwQFBgcICQoLDA0ODw", "not a deployment link"),
    (f"http://relay.example{REST}", "must begin with https"),
    (f"https://relay.example@evil.example{REST}", "not one of a relay"),
    (f"javascript://relay.example{REST}", "not one of a relay"),
    ("\x1b[2Jhello", "not a deployment link"),
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.sockets,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not can_make_roots(), reason="this user may not change the root, even in a namespace"),
]


@pytest.fixture(scope="module")
def executable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("linux")
    build_host("linux", out)
    return out / "adhoc-host-linux"


@pytest.fixture(scope="module")
def sidecar(executable: Path) -> Any:
    return json.loads(executable.with_name("adhoc-host-linux.json").read_text())


@pytest.fixture
def bare(executable: Path, tmp_path: Path) -> BareRoot:
    """A computer without anything, onto which the executable was downloaded."""
    bare = BareRoot(tmp_path / "root")
    shutil.copy(executable, bare.home)
    return bare


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_relay(tmp_path / "relay") as house:
        yield house


def start(bare: BareRoot, *arguments: str) -> list[str]:
    return bare.command("/home/adhoc-host-linux", *arguments, "--terminal")


def run_alone(bare: BareRoot, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Without anybody at the terminal, to its end."""
    return subprocess.run(
        start(bare, *arguments),
        env={**bare.environment, "DISPLAY": ":987", "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_same_inputs_give_the_same_bytes(executable: Path, tmp_path: Path) -> None:
    build_host("linux", tmp_path)
    again = tmp_path / "adhoc-host-linux"
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(executable.read_bytes()).digest()


def test_the_sidecar_tells_what_the_file_is_and_needs(executable: Path, sidecar: Any) -> None:
    data = executable.read_bytes()
    glibc = tuple(map(int, sidecar["glibc"].split(".")))
    assert (2, 14) <= glibc <= glibc_of_this_computer()
    assert sidecar | {"glibc": None, "window": None} == {
        "target": "linux",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "signer": None,
        "blob": {"offset": len(data) - 2304, "size": 2304},
        "machine": os.uname().machine,
        "python": None,
        "version": relay.__version__,
        "glibc": None,
        "window": None,
    }
    assert data.endswith(make_empty_blob())
    assert executable.stat().st_mode & 0o111
    assert len(data) < 45e6


def test_builder_and_executable_agree_on_the_marker() -> None:
    assert linux.MARKER == linux_entry.MARKER


@pytest.mark.parametrize(("argument", "code"), [("--help", 0), ("nonsense", 2)])
def test_help_and_mistakes_leave_nothing(bare: BareRoot, argument: str, code: int) -> None:
    done = run_alone(bare, argument)
    assert (done.returncode, len(done.stderr.splitlines())) == (code, 1 if code else 0)
    assert bare.traces() == ["home/adhoc-host-linux"]


@pytest.mark.parametrize(("link", "sentence"), BAD_LINKS)
def test_a_bad_link_in_the_file_is_refused_and_nothing_is_installed(
    bare: BareRoot, sidecar: Any, link: str, sentence: str
) -> None:
    write_link_into(bare.home / "adhoc-host-linux", sidecar["blob"], link)
    done = run_alone(bare)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("adhoc-host: ")
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert bare.traces() == ["home/adhoc-host-linux"]


def test_a_damaged_place_for_the_link_is_refused(bare: BareRoot, sidecar: Any) -> None:
    file = bare.home / "adhoc-host-linux"
    with file.open("r+b") as opened:
        opened.seek(sidecar["blob"]["offset"] + 16)
        opened.write(b"\xff\xff")
    done = run_alone(bare)
    assert (done.returncode, done.stderr) == (2, INCOMPLETE)
    assert bare.traces() == ["home/adhoc-host-linux"]


@pytest.mark.parametrize("missing", [2304, 2300, 100_000, 20_000_000])
def test_a_download_that_was_cut_short_starts_nothing(bare: BareRoot, missing: int) -> None:
    file = bare.home / "adhoc-host-linux"
    os.truncate(file, file.stat().st_size - missing)
    done = run_alone(bare)
    assert done.returncode != 0
    assert done.stderr == INCOMPLETE or "adhoc-host: " not in done.stderr
    assert bare.traces() == ["home/adhoc-host-linux"]


async def test_the_whole_story_and_nothing_is_left(house: House, bare: BareRoot, sidecar: Any) -> None:
    prepared = await house.relay.prepare(CUSTOMER)
    session = prepared.session.id
    # As the customer's page saves it: nothing is to be typed but the code.
    write_link_into(bare.home / "adhoc-host-linux", sidecar["blob"], prepared.link.url())
    async with (
        open_xvfb(800, 600) as desktop,
        open_host(start(bare), bare.home, display=desktop.display, **bare.environment) as host,
    ):
        key = await activate(house, prepared, host)
        async with open_control(house.relay, session, key, prepared.link.access_password) as stream:
            facts = await measure_desktop(stream)
            assert (facts.width, facts.height) == (800, 600)
        await house.relay.end(session)
        assert await host.wait() == 0
        assert bare.traces() == []  # the download went, too
        assert host.complained == ""
    receipt = await house.relay.session(session)
    assert receipt.removal == "confirmed"


async def test_a_killed_one_comes_back_and_takes_away_what_the_first_unpacked(
    house: House, bare: BareRoot
) -> None:
    prepared = await house.relay.prepare(CUSTOMER)
    async with open_host(start(bare, prepared.link.url()), bare.home, **bare.environment) as host:
        await activate(house, prepared, host)
        host.send(signal.SIGKILL)  # the one that waits; the other one ends by itself
        await host.wait()
        await host.hear("stops for now")
    (left,) = bare.scratch.glob("_MEI*")
    (entry,) = (bare.home / ".config/autostart").iterdir()
    (line,) = re.findall("^Exec=(.*)$", entry.read_text(), re.MULTILINE)
    command = bare.command(*re.findall('"([^"]*)"', line))  # without a display it talks in the terminal
    async with open_host(command, bare.home, **bare.environment) as host:
        await host.hear("Connected for support")
        assert not left.exists()
        await house.relay.end(prepared.session.id)
        assert await host.wait() == 0
        assert bare.traces() == []


async def test_what_was_unpacked_before_a_manifest_could_be_goes_with_the_next_session(
    house: House, bare: BareRoot
) -> None:
    left = bare.scratch / "_MEI00003201abc123"
    (left / "deep").mkdir(parents=True)
    (left / linux_entry.MARKER).write_text("")
    (left / "deep" / "library.so").write_text("")
    foreign = bare.scratch / "_MEI00003202xyz789"
    foreign.mkdir()
    prepared = await house.relay.prepare(CUSTOMER)
    async with open_host(start(bare, prepared.link.url()), bare.home, **bare.environment) as host:
        await activate(house, prepared, host)
        await house.relay.end(prepared.session.id)
        assert await host.wait() == 0
    assert bare.traces() == ["tmp/_MEI00003202xyz789"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_before_the_session_leaves_nothing(
    house: House, bare: BareRoot, number: signal.Signals
) -> None:
    prepared = await house.relay.prepare(CUSTOMER)
    async with open_host(start(bare, prepared.link.url()), bare.home, **bare.environment) as host:
        await host.hear("code: $")
        host.send(number)
        await host.wait()
        assert bare.traces() == []


async def test_it_brings_its_own_window(house: House, bare: BareRoot, sidecar: Any) -> None:
    if not sidecar["window"]:
        pytest.skip("the Python that builds has no Tk")
    bare.add_fonts()
    prepared = await house.relay.prepare(CUSTOMER)
    command = bare.command("/home/adhoc-host-linux", prepared.link.url())
    search = ["xdotool", "search", "--sync", "--onlyvisible", "--class", "Adhoc-host"]
    async with (
        open_xvfb(800, 600) as desktop,
        open_host(command, bare.home, display=desktop.display, **bare.environment) as host,
    ):
        with trio.fail_after(60):
            await trio.run_process(search, env=desktop.environment, capture_stdout=True)
        host.send(signal.SIGTERM)
        await host.wait()
        assert host.complained == ""
        assert bare.traces() == []
