"""Security codes and access passwords: made, shown and read leniently (docs/protocol.md §5).

A security code has 9 digits and lives in the mouth and ear of two people for a few minutes. Guessing it
takes the deployment link's 128-bit invite secret as well; for somebody who has that, the arithmetic is:
5 tries for each of at most 3 codes, so at most 15 in 10⁹ per session: one chance in 66 million. The
waits make the tries slow enough to be seen by both people.
"""

import secrets
import unicodedata
from collections.abc import Callable

CODE_DIGITS = 9
MAX_TRIES_PER_CODE = 5
MAX_CODES = 3
MAX_ATTEMPTS = MAX_TRIES_PER_CODE * MAX_CODES
WAITS = (0, 1, 2, 4, 8)  # seconds the host waits before each try of a code, the first at once
MAX_PASSWORD_BYTES = 256  # UTF-8; long enough for any sentence, short enough for any link

# Lower-case letters without l and o, digits without 0 and 1: 32 characters that a person can read out.
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP_CHARACTERS = 3, 4  # 12 characters of 5 bits: 60 bits
_SEPARATORS = frozenset(
    " \t\u00a0\u2007\u2009\u202f\u3000.-_\u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d"
)
_MAX_TYPED_CHARACTERS = 64


class CodeError(ValueError):
    """What was typed cannot be a security code or access password; `str(error)` says why."""


def new_security_code(*, _random_below: Callable[[int], int] = secrets.randbelow) -> str:
    """A fresh code: 9 ASCII digits, each of 10⁹ equally likely (`randbelow` draws again if it must)."""
    return f"{_random_below(10**CODE_DIGITS):0{CODE_DIGITS}d}"


def format_security_code(code: str) -> str:
    """The code as people read it: ``123 456 789``."""
    return f"{code[:3]} {code[3:6]} {code[6:]}"


def parse_security_code(text: str) -> str:
    """Reads a code as people type it: with spaces, dashes or dots, in any script's digits.

    Returns:
        9 ASCII digits.

    Raises:
        CodeError: it is anything but 9 digits.
    """
    if len(text) <= _MAX_TYPED_CHARACTERS:
        typed = [character for character in text.strip() if character not in _SEPARATORS]
        digits = [unicodedata.decimal(character, -1) for character in typed]
        if len(digits) == CODE_DIGITS and -1 not in digits:
            return "".join(map(str, digits))
    raise CodeError("A security code has nine digits, for example 123 456 789.")


def propose_access_password(*, _random_below: Callable[[int], int] = secrets.randbelow) -> str:
    """A fresh access password like ``k7mp-w2xa-9tfe``: 60 bits, no letter that looks like another."""
    groups = (
        "".join(_ALPHABET[_random_below(len(_ALPHABET))] for _ in range(_GROUP_CHARACTERS))
        for _ in range(_GROUPS)
    )
    return "-".join(groups)


def normalise_access_password(text: str) -> str:
    """The access password as both sides must hash it: NFC, so that é typed on any keyboard is one é.

    Raises:
        CodeError: it is empty, longer than 256 bytes of UTF-8, or has control characters or lone surrogates.
    """
    if not text:
        raise CodeError("An access password must not be empty.")
    # The length is looked at first: normalising is the expensive part.
    if len(text) > MAX_PASSWORD_BYTES:
        raise CodeError(f"An access password has at most {MAX_PASSWORD_BYTES} bytes.")
    password = unicodedata.normalize("NFC", text)
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in password):
        raise CodeError("An access password must not contain control characters.")
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        raise CodeError(f"An access password has at most {MAX_PASSWORD_BYTES} bytes.")
    return password
