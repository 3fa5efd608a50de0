"""Any bytes at all: an HTTP answer or a close, no error of ours, no way to a handler but a valid upgrade."""

from itertools import pairwise

import h11
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from trio.testing import MockClock

from relay.errors import PeerGone
from relay.http import FrontDoorEvent, UpgradeRequest
from tests.http.visitor import GET, UPGRADE_FIELDS, Tally, echo_app, make_door, open_visit

VALID_UPGRADE = b"GET /tunnel HTTP/1.1\r\n" + UPGRADE_FIELDS + b"\r\n"

# Whole requests, halves of requests, and what is known to hurt: their orders and cuts find the states.
FRAGMENTS = st.sampled_from(
    [
        GET,
        GET[:-2],
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b"GET /tunnel HTTP/1.1\r\n",
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"hello",
        b"Upgrade: websocket\r\n",
        b"Connection: Upgrade\r\n",
        b"Host: b\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Expect: 100-continue\r\n",
        b"X: \x00\x1f\x7f\r\n",
        b"GET http://[::1/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /%c0%80 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"HEAD / HTTP/1.0\r\n\r\n",
        b"\x16\x03\x01\x00\xff",
        b"A" * 2000,
    ]
)
PIECES = st.lists(st.one_of(FRAGMENTS, st.binary(max_size=40)), max_size=8)


async def talk(pieces: list[bytes], tally: Tally, upgraded: list[UpgradeRequest]) -> bytes:
    """Sends pieces and then ends; what the front door said until it closed."""

    async def handler(request: UpgradeRequest) -> None:
        upgraded.append(request)
        await request.refuse(503, "Reached.")

    door = make_door(
        echo_app, upgrades={"/tunnel": handler}, tally=tally, max_head_bytes=1000, max_body_bytes=100
    )
    said = b""
    async with open_visit(door) as visitor, trio.open_nursery() as nursery:

        async def listen() -> None:
            nonlocal said
            try:
                while piece := await visitor.transport.receive_some():
                    said += piece
            except PeerGone:
                pass

        nursery.start_soon(listen)
        try:
            for piece in pieces:
                await visitor.send(piece)
            visitor.transport._outgoing.end_writing()
        except PeerGone:
            pass
    return said


def answers_in(said: bytes) -> list[int]:
    """The statuses of final answers; fails if the bytes are not a sequence of HTTP answers."""
    statuses: list[int] = []
    while said:
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
        parser.send(h11.EndOfMessage())
        parser.receive_data(said)
        while not isinstance(event := parser.next_event(), h11.EndOfMessage):
            assert event is not h11.NEED_DATA
            if isinstance(event, h11.Response):
                statuses.append(event.status_code)
        said, _ = parser.trailing_data
    return statuses


def run_with(pieces: list[bytes]) -> tuple[bytes, Tally, list[UpgradeRequest]]:
    tally, upgraded = Tally(), list[UpgradeRequest]()
    with capture_logs() as logs:
        said = trio.run(talk, pieces, tally, upgraded, clock=MockClock(autojump_threshold=0))
    assert not [entry for entry in logs if entry["log_level"] in ("error", "critical")]
    assert tally[FrontDoorEvent.CONNECTION_ERROR] == tally[FrontDoorEvent.APP_ERROR] == 0
    return said, tally, upgraded


@given(PIECES)
def test_any_bytes_give_http_answers_or_a_close(pieces: list[bytes]) -> None:
    said, tally, upgraded = run_with(pieces)
    assert len(upgraded) == tally[FrontDoorEvent.UPGRADE]
    for request in upgraded:
        assert request.path == "/tunnel"
        fields = dict(request.headers)
        assert b"upgrade" in fields[b"connection"].lower()
        assert b"websocket" in fields[b"upgrade"].lower()
    if b"HEAD" not in b"".join(pieces):  # an answer without content, which the reader cannot know
        assert all(200 <= status <= 505 for status in answers_in(said))


@given(st.lists(st.integers(1, len(GET + VALID_UPGRADE) - 1), max_size=6))
def test_cuts_between_packets_change_nothing(cuts: list[int]) -> None:
    whole = GET + VALID_UPGRADE
    borders = [0, *sorted(set(cuts)), len(whole)]
    said, tally, upgraded = run_with([whole[a:b] for a, b in pairwise(borders)])
    assert answers_in(said) == [200, 503]
    assert len(upgraded) == 1
    assert tally == {FrontDoorEvent.REQUEST: 1, FrontDoorEvent.UPGRADE: 1}


@given(st.integers(0, len(VALID_UPGRADE) - 1), st.integers(0, 255))
def test_one_wrong_byte_never_ends_in_an_error_of_ours(place: int, byte: int) -> None:
    broken = VALID_UPGRADE[:place] + bytes([byte]) + VALID_UPGRADE[place + 1 :]
    said, _, upgraded = run_with([broken])
    assert len(upgraded) <= 1
    if not broken.startswith(b"HEAD"):
        assert len(answers_in(said)) <= 2


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_bare_line_feeds_are_lines_as_rfc_9112_allows(line_end: bytes) -> None:
    said, _, _ = run_with([GET.replace(b"\r\n", line_end)])
    assert answers_in(said) == [200]
