"""XT scancodes as X keycodes.

A viewer with QEMU's key extension names the physical key by its XT (set 1) scancode, with 0x80 set for
those after an 0xE0 prefix (rfbproto, QEMU Extended Key Event Message). Under X with evdev a keycode is the
Linux input code plus eight, and Linux numbers the keys of the original PC keyboard by their XT scancodes;
so only the others need a table (linux/input-event-codes.h; USB HID to PS/2 translation table).
"""

from typing import Final

_LAST_PLAIN: Final = 0x53
_EVDEV_OFFSET: Final = 8

_LINUX_CODES: Final = {
    # Single byte: SysRq, the key beside the left shift, F11, F12, keypad =, F13-F15, Japanese and ABNT keys.
    0x54: 99, 0x56: 86, 0x57: 87, 0x58: 88, 0x59: 117,
    0x5D: 183, 0x5E: 184, 0x5F: 185,
    0x70: 93, 0x73: 89, 0x77: 91, 0x78: 90, 0x79: 92, 0x7B: 94, 0x7D: 124, 0x7E: 121,
    # After 0xE0: media, keypad Enter and /, right Ctrl and Alt, the cursor block, Windows and menu keys.
    0x90: 165, 0x99: 163, 0x9C: 96, 0x9D: 97, 0xA0: 113, 0xA1: 140, 0xA2: 164, 0xA4: 166,
    0xAE: 114, 0xB0: 115, 0xB2: 172, 0xB5: 98, 0xB7: 99, 0xB8: 100, 0xC5: 69, 0xC6: 119,
    0xC7: 102, 0xC8: 103, 0xC9: 104, 0xCB: 105, 0xCD: 106, 0xCF: 107, 0xD0: 108, 0xD1: 109,
    0xD2: 110, 0xD3: 111, 0xDB: 125, 0xDC: 126, 0xDD: 127, 0xDE: 116, 0xDF: 142, 0xE3: 143,
}  # fmt: skip


def keycode_of_scancode(scancode: int) -> int | None:
    """The X keycode (9 to 255) of an XT scancode, or None if there is no such key."""
    if 1 <= scancode <= _LAST_PLAIN:
        return scancode + _EVDEV_OFFSET
    code = _LINUX_CODES.get(scancode)
    return None if code is None else code + _EVDEV_OFFSET
