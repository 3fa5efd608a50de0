"""What the command line keeps on the technician's computer."""

import stat
from pathlib import Path

import pytest

from relay.protocol.hidden import SecretBytes
from technician.errors import TechnicianError
from technician.keyring import Keyring, SessionSecrets, SignIn, default_folder

ORIGIN = "https://relay.example"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def keyring(folder: Path) -> Keyring:
    return Keyring(folder)


def test_a_new_keyring_knows_nothing(keyring: Keyring) -> None:
    assert keyring.sign_in() is None
    assert keyring.session("abc") is None


def test_a_sign_in_is_kept_and_forgotten(keyring: Keyring) -> None:
    sign_in = SignIn(origin=ORIGIN, cookie="adhoc_session=s3cret")
    keyring.keep_sign_in(sign_in)
    assert keyring.sign_in() == sign_in
    assert "s3cret" not in repr(sign_in)
    keyring.forget_sign_in()
    assert keyring.sign_in() is None


@pytest.mark.parametrize(
    "secrets",
    [
        SessionSecrets(origin=ORIGIN, link="https://relay.example/d/x#y.z", security_code="123456789"),
        SessionSecrets(origin=ORIGIN, pairing_key=SecretBytes(range(32))),
    ],
)
def test_the_secrets_of_a_session_are_kept_and_never_printed(
    keyring: Keyring, secrets: SessionSecrets
) -> None:
    keyring.keep_session("abc-_1", secrets)
    assert keyring.session("abc-_1") == secrets
    assert "123456789" not in repr(secrets)
    keyring.forget_session("abc-_1")
    assert keyring.session("abc-_1") is None


def test_only_the_owner_can_read(keyring: Keyring, folder: Path) -> None:
    keyring.keep_sign_in(SignIn(origin=ORIGIN, cookie="a=b"))
    keyring.keep_session("abc", SessionSecrets(origin=ORIGIN))
    modes = {
        path.relative_to(folder).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")
    }
    assert modes == {"sign-in.json": 0o600, "sessions": 0o700, "sessions/abc.json": 0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("session", ["", "../sign-in", "a/b", "a" * 65, "."])
def test_an_id_that_is_no_file_name_is_refused(keyring: Keyring, session: str) -> None:
    with pytest.raises(TechnicianError, match="not the id"):
        keyring.session(session)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"origin": 1}', b"\xff", b'{"origin": "o"}'])
def test_a_damaged_sign_in_is_named(keyring: Keyring, folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / "sign-in.json").write_bytes(content)
    with pytest.raises(TechnicianError, match="damaged"):
        keyring.sign_in()


def test_a_damaged_pairing_key_is_named(keyring: Keyring, folder: Path) -> None:
    (folder / "sessions").mkdir(parents=True)
    (folder / "sessions" / "abc.json").write_text('{"origin": "o", "pairing_key": "AAAA"}')
    with pytest.raises(TechnicianError, match="damaged"):
        keyring.session("abc")


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TechnicianError, match="can not be written"):
        Keyring(tmp_path / "file" / "keys").keep_sign_in(SignIn(origin=ORIGIN, cookie="a=b"))


def test_ended_sessions_of_the_same_relay_are_forgotten(keyring: Keyring) -> None:
    keyring.keep_session("ended", SessionSecrets(origin=ORIGIN))
    keyring.keep_session("open", SessionSecrets(origin=ORIGIN))
    keyring.keep_session("elsewhere", SessionSecrets(origin="https://other.example"))
    keyring.keep_only(ORIGIN, ["open"])
    assert keyring.session("ended") is None
    assert keyring.session("open") is not None
    assert keyring.session("elsewhere") is not None


def test_the_default_folder_is_among_the_users_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "adhoc-technician"
    monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/ana")
    assert default_folder() == Path("/home/ana/.config/adhoc-technician")
