"""The ``relay`` command in a process of its own, which may be killed and started again where it was."""

import base64
import json
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

from prometheus_client.parser import text_string_to_metric_families

from tests.helpers.programs import PATIENCE, Program

COMPANY = "Acme Support"
TECHNICIAN = "Tess Technician"
PHONE = "+34 600 000 000"


class RelayProcess:
    """A relay on 127.0.0.1 with its data in `data`.

    Args:
        data: its folder, kept when it is killed.
        options: further arguments of ``relay up``, the same at every start.
        public_url: what links begin with; by default, where it listens.
        downloads: the folder of the host's file.
        tuning: other deadlines than people can set, for `tests.helpers.tuned_relay`.
    """

    def __init__(
        self,
        data: Path,
        options: Sequence[str] = (),
        *,
        public_url: str | None = None,
        downloads: Path | None = None,
        tuning: Mapping[str, object] | None = None,
    ) -> None:
        self.data = data
        self._command = ["relay"] if tuning is None else ["tests.helpers.tuned_relay", json.dumps(tuning)]
        self._options = [
            *("--data", str(data), "--print-link", "--log-format", "json"),
            *("--metrics-listen", "127.0.0.1:0", "--shutdown-timeout", "2"),
            *("--company", COMPANY, "--company-phone", PHONE, "--owner-name", TECHNICIAN),
            *(("--public-url", public_url) if public_url else ()),
            *(("--downloads", str(downloads)) if downloads else ()),
            *options,
        ]
        self._runs: list[Program] = []
        self._start("127.0.0.1:0")

    def kill(self) -> None:
        """SIGKILL: it cannot tell anybody."""
        self._runs[-1].kill()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process that runs now."""
        self._runs[-1].send(number)

    def wait_gone(self, within: float = PATIENCE) -> int:
        """Its exit code, once it has ended by itself."""
        return self._runs[-1].wait_gone(within)

    def start_again(self) -> None:
        """Start it where it was."""
        self._start(self.address)

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        return self._runs[-1].process.pid

    @property
    def resident_bytes(self) -> int:
        """Its memory now (VmRSS of proc(5))."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def stop(self) -> None:
        """End it, orderly if it still runs."""
        self._runs[-1].stop()

    @property
    def logs(self) -> str:
        """Everything that it has logged, in all its runs."""
        return "".join(run.err.text for run in self._runs)

    def find_kept(self, secrets: Mapping[str, str | bytes]) -> list[str]:
        """Where the relay, which must be running, keeps or says secrets: its data folder, logs and metrics.

        The outbox is not looked into: its purpose is to keep the mail with the link.

        Args:
            secrets: names, and texts or bytes.
        """
        files = [path for path in self.data.rglob("*") if path.is_file() and path.parent.name != "outbox"]
        places = {path.name: path.read_bytes() for path in files}
        places["logs"] = self.logs.encode()
        with urllib.request.urlopen(self.metrics_url, timeout=10) as answer:  # noqa: S310 - our own http URL
            places["metrics"] = answer.read()
        assert b"SQLite" in places["relay.db"]
        assert b"relay_up" in places["logs"]
        assert b"relay_" in places["metrics"]
        return [
            f"{name} in {place}"
            for name, secret in secrets.items()
            for place, content in places.items()
            if any(spelling in content for spelling in _spellings(secret))
        ]

    def find_said(self, words: Mapping[str, str | bytes]) -> list[str]:
        """Where the running relay says in logs or metrics what only its database should hold.

        Args:
            words: names, and addresses or other personal data.
        """
        return [found for found in self.find_kept(words) if found.endswith((" in logs", " in metrics"))]

    def sample(self, name: str, **labels: str) -> float:
        """One of its metrics now; 0 if it was never counted."""
        with urllib.request.urlopen(self.metrics_url, timeout=PATIENCE) as answer:  # noqa: S310 - our own
            text = answer.read().decode()
        for family in text_string_to_metric_families(text):
            for found in family.samples:
                if found.name == name and found.labels == labels:
                    return float(found.value)
        return 0.0

    def renew_sign_in_link(self) -> None:
        """Make a fresh `sign_in_link`, as ``relay sign-in-link`` prints it beside the running relay."""
        command = [sys.executable, "-m", "relay", "sign-in-link", "--data", str(self.data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        self.sign_in_link = done.stdout.strip()

    def add_technician(self, name: str, email: str, *, role: str = "technician") -> str:
        """Add somebody beside the running relay; a link that signs them in."""
        command = [sys.executable, "-m", "relay", "technician", "add", "--data", str(self.data)]
        command += ["--name", name, "--email", email, "--role", role]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return f"{self.origin}/sign-in#{done.stdout.strip().partition('#')[2]}"

    def _start(self, listen: str) -> None:
        run = Program([sys.executable, "-m", *self._command, "up", "--listen", listen, *self._options])
        self._runs.append(run)
        try:
            link = run.out.wait_for(r"((http\S+)/sign-in#\S+)\n", within=60)
            log = run.err.wait_for(r'"listen": "([\d.:]+)"')
            metrics = run.out.wait_for(r"Metrics: (http\S+)\n")
        except AssertionError:
            run.stop()
            raise
        self.sign_in_link, self.origin = link.groups()
        self.address = log.group(1)
        self.metrics_url = metrics.group(1)


def _spellings(secret: str | bytes) -> list[bytes]:
    """The ways in which a secret could have been written down."""
    if isinstance(secret, bytes):
        text = base64.urlsafe_b64encode(secret).rstrip(b"=")
        return [secret, secret.hex().encode(), text, base64.b64encode(secret).rstrip(b"=")]
    found = [secret.encode(), quote(secret).encode()]
    if re.fullmatch(r"\d{9}", secret):
        found += [f"{secret[:3]}{space}{secret[3:6]}{space}{secret[6:]}".encode() for space in " -"]
    if re.fullmatch(r"[\w-]{22}|[\w-]{43}", secret):  # base64url of 16 or 32 bytes
        found += _spellings(base64.urlsafe_b64decode(secret + "=" * (-len(secret) % 4)))
    return found
