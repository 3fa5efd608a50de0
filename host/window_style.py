"""How the customer's window looks: colours, type, and the small helpers that all its pages use."""

import tkinter as tk
from tkinter import font, ttk
from typing import Final

WIDTH: Final = 540
GAP: Final = 16
WRAP: Final = WIDTH - 2 * GAP - 16
NORMAL_LINE: Final = 19
"""Pixels of a line of 12 points at 96 dots an inch."""

INK: Final = "#1d2330"
FAINT: Final = "#5a6372"
PAPER: Final = "#ffffff"
LINE: Final = "#c9ced8"
ACCENT: Final = "#1f5fd6"
DANGER: Final = "#b3261e"
DANGER_DARK: Final = "#8c1d17"
CARE_PAPER: Final = "#fff4e0"
CARE_LINE: Final = "#c77700"
GOOD: Final = "#1a7f37"
PLAIN: Final = "#eef1f6"
PLAIN_DARK: Final = "#e0e5ee"

READABLE: Final = 4.5
"""Contrast of text with what is behind it (WCAG 2.2, §1.4.3)."""


def label(parent: ttk.Frame, style: str, text: str) -> ttk.Label:
    """A label in the next row of `parent`."""
    made = ttk.Label(parent, text=text, style=style, wraplength=WRAP)
    made.grid(sticky="w", pady=(0, 6))
    return made


def show_if(widget: tk.Widget, is_shown: bool) -> None:
    """Show or hide what has its place in a grid."""
    if is_shown:
        widget.grid()
    else:
        widget.grid_remove()


def text_factor(root: tk.Misc) -> float:
    """How many times larger text is than usual.

    By the text itself: not every desktop that enlarges it tells of more dots an inch.
    """
    return max(1.0, font.nametofont("TkDefaultFont", root).metrics("linespace") / NORMAL_LINE)


def scale_wraps(widget: tk.Misc, factor: float) -> None:
    """Let text of a larger size run over as many words before it wraps."""
    if isinstance(widget, ttk.Label) and str(widget.cget("wraplength")):
        widget.configure(wraplength=round(int(str(widget.cget("wraplength"))) * factor))
    for child in widget.winfo_children():
        scale_wraps(child, factor)


def readable_accent(colour: str) -> str:
    """A company's colour, dark enough for white text on it; ours if it is none.

    Args:
        colour: ``#rrggbb``, or anything.
    """
    try:
        if len(colour) != 7 or not colour.startswith("#"):
            return ACCENT
        parts = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
    except ValueError:
        return ACCENT
    while 1.05 / (_luminance(parts) + 0.05) < READABLE:
        parts = [part * 15 // 16 for part in parts]
    return _written(parts)


def darker(colour: str) -> str:
    """`colour`, ``#rrggbb``, as it is under the pointer."""
    return _written([int(colour[start : start + 2], 16) * 3 // 4 for start in (1, 3, 5)])


def _luminance(parts: list[int]) -> float:
    """Relative luminance (WCAG 2.2, "relative luminance")."""
    red, green, blue = (
        part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _written(parts: list[int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in parts)


def set_style(root: tk.Tk) -> None:
    """Give the window's widgets their looks. Fonts are the desktop's own."""
    for name in ("TkDefaultFont", "TkTextFont", "TkMenuFont"):
        font.nametofont(name, root).configure(size=12)
    family = font.nametofont("TkDefaultFont", root).actual("family")
    factor = text_factor(root)  # what a theme draws has a size in pixels
    root.configure(background=PAPER)
    style = ttk.Style(root)
    style.theme_use("clam")
    style.configure(".", background=PAPER, foreground=INK, bordercolor=LINE, focuscolor=ACCENT)
    style.configure("Big.TLabel", font=(family, 14))
    style.configure("Title.TLabel", font=(family, 14, "bold"))
    style.configure("Faint.TLabel", foreground=FAINT)
    style.configure("Bad.TLabel", foreground=DANGER)
    style.configure("Good.TLabel", foreground=GOOD, font=(family, 14, "bold"))
    style.configure("Care.TFrame", background=CARE_PAPER)
    style.configure("Care.TLabel", background=CARE_PAPER)
    style.configure("TEntry", fieldbackground=PAPER, padding=8)
    style.configure("TButton", padding=(18, 10), background=PLAIN, lightcolor=LINE, darkcolor=LINE)
    # The theme counts these in pixels, whatever the size of the text is.
    style.configure("TCombobox", padding=4, arrowsize=round(16 * factor))
    style.configure("TCheckbutton", indicatorsize=round(14 * factor), indicatormargin=(0, 2, 8, 2))
    style.configure("TCheckbutton", upperbordercolor=FAINT, lowerbordercolor=FAINT)
    style.configure("TScrollbar", arrowsize=round(14 * factor))
    style.map("TCombobox", fieldbackground=[("readonly", PAPER)], selectbackground=[("readonly", PAPER)])
    style.map("TCombobox", selectforeground=[("readonly", INK)])
    # Whatever has the focus has a dark edge all around, besides the dots that the theme draws.
    for name in ("TEntry", "TCombobox", "TButton"):
        edge = [("focus", INK)]
        style.map(name, bordercolor=edge, lightcolor=edge, darkcolor=edge)
    style.map("TButton", background=[("disabled", PLAIN), ("active", PLAIN_DARK)])
    style.map("TCheckbutton", background=[("focus", PLAIN)])
    set_button_colours(root, "Danger", DANGER, DANGER_DARK)
    set_accent(root, ACCENT)
    root.bind_class("TButton", "<Return>", "%W invoke")


def set_accent(root: tk.Misc, colour: str) -> None:
    """Have what is to be pressed in `colour`, on which white can be read."""
    set_button_colours(root, "Main", colour, darker(colour))
    ttk.Style(root).configure(
        "Horizontal.TProgressbar", background=colour, troughcolor=PLAIN, bordercolor=PAPER
    )


def set_button_colours(root: tk.Misc, name: str, colour: str, dark: str) -> None:
    """Make the style ``NAME.TButton``: white on `colour`."""
    style = ttk.Style(root)
    style.configure(
        f"{name}.TButton",
        background=colour,
        foreground=PAPER,
        bordercolor=colour,
        lightcolor=colour,
        darkcolor=colour,
        focuscolor=PAPER,
    )
    edge = [("disabled", LINE), ("focus", INK)]
    style.map(
        f"{name}.TButton",
        background=[("disabled", LINE), ("active", dark), ("pressed", dark)],
        bordercolor=edge,
        lightcolor=edge,
        darkcolor=edge,
    )
