"""A small window with one field, for a customer who has started the program without its deployment link.

It is shown before anything is installed, so it has nothing of the window that comes later (`host.window`),
which knows by then who is asking. Standard library only.
"""

import tkinter as tk
from typing import Final

from host.texts import Texts
from relay.protocol.links import MAX_LINK_CHARACTERS, DeploymentLink, LinkError, parse_deployment_link

WIDTH: Final = 64
"""Characters; a link is longer, and scrolls."""


class WindowUnavailable(Exception):
    """There is no display to open a window on."""


def ask_at_window(texts: Texts, display: str) -> DeploymentLink | None:
    """The link that the customer pastes; None if they close the window. Blocks.

    Args:
        texts: in their language.
        display: of X11; "" on Windows.

    Raises:
        WindowUnavailable: the display cannot be opened.
    """
    try:
        root = tk.Tk(screenName=display or None, className="Adhoc-host")
    except tk.TclError as exc:
        raise WindowUnavailable from exc
    question = _Question(root, texts)
    root.mainloop()
    return question.link


def show_sentence(texts: Texts, sentence: str, display: str, seconds: float) -> None:
    """Show why nothing begins, until the window is closed, but for `seconds` at most. Blocks.

    Raises:
        WindowUnavailable: the display cannot be opened.
    """
    try:
        root = tk.Tk(screenName=display or None, className="Adhoc-host")
    except tk.TclError as exc:
        raise WindowUnavailable from exc
    root.title(texts.get("title"))
    frame = tk.Frame(root, padx=24, pady=20)
    frame.pack(fill="both", expand=True)
    tk.Label(frame, text=sentence, justify="left", anchor="w", wraplength=480).pack(fill="x", pady=(0, 12))
    button = tk.Button(frame, text=texts.get("close_button"), command=root.destroy, default="active")
    button.pack(anchor="e")
    button.focus_set()
    for key in ("<Return>", "<Escape>"):
        root.bind(key, lambda _: root.destroy())
    root.after(round(1000 * seconds), root.destroy)
    root.mainloop()


class _Question:
    """The window's content.

    Attributes:
        link: what was answered.
    """

    def __init__(self, root: tk.Tk, texts: Texts) -> None:
        self.link: DeploymentLink | None = None
        self._root = root
        self._texts = texts
        root.title(texts.get("title"))
        frame = tk.Frame(root, padx=24, pady=20)
        frame.pack(fill="both", expand=True)
        hint = tk.Label(frame, text=texts.get("ask_link_hint"), justify="left", anchor="w", wraplength=480)
        hint.pack(fill="x", pady=(0, 12))
        tk.Label(frame, text=texts.get("ask_link"), anchor="w").pack(fill="x")
        self._entry = tk.Entry(frame, width=WIDTH)
        self._entry.pack(fill="x", pady=(4, 4))
        self._problem = tk.Label(frame, justify="left", anchor="w", wraplength=480)
        self._problem.pack(fill="x", pady=(0, 12))
        buttons = tk.Frame(frame)
        buttons.pack(anchor="e")
        go_on = tk.Button(buttons, text=texts.get("continue_button"), command=self._answer, default="active")
        cancel = tk.Button(buttons, text=texts.get("cancel_button"), command=root.destroy)
        cancel.pack(side="right", padx=(8, 0))
        go_on.pack(side="right")
        root.bind("<Return>", lambda _: self._answer())
        root.bind("<Escape>", lambda _: root.destroy())
        self._entry.focus_set()

    def _answer(self) -> None:
        try:
            self.link = parse_deployment_link(self._entry.get()[: MAX_LINK_CHARACTERS + 1])
        except LinkError:
            self._problem.configure(text=self._texts.get("not_a_link"))
            self._entry.focus_set()
            return
        self._root.destroy()
