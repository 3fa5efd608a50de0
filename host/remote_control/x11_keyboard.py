"""Typing on an X11 desktop through XTest, whatever keyboard layout the customer has.

A viewer sends what was typed (a keysym) and perhaps which key it was (a scancode). The key is believed if
the customer's layout gives that very symbol for it; so keypad and modifier keys stay what they are.
Otherwise the symbol decides, because the technician's layout may be another: it is looked for in the
customer's layout and, if it needs other modifiers than are held, these are pressed or released around it.
A symbol the layout does not have at all gets one of the keycodes that mean nothing; the one used longest
ago is taken over when they run out.

Repeated presses of a key that is down are ignored: the X server repeats by itself, as the customer set it.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from Xlib import X
from Xlib.display import Display

from host.remote_control.x11_keys import keycode_of_scancode

_NO_SYMBOL: Final = 0
_VOID_SYMBOL: Final = 0xFFFFFF
_ISO_LEVEL3_SHIFT: Final = 0xFE03
_MODE_SWITCH: Final = 0xFF7E
_NUM_LOCK: Final = 0xFF7F
_UNICODE: Final = 0x01000000
_KEYPAD_NUMBERS: Final = frozenset((*range(0xFFB0, 0xFFBA), 0xFFAC, 0xFFAE))
_KEYPAD_MOVES: Final = frozenset(range(0xFF95, 0xFFA0))
_REUSE_AFTER: Final = 0.2
"""Seconds before a borrowed keycode gets another symbol: a program reads the layout only when it comes to the
key, and must find the symbol that was meant. Felt only by who types twenty foreign symbols in that time."""
_GROUP_SHIFT: Final = 13
_LEVELS_OF_GROUP: Final = ((0, 1, 4, 5), (2, 3, 6, 7))
"""Where the core protocol's list of a key has the levels none, Shift, AltGr, AltGr+Shift of a group (XKB
protocol specification §12.4, "Effects of XKB on the core protocol")."""


@dataclass(frozen=True)
class _Place:
    """Where a symbol is found: the key, and the level (bit 0: Shift, bit 1: AltGr) that gives it."""

    keycode: int
    level: int


_Places: TypeAlias = dict[int, list[_Place]]


class Keyboard:
    """The keys pressed through one X connection. Blocking; one call at a time."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._root = display.screen().root
        info = display.display.info
        self._first_keycode: int = info.min_keycode
        self._keycodes: int = info.max_keycode - info.min_keycode + 1
        self._down: dict[tuple[str, int], int] = {}  # what the viewer calls the key -> keycode
        self._borrowed: OrderedDict[int, int] = OrderedDict()  # keysym -> keycode, used longest ago first
        self._borrowed_at: dict[int, float] = {}  # keycode -> when it was last pressed
        self.refresh()

    def refresh(self) -> None:
        """Read the layout; needed again after each MappingNotify."""
        rows = self._display.get_keyboard_mapping(self._first_keycode, self._keycodes)
        self._layout = {code: _complete(row) for code, row in enumerate(rows, self._first_keycode)}
        # A layout chosen meanwhile may have overwritten what was borrowed.
        for keysym, keycode in list(self._borrowed.items()):
            if self._layout[keycode][0] != keysym:
                del self._borrowed[keysym]
        # 8 is no key under evdev, and programs are not prepared for it.
        self._spare = [code for code, row in self._layout.items() if code > 8 and not any(row)]
        self._places: tuple[_Places, _Places] = ({}, {})
        for keycode, row in self._layout.items():
            for places, columns in zip(self._places, _LEVELS_OF_GROUP, strict=True):
                for level, column in enumerate(columns):
                    if column < len(row) and row[column] != _NO_SYMBOL:
                        places.setdefault(row[column], []).append(_Place(keycode, level))
        self._read_modifiers()

    def _read_modifiers(self) -> None:
        modifiers = self._display.get_modifier_mapping()
        self._shift_keys = [code for code in modifiers[0] if code]
        self._level3_keys: list[int] = []
        self._level3_mask = self._num_lock_mask = 0
        for index, keycodes in enumerate(modifiers):
            for code in filter(None, keycodes):
                symbols = self._layout.get(code, ())
                if _NUM_LOCK in symbols:
                    self._num_lock_mask |= 1 << index
                if _ISO_LEVEL3_SHIFT in symbols or _MODE_SWITCH in symbols:
                    self._level3_mask |= 1 << index
                    self._level3_keys.append(code)

    def press(self, keysym: int, scancode: int | None) -> None:
        """Press a key; does nothing if it is down, or if there is no such key and no symbol."""
        name = _name(keysym, scancode)
        if name in self._down:
            return
        state = self._root.query_pointer().mask
        place = self._choose(_plain(keysym), scancode, state)
        if place is None:
            return
        if place.keycode in self._down.values():
            self._send(place.keycode, is_down=False)  # the other symbol of the same key
        changes = self._modifier_changes(place, _plain(keysym), state)
        for keycode, is_down in changes:
            self._send(keycode, is_down)
        self._send(place.keycode, is_down=True)
        for keycode, is_down in reversed(changes):
            self._send(keycode, not is_down)
        self._down[name] = place.keycode

    def release(self, keysym: int, scancode: int | None) -> None:
        """Release a key, under whatever symbol it was pressed; does nothing if it is not down."""
        keycode = self._down.pop(_name(keysym, scancode), None)
        if keycode is None:
            # "A" went down, then Shift up, then "a" up: the same key.
            here = {place.keycode for places in self._places for place in places.get(_plain(keysym), ())}
            for name, candidate in self._down.items():
                if candidate in here:
                    keycode = self._down.pop(name)
                    break
        if keycode is not None and keycode not in self._down.values():
            self._send(keycode, is_down=False)

    def release_all(self) -> None:
        """Release every key that is down."""
        for keycode in set(self._down.values()):
            self._send(keycode, is_down=False)
        self._down.clear()

    def give_back(self) -> None:
        """Make the borrowed keycodes mean nothing again."""
        for keycode in self._borrowed.values():
            self._display.change_keyboard_mapping(keycode, [[_NO_SYMBOL] * len(self._layout[keycode])])
        self._borrowed.clear()

    def _send(self, keycode: int, is_down: bool) -> None:
        self._display.xtest_fake_input(X.KeyPress if is_down else X.KeyRelease, keycode)

    def _choose(self, keysym: int, scancode: int | None, state: int) -> _Place | None:
        """The key to press for a symbol (0: unknown) and a scancode, under modifiers `state`."""
        places = self._places[min(state >> _GROUP_SHIFT & 3, 1)].get(keysym, [])
        level = bool(state & X.ShiftMask) | bool(state & self._level3_mask) << 1
        named = keycode_of_scancode(scancode) if scancode else None
        if keysym in _KEYPAD_NUMBERS or keysym in _KEYPAD_MOVES:
            # What Shift does on the keypad differs between layouts, so it cannot replace Num Lock.
            has_num_lock = bool(state & self._num_lock_mask)
            places = [place for place in places if place.level == has_num_lock]
        fitting = [place for place in places if place.keycode == named] or places
        if fitting:
            return min(fitting, key=lambda place: (place.level != level, place.level, place.keycode))
        if keysym in (_NO_SYMBOL, _VOID_SYMBOL):
            return None if named is None else _Place(named, level)
        borrowed = self._borrow(keysym)
        return None if borrowed is None else _Place(borrowed, level)

    def _borrow(self, keysym: int) -> int | None:
        """A keycode that gives `keysym` whatever modifiers are held; None if all are in use."""
        keycode = self._borrowed.get(keysym)
        if keycode is not None:
            self._borrowed.move_to_end(keysym)
            self._borrowed_at[keycode] = time.monotonic()
            return keycode
        if self._spare:
            keycode = self._spare.pop()
        else:
            pressed = set(self._down.values())
            oldest = next((old for old, code in self._borrowed.items() if code not in pressed), None)
            if oldest is None:
                return None
            keycode = self._borrowed.pop(oldest)
            rest = self._borrowed_at[keycode] + _REUSE_AFTER - time.monotonic()
            if rest > 0:
                time.sleep(rest)
        row = [keysym] * len(self._layout[keycode])
        self._layout[keycode] = row
        self._borrowed[keysym] = keycode
        self._borrowed_at[keycode] = time.monotonic()
        self._display.change_keyboard_mapping(keycode, [row])
        self._display.sync()
        return keycode

    def _modifier_changes(self, place: _Place, keysym: int, state: int) -> list[tuple[int, bool]]:
        """Modifier keys to press (True) or release around a key, so that it gives its symbol."""
        has_shift, has_level3 = bool(state & X.ShiftMask), bool(state & self._level3_mask)
        wants_shift, wants_level3 = bool(place.level & 1), bool(place.level & 2)
        if not _is_text(keysym):
            return []  # Shift with Tab, arrows and the like is meant as it is
        if state & X.LockMask and _is_letter_key(self._layout[place.keycode], place.level):
            wants_shift = not wants_shift
        changes = []
        for has, wants, keys in (
            (has_shift, wants_shift, self._shift_keys),
            (has_level3, wants_level3, self._level3_keys),
        ):
            if wants and not has:
                changes += [(code, True) for code in keys[:1]]
            elif has and not wants:
                changes += [(code, False) for code in keys if code in self._down.values()]
        return changes


def _name(keysym: int, scancode: int | None) -> tuple[str, int]:
    return ("scancode", scancode) if scancode else ("keysym", keysym)


def _plain(keysym: int) -> int:
    """Latin-1 symbols have one number, also when they come as Unicode (X protocol, Appendix A)."""
    return keysym - _UNICODE if _UNICODE + 0x20 <= keysym <= _UNICODE + 0xFF else keysym


def _is_text(keysym: int) -> bool:
    return 0x20 <= keysym < 0xFD00 or keysym >= _UNICODE


def _is_letter_key(row: Sequence[int], level: int) -> bool:
    """True if Caps Lock swaps the first two symbols of this key, one of which is meant."""
    lower, upper = row[0], row[1]
    return level < 2 and lower != upper and lower < 0x100 and chr(lower).upper() == chr(upper)


def _complete(row: Sequence[int]) -> list[int]:
    """A key without a second symbol gives its first one under Shift too (X protocol, §5)."""
    return [row[place - 1] if place % 2 and not symbol else symbol for place, symbol in enumerate(row)]
