"""The choice of what technicians may do on the customer's window: a line for each tool, with its duration.

Runs in the window's own thread.
"""

from collections.abc import Mapping
from tkinter import ttk
from typing import Final

from host.consent import CHOICES, Duration
from host.permissions import TOOLS
from host.texts import Texts

GAP: Final = 8


class ToolChoices:
    """Lines for some of the tools; each is made once, and shown when it is asked about.

    Args:
        parent: gets one more row at its bottom.
    """

    def __init__(self, parent: ttk.Frame, texts: Texts) -> None:
        self._frame = ttk.Frame(parent)
        self._frame.grid(sticky="ew", pady=(GAP, 0))
        self._frame.columnconfigure(0, weight=1)
        words = [texts.get(f"duration_{choice.value}") for choice in CHOICES]
        self._rows: dict[str, tuple[ttk.Label, ttk.Combobox]] = {}
        for row, kind in enumerate(TOOLS):
            name = texts.get(f"tool_{kind}")
            label = ttk.Label(
                self._frame, text=name[:1].upper() + name[1:]
            )  # it is no part of a sentence here
            label.grid(row=row, column=0, sticky="w")
            box = ttk.Combobox(self._frame, values=words, state="readonly", width=max(map(len, words)) + 1)
            box.grid(row=row, column=1, sticky="e", pady=2)
            # A wheel that was meant for something else must not change what is allowed.
            for wheel in ("<MouseWheel>", "<Button-4>", "<Button-5>"):
                box.bind(wheel, lambda _: "break")
            self._rows[kind] = (label, box)
        self._shown: tuple[str, ...] = ()

    def begin(self, choices: Mapping[str, Duration]) -> None:
        """Show a line for each of these tools. ASK, which nobody can choose, is shown as a no."""
        self._shown = tuple(kind for kind in TOOLS if kind in choices)
        for kind, row in self._rows.items():
            for widget in row:
                if kind in choices:
                    widget.grid()
                else:
                    widget.grid_remove()
        for kind in self._shown:
            wanted = Duration.NEVER if choices[kind] is Duration.ASK else choices[kind]
            self._rows[kind][1].current(CHOICES.index(wanted))

    @property
    def choices(self) -> dict[str, Duration]:
        """What is chosen for the tools shown."""
        return {kind: CHOICES[self._rows[kind][1].current()] for kind in self._shown}
