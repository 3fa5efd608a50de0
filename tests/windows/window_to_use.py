"""A window for tests to see and to use: a red field above a line to type into; it says all that happens.

::

    window_to_use [LEFT TOP WIDTH HEIGHT]

::

    ready                    the window is there
    clicked BUTTON X Y       in the red field, by the screen's pixels
    turned DELTA             of the wheel
    line TEXT                Enter was pressed
    pasted TEXT              the clipboard's, after F9
"""

import ctypes
import sys
import tkinter as tk

LEFT, TOP, WIDTH, HEIGHT = 100, 100, 400, 300


def say(*words: object) -> None:
    print(*words, flush=True)


def main() -> None:
    left, top, width, height = map(int, sys.argv[1:5]) if sys.argv[1:] else (LEFT, TOP, WIDTH, HEIGHT)
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr] # it is a text file
    root = tk.Tk()
    root.overrideredirect(True)
    root.geometry(f"{width}x{height}+{left}+{top}")
    field = tk.Frame(root, background="#ff0000", cursor="crosshair")
    field.place(x=0, y=0, width=width, height=height - 40)
    line = tk.Entry(root)
    line.place(x=0, y=height - 40, width=width, height=40)
    field.bind("<Button>", lambda event: say("clicked", event.num, event.x_root, event.y_root))
    field.bind("<MouseWheel>", lambda event: say("turned", event.delta))

    def take(_: object) -> None:
        say("line", line.get())
        line.delete(0, "end")

    line.bind("<Return>", take)
    line.bind("<F9>", lambda _: say("pasted", root.clipboard_get()))

    def copy(_: object) -> None:
        root.clipboard_clear()
        root.clipboard_append("copied in Windows: ñ €")
        root.update()
        say("copied")

    line.bind("<F8>", copy)
    root.attributes("-topmost", True)
    root.update()
    line.focus_force()
    root.update()
    say("ready", ctypes.sizeof(ctypes.c_void_p))
    root.mainloop()


if __name__ == "__main__":
    main()
