"""Somebody who is signed in, with a desktop: wine goes down with the last program that is no service."""

import sys
import tkinter as tk

root = tk.Tk()
root.withdraw()
print("signed in", root.winfo_screenwidth(), root.winfo_screenheight(), flush=True)
sys.stdin.read()
