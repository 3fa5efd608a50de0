"""The pairing key under the access password."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol import wrapping
from relay.protocol.close_reasons import CloseReason
from relay.protocol.codes import CodeError
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.pairing import WrongSecret
from relay.protocol.wrapping import WRAPPED_BYTES, unwrap_pairing_key, wrap_pairing_key
from tests.helpers.vectors import assert_vectors, counting_bytes

KEY = bytes(range(32))
PASSWORD = "caf\u00e9 k7mp"


@pytest.fixture
def fewer_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wrapping, "ROUNDS", 2)


def test_vectors_are_what_the_code_computes() -> None:
    wrapped = wrap_pairing_key(KEY, PASSWORD, "s_0123", _random=counting_bytes(100))
    assert unwrap_pairing_key(wrapped, PASSWORD, "s_0123") == KEY
    assert_vectors(
        "wrapping",
        {
            "pairing_key": KEY.hex(),
            "access_password": PASSWORD,
            "session": "s_0123",
            "salt": bytes(range(100, 116)).hex(),
            "nonce": bytes(range(116, 128)).hex(),
            "wrapped": wrapped.hex(),
        },
    )


@pytest.mark.usefixtures("fewer_rounds")
def test_wrapped_key_opens_with_the_same_password_typed_otherwise() -> None:
    wrapped = wrap_pairing_key(KEY, PASSWORD, "s_1")
    assert len(wrapped) == WRAPPED_BYTES
    key = unwrap_pairing_key(wrapped, "cafe\u0301 k7mp", "s_1")
    assert key == KEY
    assert repr(key) == "<32 secret bytes>"


@pytest.mark.usefixtures("fewer_rounds")
@pytest.mark.parametrize(("password", "session"), [("other", "s_1"), (PASSWORD, "s_2")])
def test_other_password_or_session_does_not_open(password: str, session: str) -> None:
    wrapped = wrap_pairing_key(KEY, PASSWORD, "s_1")
    with pytest.raises(WrongSecret) as caught:
        unwrap_pairing_key(wrapped, password, session)
    assert caught.value.close_reason is CloseReason.WRONG_PASSWORD


@pytest.mark.usefixtures("fewer_rounds")
def test_same_key_is_never_wrapped_the_same_way_twice() -> None:
    assert wrap_pairing_key(KEY, PASSWORD, "s_1") != wrap_pairing_key(KEY, PASSWORD, "s_1")


def test_empty_password_is_refused() -> None:
    with pytest.raises(CodeError):
        wrap_pairing_key(KEY, "", "s_1")


@given(st.binary(max_size=200).filter(lambda data: len(data) != WRAPPED_BYTES))
def test_wrapped_key_of_another_length_is_refused(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        unwrap_pairing_key(data, PASSWORD, "s_1")
