"""`relay doctor`: each check with something that is really wrong."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult
from pydantic import SecretStr

from relay import doctor
from relay.auth import load_or_make_relay_key
from relay.config import Config, ListenAddress, SmtpServer
from relay.doctor import Finding, Verdict, examine
from relay.downloads import Target
from relay.store.engine import newest_revision
from tests.helpers.certificates import make_certificate
from tests.helpers.host_files import publish
from tests.helpers.relays import open_relay

pytestmark = [pytest.mark.sockets, pytest.mark.slow]


def settings(**fields: object) -> Config:
    return Config.model_validate(fields)


def assert_found(finding: Finding, verdict: Verdict, sentence: str) -> None:
    assert finding.verdict is verdict, finding
    assert sentence in finding.sentence
    assert bool(finding.advice) == (verdict is not Verdict.OK)


# The machine


def test_a_missing_folder_is_no_problem_where_it_can_be_made(tmp_path: Path) -> None:
    assert_found(doctor.check_folder(tmp_path / "new" / "data"), Verdict.OK, "will be made")


def test_a_folder_that_is_a_file_fails(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert_found(doctor.check_folder(tmp_path / "data"), Verdict.FAILED, "cannot be written")


def test_a_folder_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert_found(doctor.check_folder(tmp_path), Verdict.WARNING, "Other users")
    tmp_path.chmod(0o700)
    assert_found(doctor.check_folder(tmp_path), Verdict.OK, "only by its owner")


@pytest.mark.parametrize(
    ("free", "verdict"), [(1 << 20, Verdict.FAILED), (500 << 20, Verdict.WARNING), (2 << 30, Verdict.OK)]
)
def test_a_full_disk_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, verdict: Verdict
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    assert doctor.check_space(tmp_path / "not there yet").verdict is verdict


def test_a_damaged_database_fails(tmp_path: Path) -> None:
    (tmp_path / "relay.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    assert_found(doctor.check_store(tmp_path), Verdict.FAILED, "cannot be used")


@pytest.mark.parametrize(
    ("revision", "verdict", "sentence"),
    [
        ("9999", Verdict.FAILED, "newer relay"),
        ("0001", Verdict.OK, "brought up to date"),
        (newest_revision(), Verdict.OK, "whole and up to date"),
    ],
)
def test_the_databases_revision_is_looked_at(
    tmp_path: Path, revision: str, verdict: Verdict, sentence: str
) -> None:
    with sqlite3.connect(tmp_path / "relay.db") as db:
        db.execute("CREATE TABLE alembic_version (version_num TEXT)")
        db.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
    assert_found(doctor.check_store(tmp_path), verdict, sentence)


def test_a_key_that_others_can_read_fails(tmp_path: Path) -> None:
    load_or_make_relay_key(tmp_path / "relay.key")
    assert_found(doctor.check_key(tmp_path), Verdict.OK, "nobody else")
    (tmp_path / "relay.key").chmod(0o644)
    assert_found(doctor.check_key(tmp_path), Verdict.FAILED, "chmod 600")


# What the settings name


def test_certificates_are_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_certificate(tmp_path)
    made.key.chmod(0o600)
    both = {"tls_cert": made.certificate, "tls_key": made.key}
    good = settings(**both)
    assert_found(doctor.check_certificate(good), Verdict.WARNING, "ends on")  # it is good for a day
    monkeypatch.setattr(doctor, "CERTIFICATE_NOTICE", timedelta(hours=1))
    assert_found(doctor.check_certificate(good), Verdict.OK, "for 127.0.0.1")
    elsewhere = settings(**both, public_url="https://support.example.com")
    assert_found(doctor.check_certificate(elsewhere), Verdict.FAILED, "not for support.example.com")
    made.key.chmod(0o644)
    assert_found(doctor.check_certificate(good), Verdict.WARNING, "Other users")
    made.key.write_text("no key")
    assert_found(doctor.check_certificate(good), Verdict.FAILED, "cannot be used")


def test_a_certificate_that_is_out_of_date_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_certificate(tmp_path)

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # only ever asked in UTC
            return datetime.now(UTC) + timedelta(days=2)

    monkeypatch.setattr(doctor, "datetime", Tomorrow)
    found = doctor.check_certificate(settings(tls_cert=made.certificate, tls_key=made.key))
    assert_found(found, Verdict.FAILED, "out of date")


class Refusing:
    def __call__(self, *arguments: object) -> AuthResult:
        return AuthResult(success=False, handled=False)


class Accepting:
    def __call__(self, *arguments: object) -> AuthResult:
        return AuthResult(success=True)


@contextmanager
def mail_server(authenticator: object) -> Iterator[int]:
    server = Controller(
        object(),
        hostname="127.0.0.1",
        port=0,
        authenticator=authenticator,
        auth_require_tls=False,
    )
    # aiosmtpd's controller connects to the port it was told to see whether it is up; 0 is none.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        server.port = probe.getsockname()[1]
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


def mail_settings(port: int) -> Config:
    server = SmtpServer("127.0.0.1", port, "none", "relay", SecretStr("secret"))
    return settings(smtp_url=server, mail_from="relay@example.com")


def test_no_mail_server_is_a_warning() -> None:
    assert_found(doctor.check_mail(settings()), Verdict.WARNING, "No mail server")


def test_a_mail_server_that_lets_us_in_is_fine() -> None:
    with mail_server(Accepting()) as port:
        assert_found(doctor.check_mail(mail_settings(port)), Verdict.OK, "lets the relay in")


def test_a_mail_server_that_refuses_the_password_fails_without_telling_it() -> None:
    with mail_server(Refusing()) as port:
        found = doctor.check_mail(mail_settings(port))
    assert_found(found, Verdict.FAILED, "refuses user or password")
    assert "secret" not in repr(found)


def test_a_mail_server_without_starttls_fails() -> None:
    with mail_server(Accepting()) as port:
        server = SmtpServer("127.0.0.1", port, "starttls", "", SecretStr(""))
        found = doctor.check_mail(settings(smtp_url=server, mail_from="relay@example.com"))
    assert_found(found, Verdict.FAILED, "STARTTLS")


def test_no_mail_server_at_its_address_fails() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        assert_found(
            doctor.check_mail(mail_settings(nobody.getsockname()[1])), Verdict.FAILED, "cannot be used"
        )


def test_missing_host_files_fail(tmp_path: Path) -> None:
    (found,) = doctor.check_host_files(settings(downloads=tmp_path))
    assert_found(found, Verdict.FAILED, "can download nothing")


def test_each_host_file_is_told_of_by_its_target(tmp_path: Path) -> None:
    publish(tmp_path, Target.WINDOWS, signer="Example IT")
    publish(tmp_path, Target.PYTHON, sha256="0" * 64)
    windows, linux, python = doctor.check_host_files(settings(downloads=tmp_path))
    assert_found(windows, Verdict.OK, "signed by Example IT")
    assert_found(linux, Verdict.WARNING, "can download nothing")
    assert_found(python, Verdict.FAILED, "size or SHA-256 differ")
    assert python.subject == "host file, python"


@pytest.mark.parametrize(
    ("facts", "verdict", "words"),
    [
        ({"glibc": "2.34", "window": True}, Verdict.OK, "SHA-256"),
        ({"glibc": "2.36", "window": True}, Verdict.WARNING, "needs C library 2.36"),
        ({"glibc": "2.4"}, Verdict.OK, "SHA-256"),
        ({"glibc": "2.28", "window": False}, Verdict.WARNING, "no window"),
    ],
)
def test_a_file_for_linux_says_who_cannot_use_it(
    tmp_path: Path, facts: dict[str, Any], verdict: Verdict, words: str
) -> None:
    publish(tmp_path, Target.LINUX, **facts)
    _, linux, _ = doctor.check_host_files(settings(downloads=tmp_path))
    assert_found(linux, verdict, words)


# The network


class Stranger(BaseHTTPRequestHandler):
    """Answers like a relay to whoever asks for its health, and to nothing else."""

    body = b'{"status":"ok"}'
    date = ""

    def do_GET(self) -> None:
        self.send_response_only(200 if self.path == "/healthz" else 400)
        self.send_header("Date", self.date or self.date_time_string())
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: standard error is the test's."""


@contextmanager
def stranger(**fields: object) -> Iterator[Config]:
    """A web server that is no relay, and settings that take it for one."""
    with ThreadingHTTPServer(("127.0.0.1", 0), type("It", (Stranger,), fields)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield settings(listen=ListenAddress("127.0.0.1", server.server_port))
        finally:
            server.shutdown()
            thread.join()


def test_a_port_that_another_program_holds_fails() -> None:
    with stranger(body=b"hello") as config:
        assert_found(doctor.check_port(config), Verdict.FAILED, "Another program")
        origin = config.origin_at(config.listen.port)
        assert_found(doctor.check_public_url(origin), Verdict.FAILED, "Something else answers")


def test_a_free_port_is_fine_and_a_foreign_address_is_not() -> None:
    assert_found(
        doctor.check_port(settings(listen="127.0.0.1:0")), Verdict.OK, "is free; the relay is not running"
    )
    foreign = settings(listen="192.0.2.1:8080", public_url="https://support.example.com")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(doctor, "PATIENCE", 0.2)  # packets to a documentation address go nowhere
        assert doctor.check_port(foreign).verdict is Verdict.FAILED


def test_a_clock_that_is_wrong_fails() -> None:
    with stranger(date="Mon, 03 Jan 2000 00:00:00 GMT") as config:
        found = doctor.check_public_url(config.origin_at(config.listen.port))
    assert_found(found, Verdict.FAILED, "clock")


def test_a_proxy_that_lets_no_websocket_through_fails() -> None:
    with stranger() as config:
        origin = config.origin_at(config.listen.port)
        assert_found(doctor.check_public_url(origin), Verdict.OK, "answers at")
        assert_found(doctor.check_websocket(origin), Verdict.FAILED, "lets no WebSocket through")


def test_nobody_at_the_public_address_fails() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        assert_found(doctor.check_public_url(origin), Verdict.FAILED, "cannot be reached")


async def test_a_running_relay_is_found_well(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with open_relay(data) as house:
        listen = house.origin.removeprefix("http://")
        findings = await trio.to_thread.run_sync(lambda: list(examine(settings(data=data, listen=listen))))
    found = {finding.subject: finding for finding in findings}
    assert_found(found["port"], Verdict.OK, "The relay is running")
    assert_found(found["public URL"], Verdict.OK, "answers")
    assert_found(found["WebSocket"], Verdict.OK, "Hosts and viewers can connect")
    assert_found(found["store"], Verdict.OK, "up to date")


def test_the_command_tells_machines_too_and_exits_with_1(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        sys.executable,
        "-m",
        "relay",
        "doctor",
        "--data",
        str(tmp_path),
        "--listen",
        address,
        "--json",
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ADHOC_")}
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    assert run.returncode == 1, run.stderr
    found = {finding["subject"]: finding for finding in json.loads(run.stdout)}
    assert found["host file"]["verdict"] == "failed"
    assert found["port"]["verdict"] == "ok"
    assert found["public URL"]["verdict"] == "warning"
