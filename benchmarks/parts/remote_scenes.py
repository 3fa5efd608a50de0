"""What happens on the desktop while Remote Control is measured: real programs on an Xvfb of 1920x1080.

text      coloured words scroll through an xterm that fills the screen, 200 lines a second
window    the same in an xterm of 900x600
video     a picture of 900x600 changes as a whole, 30 times a second, as a photograph would
echo      a small xterm that shows what is typed, above the others

python -m benchmarks.parts.remote_scenes DISPLAY     plays the video
"""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import numpy as np
from Xlib import X, display

from tests.helpers.xvfb import Xvfb

WIDTH, HEIGHT = 1920, 1080
SCENES: Final = ("text", "window", "video")
ECHO_AREA: Final = (1600, 960, 240, 40)
"""Where what is typed appears: x, y, width and height."""

_GEOMETRIES: Final = {"text": "318x82+0+0", "window": "148x45+200+150"}
"""Of xterms, in characters of 6x13 pixels."""
_SCROLLING_TEXT: Final = """
import random, sys, time
generator = random.Random(7)
words = "relay host technician viewer customer session stream channel frame payload".split()
while True:
    line = " ".join(f"\\033[3{generator.randrange(8)}m{generator.choice(words)}" for _ in range(36))
    sys.stdout.write(line + "\\033[0m\\n")
    sys.stdout.flush()
    time.sleep(0.005)
"""
_VIDEO: Final = (200, 150, 900, 600)
_PICTURES: Final = 24
_PICTURES_PER_SECOND: Final = 30
_STRIP_ROWS: Final = 64
"""Rows sent in one request, which holds at most 256 KiB."""


@asynccontextmanager
async def open_scene(xvfb: Xvfb, scene: str) -> AsyncIterator[None]:
    """One of `SCENES`, for the time of the block."""
    if scene == "video":
        command = (sys.executable, "-m", "benchmarks.parts.remote_scenes", xvfb.display)
        async with xvfb.open_program(command):
            yield
    else:
        shell_command = f"exec {sys.executable} -c '{_SCROLLING_TEXT}'"
        async with xvfb.open_xterm(shell_command, geometry=_GEOMETRIES[scene]):
            yield


@asynccontextmanager
async def open_echo(xvfb: Xvfb) -> AsyncIterator[None]:
    """The xterm of `ECHO_AREA`; it hears keys while the pointer is in there."""
    async with xvfb.open_xterm("exec cat", geometry=f"40x3+{ECHO_AREA[0]}+{ECHO_AREA[1]}"):
        yield


def _make_pictures(width: int, height: int) -> list[bytes]:
    """Soft colours that flow, with a photograph's noise: rows of B, G, R, unused."""
    generator = np.random.default_rng(7)
    down, across = np.mgrid[0:height, 0:width].astype(np.float32)
    noise = generator.normal(0, 4, (height, width, 4)).astype(np.float32)
    pictures = []
    for number in range(_PICTURES):
        phase = 2 * np.pi * number / _PICTURES
        waves = [
            np.sin(across / (70 + 20 * channel) + phase)
            + np.sin((down + across) / (110 - 25 * channel) - phase)
            for channel in range(4)
        ]
        shaken = np.roll(noise, number * 37, axis=1)
        picture = np.clip(128 + 55 * np.stack(waves, axis=2) + shaken, 0, 255)
        pictures.append(picture.astype(np.uint8).tobytes())
    return pictures


def play_video(name: str) -> None:
    """Show the video on a display until killed."""
    x, y, width, height = _VIDEO
    connection = display.Display(name)
    screen = connection.screen()
    window = screen.root.create_window(x, y, width, height, 0, screen.root_depth, override_redirect=True)
    window.map()
    pen = window.create_gc()
    pictures = _make_pictures(width, height)
    row_bytes = 4 * width
    shown = 0
    while True:
        picture = pictures[shown % len(pictures)]
        for top in range(0, height, _STRIP_ROWS):
            rows = min(_STRIP_ROWS, height - top)
            data = picture[top * row_bytes : (top + rows) * row_bytes]
            window.put_image(pen, 0, top, width, rows, X.ZPixmap, screen.root_depth, 0, data)
        connection.sync()
        shown += 1
        time.sleep(max(0.0, 1 / _PICTURES_PER_SECOND - time.monotonic() % (1 / _PICTURES_PER_SECOND)))


if __name__ == "__main__":
    play_video(sys.argv[1])
