"""Pairing and connecting: equal secrets give equal keys, and anything else gives a named refusal."""

from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol import claims as words
from relay.protocol.claims import PairClaims, PairFacts
from relay.protocol.close_reasons import CloseReason
from relay.protocol.codes import CodeError
from relay.protocol.errors import LocalProtocolError, RemoteProtocolError
from relay.protocol.pairing import HostHandshake, Keys, ViewerHandshake, WrongSecret, check_open_params
from relay.protocol.sealing import Opened
from tests.helpers.vectors import assert_vectors, counting_bytes

ORIGIN, SESSION, STREAM = "https://relay.example", "s_0123", 0x0001_0001
SECRET = bytes(range(16))
CODE = "123456789"
PAIRING_KEY = bytes(range(64, 96))
PASSWORD = "k7mp-w2xa-9tfe"
CLAIMS = PairClaims(technician="Ana", company="Ayuda S.A.", kinds=["control", "files"], lifetime=86_400)
FACTS = PairFacts(computer="PC-7", os="Debian 12", user="eva", key=bytes(range(32)))
COMMON: dict[str, Any] = {"origin": ORIGIN, "session": SESSION, "stream": STREAM}


def pairing_viewer(**change: Any) -> ViewerHandshake:
    arguments = {
        **COMMON,
        "code_number": 1,
        "attempt": 1,
        "invite_secret": SECRET,
        "security_code": CODE,
        "claims": CLAIMS,
    }
    return ViewerHandshake.for_pairing(**{**arguments, **change})


def pairing_host(**change: Any) -> HostHandshake:
    arguments = {
        **COMMON,
        "code_number": 1,
        "last_attempt": 0,
        "invite_secret": SECRET,
        "security_code": CODE,
        "facts": FACTS,
    }
    return HostHandshake.for_pairing(**{**arguments, **change})


def connecting_viewer(**change: Any) -> ViewerHandshake:
    arguments = {**COMMON, "channel": "control", "pairing_key": PAIRING_KEY, "access_password": PASSWORD}
    return ViewerHandshake.for_connection(**{**arguments, **change})


def connecting_host(**change: Any) -> HostHandshake:
    arguments = {**COMMON, "channel": "control", "pairing_key": PAIRING_KEY, "access_password": PASSWORD}
    return HostHandshake.for_connection(**{**arguments, **change})


def finish(viewer: ViewerHandshake, host: HostHandshake) -> tuple[Keys, Keys]:
    host.receive_open(viewer.open_params())
    payload, host_keys = host.receive_share(viewer.receive_accept(host.accept_params()))
    return viewer.receive_confirmation(payload), host_keys


def test_pairing_gives_both_the_same_keys_and_words() -> None:
    viewer, host = pairing_viewer(), pairing_host()
    viewer_keys, host_keys = finish(viewer, host)
    assert viewer_keys == host_keys
    assert viewer_keys.pairing_key is not None
    assert PairClaims.unpack(host.claims) == CLAIMS
    assert PairFacts.unpack(viewer.facts) == FACTS
    assert host.attempt == 1


def test_connecting_gives_both_the_same_keys_and_words() -> None:
    viewer, host = connecting_viewer(claims=b"\x81\xa1a\x01"), connecting_host(facts=b"\x81\xa1b\x02")
    viewer_keys, host_keys = finish(viewer, host)
    assert viewer_keys == host_keys
    assert viewer_keys.pairing_key is None
    assert (host.claims, viewer.facts) == (b"\x81\xa1a\x01", b"\x81\xa1b\x02")


def test_keys_open_what_the_other_end_seals() -> None:
    viewer_keys, host_keys = finish(connecting_viewer(), connecting_host())
    viewer_sealer, viewer_opener = viewer_keys.viewer_ends()
    host_sealer, host_opener = host_keys.host_ends()
    assert host_opener.open(viewer_sealer.seal(b"up")[0]) == Opened(b"up", False)
    assert viewer_opener.open(host_sealer.seal(b"down")[0]) == Opened(b"down", False)


def test_each_connection_has_fresh_keys() -> None:
    first, _ = finish(connecting_viewer(), connecting_host())
    second, _ = finish(connecting_viewer(), connecting_host())
    assert first.viewer_to_host != second.viewer_to_host
    assert first.viewer_to_host != first.host_to_viewer


def test_password_typed_on_another_keyboard_connects() -> None:
    viewer_keys, host_keys = finish(
        connecting_viewer(access_password="cafe\u0301"), connecting_host(access_password="caf\u00e9")
    )
    assert viewer_keys == host_keys


def test_keys_and_handshakes_show_nothing_secret() -> None:
    keys, _ = finish(pairing_viewer(), pairing_host())
    assert "<32 secret bytes>" in repr(keys)
    assert keys.viewer_to_host.hex() not in repr(keys)
    assert repr(bytes(keys.viewer_to_host)) not in repr(keys)
    assert CODE not in repr(pairing_viewer()._binding)


@pytest.mark.parametrize(
    "change",
    [
        {"security_code": "123456788"},
        {"invite_secret": bytes(16)},
        {"origin": "https://evil.example"},
        {"session": "s_other"},
        {"stream": STREAM + 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_pairing_with_anything_different_is_a_wrong_code(change: dict[str, Any]) -> None:
    viewer, host = pairing_viewer(**change), pairing_host()
    with pytest.raises(WrongSecret) as caught:
        finish(viewer, host)
    assert caught.value.close_reason is CloseReason.WRONG_CODE


@pytest.mark.parametrize(
    "change",
    [
        {"access_password": "k7mp-w2xa-9tff"},
        {"pairing_key": bytes(32)},
        {"origin": "https://evil.example"},
        {"session": "s_other"},
        {"stream": STREAM + 1},
        {"channel": "files"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_connecting_with_anything_different_is_a_wrong_password(change: dict[str, Any]) -> None:
    viewer, host = connecting_viewer(**change), connecting_host()
    with pytest.raises(WrongSecret) as caught:
        finish(viewer, host)
    assert caught.value.close_reason is CloseReason.WRONG_PASSWORD


def test_changed_claims_are_noticed_by_the_host() -> None:
    viewer, host = pairing_viewer(), pairing_host()
    other = PairClaims(technician="Eve", company="Ayuda S.A.", kinds=["control"], lifetime=86_400)
    host.receive_open({**viewer.open_params(), "claims": other.pack()})
    with pytest.raises(WrongSecret):
        host.receive_share(viewer.receive_accept(host.accept_params()))


def test_changed_facts_are_noticed_by_the_host() -> None:
    viewer, host = pairing_viewer(), pairing_host()
    host.receive_open(viewer.open_params())
    facts = PairFacts(computer="PC-8", os="Debian 12", user="eva", key=bytes(32)).pack()
    with pytest.raises(WrongSecret):
        host.receive_share(viewer.receive_accept({**host.accept_params(), "facts": facts}))


@pytest.mark.parametrize("key", ["attempt", "code"])
def test_changed_try_is_noticed_by_the_host(key: str) -> None:
    viewer, host = pairing_viewer(), pairing_host(code_number=2 if key == "code" else 1)
    host.receive_open({**viewer.open_params(), key: 2})
    with pytest.raises(WrongSecret):
        host.receive_share(viewer.receive_accept(host.accept_params()))


@pytest.mark.parametrize("make", [pairing_viewer, connecting_viewer])
def test_confirmation_of_a_host_that_does_not_know_the_secret_is_refused(
    make: Callable[..., ViewerHandshake],
) -> None:
    viewer = make()
    is_pair = make is pairing_viewer
    host = pairing_host(security_code="000000000") if is_pair else connecting_host(access_password="no")
    host.receive_open(viewer.open_params())
    viewer.receive_accept(host.accept_params())
    with pytest.raises(WrongSecret) as caught:
        viewer.receive_confirmation(msgpack.packb({"tag": bytes(64)}))
    assert caught.value.close_reason is (CloseReason.WRONG_CODE if is_pair else CloseReason.WRONG_PASSWORD)


@pytest.mark.parametrize(("last_attempt", "code_number"), [(1, 1), (7, 1), (0, 2)])
def test_try_that_is_not_the_next_one_is_refused(last_attempt: int, code_number: int) -> None:
    host = pairing_host(last_attempt=last_attempt, code_number=code_number)
    with pytest.raises(RemoteProtocolError) as caught:
        host.receive_open(pairing_viewer().open_params())
    assert caught.value.close_reason is CloseReason.OUT_OF_ORDER


def test_try_may_skip_one_that_was_lost() -> None:
    viewer_keys, host_keys = finish(pairing_viewer(attempt=4), pairing_host(last_attempt=2))
    assert viewer_keys == host_keys


@pytest.mark.parametrize("share", [bytes(32), b"\xff" * 32, (2**255 - 19).to_bytes(32, "little")])
def test_weak_share_breaks_the_seal_on_both_ends(share: bytes) -> None:
    viewer, host = connecting_viewer(), connecting_host()
    host.receive_open(viewer.open_params())
    accept = host.accept_params()
    with pytest.raises(RemoteProtocolError) as at_viewer:
        viewer.receive_accept({**accept, "share": share})
    with pytest.raises(RemoteProtocolError) as at_host:
        host.receive_share(msgpack.packb({"share": share, "tag": bytes(64)}))
    assert at_viewer.value.close_reason is CloseReason.SEAL_BROKEN
    assert at_host.value.close_reason is CloseReason.SEAL_BROKEN


OPEN_CHANGES: list[Any] = [
    None,
    [],
    {},
    {"nonce": bytes(15)},
    {"nonce": "x" * 16},
    {"attempt": 0},
    {"attempt": 16},
    {"attempt": True},
    {"code": 4},
    {"code": "1"},
    {"claims": b""},
    {"claims": b"\x80"},
    {"claims": bytes(4097)},
    {"claims": msgpack.packb({"technician": 1, "company": "", "kinds": [], "lifetime": 1})},
    {"extra": 1},
]


@pytest.mark.parametrize("change", OPEN_CHANGES, ids=range(len(OPEN_CHANGES)))
def test_open_of_another_shape_is_a_bad_frame(change: Any) -> None:
    host = pairing_host()
    params = {**pairing_viewer().open_params(), **change} if change else change
    with pytest.raises(RemoteProtocolError) as caught:
        host.receive_open(params)
    assert caught.value.close_reason is CloseReason.BAD_FRAME


@pytest.mark.parametrize("change", [{"attempt": 1}, {"nonce": None}, {"claims": None}])
def test_open_of_a_tool_with_another_shape_is_a_bad_frame(change: dict[str, Any]) -> None:
    with pytest.raises(RemoteProtocolError):
        check_open_params("control", {**connecting_viewer().open_params(), **change})


@pytest.mark.parametrize(
    "change", [{"share": bytes(31)}, {"nonce": bytes(17)}, {"facts": "text"}, {"facts": b"\x80"}, {"more": 1}]
)
def test_accept_of_another_shape_is_a_bad_frame(change: dict[str, Any]) -> None:
    viewer, host = pairing_viewer(), pairing_host()
    host.receive_open(viewer.open_params())
    with pytest.raises(RemoteProtocolError) as caught:
        viewer.receive_accept({**host.accept_params(), **change})
    assert caught.value.close_reason is CloseReason.BAD_FRAME


PAYLOADS = st.binary(max_size=200) | st.dictionaries(
    st.sampled_from(["share", "tag", "x"]), st.none() | st.binary(min_size=31, max_size=65) | st.floats()
).map(msgpack.packb)


@given(PAYLOADS)
def test_any_payload_is_refused_by_the_host(payload: bytes) -> None:
    host = connecting_host()
    host.receive_open(connecting_viewer().open_params())
    host.accept_params()
    with pytest.raises(RemoteProtocolError):
        host.receive_share(payload)


@given(PAYLOADS)
def test_any_payload_is_refused_by_the_viewer(payload: bytes) -> None:
    viewer, host = connecting_viewer(), connecting_host()
    host.receive_open(viewer.open_params())
    viewer.receive_accept(host.accept_params())
    with pytest.raises(RemoteProtocolError):
        viewer.receive_confirmation(payload)


@given(st.recursive(st.none() | st.binary(max_size=40) | st.text(max_size=9), st.lists).map(msgpack.packb))
def test_any_claims_and_facts_are_refused(data: bytes) -> None:
    for read in (PairClaims.unpack, PairFacts.unpack, words.unpack_answer, words.unpack_stored):
        with pytest.raises(RemoteProtocolError):
            read(data)


def test_failed_handshake_cannot_be_tried_again() -> None:
    viewer, host = pairing_viewer(security_code="000000000"), pairing_host()
    host.receive_open(viewer.open_params())
    payload = viewer.receive_accept(host.accept_params())
    with pytest.raises(WrongSecret):
        host.receive_share(payload)
    with pytest.raises(LocalProtocolError):
        host.receive_share(payload)


def test_steps_out_of_order_are_our_own_mistake() -> None:
    with pytest.raises(LocalProtocolError):
        pairing_host().accept_params()
    with pytest.raises(LocalProtocolError):
        pairing_viewer().receive_confirmation(b"")
    viewer = pairing_viewer()
    viewer.open_params()
    with pytest.raises(LocalProtocolError):
        viewer.open_params()


def test_pair_stream_cannot_be_opened_with_a_password() -> None:
    with pytest.raises(LocalProtocolError):
        connecting_viewer(channel="pair")


def test_empty_password_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(CodeError):
        connecting_viewer(access_password="")


@pytest.mark.parametrize("is_allowed", [True, False])
def test_customers_answer_reads_back(is_allowed: bool) -> None:
    assert words.unpack_answer(words.pack_answer(is_allowed=is_allowed)) is is_allowed


def test_stored_reads_back() -> None:
    assert words.unpack_stored(words.pack_stored()) is True


def run_for_vectors(viewer: ViewerHandshake, host: HostHandshake) -> dict[str, Any]:
    opening = viewer.open_params()
    host.receive_open(opening)
    accept = host.accept_params()
    share = viewer.receive_accept(accept)
    confirmation, keys = host.receive_share(share)
    assert viewer.receive_confirmation(confirmation) == keys
    return {
        "open": shown(opening),
        "accept": shown(accept),
        "share": share.hex(),
        "confirmation": confirmation.hex(),
        "viewer_to_host": keys.viewer_to_host.hex(),
        "host_to_viewer": keys.host_to_viewer.hex(),
        "pairing_key": keys.pairing_key.hex() if keys.pairing_key else None,
    }


def shown(params: dict[str, Any]) -> dict[str, Any]:
    return {key: value.hex() if isinstance(value, bytes) else value for key, value in params.items()}


def test_vectors_are_what_the_code_computes() -> None:
    pair = run_for_vectors(
        pairing_viewer(attempt=7, code_number=2, _random=counting_bytes(1)),
        pairing_host(last_attempt=6, code_number=2, _random=counting_bytes(101)),
    )
    connect = run_for_vectors(
        connecting_viewer(access_password="cafe\u0301", _random=counting_bytes(51)),
        connecting_host(access_password="caf\u00e9", _random=counting_bytes(151)),
    )
    assert_vectors(
        "pairing",
        {
            **COMMON,
            "randomness": "nonce (16), then scalar (32), counting up: viewer from 1 and 51, host 101 and 151",
            "invite_secret": SECRET.hex(),
            "security_code": CODE,
            "code": 2,
            "attempt": 7,
            "claims": {
                "technician": "Ana",
                "company": "Ayuda S.A.",
                "kinds": CLAIMS.kinds,
                "lifetime": 86_400,
            },
            "facts": {"computer": "PC-7", "os": "Debian 12", "user": "eva", "key": FACTS.key.hex()},
            "pair": pair,
            "channel": "control",
            "connect_pairing_key": PAIRING_KEY.hex(),
            "access_password": "caf\u00e9",
            "connect": connect,
        },
    )
