"""X keysyms and XT scancodes as keys of Windows; pure tables.

A viewer names a key by its keysym (X11 protocol, appendix A) and perhaps by its XT scancode, with 0x80 set
for those after an 0xE0 prefix (rfbproto, QEMU Extended Key Event Message). Windows knows keys by virtual key
codes (winuser.h, VK_…), and by the same scancodes with a flag for the prefix.
"""

from dataclasses import dataclass
from typing import Final

_UNICODE: Final = 0x01000000
_SCANCODE_BITS: Final = 0x7F
_PREFIX_BIT: Final = 0x80
_EURO: Final = 0x20AC
"""A keysym of its own that is the same number as the character."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that types nothing, or always the same.

    Attributes:
        code: the virtual key code.
        is_extended: its scancode has the prefix 0xE0.
    """

    code: int
    is_extended: bool = False


def _row(first_keysym: int, first_code: int, count: int) -> dict[int, Key]:
    return {first_keysym + number: Key(first_code + number) for number in range(count)}


_KEYS: Final = {
    # Typing keys: BackSpace, Tab, ISO_Left_Tab, Return, Escape.
    0xFF08: Key(0x08), 0xFF09: Key(0x09), 0xFE20: Key(0x09), 0xFF0D: Key(0x0D), 0xFF1B: Key(0x1B),
    # Pause, Scroll_Lock, Sys_Req, Print, Break, Menu.
    0xFF13: Key(0x13), 0xFF14: Key(0x91), 0xFF15: Key(0x2C, True), 0xFF61: Key(0x2C, True),
    0xFF6B: Key(0x03, True), 0xFF67: Key(0x5D, True),
    # The cursor block: Home, Left, Up, Right, Down, Prior, Next, End, Insert, Delete.
    0xFF50: Key(0x24, True), 0xFF51: Key(0x25, True), 0xFF52: Key(0x26, True), 0xFF53: Key(0x27, True),
    0xFF54: Key(0x28, True), 0xFF55: Key(0x21, True), 0xFF56: Key(0x22, True), 0xFF57: Key(0x23, True),
    0xFF63: Key(0x2D, True), 0xFFFF: Key(0x2E, True),
    # The keypad without Num Lock, in its own order: Home … Delete; what the keys mean is settled by the code.
    0xFF95: Key(0x24), 0xFF96: Key(0x25), 0xFF97: Key(0x26), 0xFF98: Key(0x27), 0xFF99: Key(0x28),
    0xFF9A: Key(0x21), 0xFF9B: Key(0x22), 0xFF9C: Key(0x23), 0xFF9D: Key(0x0C), 0xFF9E: Key(0x2D),
    0xFF9F: Key(0x2E),
    # Num_Lock, KP_Enter, the keypad's signs, its digits.
    0xFF7F: Key(0x90, True), 0xFF8D: Key(0x0D, True), 0xFFAA: Key(0x6A), 0xFFAB: Key(0x6B),
    0xFFAC: Key(0x6C), 0xFFAD: Key(0x6D), 0xFFAE: Key(0x6E), 0xFFAF: Key(0x6F, True),
    **_row(0xFFB0, 0x60, 10),
    # F1 … F24.
    **_row(0xFFBE, 0x70, 24),
    # Shift, Control, Caps_Lock, Meta, Alt, Super, and what AltGr is called.
    0xFFE1: Key(0xA0), 0xFFE2: Key(0xA1), 0xFFE3: Key(0xA2), 0xFFE4: Key(0xA3, True), 0xFFE5: Key(0x14),
    0xFFE7: Key(0x5B, True), 0xFFE8: Key(0x5C, True), 0xFFE9: Key(0xA4), 0xFFEA: Key(0xA5, True),
    0xFFEB: Key(0x5B, True), 0xFFEC: Key(0x5C, True), 0xFE03: Key(0xA5, True), 0xFF7E: Key(0xA5, True),
    # Muhenkan, Henkan, Kanji, Hangul, Hangul_Hanja.
    0xFF22: Key(0x1D), 0xFF23: Key(0x1C), 0xFF21: Key(0x19), 0xFF31: Key(0x15), 0xFF34: Key(0x19),
    # XF86: softer, mute, louder, play, stop, previous, next, back, forward, refresh.
    0x1008FF11: Key(0xAE, True), 0x1008FF12: Key(0xAD, True), 0x1008FF13: Key(0xAF, True),
    0x1008FF14: Key(0xB3, True), 0x1008FF15: Key(0xB2, True), 0x1008FF16: Key(0xB1, True),
    0x1008FF17: Key(0xB0, True), 0x1008FF26: Key(0xA6, True), 0x1008FF27: Key(0xA7, True),
    0x1008FF29: Key(0xA8, True),
}  # fmt: skip


def key_of_keysym(keysym: int) -> Key | None:
    """The key of a symbol that is no text; None if it is text, or no key of Windows."""
    return _KEYS.get(keysym)


def text_of_keysym(keysym: int) -> str:
    """The character that a symbol types; "" if it is none, or of a national set from before Unicode."""
    if 0x20 <= keysym <= 0x7E or 0xA0 <= keysym <= 0xFF or keysym == _EURO:
        return chr(keysym)
    code = keysym - _UNICODE
    is_character = 0x20 <= code <= 0x10FFFF and not 0x7F <= code <= 0x9F and not 0xD800 <= code <= 0xDFFF
    return chr(code) if is_character else ""


def split_scancode(scancode: int) -> tuple[int, bool] | None:
    """The scancode as Windows has it, and whether it has the prefix 0xE0; None if there is no such key."""
    plain = scancode & _SCANCODE_BITS
    if not plain or scancode > _SCANCODE_BITS | _PREFIX_BIT:
        return None
    return plain, bool(scancode & _PREFIX_BIT)
