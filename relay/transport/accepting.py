"""Accepting TCP connections many at a time, ready for a transport.

Under a storm of connections every turn of the scheduler counts: one wake-up accepts all that wait
(`Acceptor.accept_now` until there is none), without a layer of Trio's around each socket.
"""

import errno
import socket
import sys
from typing import Final, NamedTuple

import trio

from relay.transport.sockets import set_options, take_over

_GONE = frozenset(
    getattr(errno, name)
    for name in (
        "ECONNABORTED",
        "EPERM",  # a firewall's word
        "EPROTO",
        "ENETDOWN",
        "ENOPROTOOPT",
        "EHOSTDOWN",
        "ENONET",
        "EHOSTUNREACH",
        "EOPNOTSUPP",
        "ENETUNREACH",
    )
    if hasattr(errno, name)
)
"""Errors of one connection that waited, not of the listener: accept(2), "Error handling"."""

INHERITS: Final = sys.platform == "linux"
"""Whether a connection begins as a copy of its listener, options included: three system calls less each."""


class Accepted(NamedTuple):
    """A connection that was accepted.

    Attributes:
        sock: non-blocking, to be taken over by a transport.
        address: its other end's address and port.
    """

    sock: socket.socket
    address: tuple[str, int]


class Acceptor:
    """Accepts on a descriptor of its own for the same listener, which stays the caller's.

    Raises:
        OSError: the options of its connections cannot be set.
    """

    def __init__(self, listener: trio.SocketListener) -> None:
        self._sock = take_over(listener.socket.dup())
        if INHERITS:
            set_options(self._sock)
        self._has_options = False  # whoever is accepted: not while those are left who had connected before

    async def wait(self) -> None:
        """Returns when somebody may be waiting to be accepted; always a checkpoint."""
        await trio.lowlevel.wait_readable(self._sock)

    def accept_now(self) -> Accepted | None:
        """The next connection, or None if nobody waits.

        Raises:
            OSError: the system cannot accept at the moment, or not on this listener.
        """
        while True:
            try:
                sock, address = self._sock.accept()
            except BlockingIOError:
                self._has_options = INHERITS
                return None
            except OSError as error:
                if error.errno in _GONE:
                    continue
                raise
            sock.setblocking(False)
            if not self._has_options:
                try:
                    set_options(sock)
                except OSError:  # it has gone already
                    sock.close()
                    continue
            return Accepted(sock, (address[0], address[1]))

    def close(self) -> None:
        """Accept no more here; the listener itself goes on."""
        trio.lowlevel.notify_closing(self._sock)
        self._sock.close()
