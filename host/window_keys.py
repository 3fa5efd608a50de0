"""The window by keyboard: a letter for each button, with Alt, and what has the focus is brought into sight.

The letters are chosen by rule, not by hand, so that they are there in every language: the first letter of a
button's first word that no other button of its page has taken, else any letter of it.
"""

import tkinter as tk
from collections.abc import Iterator, Sequence
from tkinter import ttk

Pressable = ttk.Button | ttk.Checkbutton


def choose_letters(words: Sequence[str]) -> list[int]:
    """The place of each text's letter in it; -1 where every one of its letters is taken.

    Only what a keyboard of any layout with Latin letters has: a to z and digits.
    """
    taken: set[str] = set()
    places = []
    for text in words:
        starts = [at for at, letter in enumerate(text) if letter.strip() and not text[:at].strip(" ")]
        starts += [at + 1 for at, letter in enumerate(text[:-1]) if letter == " "]
        place = next(
            (
                at
                for at in (*starts, *range(len(text)))
                if text[at].isascii() and text[at].isalnum() and text[at].lower() not in taken
            ),
            -1,
        )
        if place >= 0:
            taken.add(text[place].lower())
        places.append(place)
    return places


class Letters:
    """Presses the button whose letter is typed with Alt, if it is to be seen.

    Args:
        root: the window.
    """

    def __init__(self, root: tk.Tk) -> None:
        self._root = root
        root.bind("<Alt-KeyPress>", self._press)

    def assign(self) -> None:
        """Underline a letter in each button that is to be seen now; to be called when that changes."""
        buttons = list(_pressables(self._root))
        words = [str(button.cget("text")) for button in buttons]
        for button, place in zip(buttons, choose_letters(words), strict=True):
            button.configure(underline=place)

    def _press(self, event: "tk.Event[tk.Misc]") -> str | None:
        for button in _pressables(self._root):
            place = int(str(button.cget("underline")))
            if place >= 0 and str(button.cget("text"))[place].lower() == event.keysym.lower():
                button.focus_set()
                button.invoke()  # nothing happens where it is disabled
                return "break"
        return None


def _pressables(widget: tk.Misc) -> Iterator[Pressable]:
    """Those below `widget` that have their place now, in the order in which Tab goes through them."""
    for child in widget.winfo_children():
        if isinstance(child, tk.Toplevel) or not child.winfo_manager():
            continue
        if isinstance(child, ttk.Button | ttk.Checkbutton):
            yield child
        else:
            yield from _pressables(child)
