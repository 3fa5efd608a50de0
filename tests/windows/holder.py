"""Somebody else's program that has a file open, as a virus scanner may: ``holder FILE``."""

import sys

with open(sys.argv[1], "rb"):
    print("held", flush=True)
    sys.stdin.read()
