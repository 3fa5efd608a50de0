"""The command line: a person's mistake is one line and exit code 2, never a traceback."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def relay(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the relay's command in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ADHOC_")}
    return subprocess.run(
        [sys.executable, "-m", "relay", *arguments],
        env=kept | (environment or {}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def assert_refused(run: subprocess.CompletedProcess[str], *sentences: str) -> None:
    assert run.returncode == 2, run.stderr
    assert run.stdout == ""
    lines = run.stderr.splitlines()
    assert len(lines) == len(sentences), lines
    for line, sentence in zip(lines, sentences, strict=True):
        assert line.startswith("relay: ")
        assert sentence in line


def test_bad_settings_are_told_all_at_once(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text('colour = "blue"\n')
    run = relay(
        "up", "--config", str(file), "--session-lifetime", "999999", environment={"ADHOC_LISTEN": "x"}
    )
    assert_refused(run, "ADHOC_LISTEN: must be", "--session-lifetime: ", "colour: there is no such setting")


def test_bad_toml_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    file.write_text("listen = ")
    assert_refused(relay("up", "--config", str(file)), "not valid TOML")


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        run = relay("up", "--listen", address, "--data", str(tmp_path / "data"))
    assert_refused(run, f"Cannot listen on {address}: Address already in use.")


def test_a_metrics_port_in_use_is_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        run = relay(
            "up", "--listen", "127.0.0.1:0", "--metrics-listen", address, "--data", str(tmp_path / "data")
        )
    assert_refused(run, f"Cannot listen on {address}: Address already in use.")


def test_unreadable_certificates_are_one_line(tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("no certificate")
    common = ("up", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data"), "--tls-key", str(rubbish))
    assert_refused(relay(*common, "--tls-cert", "/none.pem"), "/none.pem cannot be read: No such file")
    assert_refused(relay(*common, "--tls-cert", str(rubbish)), "must be a certificate and its key")


def test_a_data_folder_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    run = relay("up", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "file"))
    assert_refused(run, "cannot be used")


def test_a_database_that_is_none_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "relay.db").write_bytes(b"no database at all" * 100)
    assert_refused(relay("up", "--listen", "127.0.0.1:0", "--data", str(tmp_path)), "database cannot be used")


def test_a_sign_in_link_needs_a_relay(tmp_path: Path) -> None:
    assert_refused(relay("sign-in-link", "--data", str(tmp_path)), "is not the folder of a relay")


def test_unknown_options_exit_with_2() -> None:
    run = relay("up", "--colour", "blue")
    assert run.returncode == 2
    assert "Traceback" not in run.stderr


def test_version_is_printed() -> None:
    run = relay("version")
    assert (run.returncode, run.stdout) == (0, "0.1.0\n")


def test_init_writes_a_file_that_explains_itself_and_works(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    run = relay(
        "init", "--config", str(file), "--company", 'Help & "Söhne"', "--owner-email", "ana@help.example"
    )
    assert run.returncode == 0, run.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    assert "# Name of the company made at the first run" in text
    shown = relay("config", "show", "--json", "--config", str(file))
    facts = {fact["name"]: fact for fact in json.loads(shown.stdout)}
    assert facts["company"]["value"] == 'Help & "Söhne"'
    assert facts["company"]["source"] == f"{file}: company"
    assert facts["listen"]["source"] == "default"
    again = relay("init", "--config", str(file))
    assert_refused(again, "is there already; it stays as it is")
    assert file.read_text() == text


def test_init_writes_nothing_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "relay.toml"
    run = relay("init", "--config", str(file), "--listen", "0.0.0.0:80", "--public-url", "http://example.com")
    assert run.returncode == 2
    assert not file.exists()


def test_config_show_tells_no_password(tmp_path: Path) -> None:
    url = "smtp://relay:very-secret@mail.example:587?starttls=1"
    run = relay(
        "config", "show", "--json", environment={"ADHOC_SMTP_URL": url, "ADHOC_MAIL_FROM": "r@help.example"}
    )
    facts = {fact["name"]: fact for fact in json.loads(run.stdout)}
    assert facts["smtp_url"]["value"] == "mail.example:587, starttls, as relay, password set"
    assert facts["smtp_url"]["source"] == "ADHOC_SMTP_URL"
    assert "very-secret" not in run.stdout


def test_backup_and_restore_refuse_in_one_line(tmp_path: Path) -> None:
    assert_refused(
        relay("backup", str(tmp_path / "b.tar"), "--data", str(tmp_path)), "not the folder of a relay"
    )
    assert_refused(
        relay("restore", str(tmp_path / "b.tar"), "--data", str(tmp_path / "new")), "cannot be restored"
    )
