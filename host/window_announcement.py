"""What is about to happen to the computer, over everything else, with one button to say no.

Runs in the window's own thread. The technician's input does not reach the desktop while it is shown
(`host.asking`), so that nobody but the customer can put it away.
"""

import tkinter as tk
from collections.abc import Callable
from tkinter import ttk
from typing import Final

from host.texts import Texts
from host.window_style import GAP, WRAP, text_factor

KEEP_INTERVAL: Final = 1000
"""Milliseconds between putting it back before everything else."""


class Announcement:
    """Hidden until `show`.

    Args:
        root: the customer's window.
        texts: in their language.
        refuse: called when the customer says no.
    """

    def __init__(self, root: tk.Tk, texts: Texts, refuse: Callable[[], None]) -> None:
        self._root = root
        self._is_shown = False
        self._window = tk.Toplevel(root)
        self._window.withdraw()
        self._window.title(texts.get("title"))
        self._window.resizable(False, False)
        self._window.protocol("WM_DELETE_WINDOW", refuse)
        self._window.attributes("-topmost", True)
        frame = ttk.Frame(self._window, padding=(GAP, GAP, GAP, GAP))
        frame.pack()
        wrap = round(WRAP * text_factor(root))
        self._label = ttk.Label(frame, justify="left", wraplength=wrap)
        self._label.pack(fill="x", pady=(0, GAP))
        self._button = ttk.Button(frame, text=texts.get("restart_refuse_button"), command=refuse)
        self._button.pack(anchor="e")
        self._window.bind("<Escape>", lambda _: refuse())
        self._window.bind("<Return>", lambda _: refuse())

    def show(self, sentence: str) -> None:
        """Show it, in the middle of the screen, and ring."""
        self._is_shown = True
        self._label.configure(text=sentence)
        self._window.update_idletasks()
        left = (self._root.winfo_screenwidth() - self._window.winfo_reqwidth()) // 2
        top = (self._root.winfo_screenheight() - self._window.winfo_reqheight()) // 3
        self._window.geometry(f"+{max(0, left)}+{max(0, top)}")
        self._root.bell()
        self._keep()
        self._button.focus_force()

    def hide(self) -> None:
        """The time to say no is over."""
        self._is_shown = False
        self._window.withdraw()

    def _keep(self) -> None:
        if self._is_shown:
            self._window.deiconify()
            self._window.lift()
            self._window.after(KEEP_INTERVAL, self._keep)
