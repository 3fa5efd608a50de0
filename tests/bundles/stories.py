"""What the tests of the different host files share."""

import subprocess
import sys
from pathlib import Path

import trio

from relay.protocol.link_blob import write_link
from technician.models import PreparedSession
from technician.pairing import PairingEvents, pair
from tests.helpers.relays import House
from tests.host.host_program import HostProgram

ROOT = Path(__file__).parent.parent.parent


def build_host(target: str, out: Path, *options: str) -> str:
    """Build as a person does, from another folder; what was said about it."""
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "relay",
        "build-host",
        "--target",
        target,
        "--out",
        out,
        *options,
    ]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_link_into(file: Path, blob: dict[str, int], link: str) -> None:
    """What the customer's page does before it saves the file."""
    with file.open("r+b") as opened:
        opened.seek(blob["offset"])
        region = opened.read(blob["size"])
        opened.seek(blob["offset"])
        opened.write(write_link(region, link))


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
