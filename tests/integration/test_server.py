"""The whole relay in a process of its own, asked over real sockets, killed, and started again."""

import os
import re
import signal
import sqlite3
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from relay.protocol.links import encode_base64url
from tests.helpers.certificates import make_certificate

pytestmark = [pytest.mark.slow, pytest.mark.sockets]

PREPARE = {"invite": encode_base64url(bytes(range(16))), "customer_email": "ana@example.com"}


class Relay:
    """A running relay: its process, and what it said on standard output when it was up."""

    def __init__(self, data: Path, *arguments: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ADHOC_")}
        self.log = data.with_suffix(".log")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "relay", "up", "--listen", "127.0.0.1:0", "--data", str(data)),
                    *("--metrics-listen", "127.0.0.1:0", "--log-format", "json", *arguments),
                ],
                env=kept,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self.process.stdout is not None
        self.origin = self._said("The relay is up: (.+)")
        self.metrics = self._said("Metrics: (.+)")

    def _said(self, pattern: str) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        match = re.fullmatch(pattern, line.rstrip())
        assert match is not None, (line, self.log.read_text())
        return match[1]

    def sign_in_link(self) -> str:
        """The link that it printed."""
        return self._said("Sign in, once and within an hour: (.+)")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def running(data: Path, *arguments: str) -> Iterator[Relay]:
    """A relay, that is gone afterwards whatever happens."""
    relay = Relay(data, *arguments)
    try:
        yield relay
    finally:
        relay.process.kill()
        relay.process.communicate(timeout=20)


@contextmanager
def signed_in(relay: Relay, link: str, verify: ssl.SSLContext | bool = True) -> Iterator[httpx.Client]:
    """A client like the console's page, after it has used the sign-in link."""
    origin, _, token = link.partition("/sign-in#")
    assert origin == relay.origin
    headers = {"X-Adhoc-Csrf": "1", "Origin": origin}
    with httpx.Client(base_url=origin, headers=headers, verify=verify, trust_env=False) as client:
        assert client.post("/api/v1/sign-in/link", json={"token": token}).status_code == 200
        yield client


def test_from_sign_in_link_to_end(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data, "--company", "Help Ltd") as relay:
        link = relay.sign_in_link()
        with signed_in(relay, link) as client:
            assert client.get("/api/v1/me").json()["company"]["name"] == "Help Ltd"
            invite_link = f"{relay.origin}/d/{PREPARE['invite']}#{'A' * 22}.secretpassword"
            prepared = client.post("/api/v1/sessions", json=PREPARE | {"link": invite_link})
            assert prepared.status_code == 201
            assert prepared.json()["mail"]["state"] == "outbox"
            session = prepared.json()["session"]["id"]
            second = client.post("/api/v1/sessions", json=PREPARE | {"invite": "B" * 21 + "A"})
            assert (second.status_code, second.json()["limit"]) == (409, "sessions_per_technician")
            assert (
                httpx.get(f"{relay.origin}/api/v1/links/{PREPARE['invite']}").json()["company"] == "Help Ltd"
            )
            ended = client.post(f"/api/v1/sessions/{session}/end", json={})
            assert ended.json()["session"]["state"] == "ended"
            assert httpx.get(f"{relay.origin}/api/v1/links/{PREPARE['invite']}").status_code == 404
            families = list(text_string_to_metric_families(httpx.get(relay.metrics).text))
            assert {"relay_sessions", "relay_connections", "relay_event_loop_lag_seconds"} <= {
                family.name for family in families
            }
        assert httpx.get(f"{relay.origin}/metrics").status_code == 404
        assert relay.stop() == 0
    log = relay.log.read_text()
    for secret in ("secretpassword", link.partition("#")[2], PREPARE["invite"], "127.0.0.1:5", "ana@"):
        assert secret not in log
    assert '"route": "/api/v1/sessions/{id}/end"' in log
    assert (data / "relay.db").stat().st_mode & 0o077 == 0
    assert data.stat().st_mode & 0o077 == 0


def test_sessions_and_sign_ins_survive_a_kill(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as relay:
        with signed_in(relay, relay.sign_in_link()) as client:
            session = client.post("/api/v1/sessions", json=PREPARE).json()["session"]["id"]
            cookies = dict(client.cookies)
        assert relay.stop(signal.SIGKILL) == -signal.SIGKILL
    with running(data, "--print-link") as relay:
        assert relay.sign_in_link().startswith(relay.origin)
        with httpx.Client(base_url=relay.origin, cookies=cookies, trust_env=False) as client:
            found = client.get("/api/v1/sessions").json()["sessions"]
            assert [(each["id"], each["state"]) for each in found] == [(session, "prepared")]
        assert relay.stop(signal.SIGINT) == 0
    with sqlite3.connect(data / "relay.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()


def test_a_later_run_prints_no_link_but_the_command_does(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as relay:
        first = relay.sign_in_link()
        assert relay.stop() == 0
    with running(data) as relay:
        command = [sys.executable, "-m", "relay", "sign-in-link", "--data", str(data)]
        made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        link = made.stdout.strip()
        assert link != first
        with signed_in(relay, link) as client:
            assert client.get("/api/v1/me").status_code == 200
        other = subprocess.run(
            [*command[:3], "up", "--listen", "127.0.0.1:0", "--data", str(data)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert other.returncode == 2
        assert other.stderr == f"relay: Another relay is running on the folder {data}.\n"
        assert relay.stop() == 0
        assert relay.process.stdout is not None
        assert relay.process.stdout.read() == ""


def test_a_prepared_session_lapses_by_the_clock(tmp_path: Path) -> None:
    with (
        running(tmp_path / "data", "--preparation-timeout", "1") as relay,
        signed_in(relay, relay.sign_in_link()) as client,
    ):
        session = client.post("/api/v1/sessions", json=PREPARE).json()["session"]["id"]
        state = ""
        while state != "ended":  # the test's own timeout ends this if the relay does not
            answer = client.get(f"/api/v1/sessions/{session}").json()["session"]
            state = answer["state"]
        assert answer["end_reason"] == "lapsed"


def test_tls_is_1_2_or_newer(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    arguments = ("--tls-cert", str(certificate.certificate), "--tls-key", str(certificate.key))
    with running(tmp_path / "data", *arguments) as relay:
        assert relay.origin.startswith("https://")
        context = certificate.client_context()
        with signed_in(relay, relay.sign_in_link(), context) as client:
            assert set(client.cookies) == {"__Host-adhoc_session", "__Host-adhoc_known"}
            assert client.get("/healthz").headers["strict-transport-security"]
        old = certificate.client_context()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert httpx.get(f"{relay.origin}/healthz", verify=old, trust_env=False).status_code == 200
        plain = relay.origin.replace("https://", "http://")
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{plain}/healthz", trust_env=False)
        assert relay.stop() == 0
