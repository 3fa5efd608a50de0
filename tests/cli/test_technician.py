"""``relay technician``: people, from the server's own terminal, beside a relay that runs."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay.accounts import Accounts, AccountSettings
from relay.auth import Sealer
from relay.config import load
from relay.people import TechnicianRole
from relay.protocol.links import decode_base64url
from relay.server import Running, serve
from relay.store import open_store

pytestmark = pytest.mark.slow


def relay(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``relay technician`` in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ADHOC_")}
    return subprocess.run(
        [sys.executable, "-m", "relay", "technician", *arguments, "--data", str(data)],
        env=kept,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a relay that ran before: one company, one owner."""
    trio.run(make_office, tmp_path)
    (tmp_path / "origin").write_text("https://relay.example\n")
    return tmp_path


async def make_office(folder: Path) -> None:
    """A company and its owner, who was here once."""
    async with open_store(folder / "relay.db") as store:
        accounts = Accounts(
            store,
            AccountSettings(),
            now=lambda: datetime.now(UTC),
            sealer=Sealer(Ed25519PrivateKey.generate()),
            origin="https://relay.example",
        )
        company = await accounts.create_company(name="Help Ltd")
        owner = await accounts.create_technician(
            company.id, name="Olive", email="olive@help.example", role=TechnicianRole.OWNER
        )
        await accounts.sign_in_by_link(await accounts.issue_sign_in_link(owner.id))


def refusal(run: subprocess.CompletedProcess[str]) -> str:
    """The one line that says no."""
    assert run.returncode == 2, run.stderr
    assert run.stdout == ""
    (line,) = run.stderr.splitlines()
    return line


def test_somebody_is_added_listed_and_disabled(data: Path) -> None:
    added = relay(data, "add", "--name", "Adam", "--email", "Adam@help.example", "--role", "admin")
    assert added.returncode == 0, added.stderr
    link, _, token = added.stdout.strip().partition("#")
    assert link == "https://relay.example/sign-in"
    assert len(decode_base64url(token, 32)) == 32
    listed = relay(data, "list")
    assert listed.stdout.splitlines() == [
        "Help Ltd\tAdam\tadam@help.example\tadmin\t-\tenabled",
        "Help Ltd\tOlive\tolive@help.example\towner\t-\tenabled",
    ]
    assert relay(data, "disable", "--email", "ADAM@help.example").returncode == 0
    (adam, _) = json.loads(relay(data, "list", "--json").stdout)
    assert (adam["email"], adam["is_disabled"]) == ("adam@help.example", True)
    assert relay(data, "enable", "--email", "adam@help.example").returncode == 0
    (adam, _) = json.loads(relay(data, "list", "--json").stdout)
    assert adam["is_disabled"] is False


def test_a_link_is_printed(data: Path) -> None:
    assert relay(data, "link").stdout.startswith("https://relay.example/sign-in#")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("add", "--name", "Eve", "--email", "olive@help.example"), "with this e-mail address already"),
        (("add", "--name", "Eve", "--email", "eve"), "not an e-mail address"),
        (("add", "--name", "E\u202eve", "--email", "eve@help.example"), "Hidden characters"),
        (("add", "--name", " ", "--email", "eve@help.example"), "A name has 1 to 100"),
        (("add", "--name", "Eve", "--email", "eve@help.example", "--company", "X"), "There is no company X."),
        (("disable", "--email", "olive@help.example"), "at least one owner"),
        (("disable", "--email", "nobody@help.example"), "There is no technician with the address"),
    ],
)
def test_what_cannot_be_done_is_one_line(data: Path, arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in refusal(relay(data, *arguments))


def test_a_folder_without_a_relay_is_one_line(tmp_path: Path) -> None:
    for arguments in (("list",), ("link",), ("disable", "--email", "a@b.example")):
        assert "is not the folder of a relay" in refusal(relay(tmp_path, *arguments))


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    """A relay that runs on the folder."""
    config = load({"data": str(tmp_path), "listen": "127.0.0.1:0"}, {}, None)
    async with trio.open_nursery() as nursery:
        relay_running: Running = await nursery.start(
            lambda task_status: serve(config, task_status=task_status)
        )
        yield relay_running
        relay_running.stop()


@pytest.mark.sockets
async def test_somebody_who_is_disabled_beside_a_running_relay_is_out(
    tmp_path: Path, running: Running
) -> None:
    async def technician(*arguments: str) -> subprocess.CompletedProcess[str]:
        return await trio.to_thread.run_sync(relay, tmp_path, *arguments)

    added = await technician("add", "--name", "Adam", "--email", "adam@help.example")
    token = added.stdout.strip().partition("#")[2]
    async with httpx.AsyncClient(base_url=running.origin, headers={"X-Adhoc-Csrf": "1"}) as adam:
        signed_in = await adam.post("/api/v1/sign-in/link", json={"token": token})
        assert signed_in.status_code == 200
        assert (await adam.get("/api/v1/me")).status_code == 200
        disabled = await technician("disable", "--email", "adam@help.example")
        assert disabled.returncode == 0, disabled.stderr
        assert (await adam.get("/api/v1/me")).status_code == 401
