"""The files of a session through as many connections as it takes.

What is asked for is done, whatever happens to the connection meanwhile: the computer may be offline, now or
already at the beginning, the relay may restart. It ends with the session, or when something will not become
better by waiting.
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, TypeVar

import trio

from peer.backoff import Backoff
from peer.errors import ConnectionFailed, StreamClosed
from peer.messages import MessageStream
from peer.tunnel import Tunnel
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Channel
from relay.protocol.hidden import SecretBytes
from technician.attaching import attach, open_stream
from technician.errors import ComputerSilent, RelayRefused, RelayUnreachable, ToolFailed
from technician.files.client import FilesClient
from technician.relay_client import RelayClient

T = TypeVar("T")
Work: TypeAlias = Callable[["FilesStreams"], Awaitable[T]]
"""Is called with each new connection, until it has an end."""

MAX_WAIT: Final = 5.0
"""Seconds between two looks whether it goes on; one technician who waits costs the relay next to nothing."""
STEADY_TIME: Final = 30.0
"""Seconds after which a connection counts as a good one, and the next wait is a short one again."""
WAITED_FOR: Final = frozenset(
    {
        CloseReason.GOING_AWAY,
        CloseReason.LIMIT,
        CloseReason.HANDSHAKE_TIMEOUT,
        CloseReason.DEAD,
        CloseReason.STALLED,
        CloseReason.HOST_OFFLINE,
        CloseReason.DETACHED,
        CloseReason.TOO_MANY_TRIES,
    }
)
"""What passes by itself. Not so what somebody did wrong: the same would come of it again."""


class FilesConnection:
    """Opens streams of a session's files.

    Args:
        relay, session, pairing_key, access_password: as for `technician.attaching.open_tool`.
        say: told a sentence when it has to wait, and when it goes on.
    """

    def __init__(
        self,
        relay: RelayClient,
        session: str,
        pairing_key: SecretBytes,
        access_password: str,
        *,
        say: Callable[[str], None],
    ) -> None:
        self._relay = relay
        self._session = session
        self._pairing_key = pairing_key
        self._access_password = access_password
        self._say = say
        self._opening = trio.Lock()

    async def run(self, work: Work[T]) -> T:
        """What `work` returns, which is called anew with each connection, until it has an end.

        Raises:
            StreamClosed, ConnectionFailed, RelayRefused: what waiting does not mend; the session's end.
            ToolFailed: the session is over.
            whatever `work` raises.
        """
        backoff = Backoff(last_bound=MAX_WAIT)
        is_waiting = False
        while True:
            began = trio.current_time()
            try:
                await self._wait_online()
                async with attach(self._relay, self._session, [Channel.FILES]) as tunnel:
                    streams = FilesStreams(self, tunnel)
                    if is_waiting:
                        self._say("It goes on.")
                        is_waiting = False
                    return await work(streams)
            except (StreamClosed, ConnectionFailed) as exc:
                if exc.close_reason not in WAITED_FOR:
                    raise
                why = str(exc)
            except (ComputerSilent, RelayUnreachable) as exc:
                why = str(exc)
            except RelayRefused as exc:
                if exc.status not in (429, 503):
                    raise
                why = str(exc)
            if trio.current_time() - began > STEADY_TIME:
                backoff.reset()
            if not is_waiting:
                self._say(f"{why} It goes on by itself.")
                is_waiting = True
            await trio.sleep(backoff.next_delay())

    async def _wait_online(self) -> None:
        session = await self._relay.session(self._session)
        if session.state != "active":
            raise ToolFailed("The session is over.")
        if session.host is None or not session.host.online:
            raise StreamClosed(CloseReason.HOST_OFFLINE)

    async def open(self, tunnel: Tunnel) -> FilesClient:
        """One more stream on a connection; one at a time, as the host makes those wait that crowd."""
        async with self._opening:
            stream = await open_stream(
                tunnel, self._relay, self._session, Channel.FILES, self._pairing_key, self._access_password
            )
        return FilesClient(MessageStream(stream))


class FilesStreams:
    """Streams of one connection; they end with it."""

    def __init__(self, connection: FilesConnection, tunnel: Tunnel) -> None:
        self._connection = connection
        self._tunnel = tunnel

    async def open(self) -> FilesClient:
        """One more.

        Raises:
            StreamClosed: refused, with the reason, or the connection ended.
            ComputerSilent: the computer does not answer.
        """
        return await self._connection.open(self._tunnel)
