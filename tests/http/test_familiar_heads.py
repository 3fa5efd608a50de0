"""Heads that were seen before become what h11 and our checks made of them, and nothing else ever does."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.http import FrontDoorEvent, UpgradeRequest
from relay.http.familiar_heads import MAX_HEAD_BYTES, MAX_HEADS, FamiliarHeads
from relay.http.heads import RequestHead, check_request
from relay.protocol.frames import SUBPROTOCOL
from relay.protocol.upgrade import client_request, make_key
from tests.http.visitor import Tally, hello_app, make_door, open_visit

FIRST, SECOND = b"dGhlIHNhbXBsZSBub25jZQ==", b"AAAAAAAAAAAAAAAAAAAAAA=="


def write(key: bytes = FIRST, *fields: bytes, target: bytes = b"/tunnel/host", behind: bytes = b"") -> bytes:
    lines = [
        b"GET " + target + b" HTTP/1.1",
        b"Host: relay.example",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: " + key,
        b"Sec-WebSocket-Version: 13",
        *fields,
    ]
    return b"\r\n".join([*lines, b"", b""]) + behind


def parse(data: bytes) -> RequestHead:
    parser = h11.Connection(h11.SERVER)
    parser.receive_data(data)
    request = parser.next_event()
    assert isinstance(request, h11.Request)
    return check_request(request)


def familiar_with(*seen: bytes) -> FamiliarHeads:
    heads = FamiliarHeads()
    for data in seen:
        heads.learn(data, parse(data))
    return heads


@given(
    st.sampled_from(["relay.example", "relay.example:8443", "127.0.0.1:1", "[::1]:8080"]),
    st.sampled_from(["/tunnel/host", "/tunnel/viewer"]),
    st.sampled_from([SUBPROTOCOL, None]),
    st.lists(
        st.tuples(st.sampled_from([b"User-Agent", b"user-agent"]), st.from_regex(rb"\A[ -~]{0,20}\Z")),
        max_size=3,
    ),
)
def test_what_is_found_is_what_h11_would_have_made_of_it(
    host: str, path: str, subprotocol: str | None, extra: list[tuple[bytes, bytes]]
) -> None:
    first, second = (client_request(host, path, make_key(), subprotocol, extra) for _ in range(2))
    heads = familiar_with(first)
    assert len(heads) == 1
    found, expected = heads.find(second), parse(second)
    assert found is not None
    assert found.headers == expected.headers
    for name in (
        "method",
        "http_version",
        "raw_path",
        "path",
        "query_string",
        "content_length",
        "is_chunked",
    ):
        assert getattr(found.head, name) == getattr(expected, name)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(write(SECOND, target=b"/tunnel/viewer"), id="another path"),
        pytest.param(write(SECOND, b"X: 1"), id="one field more"),
        pytest.param(write(SECOND, behind=b"\x82\x85"), id="something behind it"),
        pytest.param(write(SECOND)[:-2], id="not all of it"),
        pytest.param(write(b"AAAAAAAAAAAAAAAAAAAAAA"), id="a key too short"),
        pytest.param(write(b"AAAAAAAAAAAAAAAAAAAAAAA="), id="a key too long"),
        pytest.param(write(b"AAAAAAAAAAAAAAAAAAAAA\x01=="), id="a control character for a key"),
        pytest.param(write(SECOND + b"\r\nX: 1\r\nSec-WebSocket-Key: " + SECOND), id="two keys"),
        pytest.param(
            write(SECOND).replace(b"Sec-WebSocket-Key", b"sec-websocket-key"), id="written otherwise"
        ),
        pytest.param(b"\x16\x03\x01", id="no HTTP"),
    ],
)
def test_what_differs_in_anything_but_the_key_is_not_known(other: bytes) -> None:
    heads = familiar_with(write())
    assert heads.find(write(SECOND)) is not None
    assert heads.find(other) is None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(write(target=b"/tunnel/host?ticket=x"), id="query"),
        pytest.param(write(FIRST, b"Cookie: a=b"), id="cookie"),
        pytest.param(write(FIRST, b"Authorization: Bearer x"), id="credentials"),
        pytest.param(write(FIRST, b"X-Forwarded-For: 192.0.2.7"), id="address of a proxy's client"),
        pytest.param(write(FIRST, b"X-Client: 192.0.2.7"), id="what nobody knows"),
        pytest.param(write(FIRST, b"Sec-WebSocket-Key: " + SECOND), id="two keys"),
        pytest.param(write(FIRST + b"\r\n more"), id="folded key"),
        pytest.param(write(FIRST, b"User-Agent: " + b"x" * MAX_HEAD_BYTES), id="long"),
        pytest.param(write(FIRST, b"Content-Length: 1"), id="content"),
        pytest.param(write().replace(b"Upgrade: websocket", b"Upgrade: h2c"), id="another upgrade"),
        pytest.param(write().replace(b"GET", b"POST"), id="another method"),
        pytest.param(write(behind=b"\x82\x85"), id="something behind it"),
    ],
)
def test_what_is_secret_or_personal_or_no_plain_upgrade_is_not_remembered(data: bytes) -> None:
    assert len(familiar_with(data)) == 0


def test_only_so_many_are_remembered_and_the_oldest_goes() -> None:
    written = [write(FIRST, b"User-Agent: %d" % number) for number in range(MAX_HEADS + 1)]
    heads = familiar_with(*written)
    assert len(heads) == MAX_HEADS
    assert heads.find(written[0]) is None
    assert all(heads.find(one) is not None for one in written[1:])


async def test_a_familiar_head_goes_to_the_handler_as_the_first_did(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[UpgradeRequest] = []
    received: list[bytes] = []

    async def handler(request: UpgradeRequest) -> None:
        requests.append(request)
        await request.transport.send_all(b"101")
        received.append(await request.transport.receive_some())

    tally = Tally()
    door = make_door(hello_app, upgrades={"/tunnel/host": handler}, tally=tally)

    async def visit(data: bytes) -> None:
        async with open_visit(door) as visitor:
            await visitor.send(data)
            assert await visitor.transport.receive_some() == b"101"
            await visitor.send(b"\x82\x85hello")
            assert await visitor.read_to_end() == b""

    await visit(write())

    def parse_nothing(parser: h11.Connection) -> None:
        raise AssertionError("it is known")

    with monkeypatch.context() as patch:
        patch.setattr(h11.Connection, "next_event", parse_nothing)
        await visit(write(SECOND))
    first, second = requests
    assert dict(first.headers)[b"sec-websocket-key"] == FIRST
    assert dict(second.headers)[b"sec-websocket-key"] == SECOND
    assert [name for name, _ in first.headers] == [name for name, _ in second.headers]
    for name in ("path", "query_string", "client", "is_tls"):
        assert getattr(first, name) == getattr(second, name)
    assert received == [b"\x82\x85hello"] * 2
    assert tally == {FrontDoorEvent.UPGRADE: 2}


async def test_bytes_right_behind_a_head_that_would_be_familiar_are_kept() -> None:
    early: list[bytes] = []

    async def handler(request: UpgradeRequest) -> None:
        early.append(await request.transport.receive_some())

    door = make_door(hello_app, upgrades={"/tunnel/host": handler})
    door.familiar_heads.learn(write(), parse(write()))
    async with open_visit(door) as visitor:
        await visitor.send(write(SECOND, behind=b"\x82\x85hello"))
        assert await visitor.read_to_end() == b""
    assert early == [b"\x82\x85hello"]
