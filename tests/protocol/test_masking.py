"""Every masking routine keeps one contract; which one runs depends only on what is installed."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.masking import (
    Routine,
    apply_mask,
    choose_routine,
    load_c_routine,
    load_numpy_routine,
    mask_with_integers,
)

every_routine = pytest.mark.parametrize(
    "routine",
    [load_c_routine(), load_numpy_routine(), mask_with_integers, apply_mask],
    ids=["c", "numpy", "integers", "chosen"],
)
# Around the switch from integers to numpy, and each remainder after its 4-byte words.
LENGTHS = [0, 1, 2, 3, 4, 5, 125, 126, 1023, 1024, 1025, 1026, 1027, 65536, 65537]


def mask_slowly(data: bytes, mask: bytes) -> bytes:
    """RFC 6455 §5.3 word by word."""
    return bytes(octet ^ mask[index % 4] for index, octet in enumerate(data))


@every_routine
@pytest.mark.parametrize("length", LENGTHS)
def test_masking_is_the_rfc_formula_at_every_length(routine: Routine, length: int) -> None:
    data = bytes(index * 7 % 256 for index in range(length))
    assert routine(data, b"\x01\x80\xff\x2a") == mask_slowly(data, b"\x01\x80\xff\x2a")


@every_routine
@given(data=st.binary(max_size=300), mask=st.binary(min_size=4, max_size=4))
def test_masking_twice_gives_the_data_back(routine: Routine, data: bytes, mask: bytes) -> None:
    assert routine(routine(data, mask), mask) == data


@every_routine
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("length", [5, 2000])
def test_any_buffer_is_taken_and_bytes_come_back(routine: Routine, kind: type, length: int) -> None:
    data = b"x" * length
    masked = routine(kind(data), bytearray(b"abcd"))
    assert type(masked) is bytes
    assert masked == mask_slowly(data, b"abcd")


@every_routine
def test_a_slice_at_an_odd_address_is_masked_right(routine: Routine) -> None:
    data = bytes(range(256)) * 8
    assert routine(memoryview(data)[3:], b"abcd") == mask_slowly(data[3:], b"abcd")


@every_routine
@pytest.mark.parametrize("mask", [b"", b"abc", b"abcde"])
@pytest.mark.parametrize("length", [5, 2000])
def test_a_mask_of_another_length_is_a_value_error(routine: Routine, mask: bytes, length: int) -> None:
    with pytest.raises(ValueError, match="mask must contain 4 bytes"):
        routine(b"x" * length, mask)


def test_the_c_routine_is_chosen_where_it_is_installed() -> None:
    assert choose_routine() is load_c_routine()


def test_numpy_is_chosen_without_the_c_routine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    assert choose_routine().__name__ == "mask_with_numpy"


def test_integers_are_chosen_with_nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "websockets.speedups", None)
    monkeypatch.setitem(sys.modules, "numpy", None)
    assert choose_routine() is mask_with_integers
