"""The deployment link of a program that was started without one: from its own file, else from the customer.

The customer's page writes the link into the file before the browser saves it (`relay.protocol.link_blob`).
Whoever hands the file on could have changed it, so it is as untrusted as any link. Where nothing was written,
the customer is asked, before anything is put on the computer. Standard library only.
"""

import contextlib
import os
import sys
import zipfile
from pathlib import Path
from typing import Final

from host.texts import Texts
from relay.protocol.link_blob import TAIL_BYTES, find_blob, read_link
from relay.protocol.links import MAX_LINK_CHARACTERS, DeploymentLink, LinkError, parse_deployment_link

MAX_MISTAKES: Final = 5
"""At the terminal; then there is nobody who has a link."""


def own_file() -> Path | None:
    """The single file that this program was started from; None for an ordinary Python installation."""
    if getattr(sys, "frozen", False):
        return Path(sys.executable)
    path = Path(sys.argv[0]) if sys.argv and sys.argv[0] else None
    return path if path is not None and path.is_file() and zipfile.is_zipfile(path) else None


def read_own_link(file: Path) -> DeploymentLink | None:
    """The link that was written into this program's own file; None if there is none.

    Raises:
        LinkError: what is there is no link, or not a safe one.
    """
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, os.fstat(opened.fileno()).st_size - TAIL_BYTES))
            tail = opened.read(TAIL_BYTES)
    except OSError:
        return None
    if find_blob(tail) is None:
        return None
    text = read_link(tail)
    return parse_deployment_link(text) if text else None


def ask_link(texts: Texts, *, stdin: int, is_terminal: bool, display: str | None) -> DeploymentLink | None:
    """Ask the customer for the link: at a window, where there is a display and Tk; else at the terminal.

    Args:
        texts: in their language.
        stdin: the terminal's descriptor.
        is_terminal: they want the terminal.
        display: the X display, if it is not the environment's.

    Returns:
        None if nobody is there who could answer, or they have none.
    """
    if is_terminal:
        return _ask_at_terminal(texts, stdin)
    shown = display or os.environ.get("DISPLAY", "")
    if shown or sys.platform == "win32":
        with contextlib.suppress(ImportError):  # many systems have Python without Tk
            from host.link_window import WindowUnavailable, ask_at_window

            with contextlib.suppress(WindowUnavailable):
                return ask_at_window(texts, shown)
    return _ask_at_terminal(texts, stdin) if os.isatty(stdin) else None


def read_line(descriptor: int) -> str:
    """One line, byte by byte: what follows belongs to the customer's answers. "" at the end."""
    line = b""
    while len(line) <= MAX_LINK_CHARACTERS and (byte := os.read(descriptor, 1)):
        line += byte
        if byte == b"\n":
            break
    return line.decode("utf-8", "replace")


def _ask_at_terminal(texts: Texts, stdin: int) -> DeploymentLink | None:
    print(texts.get("ask_link_hint"))
    for _ in range(MAX_MISTAKES):
        print(texts.get("ask_link"), end=": ", flush=True)
        line = read_line(stdin)
        if not line:
            print()
            return None
        try:
            return parse_deployment_link(line)
        except LinkError:
            print(texts.get("not_a_link"))
    return None
