"""What keeps a session from beginning on a computer, whatever the relay says to it."""

import json
import os
import platform
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from host import preflight
from host.managed import LinuxComputer
from host.preflight import Obstacle, find_obstacle_here, find_obstacle_with, report_refusal
from host.relay_http import Answer
from host.texts import Texts
from relay.protocol.hidden import SecretBytes
from relay.protocol.links import DeploymentLink
from relay.protocol.refusals import Refusal

EN = Texts("en")
LINK = DeploymentLink(
    origin="https://relay.example", invite=bytes(16), secret=SecretBytes(bytes(16)), access_password="a"
)
START = "/api/v1/links/AAAAAAAAAAAAAAAAAAAAAA/start"


def facts(**changes: Any) -> bytes:
    now = datetime.now(UTC).isoformat()
    return json.dumps({"now": now, "state": "open", "known_managed": True, "managed": []} | changes).encode()


@pytest.fixture
def computer(tmp_path: Path) -> LinuxComputer:
    """One that runs ``meshagent``, which is known, and ``acme``, which is not."""
    folder = tmp_path / "etc/systemd/system"
    folder.mkdir(parents=True)
    (folder / "acme.service").touch()
    return LinuxComputer(tmp_path)


def obstacle(
    answer: Answer | OSError | Callable[[], Answer], computer: LinuxComputer, texts: Texts = EN
) -> Obstacle | None:
    def ask(origin: str, path: str, body: bytes | None) -> Answer:
        assert (origin, path, body) == (LINK.origin, START, None)
        if isinstance(answer, OSError):
            raise answer
        return answer() if callable(answer) else answer

    return find_obstacle_with(LINK, texts, computer=computer, ask=ask)


def refusal(answer: Answer | OSError, computer: LinuxComputer) -> Refusal | None:
    found = obstacle(answer, computer)
    return None if found is None else found.refusal


def untrusted(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code = code
    return error


def test_a_good_link_on_a_good_computer_has_nothing_in_its_way(computer: LinuxComputer) -> None:
    assert refusal(Answer(200, facts()), computer) is None
    assert find_obstacle_here(EN) is None


def test_a_relay_out_of_reach_is_no_obstacle(computer: LinuxComputer) -> None:
    assert refusal(ConnectionRefusedError(), computer) is None
    assert refusal(TimeoutError(), computer) is None


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>please sign in to this hotel's network"),
        (200, b"[" * 50_000),
        (200, b"null"),
        (200, {"now": "yesterday"}),
        (200, {"now": 5}),
        (200, {"managed": "service:acme"}),
        (200, {"managed": ["file:/home/ana/diary"]}),
        (200, {"managed": ["service:acme"] * 65}),
        (200, {"managed": 7}),
        (302, {"state": "used"}),
        (404, b"<html>nginx"),
        (404, b"[]"),
        (500, b""),
    ],
)
def test_whatever_is_no_answer_of_a_relay_is_ignored(
    computer: LinuxComputer, status: int, body: bytes | dict[str, Any]
) -> None:
    # Facts tell the time, so they are made when they are given.
    answer = Answer(status, body if isinstance(body, bytes) else facts(**body))
    assert refusal(answer, computer) is None


@pytest.mark.parametrize("answer", [Answer(404, b'{"status": 404}'), Answer(200, facts(state="used"))])
def test_a_link_that_is_used_or_over(computer: LinuxComputer, answer: Answer) -> None:
    assert refusal(answer, computer) is Refusal.DEAD_LINK


@pytest.mark.parametrize(
    ("seconds", "sentence"),
    [
        (310, "5 minutes slow"),
        (-310, "5 minutes fast"),
        (86400 * 400, "9600 hours slow"),
        (290, None),
        (-290, None),
    ],
)
def test_a_clock_that_is_off_by_more_than_five_minutes(
    computer: LinuxComputer, seconds: int, sentence: str | None
) -> None:
    now = datetime.fromtimestamp(time.time() + seconds, UTC).isoformat()
    found = obstacle(Answer(200, facts(now=now)), computer)
    assert (None if found is None else found.refusal) is (None if sentence is None else Refusal.CLOCK)
    assert sentence is None or (found is not None and sentence in found.sentence)


def test_a_certificate_that_is_not_trusted(computer: LinuxComputer) -> None:
    assert refusal(untrusted(20), computer) is Refusal.WRONG_RELAY
    # Not valid yet, expired: more often it is the computer's clock than the relay's certificate.
    assert refusal(untrusted(9), computer) is Refusal.CLOCK
    assert refusal(untrusted(10), computer) is Refusal.CLOCK


def test_managed_software_that_the_operator_named(computer: LinuxComputer) -> None:
    found = obstacle(Answer(200, facts(managed=["service:acme"])), computer)
    assert found is not None
    assert found.refusal is Refusal.MANAGED_HOST
    assert "(acme)" in found.sentence


def test_managed_software_that_is_known_unless_the_operator_says_otherwise(
    computer: LinuxComputer, tmp_path: Path
) -> None:
    (tmp_path / "etc/systemd/system/meshagent.service").touch()
    fresh = LinuxComputer(tmp_path)
    assert refusal(Answer(200, facts()), fresh) is Refusal.MANAGED_HOST
    assert refusal(ConnectionRefusedError(), fresh) is Refusal.MANAGED_HOST
    assert refusal(Answer(200, facts(known_managed=False)), fresh) is None


@pytest.mark.parametrize(
    ("name", "word"), [("is_system_supported", Refusal.OLD_SYSTEM), ("has_rights", Refusal.NO_RIGHTS)]
)
def test_what_the_computer_lacks(monkeypatch: pytest.MonkeyPatch, name: str, word: Refusal) -> None:
    monkeypatch.setattr(preflight, name, lambda: False)
    found = find_obstacle_here(EN)
    assert found is not None
    assert found.refusal is word


def test_a_host_that_root_installed_is_everybodys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert find_obstacle_here(EN, tmp_path) is None
    (tmp_path / "adhoc-host-0123456789abcdef.service").touch()
    found = find_obstacle_here(EN, tmp_path)
    assert found is not None
    assert found.refusal is Refusal.OTHER_HOST
    # Root's next start finds it by its lock, and goes on with a removal that was cut short.
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert find_obstacle_here(EN, tmp_path) is None


@pytest.mark.parametrize(
    ("libc", "is_fit"),
    [(("glibc", "2.27"), False), (("glibc", "2.28"), True), (("glibc", "3.0"), True), (("", ""), True)],
)
def test_a_system_that_is_too_old(
    monkeypatch: pytest.MonkeyPatch, libc: tuple[str, str], is_fit: bool
) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: libc)
    assert preflight.is_system_supported() is is_fit


@pytest.mark.parametrize("language", ["en", "es"])
def test_each_refusal_is_one_sentence_or_two_in_each_language(language: str) -> None:
    texts = Texts(language)
    filled = {"name": "Acme", "duration": "1 h", "why": "disk full"}
    for key in (
        "managed_host",
        "already_running",
        "no_rights",
        "old_system",
        "dead_link",
        "clock_ahead",
        "clock_behind",
        "clock_unsure",
        "wrong_relay",
        "no_display",
        "cannot_install",
    ):
        sentence = texts.get(key, **filled)
        assert sentence.endswith("."), key
        assert "\n" not in sentence


def test_what_is_told_to_the_relay_is_one_word() -> None:
    said: list[tuple[str, str, bytes | None]] = []

    def ask(origin: str, path: str, body: bytes | None) -> Answer:
        said.append((origin, path, body))
        raise TimeoutError

    report_refusal(LINK.origin, LINK.invite, Refusal.CLOCK, ask=ask)
    path = START.replace("start", "refused")
    assert said == [(LINK.origin, path, b'{"code": "clock"}')]
