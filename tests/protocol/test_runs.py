"""Runs: whatever a stranger sends, both implementations find the same, and nothing is lost on the way."""

import os
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import (
    MAX_PAYLOAD_BYTES,
    Credit,
    Data,
    decode_frame,
    encode_data,
    encode_frame,
    peek_data,
)
from relay.protocol.runs import (
    MAX_RUN_BYTES,
    PURE_PYTHON_VARIABLE,
    Run,
    TakeRuns,
    load_compiled,
    take_runs_in_python,
)
from relay.protocol.websocket import Event, WebSocketCodec

MAX = 1 << 20
ONE, OTHER = 1 << 16 | 1, 2 << 16 | 3


def find_implementations() -> list[object]:
    found: list[object] = [pytest.param(take_runs_in_python, id="python")]
    try:
        found.append(pytest.param(load_compiled(), id="c"))
    except ImportError as error:
        found.append(pytest.param(None, id="c", marks=pytest.mark.skip(f"it was not built: {error}")))
    return found


both = pytest.mark.parametrize("take_runs", find_implementations())
CLIENT = WebSocketCodec(is_client=True, max_message_bytes=MAX)


def masked(*messages: bytes) -> bytes:
    """As a peer sends them."""
    return b"".join(map(CLIENT.encode_binary, messages))


def unmasked(*messages: bytes) -> bytes:
    """As the relay sends them on."""
    codec = WebSocketCodec(is_client=False, max_message_bytes=MAX)
    return b"".join(map(codec.encode_binary, messages))


@both
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_frames_of_one_stream_are_one_run(take_runs: TakeRuns, kind: type) -> None:
    messages = [encode_data(ONE, bytes(size)) for size in (0, 1, 60, 116, 117, 255, 256, 1000, 20_000)]
    data = b"before" + masked(*messages)
    sizes = list(map(len, messages))
    run = Run(ONE, 9, sum(sizes), max(sizes), unmasked(*messages))
    found = take_runs(kind(data), 6, MAX)
    assert found == ([run], len(data))
    assert type(found[0][0]) is Run


@both
@pytest.mark.parametrize("size", [MAX_RUN_BYTES - 8, MAX_RUN_BYTES, 500_000, MAX - 12])
def test_a_frame_larger_than_a_run_is_a_run(take_runs: TakeRuns, size: int) -> None:
    large = encode_data(ONE, os.urandom(size))
    data = masked(large, large)
    run = Run(ONE, 1, len(large), len(large), unmasked(large))
    assert take_runs(data, 0, MAX) == ([run, run], len(data))


@both
def test_a_run_ends_before_it_becomes_too_long(take_runs: TakeRuns) -> None:
    messages = [encode_data(ONE, bytes(1000))] * 300
    data = masked(*messages)
    runs, end = take_runs(data, 0, MAX)
    assert [MAX_RUN_BYTES - 2000 < len(run.wire) <= MAX_RUN_BYTES for run in runs] == [True, True, False]
    assert (b"".join(run.wire for run in runs), end) == (unmasked(*messages), len(data))
    assert sum(run.frames for run in runs) == 300


@both
def test_two_of_the_largest_records_of_a_screen_are_one_run(take_runs: TakeRuns) -> None:
    message = encode_data(ONE, bytes(MAX_PAYLOAD_BYTES))
    runs, _ = take_runs(masked(*[message] * 4), 0, MAX)
    assert [run.frames for run in runs] == [2, 2]


@both
@pytest.mark.parametrize(
    "after",
    [
        masked(encode_data(OTHER, b"of another stream")),
        masked(encode_frame(Credit(ONE, 5))),
        masked(encode_data(ONE, bytes(2001))),
        masked(b""),
        masked(b"\x93"),
        masked(encode_data(ONE, b"12345678")[:8]),
        masked(encode_data(ONE, b"cut")[:-1]),
        masked(encode_data(ONE, b"too long") + b"x"),
        unmasked(encode_data(ONE, b"not masked")),
        CLIENT.encode_ping(b"ping"),
        b"\x02" + masked(encode_data(ONE, b"a fragment"))[1:],
        b"\xc2" + masked(encode_data(ONE, b"a reserved bit"))[1:],
        masked(encode_data(ONE, b"incomplete"))[:-1],
        masked(encode_data(ONE, bytes(300)))[:5],
        b"\x82\xfe\x00\x20" + masked(encode_data(ONE, bytes(23)))[2:],
        b"\x82\xff" + (1 << 63).to_bytes(8) + bytes(100),
        b"\x82\xff" + ((1 << 64) - 1).to_bytes(8) + bytes(100),
        b"\x82\xff" + (100).to_bytes(8) + bytes(200),
        b"\x82",
        b"",
    ],
    ids=lambda after: f"{len(after)} bytes",  # the masks are random, and the names of tests are not
)
def test_anything_else_ends_it_or_is_none(take_runs: TakeRuns, after: bytes) -> None:
    first = masked(encode_data(ONE, b"first"))
    run = Run(ONE, 1, 14, 14, unmasked(encode_data(ONE, b"first")))
    alone, end = take_runs(after, 0, 2000)
    assert [run.stream for run in alone] == [OTHER] * len(alone)
    assert bool(alone) == bool(end)
    assert take_runs(first + after, 0, 2000) == ([run, *alone], len(first) + end)


@both
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("size", [0, 1, 81, 116, 117, 255, 256, 1000])
def test_a_stretch_of_frames_alike_is_as_many_frames(take_runs: TakeRuns, size: int, kind: type) -> None:
    messages = [encode_data(ONE, os.urandom(size)) for _ in range(MAX_RUN_BYTES // (size + 9))]
    fitting = MAX_RUN_BYTES // len(unmasked(messages[0]))
    data = b"before" + masked(*messages)
    runs, end = take_runs(kind(data), 6, MAX)
    length = len(messages[0])
    expected = [
        Run(ONE, len(ours), len(ours) * length, length, unmasked(*ours))
        for ours in (messages[:fitting], messages[fitting:])
        if ours
    ]
    assert (runs, end) == (expected, len(data))


@both
@pytest.mark.parametrize("size", [81, 300])
def test_a_stretch_ends_at_the_first_frame_that_is_not_alike(take_runs: TakeRuns, size: int) -> None:
    messages = [encode_data(ONE, os.urandom(size)) for _ in range(130)]
    frames = [masked(message) for message in messages]
    header_bytes = len(unmasked(messages[0])) - len(messages[0])
    head_bytes = len(messages[0]) - size
    places = [*range(header_bytes), *range(header_bytes + 4, header_bytes + 4 + head_bytes)]
    for index in range(1, len(messages)):
        changed = bytearray(frames[index])
        changed[places[index % len(places)]] ^= 1 << index % 8
        end = sum(map(len, frames[:index]))
        runs, _ = take_runs(b"".join([*frames[:index], changed, *frames[index + 1 :]]), 0, MAX)
        assert (runs[0].frames, runs[0].wire) == (index, unmasked(*messages[:index]))
        assert take_runs(b"".join([*frames[:index], bytes((0x83,))]), 0, MAX) == (runs[:1], end)


@both
@pytest.mark.parametrize("alike", [1, 8, 9, 41])
def test_streams_that_take_turns_are_runs_that_take_turns(take_runs: TakeRuns, alike: int) -> None:
    expected = [
        (stream, [encode_data(stream, os.urandom(50)) for _ in range(alike)]) for stream in (ONE, OTHER) * 20
    ]
    data = masked(*[message for _, messages in expected for message in messages])
    runs, end = take_runs(data, 0, MAX)
    assert [(run.stream, run.frames, run.wire) for run in runs] == [
        (stream, alike, unmasked(*messages)) for stream, messages in expected
    ]
    assert end == len(data)


@both
def test_the_end_and_what_is_behind_it_are_no_place_to_read(take_runs: TakeRuns) -> None:
    data = masked(encode_data(ONE, b"x"))
    assert take_runs(data, len(data), MAX) == ([], len(data))
    assert take_runs(b"", 0, MAX) == ([], 0)
    assert take_runs(data, 0, 0) == ([], 0)


payloads = st.one_of(st.binary(max_size=140), st.integers(0, 3000).map(bytes))
messages = st.one_of(
    st.builds(encode_data, st.sampled_from([ONE, OTHER]), payloads),
    st.builds(lambda stream, amount: encode_frame(Credit(stream, amount)), st.just(ONE), st.integers(1, 9)),
    st.binary(max_size=30),
)
stretches = st.builds(lambda message, frames: masked(*[message] * frames), messages, st.integers(1, 60))
pieces = st.one_of(messages.map(masked), stretches, st.binary(max_size=20).map(CLIENT.encode_ping))


@both
@given(sent=st.lists(pieces, max_size=12), places=st.lists(st.integers(0, 5000), max_size=5))
def test_a_codec_with_runs_gives_what_one_without_gives(
    take_runs: TakeRuns, sent: list[bytes], places: list[int]
) -> None:
    stream = b"".join(sent)
    edges = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    cut = [stream[start:end] for start, end in pairwise(edges)]
    with_runs = WebSocketCodec(is_client=False, max_message_bytes=2500, take_runs=take_runs)
    without = WebSocketCodec(is_client=False, max_message_bytes=2500)
    assert flat(receive(with_runs, cut)) == flat(receive(without, cut))


@given(data=st.one_of(st.binary(max_size=200), st.lists(pieces, max_size=6).map(b"".join)), noise=st.data())
def test_both_implementations_agree_on_anything(data: bytes, noise: st.DataObject) -> None:
    compiled = pytest.importorskip("relay.protocol._runs", reason="it was not built")
    if data:
        changed = bytearray(data)
        for _ in range(noise.draw(st.integers(0, 3))):
            changed[noise.draw(st.integers(0, len(data) - 1))] = noise.draw(st.integers(0, 255))
        data = bytes(changed)
    position = noise.draw(st.integers(0, len(data)))
    limit = noise.draw(st.sampled_from([0, 8, 9, 100, 2000, MAX]))
    expected = take_runs_in_python(data, position, limit)
    assert compiled.find(Run, MAX_RUN_BYTES, data, position, limit) == expected


def test_the_compiled_part_refuses_places_outside_the_data() -> None:
    compiled = pytest.importorskip("relay.protocol._runs", reason="it was not built")
    for position, limit in ((-1, 10), (4, 10), (0, -1)):
        with pytest.raises(ValueError, match="no such position"):
            compiled.find(Run, 10, b"abc", position, limit)


def test_the_compiled_part_makes_tuples_only() -> None:
    compiled = pytest.importorskip("relay.protocol._runs", reason="it was not built")
    for kind in (list, Credit, "Run"):
        with pytest.raises(TypeError):
            compiled.find(kind, 10, masked(encode_data(ONE, b"x")), 0, MAX)


@both
def test_data_in_fragments_becomes_a_run_too(take_runs: TakeRuns) -> None:
    message = encode_data(ONE, b"in two parts")
    whole = masked(message)
    key, body = whole[2:6], whole[6:]
    # 8 bytes are two turns of the key, so that the second fragment may use the same.
    fragments = b"\x02\x88" + key + body[:8] + b"\x80" + bytes((0x80 | len(body) - 8,)) + key + body[8:]
    codec = WebSocketCodec(is_client=False, max_message_bytes=MAX, take_runs=take_runs)
    assert codec.receive_data(fragments) == [Run(ONE, 1, len(message), len(message), unmasked(message))]


@pytest.mark.parametrize("is_pure", [True, False])
def test_the_environment_chooses_pure_python(is_pure: bool) -> None:
    code = "from relay.protocol import runs; print(runs.take_runs is runs.take_runs_in_python)"
    environment = {**os.environ, PURE_PYTHON_VARIABLE: "1" if is_pure else ""}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    try:
        load_compiled()
    except ImportError:
        is_pure = True
    assert done.stdout.strip() == str(is_pure)


def receive(codec: WebSocketCodec, pieces: list[bytes]) -> list[Event | str]:
    """All events, and the reason if the codec refuses."""
    events: list[Event | str] = []
    try:
        for piece in pieces:
            events += codec.receive_data(piece)
    except RemoteProtocolError as error:
        events += getattr(error, "events", [])
        events.append(error.close_reason.wire)
    return events


def flat(events: list[Event | str]) -> list[object]:
    """Runs taken apart into their messages."""
    reader = WebSocketCodec(is_client=True, max_message_bytes=MAX)
    result: list[object] = []
    for event in events:
        if not isinstance(event, Run):
            result.append(event)
            continue
        inside = reader.receive_data(event.wire)
        lengths = [len(message) for message in inside if isinstance(message, bytes)]
        assert (event.frames, event.size, event.largest) == (len(inside), sum(lengths), max(lengths))
        for message in inside:
            assert isinstance(message, bytes)
            assert peek_data(message) == event.stream
            assert isinstance(decode_frame(message), Data)
        result += inside
    return result
