"""Pictures of the pointer, as Windows keeps them."""

import pytest

from tests.helpers.wine import Wine

pytestmark = [pytest.mark.slow, pytest.mark.windows, pytest.mark.timeout(600)]


def test_the_system_arrow_has_a_shape_and_a_hot_spot(wine: Wine) -> None:
    said = wine.run(
        """
import ctypes
from host.windows import screen
user32 = ctypes.WinDLL("user32")
user32.LoadCursorW.restype = ctypes.c_void_p
user32.LoadCursorW.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
hot_x, hot_y, pixels = screen._read_shape(user32.LoadCursorW(None, 32512))
alpha = pixels >> 24
print(pixels.shape == (32, 32), hot_x < 8, hot_y < 8, bool((alpha == 255).any()), bool((alpha == 0).any()))
colours = pixels & 0xFFFFFF
print(bool((colours[alpha == 0] == 0).all()))
"""
    )
    assert said.split() == ["True"] * 6


def test_masks_become_colours_and_alpha(wine: Wine) -> None:
    said = wine.run(
        """
import numpy as np
from host.windows.screen import blend, blend_monochrome
white = np.uint32(0xFFFFFF)
both = np.array([[0, white], [0, white], [0, 0], [white, white]], dtype=np.uint32)
print(*(f"{each:08x}" for each in blend_monochrome(both).flat))
colour = np.array([[0x80FF0000, 0x00FFFFFF]], dtype=np.uint32)
print(*(f"{each:08x}" for each in blend(colour, np.zeros_like(colour)).flat))
plain = np.array([[0x00123456, 0x00123456]], dtype=np.uint32)
print(*(f"{each:08x}" for each in blend(plain, np.array([[0, white]], dtype=np.uint32)).flat))
"""
    )
    assert said.split() == [
        *("ff000000", "00000000", "ffffffff", "ff000000"),
        *("80800000", "00000000"),
        *("ff123456", "00000000"),
    ]
