"""The opening handshake: both halves against each other, against wsproto, and against bad ones."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Request

from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import LocalProtocolError, RemoteProtocolError
from relay.protocol.upgrade import (
    MAX_HEAD_BYTES,
    UpgradeError,
    accept_value,
    check_client_response,
    check_server_request,
    client_request,
    make_key,
    server_response,
    split_head,
)

SUBPROTOCOL = "adhoc.v1"
# RFC 6455 §1.3.
RFC_KEY, RFC_ACCEPT = b"dGhlIHNhbXBsZSBub25jZQ==", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

GOOD_HEADERS = {
    b"host": b"relay.example",
    b"upgrade": b"websocket",
    b"connection": b"Upgrade",
    b"sec-websocket-key": RFC_KEY,
    b"sec-websocket-version": b"13",
    b"sec-websocket-protocol": SUBPROTOCOL.encode(),
}


def parse_request(data: bytes) -> h11.Request:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    request = connection.next_event()
    assert isinstance(request, h11.Request)
    return request


def check_response(lines: list[bytes], subprotocol: str | None = SUBPROTOCOL) -> None:
    check_client_response(b"\r\n".join(lines) + b"\r\n\r\n", RFC_KEY, subprotocol)


def good_response(*, without: bytes = b"", extra: tuple[bytes, ...] = ()) -> list[bytes]:
    lines = [
        b"HTTP/1.1 101 Switching Protocols",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Accept: " + RFC_ACCEPT,
        b"Sec-WebSocket-Protocol: adhoc.v1",
    ]
    return [line for line in lines if not without or not line.startswith(without)] + list(extra)


# The two halves


def test_the_accept_value_is_the_rfcs_example() -> None:
    assert accept_value(RFC_KEY) == RFC_ACCEPT


def test_keys_are_16_fresh_bytes() -> None:
    keys = {make_key() for _ in range(20)}
    assert len(keys) == 20
    assert {len(key) for key in keys} == {24}


@pytest.mark.parametrize("subprotocol", [SUBPROTOCOL, None])
def test_our_client_and_our_relay_agree(subprotocol: str | None) -> None:
    key = make_key()
    request = parse_request(client_request("127.0.0.1:8080", "/tunnel/host", key, subprotocol))
    assert request.target == b"/tunnel/host"
    assert check_server_request(list(request.headers), request.method, subprotocol) == key
    head = split_head(server_response(key, subprotocol) + b"\x82\x00")
    assert head is not None
    assert head[1] == b"\x82\x00"
    check_client_response(head[0], key, subprotocol)


def test_extra_headers_are_sent() -> None:
    data = client_request("relay.example", "/", RFC_KEY, None, [(b"User-Agent", b"adhoc host/1")])
    assert (b"user-agent", b"adhoc host/1") in list(parse_request(data).headers)


@pytest.mark.parametrize(
    ("host", "path", "header"),
    [
        ("relay\r\nX: y", "/", (b"A", b"b")),
        ("", "/", (b"A", b"b")),
        ("relay", "tunnel", (b"A", b"b")),
        ("relay", "/a b", (b"A", b"b")),
        ("relay", "/é", (b"A", b"b")),
        ("relay", "/", (b"A", b"b\r\nC: d")),
        ("relay", "/", (b"A", b"\xe9")),
        ("relay", "/", (b"A:", b"b")),
        ("relay", "/", (b"", b"b")),
    ],
)
def test_what_would_break_out_of_its_line_is_our_bug(
    host: str, path: str, header: tuple[bytes, bytes]
) -> None:
    with pytest.raises(LocalProtocolError):
        client_request(host, path, RFC_KEY, SUBPROTOCOL, [header])


# wsproto as the other half


def test_wsproto_takes_our_request_and_we_its_answer() -> None:
    server = WSConnection(ConnectionType.SERVER)
    key = make_key()
    server.receive_data(client_request("relay.example", "/tunnel/host", key, SUBPROTOCOL))
    (request,) = server.events()
    assert isinstance(request, Request)
    assert (request.host, request.target, request.subprotocols) == (
        "relay.example",
        "/tunnel/host",
        [SUBPROTOCOL],
    )
    answer = split_head(server.send(AcceptConnection(subprotocol=SUBPROTOCOL)))
    assert answer is not None
    check_client_response(answer[0], key, SUBPROTOCOL)


def test_wsproto_takes_our_answer_and_we_its_request() -> None:
    client = WSConnection(ConnectionType.CLIENT)
    request = parse_request(
        client.send(Request(host="relay.example", target="/", subprotocols=["other", SUBPROTOCOL]))
    )
    key = check_server_request(list(request.headers), request.method, SUBPROTOCOL)
    client.receive_data(server_response(key, SUBPROTOCOL))
    (accepted,) = client.events()
    assert isinstance(accepted, AcceptConnection)
    assert accepted.subprotocol == SUBPROTOCOL


# The relay's side


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"Upgrade", b"WebSocket"),
        (b"upgrade", b"h2c, websocket"),
        (b"CONNECTION", b"keep-alive, upgrade"),
        (b"sec-websocket-protocol", b"other ,\tadhoc.v1"),
    ],
)
def test_case_and_lists_are_read_as_http_means_them(name: bytes, value: bytes) -> None:
    headers = GOOD_HEADERS | {name.lower(): value}
    assert check_server_request([(key.title(), val) for key, val in headers.items()], b"GET", SUBPROTOCOL)


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        (b"host", None, 400),
        (b"upgrade", None, 400),
        (b"upgrade", b"h2c", 400),
        (b"connection", b"close", 400),
        (b"sec-websocket-version", None, 426),
        (b"sec-websocket-version", b"8", 426),
        (b"sec-websocket-key", None, 400),
        (b"sec-websocket-key", b"", 400),
        (b"sec-websocket-key", b"c2hvcnQ=", 400),
        (b"sec-websocket-key", b"not base64!", 400),
        (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ", 400),
        (b"sec-websocket-protocol", None, 400),
        (b"sec-websocket-protocol", b"adhoc.v2", 400),
    ],
)
def test_an_improper_request_is_refused_with_a_sentence_and_a_status(
    name: bytes, value: bytes | None, status: int
) -> None:
    headers = dict(GOOD_HEADERS)
    del headers[name]
    if value is not None:
        headers[name] = value
    with pytest.raises(UpgradeError) as info:
        check_server_request(list(headers.items()), b"GET", SUBPROTOCOL)
    assert info.value.status == status
    assert str(info.value).endswith(".")


@pytest.mark.parametrize("name", [b"host", b"sec-websocket-key", b"sec-websocket-version"])
def test_a_header_that_must_be_alone_may_not_come_twice(name: bytes) -> None:
    headers = [*GOOD_HEADERS.items(), (name, GOOD_HEADERS[name])]
    with pytest.raises(UpgradeError):
        check_server_request(headers, b"GET", SUBPROTOCOL)


def test_only_get_asks_for_a_websocket() -> None:
    with pytest.raises(UpgradeError) as info:
        check_server_request(list(GOOD_HEADERS.items()), b"POST", SUBPROTOCOL)
    assert info.value.status == 405


def test_extensions_and_unknown_subprotocols_are_ignored() -> None:
    headers = [*GOOD_HEADERS.items(), (b"sec-websocket-extensions", b"permessage-deflate")]
    key = check_server_request(headers, b"GET", None)
    assert b"xtension" not in server_response(key, None)


# The client's side


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (200, CloseReason.BAD_WEBSOCKET),
        (302, CloseReason.BAD_WEBSOCKET),
        (403, CloseReason.REFUSED),
        (404, CloseReason.REFUSED),
        (429, CloseReason.LIMIT),
        (500, CloseReason.INTERNAL),
        (503, CloseReason.LIMIT),
    ],
)
def test_another_answer_carries_its_status(status: int, reason: CloseReason) -> None:
    with pytest.raises(UpgradeError, match=f"The relay answered {status}") as info:
        check_response([f"HTTP/1.1 {status} Because".encode(), b"Content-Length: 0"])
    assert info.value.status == status
    assert info.value.close_reason is reason


@pytest.mark.parametrize(
    "lines",
    [
        good_response(without=b"Upgrade"),
        good_response(without=b"Connection"),
        good_response(without=b"Sec-WebSocket-Accept"),
        good_response(without=b"Sec-WebSocket-Accept", extra=(b"Sec-WebSocket-Accept: " + RFC_KEY,)),
        good_response(extra=(b"Sec-WebSocket-Accept: " + RFC_ACCEPT,)),
        good_response(extra=(b"Sec-WebSocket-Extensions: permessage-deflate",)),
        good_response(without=b"Sec-WebSocket-Protocol"),
        good_response(without=b"Sec-WebSocket-Protocol", extra=(b"Sec-WebSocket-Protocol: other",)),
    ],
)
def test_a_101_that_is_wrong_otherwise_is_refused(lines: list[bytes]) -> None:
    with pytest.raises(UpgradeError) as info:
        check_response(lines)
    assert info.value.status == 101


def test_a_subprotocol_that_was_not_offered_is_refused() -> None:
    with pytest.raises(UpgradeError):
        check_response(good_response(), subprotocol=None)


@pytest.mark.parametrize(
    "lines",
    [
        [b""],
        [b"HTTP/1.0 101 Switching Protocols"],
        [b"HTTP/1.1 999 No"],
        [b"SSH-2.0-OpenSSH_9.2"],
        good_response(extra=(b"no colon",)),
        good_response(extra=(b" folded: line",)),
        good_response(extra=(b"Name : value",)),
        good_response(extra=(b"Name: a\nb",)),
        good_response(extra=(b"Name: a\x00b",)),
    ],
)
def test_an_answer_that_is_not_http_is_a_protocol_error(lines: list[bytes]) -> None:
    with pytest.raises(RemoteProtocolError) as info:
        check_response(lines)
    assert info.value.close_reason is CloseReason.BAD_WEBSOCKET


def test_spaces_around_a_value_do_not_count() -> None:
    lines = good_response(without=b"Sec-WebSocket-Accept")
    check_response([*lines, b"Sec-WebSocket-Accept:\t" + RFC_ACCEPT + b" \t"])


@given(head=st.binary(max_size=200) | st.text(max_size=40).map(lambda text: b"HTTP/1.1 101" + text.encode()))
def test_any_answer_is_a_protocol_error_and_nothing_else(head: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        check_client_response(head, RFC_KEY, SUBPROTOCOL)


@given(headers=st.lists(st.tuples(st.sampled_from([*GOOD_HEADERS]), st.binary(max_size=30)), max_size=8))
def test_any_headers_are_refused_and_nothing_else(headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(UpgradeError):
        check_server_request(headers, b"GET", SUBPROTOCOL)


# Finding the head


def test_an_incomplete_head_waits() -> None:
    assert split_head(b"HTTP/1.1 101 Switching Protocols\r\n\r") is None


def test_a_head_of_exactly_the_limit_is_taken() -> None:
    head = b"x" * (MAX_HEAD_BYTES - 4) + b"\r\n\r\n"
    assert split_head(head + b"rest") == (head, b"rest")


def test_a_head_over_the_limit_is_refused() -> None:
    with pytest.raises(RemoteProtocolError) as info:
        split_head(b"x" * (MAX_HEAD_BYTES - 3) + b"\r\n\r\n")
    assert info.value.close_reason is CloseReason.TOO_LARGE
