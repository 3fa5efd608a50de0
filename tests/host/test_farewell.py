"""What is kept for the last words: as much as they take, and nothing that a technician connects with."""

from pathlib import Path

import pytest

from host.farewell import Farewell
from host.layout import FAREWELL_NAME
from host.state import HostState
from relay.protocol.close_reasons import CloseReason

SECRETS = {
    "invite": "i" * 16,
    "secret": "s" * 16,
    "access_password": "the access password",
    "pairing_key": "p" * 32,
}


def make_state(**changes: object) -> HostState:
    known = {"origin": "https://r.example", "key": b"k" * 32, "session": "s_1", "credential": b"c" * 32}
    secrets = {name: secret.encode() for name, secret in SECRETS.items() if name != "access_password"}
    password = SECRETS["access_password"]
    return HostState(**{**secrets, "access_password": password, **known, **changes})  # type: ignore[arg-type]


def test_it_reads_back_and_nothing_else_of_the_session_is_in_it(tmp_path: Path) -> None:
    farewell = Farewell.of(make_state(), CloseReason.EXPIRED, {"restarted": 2})
    assert farewell is not None
    farewell.save(tmp_path)
    assert Farewell.load(tmp_path) == farewell
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    for secret in SECRETS.values():
        assert secret not in file.read_text("latin-1")
    assert (farewell.state.join_secret, farewell.state.public_key) == (
        make_state().join_secret,
        make_state().public_key,
    )
    receipt = farewell.receipt(["state"], ["download"], [], again=True)
    assert (receipt.session, receipt.reason, receipt.acts) == ("s_1", "expired", {"restarted": 2})
    assert "c" * 32 not in repr(farewell)


@pytest.mark.parametrize("missing", ["session", "credential"])
def test_a_host_that_never_joined_has_none(missing: str) -> None:
    changes = {"session": ""} if missing == "session" else {"credential": b""}
    assert Farewell.of(make_state(**changes), CloseReason.LAPSED, {}) is None


@pytest.mark.parametrize("data", [None, b"", b"\x80", b"\xff" * 5000])
def test_what_cannot_be_read_is_none(tmp_path: Path, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / FAREWELL_NAME).write_bytes(data)
    assert Farewell.load(tmp_path) is None
