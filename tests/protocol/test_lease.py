"""Leases, receipts and join proofs: only what the right key signed, for the right reader, is believed."""

import hashlib
from dataclasses import replace

import msgpack
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import LocalProtocolError, RemoteProtocolError
from relay.protocol.lease import (
    Lease,
    Receipt,
    make_join_proof,
    sign_lease,
    sign_receipt,
    verify_lease,
    verify_receipt,
)

RELAY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
HOST = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
RELAY_KEY = RELAY.public_key().public_bytes_raw()
HOST_KEY = HOST.public_key().public_bytes_raw()
LEASE = Lease(
    session="s_1",
    host_key=HOST_KEY,
    activated_at=1_800_000_000,
    expires_at=1_800_086_400,
    kinds=["control", "chat"],
)
RECEIPT = Receipt(session="s_1", ended_at=1_800_000_100, reason="customer", removed=["program"], left=[])
LEASE_BODY = {
    "session": "s_1",
    "host_key": HOST_KEY,
    "activated_at": 1,
    "expires_at": 2,
    "kinds": ["control"],
}


def read(data: bytes, *, relay_key: bytes = RELAY_KEY, session: str = "s_1") -> Lease:
    return verify_lease(data, relay_key=relay_key, host_key=HOST_KEY, session=session)


def sign(body: object, prefix: bytes = b"adhoc.v1 lease\0") -> bytes:
    packed = msgpack.packb(body)
    return bytes(msgpack.packb([packed, RELAY.sign(prefix + packed)]))


def test_lease_reads_back() -> None:
    assert read(sign_lease(LEASE, RELAY)) == LEASE


def test_lease_is_spelled_as_the_protocol_says() -> None:
    body, signature = msgpack.unpackb(sign_lease(LEASE, RELAY))
    assert msgpack.unpackb(body) == {
        "session": "s_1",
        "host_key": HOST_KEY,
        "activated_at": 1_800_000_000,
        "expires_at": 1_800_086_400,
        "kinds": ["control", "chat"],
    }
    RELAY.public_key().verify(signature, b"adhoc.v1 lease\0" + body)


@pytest.mark.parametrize("relay_key", [HOST_KEY, b"", bytes(31)])
def test_lease_signed_by_another_key_is_refused(relay_key: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read(sign_lease(LEASE, RELAY), relay_key=relay_key)
    assert caught.value.close_reason is CloseReason.SEAL_BROKEN


def test_lease_for_another_session_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="another computer or session"):
        read(sign_lease(LEASE, RELAY), session="s_2")


def test_lease_for_another_host_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="another computer or session"):
        read(sign_lease(replace(LEASE, host_key=RELAY_KEY), RELAY))


def test_lease_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match="before it begins"):
        read(sign({**LEASE_BODY, "expires_at": 0}))


def test_receipts_signature_does_not_make_a_lease() -> None:
    with pytest.raises(RemoteProtocolError, match="signature"):
        read(sign(LEASE_BODY, prefix=b"adhoc.v1 receipt\0"))


@pytest.mark.parametrize(
    "change",
    [
        {"session": b"s_1"},
        {"session": "x" * 1025},
        {"host_key": "text"},
        {"host_key": bytes(31)},
        {"activated_at": -1},
        {"activated_at": True},
        {"expires_at": 2.0},
        {"expires_at": 2**41},
        {"kinds": "control"},
        {"kinds": [1]},
        {"kinds": ["x"] * 33},
        {"extra": 1},
    ],
    ids=repr,
)
def test_lease_with_a_wrong_field_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        read(sign({**LEASE_BODY, **change}))
    assert caught.value.close_reason is CloseReason.BAD_FRAME


@pytest.mark.parametrize("body", [[], None, 1, {}, {1: 2}])
def test_lease_of_another_shape_is_refused(body: object) -> None:
    with pytest.raises(RemoteProtocolError):
        read(sign(body))


def test_lease_that_says_a_thing_twice_is_refused() -> None:
    body = b"\x82\xa7session\xa3s_1\xa7session\xa3s_2"
    with pytest.raises(RemoteProtocolError, match="msgpack"):
        read(msgpack.packb([body, RELAY.sign(b"adhoc.v1 lease\0" + body)]))


@pytest.mark.parametrize("extension", [b"\xd4\x01x", b"\xc7\x00\x01"], ids=["one byte", "empty"])
def test_extension_type_in_a_signed_body_is_refused(extension: bytes) -> None:
    body = b"\x81\xa7session" + extension
    with pytest.raises(RemoteProtocolError, match="msgpack"):
        read(msgpack.packb([body, RELAY.sign(b"adhoc.v1 lease\0" + body)]))


@pytest.mark.parametrize("size", [3900, 5000])
def test_overlong_signed_body_is_refused(size: int) -> None:
    body = {**LEASE_BODY, "kinds": ["x" * 1000] * 4 + ["y" * (size - 4000)] * (size > 4000)}
    with pytest.raises(RemoteProtocolError):
        read(sign(body))


def test_overlong_body_of_a_receipt_is_refused() -> None:
    body = bytes(5000)
    with pytest.raises(RemoteProtocolError, match="too large"):
        verify_receipt(body, HOST.sign(b"adhoc.v1 receipt\0" + body), host_key=HOST_KEY, session="s_1")


@given(st.binary(max_size=300) | st.lists(st.binary() | st.text() | st.integers(0, 9)).map(msgpack.packb))
def test_any_bytes_are_refused_as_a_lease(data: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read(data)


@given(st.binary(max_size=200), st.binary(max_size=70))
def test_any_bytes_are_refused_as_a_receipt(body: bytes, signature: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        verify_receipt(body, signature, host_key=HOST_KEY, session="s_1")


def test_receipt_reads_back() -> None:
    body, signature = sign_receipt(RECEIPT, HOST)
    assert verify_receipt(body, signature, host_key=HOST_KEY, session="s_1") == RECEIPT


def test_receipt_for_another_session_is_refused() -> None:
    body, signature = sign_receipt(RECEIPT, HOST)
    with pytest.raises(RemoteProtocolError, match="another session"):
        verify_receipt(body, signature, host_key=HOST_KEY, session="s_2")


@pytest.mark.parametrize("removed", [["x"] * 33, ["x" * 1025], ["x" * 1000] * 5])
def test_receipt_that_nobody_would_take_is_not_signed(removed: list[str]) -> None:
    with pytest.raises(LocalProtocolError):
        sign_receipt(replace(RECEIPT, removed=removed), HOST)


def test_receipt_tells_what_was_done() -> None:
    receipt = replace(RECEIPT, acts={"file_written": 3, "process_ended": 1})
    body, signature = sign_receipt(receipt, HOST)
    assert msgpack.unpackb(body)["acts"] == {"file_written": 3, "process_ended": 1}
    assert verify_receipt(body, signature, host_key=HOST_KEY, session="s_1") == receipt


def test_receipt_tells_what_goes_with_the_program_and_what_is_tried_again() -> None:
    receipt = replace(RECEIPT, left=["download"], going=["running files"], again=True)
    body, signature = sign_receipt(receipt, HOST)
    assert body == (
        b"\x87\xa7session\xa3s_1\xa8ended_at\xcek\x49\xd2\x64\xa6reason\xa8customer\xa7removed\x91\xa7program"
        b"\xa4left\x91\xa8download\xa5going\x91\xadrunning files\xa5again\xc3"
    )
    assert verify_receipt(body, signature, host_key=HOST_KEY, session="s_1") == receipt


@pytest.mark.parametrize(
    "change",
    [{"going": "files"}, {"going": [1]}, {"going": ["x"] * 33}, {"again": 1}, {"again": None}],
    ids=repr,
)
def test_receipt_with_a_wrong_later_field_is_refused(change: dict[str, object]) -> None:
    body = msgpack.packb({**msgpack.unpackb(sign_receipt(RECEIPT, HOST)[0]), **change})
    with pytest.raises(RemoteProtocolError) as caught:
        verify_receipt(body, HOST.sign(b"adhoc.v1 receipt\0" + body), host_key=HOST_KEY, session="s_1")
    assert caught.value.close_reason is CloseReason.BAD_FRAME


def test_receipt_of_a_session_in_which_nothing_was_done_is_as_it_always_was() -> None:
    body, _ = sign_receipt(RECEIPT, HOST)
    assert msgpack.unpackb(body) == {
        "session": "s_1",
        "ended_at": 1_800_000_100,
        "reason": "customer",
        "removed": ["program"],
        "left": [],
    }


def test_receipt_takes_as_many_words_as_there_may_be() -> None:
    receipt = replace(RECEIPT, acts={f"{number:032}": 2**31 - 1 for number in range(32)})
    body, signature = sign_receipt(receipt, HOST)
    assert verify_receipt(body, signature, host_key=HOST_KEY, session="s_1") == receipt


@pytest.mark.parametrize(
    "acts",
    [
        None,
        ["file_written"],
        {"file_written": 0},
        {"file_written": -1},
        {"file_written": 2**31},
        {"file_written": True},
        {"file_written": "3"},
        {1: 1},
        {"x" * 33: 1},
        {f"act {number}": 1 for number in range(33)},
    ],
    ids=repr,
)
def test_receipt_with_absurd_counts_is_refused(acts: object) -> None:
    body = msgpack.packb({**msgpack.unpackb(sign_receipt(RECEIPT, HOST)[0]), "acts": acts})
    with pytest.raises(RemoteProtocolError) as caught:
        verify_receipt(body, HOST.sign(b"adhoc.v1 receipt\0" + body), host_key=HOST_KEY, session="s_1")
    assert caught.value.close_reason is CloseReason.BAD_FRAME


def test_join_proof_is_spelled_as_the_protocol_says() -> None:
    proof = make_join_proof(b"i" * 16, "https://relay.example", HOST)
    assert len(proof) == 64
    statement = b"adhoc.v1 join\0" + hashlib.sha256(b"i" * 16).digest() + b"https://relay.example"
    HOST.public_key().verify(proof, statement)
