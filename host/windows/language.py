"""The language that a person has their Windows in."""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
from typing import Final

_LANGUAGE_BITS: Final = 0x3FF
_SPANISH: Final = 0x0A


def ui_language() -> str:
    """``es`` or ``en``: of whoever this program runs for (GetUserDefaultUILanguage)."""
    language = ctypes.windll.kernel32.GetUserDefaultUILanguage() & _LANGUAGE_BITS
    return "es" if language == _SPANISH else "en"
