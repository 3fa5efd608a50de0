"""Pressing keys and moving the pointer with SendInput, whatever keyboard layout the customer has.

A viewer sends what was typed (a keysym) and perhaps which key it was (a scancode). The key is believed if the
customer's layout gives that very character for it with the modifiers that are held; then the key that
the layout has for the character; and where neither gives it, the character itself is sent, as Windows lets
input methods do (KEYEVENTF_UNICODE). With Ctrl, Alt or Windows held a character means a shortcut, so that its
key is pressed whatever it would type.

Windows does not repeat keys that a program presses: repeated presses are passed on.

Blocking; everything in one thread, which must be on the desktop that gets the input.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
from collections.abc import Sequence
from ctypes import wintypes
from dataclasses import dataclass
from typing import Final

from host.windows.keys import Key, key_of_keysym, split_scancode, text_of_keysym

_EXTENDED: Final = 0x1
_UP: Final = 0x2
_CHARACTER: Final = 0x4
_MOUSE: Final = 0
_KEYBOARD: Final = 1
_MOVE: Final = 0x1 | 0x4000 | 0x8000
"""To a place of the whole virtual screen."""
_BUTTON_EVENTS: Final = ((0x2, 0x4), (0x20, 0x40), (0x8, 0x10))
"""Down and up of the left, middle and right button, in the order of RFB's mask."""
_WHEEL_EVENTS: Final = ((0x800, 120), (0x800, -120), (0x1000, -120), (0x1000, 120))
"""The next four bits of the mask: up, down, left, right; a notch at each press."""
_SWAPS_BUTTONS: Final = 23
_PLACES: Final = 65536
_CODE_OF_SCANCODE: Final = 3
_SCANCODE_OF_CODE: Final = 4
_LEAVES_STATE: Final = 4
_SHIFT, _CONTROL, _MENU, _CAPITAL, _LEFT_WIN, _RIGHT_WIN = 0x10, 0x11, 0x12, 0x14, 0x5B, 0x5C
_RIGHT_ALT: Final = 0xA5
_HELD: Final = 0x80


class _MouseInput(ctypes.Structure):
    _fields_ = (
        ("dx", wintypes.LONG),
        ("dy", wintypes.LONG),
        ("data", wintypes.DWORD),
        ("flags", wintypes.DWORD),
        ("time", wintypes.DWORD),
        ("extra", ctypes.c_void_p),
    )


class _KeyInput(ctypes.Structure):
    _fields_ = (
        ("code", wintypes.WORD),
        ("scan", wintypes.WORD),
        ("flags", wintypes.DWORD),
        ("time", wintypes.DWORD),
        ("extra", ctypes.c_void_p),
    )


class _Either(ctypes.Union):
    _fields_ = (("mouse", _MouseInput), ("key", _KeyInput))


class _Input(ctypes.Structure):
    _fields_ = (("kind", wintypes.DWORD), ("either", _Either))


_user32 = ctypes.WinDLL("user32", use_last_error=True)
_user32.SendInput.argtypes = (wintypes.UINT, ctypes.POINTER(_Input), ctypes.c_int)
_user32.SendInput.restype = wintypes.UINT
_user32.GetKeyboardLayout.restype = ctypes.c_void_p
_user32.GetForegroundWindow.restype = wintypes.HWND
_user32.GetWindowThreadProcessId.argtypes = (wintypes.HWND, ctypes.c_void_p)
_user32.MapVirtualKeyExW.argtypes = (wintypes.UINT, wintypes.UINT, ctypes.c_void_p)
_user32.VkKeyScanExW.argtypes = (wintypes.WCHAR, ctypes.c_void_p)
_user32.VkKeyScanExW.restype = ctypes.c_short
_user32.GetKeyState.restype = ctypes.c_short
_user32.GetAsyncKeyState.restype = ctypes.c_short
_user32.ToUnicodeEx.argtypes = (
    wintypes.UINT,
    wintypes.UINT,
    ctypes.c_char_p,
    wintypes.LPWSTR,
    ctypes.c_int,
    wintypes.UINT,
    ctypes.c_void_p,
)


@dataclass(frozen=True, slots=True)
class _Stroke:
    """What one press came to: a key, or the UTF-16 units of a character."""

    key: Key | None
    scan: int = 0
    units: tuple[int, ...] = ()


class Keyboard:
    """The keys pressed through one desktop."""

    def __init__(self) -> None:
        self._down: dict[tuple[str, int], _Stroke] = {}  # by what the viewer calls the key

    def press(self, keysym: int, scancode: int | None) -> None:
        """Press a key, or press it again; nothing if there is no such key and no character."""
        name = _name(keysym, scancode)
        stroke = self._down.get(name) or _choose(keysym, scancode)
        if stroke is not None:
            self._down[name] = stroke
            _send_stroke(stroke, is_down=True)

    def release(self, keysym: int, scancode: int | None) -> None:
        """Release a key, under whatever symbol it was pressed; nothing if it is not down."""
        stroke = self._down.pop(_name(keysym, scancode), None)
        if stroke is None:
            # "A" went down, then Shift up, then "a" up: the same key.
            folded = text_of_keysym(keysym).casefold()
            for name in list(self._down):
                if folded and name[0] == "keysym" and text_of_keysym(name[1]).casefold() == folded:
                    stroke = self._down.pop(name)
                    break
        if stroke is not None:
            _send_stroke(stroke, is_down=False)

    def release_all(self) -> None:
        """Release every key that is down."""
        while self._down:
            _, stroke = self._down.popitem()
            _send_stroke(stroke, is_down=False)


class Pointer:
    """The buttons pressed through one desktop."""

    def __init__(self) -> None:
        self._buttons = 0

    def move(self, x: int, y: int, buttons: int, size: tuple[int, int]) -> None:
        """Move to a pixel of the virtual screen, counted from its corner, and set the buttons."""
        width, height = size
        # The first place of the pixel, of 65536 across the screen: Windows rounds down.
        places = (-(-x * _PLACES // width), -(-y * _PLACES // height))
        self._set_buttons(buttons, [_mouse(_MOVE, *places)])

    def release_all(self) -> None:
        """Release every button that is down."""
        self._set_buttons(0, [])

    def _set_buttons(self, buttons: int, events: list[_Input]) -> None:
        changed = self._buttons ^ buttons
        is_swapped = bool(_user32.GetSystemMetrics(_SWAPS_BUTTONS))
        for bit, (down, up) in enumerate(_BUTTON_EVENTS):
            if changed >> bit & 1:
                if is_swapped and bit != 1:  # what is sent is what the hand does, not what is meant
                    down, up = _BUTTON_EVENTS[2 - bit]
                events.append(_mouse(down if buttons >> bit & 1 else up))
        for bit, (event, turn) in enumerate(_WHEEL_EVENTS, len(_BUTTON_EVENTS)):
            if (changed & buttons) >> bit & 1:
                events.append(_mouse(event, data=turn))
        self._buttons = buttons
        _send(events)


def _name(keysym: int, scancode: int | None) -> tuple[str, int]:
    return ("scancode", scancode) if scancode else ("keysym", keysym)


def _choose(keysym: int, scancode: int | None) -> _Stroke | None:
    layout = _layout()
    key = key_of_keysym(keysym)
    if key is not None:
        return _Stroke(key, _user32.MapVirtualKeyExW(key.code, _SCANCODE_OF_CODE, layout) & 0xFF)
    text = text_of_keysym(keysym)
    named = _named_key(scancode, layout)
    if not text:
        return named
    if named is not None and (_is_shortcut() or _typed_by(named, layout) == text):
        shown = _typed_by(named, layout, is_plain=True)
        # In a shortcut the technician's letter counts, if the customer's key is another one's.
        if not _is_shortcut() or shown.casefold() == text.casefold():
            return named
    found = _find(text, layout)
    if found is not None:
        return found
    if named is not None and _is_shortcut():
        return named
    units = text.encode("utf-16-le")
    pairs = zip(units[::2], units[1::2], strict=True)
    return _Stroke(None, units=tuple(low | high << 8 for low, high in pairs))


def _named_key(scancode: int | None, layout: int) -> _Stroke | None:
    """The key at a place of the keyboard."""
    split = split_scancode(scancode or 0)
    if split is None:
        return None
    scan, is_extended = split
    code = _user32.MapVirtualKeyExW(scan | (0xE000 if is_extended else 0), _CODE_OF_SCANCODE, layout)
    return _Stroke(Key(code, is_extended), scan) if code else None


def _find(text: str, layout: int) -> _Stroke | None:
    """The key that the layout has for a character, if the modifiers that are held suit it."""
    if len(text.encode("utf-16-le")) > 2:
        return None
    found = _user32.VkKeyScanExW(text, layout)
    if found == -1:
        return None
    code = found & 0xFF
    stroke = _Stroke(Key(code), _user32.MapVirtualKeyExW(code, _SCANCODE_OF_CODE, layout) & 0xFF)
    if _is_shortcut() or _typed_by(stroke, layout) == text:
        return stroke
    return None


def _typed_by(stroke: _Stroke, layout: int, *, is_plain: bool = False) -> str:
    """What a key types with the modifiers that are held, or with none."""
    if stroke.key is None:
        return ""
    state = bytearray(256)
    if not is_plain:
        for code in (_SHIFT, _CONTROL, _MENU):
            state[code] = _HELD if _is_held(code) else 0
        state[_CAPITAL] = _user32.GetKeyState(_CAPITAL) & 1
    buffer = ctypes.create_unicode_buffer(8)
    count = _user32.ToUnicodeEx(stroke.key.code, stroke.scan, bytes(state), buffer, 8, _LEAVES_STATE, layout)
    return buffer.value[:count] if count > 0 else ""


def _layout() -> int:
    """Of the program that gets what is typed."""
    thread = _user32.GetWindowThreadProcessId(_user32.GetForegroundWindow(), None)
    return int(_user32.GetKeyboardLayout(thread) or 0)


def _is_held(code: int) -> bool:
    return bool(_user32.GetAsyncKeyState(code) < 0)


def _is_shortcut() -> bool:
    """Ctrl, Alt or Windows is held; AltGr, which Windows takes for Ctrl and Alt, types."""
    if _is_held(_LEFT_WIN) or _is_held(_RIGHT_WIN):
        return True
    return _is_held(_CONTROL) != _is_held(_MENU) and not _is_held(_RIGHT_ALT)


def _send_stroke(stroke: _Stroke, *, is_down: bool) -> None:
    up = 0 if is_down else _UP
    if stroke.key is None:
        _send([_key(0, unit, _CHARACTER | up) for unit in stroke.units])
    else:
        extended = _EXTENDED if stroke.key.is_extended else 0
        _send([_key(stroke.key.code, stroke.scan, extended | up)])


def _key(code: int, scan: int, flags: int) -> _Input:
    return _Input(_KEYBOARD, _Either(key=_KeyInput(code, scan, flags, 0, None)))


def _mouse(flags: int, x: int = 0, y: int = 0, *, data: int = 0) -> _Input:
    return _Input(_MOUSE, _Either(mouse=_MouseInput(x, y, data & 0xFFFFFFFF, flags, 0, None)))


def _send(events: Sequence[_Input]) -> None:
    """What a more privileged window refuses is lost, as it is when the customer's own programs try it."""
    if events:
        _user32.SendInput(len(events), (_Input * len(events))(*events), ctypes.sizeof(_Input))
