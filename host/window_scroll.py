"""A part of the window that scrolls once it is higher than the screen, which large text makes it.

Below it is what is always to be seen: the buttons that decide.
"""

import tkinter as tk
from tkinter import ttk
from typing import Final

from host.window_style import PAPER

ROOM: Final = 0.86
"""Share of the screen's height that a window may take: its frame, the mark and a panel need some too."""
STEP: Final = 40
"""Pixels of a turn of the wheel."""


class ScrollPane:
    """As high as its content, up to what the screen has room for; then with a scroll bar.

    Attributes:
        inside: what is put in there is its content.
        below: what is put in there does not scroll.
    """

    def __init__(self, root: tk.Tk) -> None:
        self._root = root
        self._canvas = tk.Canvas(root, background=PAPER, highlightthickness=0, borderwidth=0)
        self._canvas.grid(row=0, column=0, sticky="nsew")
        self._bar = ttk.Scrollbar(root, command=self._canvas.yview)
        self._bar.grid(row=0, column=1, sticky="ns")
        self._bar.grid_remove()
        self._canvas.configure(yscrollcommand=self._bar.set, yscrollincrement=1)
        self.inside = ttk.Frame(self._canvas)
        self._canvas.create_window(0, 0, window=self.inside, anchor="nw")
        self.below = ttk.Frame(root)
        self.below.grid(row=1, column=0, columnspan=2, sticky="ew")
        self.below.columnconfigure(0, weight=1)
        for frame in (self.inside, self.below):
            frame.bind("<Configure>", lambda _: self.fit())
        root.bind_all("<FocusIn>", lambda event: self.show(event.widget), add="+")
        root.bind_all("<Button-4>", lambda event: self._turn(event, -STEP), add="+")
        root.bind_all("<Button-5>", lambda event: self._turn(event, STEP), add="+")
        root.bind_all(
            "<MouseWheel>", lambda event: self._turn(event, -STEP if event.delta > 0 else STEP), add="+"
        )
        root.bind("<Prior>", lambda _: self._canvas.yview_scroll(-1, "pages"))
        root.bind("<Next>", lambda _: self._canvas.yview_scroll(1, "pages"))

    @property
    def scrolls(self) -> bool:
        """Not everything is to be seen at once."""
        return bool(self._bar.winfo_manager())

    def fit(self) -> None:
        """Take as much room as the content needs and the screen has."""
        width, height = self.inside.winfo_reqwidth(), self.inside.winfo_reqheight()
        room = round(self._root.winfo_screenheight() * ROOM)
        if self.below.winfo_manager():
            room -= self.below.winfo_reqheight()
        self._canvas.configure(width=width, height=min(height, room), scrollregion=(0, 0, width, height))
        if height > room:
            self._bar.grid()
        else:
            self._bar.grid_remove()
            self._canvas.yview_moveto(0)

    def to_top(self) -> None:
        """Show the beginning."""
        self._canvas.yview_moveto(0)

    def show(self, widget: object) -> None:
        """Scroll as far as it takes to see all of `widget`, or at least its beginning."""
        if (
            not self.scrolls
            or not isinstance(widget, tk.Misc)
            or not str(widget).startswith(f"{self.inside}.")
        ):
            return
        self._root.update_idletasks()
        top = widget.winfo_rooty() - self.inside.winfo_rooty()
        height = self._canvas.winfo_height()
        seen = self._canvas.canvasy(0)
        wanted = min(top, max(seen, top + widget.winfo_height() - height))
        self._canvas.yview_moveto(wanted / max(1, self.inside.winfo_reqheight()))

    def _turn(self, event: "tk.Event[tk.Misc]", pixels: int) -> None:
        # What scrolls by itself has had its turn.
        if self.scrolls and not isinstance(event.widget, tk.Text):
            self._canvas.yview_scroll(pixels, "units")
