"""Security codes and access passwords, made and read."""

import math
import unicodedata
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol import codes
from relay.protocol.codes import CodeError


def test_new_code_has_nine_digits_with_leading_zeros() -> None:
    limits = []

    def lowest(limit: int) -> int:
        limits.append(limit)
        return 42

    assert codes.new_security_code(_random_below=lowest) == "000000042"
    assert limits == [10**9]


def test_new_codes_differ() -> None:
    assert len({codes.new_security_code() for _ in range(20)}) == 20


@given(st.integers(0, 10**9 - 1))
def test_formatted_code_reads_back(number: int) -> None:
    code = f"{number:09d}"
    shown = codes.format_security_code(code)
    assert [len(part) for part in shown.split(" ")] == [3, 3, 3]
    assert codes.parse_security_code(shown) == code


@pytest.mark.parametrize(
    "typed",
    [
        "123456789",
        " 123-456-789\n",
        "123.456.789",
        "1 2 3 4 5 6 7 8 9",
        "123\u00a0456\u202f789",
        "１２３　４５６－７８９",  # noqa: RUF001 - full-width digits are the point
        "١٢٣ ٤٥٦ ٧٨٩",
        "१२३–४५६—७८९",  # noqa: RUF001 - so are Devanagari ones and dashes
    ],
)
def test_code_is_read_as_people_type_it(typed: str) -> None:
    assert codes.parse_security_code(typed) == "123456789"


@pytest.mark.parametrize("typed", ["", "12345678", "1234567890", "12345678a", "12345678²", "1" + " " * 99])
def test_anything_else_is_no_code(typed: str) -> None:
    with pytest.raises(CodeError, match="nine digits"):
        codes.parse_security_code(typed)


@given(st.text())
def test_any_text_is_a_code_or_a_code_error(typed: str) -> None:
    try:
        code = codes.parse_security_code(typed)
    except CodeError:
        return
    assert len(code) == 9
    assert code.isascii()
    assert code.isdigit()


def test_tries_and_waits_belong_together() -> None:
    assert len(codes.WAITS) == codes.MAX_TRIES_PER_CODE
    assert codes.MAX_ATTEMPTS == 15


def test_proposed_password_has_sixty_bits_of_unambiguous_characters() -> None:
    alphabet: set[str] = set()
    for index in range(32):
        password = codes.propose_access_password(_random_below=partial(min, index))
        assert password == "-".join([password[0] * 4] * 3)
        alphabet.add(password[0])
    assert 12 * math.log2(len(alphabet)) == 60
    assert not alphabet & set("01lo")


def test_proposed_passwords_differ_and_are_valid() -> None:
    proposed = {codes.propose_access_password() for _ in range(20)}
    assert len(proposed) == 20
    assert {codes.normalise_access_password(password) for password in proposed} == proposed


def test_password_is_normalised() -> None:
    assert codes.normalise_access_password("cafe\u0301") == "caf\u00e9"


@pytest.mark.parametrize(
    "password", ["", "a\nb", "\x00", "\ud800", "x" * 257, "é" * 129, "\u0344" * 200], ids=range(7)
)
def test_unusable_password_is_refused(password: str) -> None:
    with pytest.raises(CodeError):
        codes.normalise_access_password(password)


@pytest.mark.parametrize("password", ["x" * 256, "é" * 128])
def test_longest_password_is_taken(password: str) -> None:
    assert codes.normalise_access_password(password) == password


@given(st.text())
def test_normalising_twice_changes_nothing(password: str) -> None:
    try:
        once = codes.normalise_access_password(password)
    except CodeError:
        return
    assert unicodedata.is_normalized("NFC", once)
    assert codes.normalise_access_password(once) == once
