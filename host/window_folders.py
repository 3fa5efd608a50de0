"""The choice of folders on the customer's window. Runs in the window's own thread."""

import tkinter as tk
from tkinter import filedialog, ttk
from typing import Final

from host.consent import CannotChoose, choose_folder
from host.texts import Texts

WRAP: Final = 480
GAP: Final = 8
_PICKED: Final = "::tk::Priv(selectFilePath)"
"""What Tk's picker waits for (library/choosedir.tcl)."""


class FolderChoice:
    """A box to tick, and once it is ticked, the folders and a button to add one.

    Args:
        parent: gets one more row at its bottom.
    """

    def __init__(self, parent: ttk.Frame, texts: Texts) -> None:
        self._texts = texts
        self._chosen: tuple[str, ...] = ()
        self._is_picking = False
        self._frame = ttk.Frame(parent)
        self._frame.grid(sticky="ew", pady=(GAP, 0))
        self._is_limited = tk.BooleanVar(parent, False)
        ttk.Checkbutton(
            self._frame, text=texts.get("limit_box"), variable=self._is_limited, command=self._show
        ).grid(sticky="w")
        self._names = ttk.Label(self._frame, wraplength=WRAP)
        self._names.grid(sticky="w", pady=(GAP, 0))
        self._problem = ttk.Label(self._frame, style="Bad.TLabel", wraplength=WRAP)
        self._problem.grid(sticky="w")
        self._add = ttk.Button(self._frame, text=texts.get("add_folder_button"), command=self._pick)
        self._add.grid(sticky="w", pady=(GAP, 0))

    @property
    def folders(self) -> tuple[str, ...] | None:
        """What was chosen; None if the box is not ticked."""
        return self._chosen if self._is_limited.get() else None

    def begin(self, *, is_shown: bool) -> None:
        """Forget what was chosen for another question; without a File Manager there is nothing to choose."""
        self._is_limited.set(False)
        if is_shown:
            self._frame.grid()
        else:
            self._frame.grid_remove()
        self._show()

    def _show(self, problem: str = "") -> None:
        if not self._is_limited.get():
            self._chosen = ()
        self._names.configure(text=self._texts.only_folders(self._chosen))
        self._problem.configure(text=problem)
        for widget, is_shown in (
            (self._names, self._is_limited.get()),
            (self._problem, bool(problem)),
            (self._add, self._is_limited.get()),
        ):
            if is_shown:
                widget.grid()
            else:
                widget.grid_remove()

    def stop_picking(self) -> None:
        """Close the folder picker, as if it had been cancelled: the question is not asked any more."""
        if self._is_picking:
            self._frame.setvar(_PICKED, "")

    def _pick(self) -> None:
        self._is_picking = True
        picked = filedialog.askdirectory(parent=self._frame, mustexist=True)
        self._is_picking = False
        if not picked:  # cancelled
            return
        try:
            self._chosen = choose_folder(picked, self._chosen)
        except CannotChoose as exc:
            self._show(self._texts.get(exc.key))
        else:
            self._show()
