"""docs/api.md: its story with curl, word for word, against a running relay."""

import os
import re
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.helpers.relay_process import RelayProcess

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

DOCUMENT = Path(__file__).parents[2] / "docs" / "api.md"


def test_the_story_in_the_documents_is_true(tmp_path: Path) -> None:
    (story,) = re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    relay = RelayProcess(tmp_path / "relay", ())
    try:
        headers = {"X-Adhoc-Csrf": "1"}
        with httpx.Client(base_url=relay.origin, headers=headers, trust_env=False) as client:
            link = relay.sign_in_link.partition("#")[2]
            client.post("/api/v1/sign-in/link", json={"token": link}).raise_for_status()
            body = {"name": "Story", "scopes": ["sessions.read", "sessions.use"], "days": 1}
            token = client.post("/api/v1/me/tokens", json=body).raise_for_status().json()["token"]
            done = subprocess.run(
                ["sh", "-eu", "-c", story],
                capture_output=True,
                text=True,
                timeout=60,
                env={**os.environ, "RELAY": relay.origin, "TOKEN": token, "NO_PROXY": "127.0.0.1"},
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert '"note":"ticket 4711"' in done.stdout
            (session,) = client.get("/api/v1/sessions?state=ended").json()["sessions"]
    finally:
        relay.stop()
    assert (session["end_reason"], session["customer_email"]) == ("technician", "ana@example.com")
