"""Signing in with a second factor, by the library and by the command, at a real relay."""

import time
from pathlib import Path

import httpx
import pyotp
import pytest

from relay.roster import issue_sign_in_link
from relay.server import Running
from technician.errors import RelayRefused
from technician.models import Challenge
from technician.relay_client import open_relay_client, split_sign_in_link
from tests.technician.conftest import OpenRelay, signed_in
from tests.technician.test_cli import Command

pytestmark = [pytest.mark.sockets, pytest.mark.slow]


async def set_up_totp(running: Running) -> tuple[str, list[str]]:
    """The owner's authenticator app: the code of the step after this one, and recovery codes."""
    async with signed_in(running) as relay:
        name, _, value = (relay.cookie or "").partition("=")
        headers = {"X-Adhoc-Csrf": "1"}
        async with httpx.AsyncClient(base_url=running.origin, cookies={name: value}, headers=headers) as http:
            secret = (await http.post("/api/v1/me/totp", json={})).json()["secret"]
            app, now = pyotp.TOTP(secret), time.time()
            confirmed = await http.post("/api/v1/me/totp/confirm", json={"code": app.at(now)})
            return app.at(now + 30), confirmed.json()["recovery_codes"]


async def test_a_code_finishes_a_sign_in(open_relay: OpenRelay, tmp_path: Path) -> None:
    async with open_relay() as running:
        code, _ = await set_up_totp(running)
        link = await issue_sign_in_link(tmp_path / "relay", email=None, origin=running.origin)
        async with open_relay_client(running.origin) as relay:
            challenge = await relay.sign_in_by_token(split_sign_in_link(link)[1] or "")
            assert isinstance(challenge, Challenge)
            assert challenge.ways == ["totp", "recovery"]
            assert relay.cookie is None
            with pytest.raises(RelayRefused):
                await relay.finish_sign_in(challenge, "no-such-code")
            await relay.finish_sign_in(challenge, code)
            assert (await relay.me()).origin == running.origin


async def test_the_command_asks_for_it(open_relay: OpenRelay, tmp_path: Path) -> None:
    async with open_relay() as running:
        _, recovery_codes = await set_up_totp(running)
        link = await issue_sign_in_link(tmp_path / "relay", email=None, origin=running.origin)
        command = Command(tmp_path / "settings")
        done = await command.run("sign-in", link, stdin=f"{recovery_codes[0]}\n")
        assert done.returncode == 0, done.stderr
        assert b"Signed in at" in done.stderr
