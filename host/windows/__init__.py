"""The host on Windows 10 and later: whatever another system's modules cannot do there.

Modules that name Windows' own libraries refuse to be imported elsewhere; what is pure (`keys`, `manifest`
rules, messages) is tested everywhere. Who uses them decides with ``if sys.platform == "win32"``, which the
type checker understands.
"""
