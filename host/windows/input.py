"""Pressing keys and moving the pointer with SendInput, whatever keyboard layout the customer has.

A viewer sends what was typed (a keysym) and perhaps which key it was (a scancode). The key is believed if the
customer's layout gives that very character for it with the modifiers that are held. Otherwise the character
decides, because the technician's layout may be another: the key that the customer's has for it is pressed,
with Shift and AltGr as it needs them around it. A character that the layout does not have is sent itself, as
Windows lets input methods do (KEYEVENTF_UNICODE), which not every program understands. With Ctrl, Alt or
Windows held a character means a shortcut, so that its key is pressed whatever it would type.

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
_NEEDS_SHIFT: Final = 1
_NEEDS_ALTGR: Final = 2 | 4
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
    """What one press came to.

    Attributes:
        key: with its scancode `scan`; None for a character.
        units: of the character, in UTF-16.
        around: modifiers to press (True) or release while the key is pressed.
    """

    key: Key | None
    scan: int = 0
    units: tuple[int, ...] = ()
    around: tuple[tuple[Key, bool], ...] = ()


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
            around = [(key, _scan_of(key), is_down) for key, is_down in stroke.around]
            # All at once, so that nothing of the customer's comes in between.
            _send(
                [
                    *(_key_event(key, scan, is_down=is_down) for key, scan, is_down in around),
                    *_events(stroke, is_down=True),
                    *(_key_event(key, scan, is_down=not is_down) for key, scan, is_down in reversed(around)),
                ]
            )

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
            _send(_events(stroke, is_down=False))

    def release_all(self) -> None:
        """Release every key that is down."""
        while self._down:
            _, stroke = self._down.popitem()
            _send(_events(stroke, is_down=False))


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
        return _Stroke(key, _scan_of(key))
    text = text_of_keysym(keysym)
    named = _named_key(scancode, layout)
    if not text:
        return named
    if named is not None and named.key is not None:
        # In a shortcut it is the letter that counts, as the key has it by itself.
        held = _Modifiers() if _is_shortcut() else _Modifiers.held()
        typed = _typed_by(named.key.code, held, layout)
        if typed == text or (_is_shortcut() and typed.casefold() == text.casefold()):
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
    """The key that the layout has for a character, with the modifiers that it needs."""
    if len(text.encode("utf-16-le")) > 2:
        return None
    found = _user32.VkKeyScanExW(text, layout)
    code, needs = found & 0xFF, found >> 8 & 0xFF
    if found == -1 or needs & ~_NEEDS_SHIFT not in (0, _NEEDS_ALTGR):
        return None
    key = Key(code)
    if _is_shortcut():
        return _Stroke(key, _scan_of(key))
    held, has_altgr = _Modifiers.held(), bool(needs & _NEEDS_ALTGR)
    # Caps Lock does to letters what Shift does, and the layout knows what is a letter.
    for has_shift in (bool(needs & _NEEDS_SHIFT), not needs & _NEEDS_SHIFT):
        wanted = _Modifiers(has_shift, has_altgr, held.has_caps)
        if _typed_by(code, wanted, layout) == text:
            return _Stroke(key, _scan_of(key), around=_changes(held, wanted))
    return None


@dataclass(frozen=True, slots=True)
class _Modifiers:
    """What a key's character depends on."""

    has_shift: bool = False
    has_altgr: bool = False
    has_caps: bool = False

    @classmethod
    def held(cls) -> "_Modifiers":
        has_altgr = _is_held(_CONTROL) and _is_held(_MENU)
        return cls(_is_held(_SHIFT), has_altgr, bool(_user32.GetKeyState(_CAPITAL) & 1))


_SHIFT_KEYS: Final = (Key(0xA0), Key(0xA1))
_ALTGR_KEYS: Final = (Key(0xA2), Key(_RIGHT_ALT, True))
"""AltGr is left Ctrl and right Alt to Windows; layouts without it take the two for it as well."""


def _changes(held: _Modifiers, wanted: _Modifiers) -> tuple[tuple[Key, bool], ...]:
    """Modifiers to press (True) or release."""
    changes: list[tuple[Key, bool]] = []
    if wanted.has_shift and not held.has_shift:
        changes.append((_SHIFT_KEYS[0], True))
    elif held.has_shift and not wanted.has_shift:
        changes += [(key, False) for key in _SHIFT_KEYS if _is_held(key.code)]
    if wanted.has_altgr and not held.has_altgr:
        changes += [(key, True) for key in _ALTGR_KEYS]
    elif held.has_altgr and not wanted.has_altgr:
        changes += [(key, False) for key in _ALTGR_KEYS if _is_held(key.code)]
    return tuple(changes)


def _typed_by(code: int, modifiers: _Modifiers, layout: int) -> str:
    """What a key types; "" for nothing, or an accent that waits for its letter."""
    state = bytearray(256)
    state[_SHIFT] = _HELD if modifiers.has_shift else 0
    state[_CONTROL] = state[_MENU] = _HELD if modifiers.has_altgr else 0
    state[_CAPITAL] = int(modifiers.has_caps)
    scan = _user32.MapVirtualKeyExW(code, _SCANCODE_OF_CODE, layout) & 0xFF
    buffer = ctypes.create_unicode_buffer(8)
    count = _user32.ToUnicodeEx(code, scan, bytes(state), buffer, 8, _LEAVES_STATE, layout)
    return buffer.value[:count] if count > 0 else ""


def _scan_of(key: Key) -> int:
    return int(_user32.MapVirtualKeyExW(key.code, _SCANCODE_OF_CODE, _layout()) & 0xFF)


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


def _events(stroke: _Stroke, *, is_down: bool) -> list[_Input]:
    if stroke.key is not None:
        return [_key_event(stroke.key, stroke.scan, is_down=is_down)]
    flags = _CHARACTER | (0 if is_down else _UP)
    return [_keyboard(0, unit, flags) for unit in stroke.units]


def _key_event(key: Key, scan: int, *, is_down: bool) -> _Input:
    flags = (_EXTENDED if key.is_extended else 0) | (0 if is_down else _UP)
    return _keyboard(key.code, scan, flags)


def _keyboard(code: int, scan: int, flags: int) -> _Input:
    return _Input(_KEYBOARD, _Either(key=_KeyInput(code, scan, flags, 0, None)))


def _mouse(flags: int, x: int = 0, y: int = 0, *, data: int = 0) -> _Input:
    return _Input(_MOUSE, _Either(mouse=_MouseInput(x, y, data & 0xFFFFFFFF, flags, 0, None)))


def _send(events: Sequence[_Input]) -> None:
    """What a more privileged window refuses is lost, as it is when the customer's own programs try it."""
    if events:
        _user32.SendInput(len(events), (_Input * len(events))(*events), ctypes.sizeof(_Input))
