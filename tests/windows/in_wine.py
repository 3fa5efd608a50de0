"""Runs a module of ours under wine: ``python in_wine.py MODULE [ARGUMENTS…]``. For tests alone.

Wine's sockets lack the questions by which Trio finds the socket under another program's; there is none.
"""

import runpy
import socket
import sys


def main() -> None:
    import trio._core._io_windows as windows  # type: ignore[import-not-found,unused-ignore] # elsewhere it is not

    def itself(sock: socket.socket | int, *, which: int | None = None) -> object:
        return windows._handle(sock if isinstance(sock, int) else sock.fileno())

    windows._get_underlying_socket = windows._get_base_socket = itself
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
