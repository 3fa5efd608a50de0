"""The head of the customer's window: whose technicians these are. Runs in the window's own thread."""

import tkinter as tk
from tkinter import ttk
from typing import Final

from host.brand import Brand
from host.window_style import GAP, PAPER, readable_accent, set_accent, text_factor

HEIGHT: Final = 48
WIDTH: Final = 240
"""Pixels that a logo may have beside text of the usual size."""
STRIPE: Final = 4
"""Pixels of the company's colour above everything."""


class BrandHead:
    """Hidden until there is a brand to show.

    Args:
        parent: its first row is taken.
    """

    def __init__(self, parent: ttk.Frame) -> None:
        self._parent = parent
        self._image: tk.PhotoImage | None = None
        self._frame = ttk.Frame(parent)
        self._frame.grid(row=0, sticky="ew", pady=(0, GAP // 2))
        self._frame.columnconfigure(0, weight=1)
        self._stripe = tk.Frame(self._frame, height=STRIPE, background=PAPER)
        self._stripe.grid(row=0, sticky="ew", pady=(0, GAP // 2))
        self._shown = ttk.Label(self._frame, style="Title.TLabel")
        self._shown.grid(row=1, sticky="w")
        self._frame.grid_remove()

    def show(self, brand: Brand) -> None:
        """Show logo, or name where there is no logo that can be shown, and colour."""
        accent = readable_accent(brand.colour)
        set_accent(self._parent, accent)
        self._stripe.configure(background=accent)
        self._shown.configure(text=brand.company, image="")
        self._image = None
        self._frame.grid()
        if brand.logo:
            try:
                self._image = tk.PhotoImage(master=self._parent, data=brand.logo, format="png")
            except tk.TclError:  # Tk's reader is narrower than the format: the name will do
                return
            size = round(text_factor(self._parent))
            parts = max(
                -(-self._image.height() // (HEIGHT * size)), -(-self._image.width() // (WIDTH * size))
            )
            if parts > 1:
                self._image = self._image.subsample(parts)
            self._shown.configure(image=self._image)
