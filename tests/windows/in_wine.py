"""Runs a module of ours under wine: ``python in_wine.py MODULE [ARGUMENTS…]``. For tests alone.

Wine's sockets lack the questions by which Trio finds the socket under another program's; there is none.
"""

import runpy
import socket
import sys
from importlib import import_module
from typing import Any


def main() -> None:
    windows: Any = import_module("trio._core._io_windows")

    def itself(sock: socket.socket | int, *, which: int | None = None) -> object:
        return windows._handle(sock if isinstance(sock, int) else sock.fileno())

    windows._get_underlying_socket = windows._get_base_socket = itself
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
