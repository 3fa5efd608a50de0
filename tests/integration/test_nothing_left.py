"""A whole session on a computer of its own, and then a search of its disk and its services: nothing is left.

Services are those of a systemctl that keeps their files as the real one does; systemd itself does not run.
"""

import re
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from peer.messages import MessageStream
from relay.protocol.frames import Channel
from relay.protocol.maps import encode_map
from technician.attaching import open_tool
from technician.errors import ToolFailed
from technician.models import PreparedSession
from technician.pairing import PairingEvents, pair
from technician.requests import RequestClient
from technician.restart import ask_restart
from tests.helpers.host_process import HOST_FILE
from tests.helpers.overlay_root import OverlayRoot, Unavailable, open_overlay_root
from tests.helpers.relays import CUSTOMER, House, open_relay
from tests.host.host_program import HostProgram, open_host
from tests.host.test_killed_removal import exec_of, exec_start_of

pytestmark = [pytest.mark.slow, pytest.mark.sockets]

PYTHON = str(Path(sys.executable).resolve())
ANA = 1000
SYSTEMCTL = """#!/bin/sh
[ "$1" = --no-ask-password ] && shift
case "$1" in
    show) [ -e "/etc/systemd/system/$4" ] && echo loaded || echo not-found ;;
    reboot) echo reboot >> /run/asked ;;
    list-unit-files) ls /etc/systemd/system /etc/systemd/system/*.wants ;;
    *) ;;
esac
"""


@pytest.fixture
def computer(tmp_path: Path) -> Iterator[OverlayRoot]:
    if not HOST_FILE.exists():
        pytest.skip("build/adhoc-host.pyz has not been built")
    folder = tmp_path / "computer"
    folder.mkdir()
    try:
        with open_overlay_root(folder) as computer:
            yield computer
    except Unavailable as exc:
        pytest.skip(str(exc))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_relay(tmp_path / "relay") as house:
        yield house


async def activate(
    house: House, prepared: PreparedSession, host: HostProgram, stored: list[bytes] | None = None
) -> None:
    keys = [] if stored is None else stored
    events = PairingEvents(say=lambda _: None, show_code=lambda _: None, store=keys.append)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(
            pair, house.relay, prepared.session.id, prepared.link, prepared.security_code, events
        )
        await host.enter_code(prepared.security_code)
    await host.hear("Connected for support")


async def wait_online(house: House, prepared: PreparedSession) -> None:
    with trio.fail_after(60):
        while True:
            session = await house.relay.session(prepared.session.id)
            if session.host is not None and session.host.online:
                return
            await trio.sleep(0.1)


@pytest.mark.parametrize("ending", ["technician", "customer", "given up"])
async def test_roots_service_leaves_nothing(
    tmp_path: Path, computer: OverlayRoot, house: House, ending: str
) -> None:
    computer.write("/usr/bin/systemctl", SYSTEMCTL, mode="755")
    computer.run("mkdir", "-p", "/run/systemd/system", "/etc/systemd/system/multi-user.target.wants")
    before = computer.traces()
    services = computer.run("systemctl", "list-unit-files")
    computer.run("cp", str(HOST_FILE.absolute()), "/root/adhoc-host.pyz")
    prepared = await house.relay.prepare(CUSTOMER)
    start = computer.command(PYTHON, "-I", "/root/adhoc-host.pyz", prepared.link.url(), "--terminal")
    home = tmp_path / "unused"
    home.mkdir()
    async with open_host(start, home, HOME="/root", TMPDIR="/tmp") as host:
        if ending == "given up":
            await host.hear("code: $")
            host.send(signal.SIGINT)
            await host.wait()
            assert computer.traces() == before
            return
        await activate(house, prepared, host)
        (unit,) = [path for path in computer.traces() if path.endswith(".service") and "wants" not in path]
        assert unit.startswith("/etc/systemd/system/adhoc-host-")
        assert computer.run("stat", "-c", "%a %u", "/var/lib/adhoc-host").split() == ["700", "0"]
        assert host.traces() == []
        host.send(signal.SIGKILL)  # the power fails
        await host.wait()
    script = exec_start_of(computer.run("cat", unit))
    boot = computer.command("/bin/sh", "-c", script)
    # Nobody has signed in yet: there is no desktop, and nobody to ask.
    async with open_host(boot, home, display="", HOME="/", TMPDIR="/tmp") as host:
        await wait_online(house, prepared)
        if ending == "technician":
            await house.relay.end(prepared.session.id)
        else:
            host.send(signal.SIGTERM)  # the computer goes down, and the session ends meanwhile
            assert await host.wait() == 0
            assert unit in computer.traces()
            await house.relay.end(prepared.session.id)
            async with open_host(boot, home, display="", HOME="/", TMPDIR="/tmp") as again:
                assert await again.wait() in (0, 1)
        if ending == "technician":
            assert await host.wait() == 0
        assert host.complained == ""
    assert computer.traces() == before
    assert computer.run("systemctl", "list-unit-files") == services


async def test_a_customers_session_leaves_nothing(
    tmp_path: Path, computer: OverlayRoot, house: House
) -> None:
    computer.run("mkdir", "-p", "/home/ana")
    computer.run("chown", f"{ANA}:{ANA}", "/home/ana")
    computer.run("chmod", "1777", "/tmp")
    for folder in reversed(Path(PYTHON).parents):  # an interpreter in root's home folder
        computer.run("chmod", "o+x", str(folder))
    before = computer.traces()
    computer.run("cp", str(HOST_FILE.absolute()), "/home/ana/adhoc-host.pyz")
    computer.run("chown", f"{ANA}:{ANA}", "/home/ana/adhoc-host.pyz")
    prepared = await house.relay.prepare(CUSTOMER)
    file = "/home/ana/adhoc-host.pyz"
    start = computer.command(PYTHON, "-I", file, prepared.link.url(), "--terminal", user=ANA)
    home = tmp_path / "unused"
    home.mkdir()
    async with open_host(start, home, HOME="/home/ana", TMPDIR="/tmp") as host:
        await activate(house, prepared, host)
        host.send(signal.SIGKILL)
        await host.wait()
    (entry,) = [path for path in computer.traces() if path.endswith(".desktop")]
    script = exec_of(computer.run("cat", entry))
    assert re.search(r"--resume /home/ana/\.local/share/adhoc-host/[0-9a-f]{16}; ", script)
    sign_in = computer.command("/bin/sh", "-c", script.replace("--resume", "--terminal --resume"), user=ANA)
    async with open_host(sign_in, home, HOME="/home/ana", TMPDIR="/tmp") as host:
        await host.hear("Connected for support")
        host.send(signal.SIGINT)
        await host.hear("The support program was removed")
        assert await host.wait() == 0
        assert host.complained == ""
    assert computer.traces() == before
    session = await house.relay.session(prepared.session.id)
    assert (session.end_reason, session.removal) == ("customer", "confirmed")


async def test_a_technician_restarts_the_computer_and_it_comes_back(
    tmp_path: Path, computer: OverlayRoot, house: House
) -> None:
    computer.write("/usr/bin/systemctl", SYSTEMCTL, mode="755")
    computer.run("mkdir", "-p", "/run/systemd/system", "/etc/systemd/system/multi-user.target.wants")
    computer.run("cp", str(HOST_FILE.absolute()), "/root/adhoc-host.pyz")
    prepared = await house.relay.prepare(CUSTOMER)
    home = tmp_path / "unused"
    home.mkdir()
    start = computer.command(PYTHON, "-I", "/root/adhoc-host.pyz", prepared.link.url(), "--terminal")
    stored: list[bytes] = []
    async with open_host(start, home, HOME="/root", TMPDIR="/tmp") as host:
        await activate(house, prepared, host, stored)

        @asynccontextmanager
        async def restarting() -> AsyncIterator[RequestClient]:
            password = prepared.link.access_password
            claims = encode_map({"act": "restart"})
            async with open_tool(
                house.relay, prepared.session.id, Channel.CONTROL, stored[0], password, claims=claims
            ) as stream:
                yield RequestClient(MessageStream(stream))

        async def refuse() -> None:
            await host.hear("is about to restart this computer")
            await host.hear("refuse: $")
            await host.type("no")

        async with restarting() as client, trio.open_nursery() as nursery:
            nursery.start_soon(refuse)
            with pytest.raises(ToolFailed, match="said no"):
                await ask_restart(client, "normal")
        async with restarting() as client:  # the technician thinks better of it
            await client.ask("restart", mode="normal")
            await host.hear("is about to restart this computer")
        async with restarting() as client:
            assert await ask_restart(client, "normal") == "boot"
        assert computer.run("cat", "/run/asked") == "reboot\n"
        host.send(signal.SIGTERM)  # as the system does on its way down
        await host.wait()
    (unit,) = [path for path in computer.traces() if path.endswith(".service") and "wants" not in path]
    boot = computer.command("/bin/sh", "-c", exec_start_of(computer.run("cat", unit)))
    async with open_host(boot, home, display="", HOME="/", TMPDIR="/tmp") as host:
        await wait_online(house, prepared)
        await house.relay.end(prepared.session.id)
        assert await host.wait() == 0
