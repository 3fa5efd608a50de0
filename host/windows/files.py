"""The File Manager on Windows: not there yet, and said so."""

from collections.abc import Callable, Sequence

from host.parts import Parts
from peer.errors import StreamClosed
from peer.messages import MessageStream
from relay.protocol.close_reasons import CloseReason


class Places:
    """What `host.files.places.Places` is elsewhere."""

    def __init__(self, limit: Sequence[str] | None = None) -> None:
        self.limit = limit


async def serve_files(
    stream: MessageStream, places: Places, parts: Parts, *, tell: Callable[[str, str], None]
) -> None:
    """Refuses. Raises StreamClosed."""
    stream.close(CloseReason.UNAVAILABLE)
    raise StreamClosed(CloseReason.UNAVAILABLE)
