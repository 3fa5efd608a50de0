"""Somebody who is signed in: wine goes down when the last program that is no service has ended."""

import sys

print("signed in", flush=True)
sys.stdin.read()
