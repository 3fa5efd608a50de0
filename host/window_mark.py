"""The mark at the top of the screen: somebody is connected. Runs in the window's own thread.

The technician has the mouse: the window manager has no say in this window, it has no control that closes it,
and once a second it is put back to where it belongs, whatever was done to it.
"""

import tkinter as tk
from collections.abc import Callable


class Mark:
    """Hidden until `show`.

    Args:
        root: the customer's window.
        click: called when somebody clicks on the mark.
    """

    def __init__(self, root: tk.Tk, *, background: str, foreground: str, click: Callable[[], None]) -> None:
        self._root = root
        self._is_shown = False
        self._window = tk.Toplevel(root, background=background)
        self._window.withdraw()
        self._window.overrideredirect(True)
        self._window.protocol("WM_DELETE_WINDOW", lambda: None)
        self._window.attributes("-topmost", True)
        self._label = tk.Label(
            self._window, background=background, foreground=foreground, padx=14, pady=5, cursor="hand2"
        )
        self._label.pack()
        self._label.bind("<Button-1>", lambda _: click())
        self._window.bind("<Visibility>", lambda _: self._window.lift())

    def show(self, text: str) -> None:
        """Show `text`; hide the mark for ""."""
        self._is_shown = bool(text)
        self._label.configure(text=text, wraplength=self._root.winfo_screenwidth() - 40)
        if self._is_shown:
            self.keep()
        else:
            self._window.withdraw()

    def keep(self) -> None:
        """Put the mark back to the top, if it is to be seen; to be called about every second."""
        if not self._is_shown:
            return
        self._window.update_idletasks()
        left = (self._root.winfo_screenwidth() - self._window.winfo_reqwidth()) // 2
        self._window.geometry(f"+{max(0, left)}+0")
        self._window.deiconify()
        self._window.attributes("-topmost", True)
        self._window.lift()
