"""Sealed records: what is sealed opens once, in order, in its own place, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol import sealing
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import LocalProtocolError, RemoteProtocolError
from relay.protocol.sealing import Direction, Opened, Opener, Sealer
from tests.helpers.vectors import assert_vectors

KEY = bytes(range(32))
STREAM = 0x0001_0002
DOWN = Direction.HOST_TO_VIEWER


def ends(max_data_bytes: int = sealing.MAX_DATA_BYTES) -> tuple[Sealer, Opener]:
    return (
        Sealer(KEY, STREAM, DOWN, max_data_bytes=max_data_bytes),
        Opener(KEY, STREAM, DOWN, max_data_bytes=max_data_bytes),
    )


def assert_broken(opener: Opener, record: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        opener.open(record)
    assert caught.value.close_reason is CloseReason.SEAL_BROKEN


def test_vectors_are_what_the_code_computes() -> None:
    vectors = []
    for direction in Direction:
        sealer = Sealer(KEY, STREAM, direction)
        records = [*sealer.seal(b"first"), *sealer.seal(b""), sealer.rekey()]
        records += [*sealer.seal(bytes(range(256))), *sealer.seal(b"last", final=True)]
        vectors.append({"direction": direction.value, "records": [record.hex() for record in records]})
    assert_vectors(
        "sealing",
        {
            "key": KEY.hex(),
            "stream": STREAM,
            "plaintexts": [b"first".hex(), "", None, bytes(range(256)).hex(), b"last".hex()],
            "directions": vectors,
        },
    )


@given(st.lists(st.binary(max_size=300)), st.sampled_from([bytes, bytearray, memoryview]))
def test_what_is_sealed_opens(messages: list[bytes], buffer: type) -> None:
    sealer, opener = ends()
    for message in messages:
        (record,) = sealer.seal(buffer(message))
        assert opener.open(buffer(record)) == Opened(message, False)


def test_final_record_is_marked_and_nothing_follows() -> None:
    sealer, opener = ends()
    (record,) = sealer.seal(b"end", final=True)
    assert opener.open(record) == Opened(b"end", True)
    with pytest.raises(LocalProtocolError):
        sealer.seal(b"more")
    with pytest.raises(LocalProtocolError):
        sealer.rekey()
    assert_broken(opener, record)


def test_rekey_goes_on_with_another_key() -> None:
    sealer, opener = ends()
    assert opener.open(sealer.rekey()) is None
    (record,) = sealer.seal(b"after")
    assert opener.open(record) == Opened(b"after", False)
    assert Sealer(KEY, STREAM, DOWN).seal(b"after") != [record]


def test_sealer_rekeys_by_itself_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "REKEY_RECORDS", 4)
    sealer, opener = ends()
    batches = [sealer.seal(b"x") for _ in range(8)]
    assert [len(batch) for batch in batches] == [1, 1, 1, 2, 1, 1, 2, 1]
    opened = [opener.open(record) for batch in batches for record in batch]
    assert opened.count(Opened(b"x", False)) == 8
    assert opened.count(None) == 2


def test_opener_stops_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "MAX_RECORDS", 3)
    sealer, opener = ends()
    for _ in range(3):
        opener.open(sealer.seal(b"x")[0])
    assert_broken(opener, sealer.seal(b"x")[0])


def test_limits_are_those_of_the_protocol() -> None:
    assert (sealing.REKEY_RECORDS, sealing.MAX_RECORDS) == (1 << 20, 1 << 22)


@pytest.mark.parametrize("channel", ["control", "files"])
def test_longest_plaintext_fits_and_one_byte_more_does_not(channel: str) -> None:
    limit = sealing.max_data_bytes_of(channel)
    sealer, opener = ends(limit)
    (record,) = sealer.seal(bytes(limit))
    assert opener.open(record) == Opened(bytes(limit), False)
    with pytest.raises(LocalProtocolError):
        sealer.seal(bytes(limit + 1))
    assert_broken(opener, Sealer(KEY, STREAM, DOWN, max_data_bytes=limit + 1).seal(bytes(limit + 1))[0])


def test_replayed_record_is_refused() -> None:
    sealer, opener = ends()
    (record,) = sealer.seal(b"once")
    opener.open(record)
    assert_broken(opener, record)


def test_missing_record_is_noticed() -> None:
    sealer, opener = ends()
    sealer.seal(b"lost")
    assert_broken(opener, sealer.seal(b"second")[0])


@pytest.mark.parametrize(
    "sealer",
    [
        Sealer(KEY, STREAM + 1, DOWN),
        Sealer(KEY, STREAM, Direction.VIEWER_TO_HOST),
        Sealer(bytes(32), STREAM, DOWN),
    ],
    ids=["other stream", "other direction", "other key"],
)
def test_record_from_elsewhere_is_refused(sealer: Sealer) -> None:
    assert_broken(ends()[1], sealer.seal(b"hello")[0])


@given(st.integers(0, 21), st.integers(1, 255))
def test_any_flipped_byte_is_noticed(position: int, flip: int) -> None:
    sealer, opener = ends()
    record = bytearray(sealer.seal(b"hello")[0])
    record[position] ^= flip
    assert_broken(opener, bytes(record))


def test_type_of_a_record_cannot_be_changed_to_final() -> None:
    sealer, opener = ends()
    (record,) = sealer.seal(b"")
    assert_broken(opener, b"\x01" + record[1:])


def test_rekey_record_with_content_is_refused() -> None:
    sealer, opener = ends()
    chain = sealer._chain  # no public way makes such a record
    assert_broken(opener, chain.encrypt(2, b"stowaway"))


@given(st.binary(max_size=100))
def test_any_bytes_break_the_seal_and_it_stays_broken(record: bytes) -> None:
    sealer, opener = ends()
    (good,) = sealer.seal(b"good")
    assert_broken(opener, record)
    assert_broken(opener, good)
