"""Secrets are random, hashed, compared and hidden; the relay's key is made once."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay import auth
from relay.errors import AuthError, ConfigError, Refused
from relay.protocol.close_reasons import CloseReason
from relay.protocol.lease import make_join_proof

PASSWORD = "correct horse battery"


def test_secrets_are_32_bytes_differ_and_hide_themselves() -> None:
    first, second = auth.new_secret(), auth.new_secret()
    assert len(first) == 32
    assert first != second
    assert repr(first) == str(first) == "<32 secret bytes>"


def test_ids_have_22_characters_and_differ() -> None:
    ids = {auth.new_id() for _ in range(100)}
    assert len(ids) == 100
    assert {len(id) for id in ids} == {22}


def test_digest_is_sha_256() -> None:
    assert auth.digest(b"abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [(b"a", b"a", True), (b"a", b"b", False), (None, b"", False), (b"", b"a", False)],
)
def test_comparison_knows_equal_from_different(left: bytes | None, right: bytes, same: bool) -> None:
    assert auth.is_same(left, right) is same


def test_refusal_says_nothing_about_why() -> None:
    refusal = auth.refusal()
    assert isinstance(refusal, AuthError)
    assert refusal.close_reason is CloseReason.REFUSED
    assert str(refusal) == CloseReason.REFUSED.sentence


def test_a_host_that_holds_its_key_and_means_this_relay_is_believed() -> None:
    key = Ed25519PrivateKey.generate()
    proof = make_join_proof(b"s" * 16, "https://relay.example", key)
    public = key.public_key().public_bytes_raw()
    auth.check_join_proof(proof, secret=b"s" * 16, origin="https://relay.example", host_key=public)
    for secret, origin in [(b"t" * 16, "https://relay.example"), (b"s" * 16, "https://other.example")]:
        with pytest.raises(AuthError) as caught:
            auth.check_join_proof(proof, secret=secret, origin=origin, host_key=public)
        assert str(caught.value) == str(auth.refusal())


@pytest.mark.slow
def test_a_password_is_known_again_by_its_hash_and_no_other() -> None:
    stored = auth.hash_password(PASSWORD)
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert PASSWORD not in stored
    assert auth.verify_password(stored, PASSWORD)
    assert not auth.verify_password(stored, PASSWORD + " ")


@pytest.mark.slow
def test_nobody_has_a_password_not_even_by_a_broken_hash() -> None:
    assert not auth.verify_password(None, PASSWORD)
    assert not auth.verify_password("not a hash", PASSWORD)


@pytest.mark.slow
def test_characters_beyond_the_longest_password_are_not_ignored() -> None:
    longest = "x" * auth.MAX_PASSWORD_CHARACTERS
    assert not auth.verify_password(auth.hash_password(longest), longest + "y")


@pytest.mark.slow
def test_any_characters_can_be_in_a_password() -> None:
    odd = "contraseña 🔑 \ud800 largo"
    assert auth.verify_password(auth.hash_password(odd), odd)


@pytest.mark.parametrize(("length", "sentence"), [(11, "at least 12"), (257, "at most 256")])
def test_new_passwords_have_bounds(length: int, sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        auth.check_new_password("x" * length)


@pytest.mark.parametrize("length", [12, 256])
def test_new_passwords_at_the_bounds_will_do(length: int) -> None:
    auth.check_new_password("x" * length)


def test_relay_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "relay-key.pem"
    first = auth.load_or_make_relay_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["relay-key.pem"]
    second = auth.load_or_make_relay_key(path)
    assert second.private_bytes_raw() == first.private_bytes_raw()


def test_of_two_makers_one_key_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "relay-key.pem"
    first = auth.load_or_make_relay_key(path)
    # The second maker looked before the first had made it.
    monkeypatch.setattr(Path, "exists", lambda self: False)
    assert auth.load_or_make_relay_key(path).private_bytes_raw() == first.private_bytes_raw()
    assert [file.name for file in tmp_path.iterdir()] == ["relay-key.pem"]


def test_relay_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "relay-key.pem"
    auth.load_or_make_relay_key(path)
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        auth.load_or_make_relay_key(path)


@pytest.mark.parametrize("content", [b"", b"no key at all"])
def test_a_file_without_a_key_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "relay-key.pem"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="does not hold a private key"):
        auth.load_or_make_relay_key(path)


def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "relay-key.pem"
    other = ec.generate_private_key(ec.SECP256R1())
    path.write_bytes(
        other.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="another kind of key"):
        auth.load_or_make_relay_key(path)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        auth.load_or_make_relay_key(tmp_path / "missing" / "relay-key.pem")
