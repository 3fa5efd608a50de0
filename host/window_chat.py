"""The chat on the customer's window: what was said, and a line to write in. Runs in the window's own
thread.
"""

import tkinter as tk
from collections.abc import Callable
from tkinter import font, ttk
from typing import Final

from host.texts import Texts
from host.window_style import FAINT

LINES: Final = 9
FEW_LINES: Final = 4
"""For text so large that the screen would not hold more."""
LARGE_LINE: Final = 28
"""Pixels of a line of such text."""
MAX_CHARACTERS: Final = 2000
GAP: Final = 8


class ChatPane:
    """To be hidden until it is needed. The text is plain: an address in it can be read and copied, but not
    clicked.

    Args:
        parent: gets one more row at its bottom.
        send: called with what the customer wrote.
    """

    def __init__(self, parent: ttk.Frame, texts: Texts, send: Callable[[str], None]) -> None:
        self._you = texts.get("you")
        self._send = send
        self._frame = ttk.Frame(parent)
        self._frame.grid(sticky="ew", pady=(GAP, 0))
        self._frame.columnconfigure(0, weight=1)
        self._text = tk.Text(
            self._frame, height=LINES, width=40, wrap="word", state="disabled", relief="flat", padx=8, pady=8
        )
        self._text.configure(background="#f6f7f9", foreground="#1d2330", font="TkDefaultFont", takefocus=True)
        self._text.tag_configure("author", foreground="#174aa8", spacing1=4)
        self._text.tag_configure("hint", foreground=FAINT)
        # An empty box says nothing; somebody who has it brought before them is told what it is for.
        self._has_lines = False
        self._write(texts.get("chat_begins"), "hint")
        self._text.grid(row=0, column=0, sticky="ew")
        bar = ttk.Scrollbar(self._frame, command=self._text.yview)
        bar.grid(row=0, column=1, sticky="ns")
        self._text.configure(yscrollcommand=bar.set)
        row = ttk.Frame(self._frame)
        row.grid(row=1, column=0, columnspan=2, sticky="ew", pady=(GAP, 0))
        row.columnconfigure(0, weight=1)
        self._entry = ttk.Entry(row)
        self._entry.grid(row=0, column=0, sticky="ew", padx=(0, GAP))
        self._entry.bind("<Return>", lambda _: self._submit())
        self._entry.bind("<KP_Enter>", lambda _: self._submit())
        ttk.Button(row, text=texts.get("send_button"), command=self._submit).grid(row=0, column=1)
        line = font.nametofont("TkDefaultFont", parent).metrics("linespace")
        self._text.configure(height=LINES if line < LARGE_LINE else FEW_LINES)

    def hide(self) -> None:
        """Hide it; only once everything below it was made, as Tk gives a hidden widget's row away."""
        self._frame.grid_remove()

    def show(self) -> None:
        """Show it."""
        self._frame.grid()

    def focus(self) -> None:
        """Put the caret into the line to write in."""
        self._entry.focus_set()

    def add(self, author: str, text: str) -> None:
        """Add what somebody said; `author` is "" for the customer."""
        if self._has_lines:
            self._write("\n")
        else:
            self._text.configure(state="normal")
            self._text.delete("1.0", "end")
        self._has_lines = True
        self._write(f"{author or self._you}: ", "author")
        self._write(text)
        self._text.see("end")

    def _write(self, text: str, *tags: str) -> None:
        self._text.configure(state="normal")
        self._text.insert("end", text, tags)
        self._text.configure(state="disabled")

    def _submit(self) -> None:
        text = self._entry.get().strip()[:MAX_CHARACTERS]
        if text:
            self._entry.delete(0, "end")
            self._send(text)
