"""The API of a running relay against its own description, by schemathesis with all its checks.

What it cannot know is allowed for: some values that fit their schema are refused for what they mean (a link
of another relay, a code that is not right), with 422 and the reason beside the field.
"""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.helpers.relay_process import RelayProcess

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

CONFIG = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "422", "429"]
"""
NOT_WITH_THIS_COOKIE = "sign-out|/oidc/|/me/password"
"""What would end the browser's being signed in, and what leads to another site."""


@pytest.fixture
def relay(tmp_path: Path) -> RelayProcess:
    """A relay with its owner."""
    return RelayProcess(tmp_path / "relay", ("--company-plan", "premier"))


@pytest.mark.parametrize("who", ["nobody", "owner"])
def test_every_answer_is_as_described(relay: RelayProcess, tmp_path: Path, who: str) -> None:
    headers = {"X-Adhoc-Csrf": "1"}
    with httpx.Client(base_url=relay.origin, headers=headers, trust_env=False) as client:
        if who == "owner":
            token = relay.sign_in_link.partition("#")[2]
            assert client.post("/api/v1/sign-in/link", json={"token": token}).status_code == 200
            headers["Cookie"] = f"adhoc_session={client.cookies['adhoc_session']}"
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    given = [part for name, value in headers.items() for part in ("--header", f"{name}: {value}")]
    try:
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                "--config-file",
                str(tmp_path / "schemathesis.toml"),
                "run",
                f"{relay.origin}/api/openapi.json",
                *given,
                "--checks=all",
                "--phases=examples,coverage,fuzzing",
                "--max-examples=5",
                "--seed=1",
                f"--exclude-path-regex={NOT_WITH_THIS_COOKIE}",
                "--no-color",
            ],
            capture_output=True,
            text=True,
            timeout=240,
            cwd=tmp_path,
            env={**os.environ, "NO_PROXY": "127.0.0.1"},
            check=False,
        )
    finally:
        relay.stop()
    assert done.returncode == 0, done.stdout[-6000:]
    assert "Tested: " in done.stdout
