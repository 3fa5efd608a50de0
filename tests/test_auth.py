"""Secrets are random, hashed, compared and hidden; the relay's key is made once."""

import stat
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from relay import auth
from relay.errors import AuthError, ConfigError, Refused
from relay.protocol.close_reasons import CloseReason
from relay.protocol.lease import join_statement, make_join_proof
from tests.helpers import odd_signatures

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


SECRET, ORIGIN = b"s" * 16, "https://relay.example"
KEY = Ed25519PrivateKey.generate()
PUBLIC = KEY.public_key().public_bytes_raw()


def is_believed(proof: bytes, host_key: bytes, secret: bytes = SECRET, origin: str = ORIGIN) -> bool:
    try:
        auth.check_join_proof(proof, secret=secret, origin=origin, host_key=host_key)
    except AuthError:
        return False
    return True


def is_believed_by_openssl(proof: bytes, host_key: bytes, secret: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(host_key).verify(proof, join_statement(secret, ORIGIN))
    except (InvalidSignature, ValueError):
        return False
    return True


def test_a_host_that_holds_its_key_and_means_this_relay_is_believed() -> None:
    assert is_believed(make_join_proof(SECRET, ORIGIN, KEY), PUBLIC)


def test_a_proof_for_anything_else_is_refused() -> None:
    proof = make_join_proof(SECRET, ORIGIN, KEY)
    assert not is_believed(proof, PUBLIC, secret=b"t" * 16)
    assert not is_believed(proof, PUBLIC, origin="https://other.example")
    assert not is_believed(proof, Ed25519PrivateKey.generate().public_key().public_bytes_raw())
    with pytest.raises(AuthError) as caught:
        auth.check_join_proof(proof, secret=b"t" * 16, origin=ORIGIN, host_key=PUBLIC)
    assert str(caught.value) == str(auth.refusal())
    for place in range(512):
        changed = bytearray(proof)
        changed[place // 8] ^= 1 << place % 8
        assert not is_believed(bytes(changed), PUBLIC)


@given(proof=st.binary(max_size=65), host_key=st.binary(max_size=33) | st.just(PUBLIC))
def test_any_bytes_are_refused_as_a_proof(proof: bytes, host_key: bytes) -> None:
    assert not is_believed(proof, host_key)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_key_of_another_length_is_refused(size: int) -> None:
    proof = make_join_proof(SECRET, ORIGIN, KEY)
    assert not is_believed(proof, (PUBLIC + b"x")[:size])


@pytest.mark.parametrize("size", [0, 63, 65])
def test_a_proof_of_another_length_is_refused(size: int) -> None:
    assert not is_believed((make_join_proof(SECRET, ORIGIN, KEY) + b"x")[:size], PUBLIC)


def test_a_proof_spelled_in_a_second_way_is_refused() -> None:
    statement = join_statement(SECRET, ORIGIN)
    for more, is_right in ((0, True), (1, False), (2, False), (15, False)):
        key, proof = odd_signatures.sign(statement, secret=1234567, nonce=89, more=more)
        assert is_believed(proof, key) is is_right


@pytest.mark.parametrize("multiple", range(8))
def test_a_key_that_anybody_can_sign_for_is_refused(multiple: int) -> None:
    for number in range(16):
        secret = bytes([number]) * 16
        key, proof = odd_signatures.sign(
            join_statement(secret, ORIGIN), secret=0, nonce=1 + number, key_off=multiple
        )
        assert not is_believed(proof, key, secret)
    unusual = (odd_signatures.P + 1).to_bytes(32, "little")  # the neutral point's y, not reduced
    assert not is_believed(proof, unusual, secret)


@pytest.mark.parametrize("multiple", range(8))
def test_a_proof_without_a_nonce_is_refused(multiple: int) -> None:
    statement = join_statement(SECRET, ORIGIN)
    key, proof = odd_signatures.sign(statement, secret=1234567, nonce=0, nonce_off=multiple)
    assert not is_believed(proof, key)


@pytest.mark.parametrize(("key_off", "nonce_off"), [(1, 0), (0, 1), (1, 1), (2, 4), (4, 0), (0, 4), (3, 5)])
def test_what_openssl_refuses_is_refused(key_off: int, nonce_off: int) -> None:
    for number in range(16):
        secret = bytes([number]) * 16
        key, proof = odd_signatures.sign(
            join_statement(secret, ORIGIN),
            secret=1234567,
            nonce=89 + number,
            key_off=key_off,
            nonce_off=nonce_off,
        )
        assert not is_believed(proof, key, secret) or is_believed_by_openssl(proof, key, secret)


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
