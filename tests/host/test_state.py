"""What the host remembers."""

import os
from pathlib import Path

import pytest

from host.state import HostState, StateError
from relay.protocol.hidden import SecretBytes
from relay.protocol.links import DeploymentLink

LINK = DeploymentLink(
    origin="https://relay.example",
    invite=bytes(16),
    secret=SecretBytes(b"s" * 16),
    access_password="correct horse ñ",
)


def test_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    state = HostState.fresh(LINK)
    state.session, state.credential, state.pairing_key = "abc", b"c" * 32, b"p" * 32
    state.relay_key, state.lease, state.boot_id = b"r" * 32, b"l" * 200, "boot"
    state.attempts, state.paired_attempt = 3, 2
    state.kinds, state.folders = ["control", "files"], ["/home/ana/öffentlich"]
    state.wall_deadline, state.boot_deadline = 1_900_000_000, 12_345
    state.save(tmp_path)
    assert HostState.load(tmp_path) == state
    assert os.listdir(tmp_path) == ["state"]


def test_only_its_user_can_read_it(tmp_path: Path) -> None:
    HostState.fresh(LINK).save(tmp_path)
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o600


def test_each_host_has_a_key_of_its_own() -> None:
    first, second = HostState.fresh(LINK), HostState.fresh(LINK)
    assert first.public_key != second.public_key
    first.private_key.public_key().verify(first.private_key.sign(b"x"), b"x")


def test_it_joins_by_invite_first_and_by_credential_afterwards() -> None:
    state = HostState.fresh(LINK)
    assert state.join_secret == LINK.invite
    state.credential = b"c" * 32
    assert state.join_secret == b"c" * 32


def test_its_repr_tells_no_secret() -> None:
    state = HostState.fresh(LINK)
    state.pairing_key = b"PAIRINGKEY"
    shown = repr(state)
    assert "correct horse" not in shown
    assert "PAIRINGKEY" not in shown
    assert "ssss" not in shown


@pytest.mark.parametrize("data", [None, b"", b"\x80", b"nonsense", b"\xc1" * 5000])
def test_a_missing_or_damaged_file_is_an_error(tmp_path: Path, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / "state").write_bytes(data)
    with pytest.raises(StateError, match="memory of its session"):
        HostState.load(tmp_path)


def test_saving_does_not_follow_a_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "state.new").symlink_to(precious)
    (folder / "state").symlink_to(precious)
    HostState.fresh(LINK).save(folder)
    assert precious.read_text() == "mine"
    assert not (folder / "state").is_symlink()
