"""The Dashboard of this machine and a client of it, joined in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from host.dashboard import Dashboard, History, serve_dashboard
from host.dashboard.differences import Baseline
from host.record import SessionRecord
from peer.errors import StreamClosed
from peer.messages import MessageStream
from technician.dashboard.client import DashboardClient
from tests.helpers.tool_pairs import joined


class House:
    """A dashboard and a client of it.

    Attributes:
        client: asks one stream.
        record: what was written down.
        closed: how the host's end was closed, if it was.
    """

    def __init__(self, folder: Path) -> None:
        self.history = History(folder / "history")
        self.record = SessionRecord(folder / "record")
        self.baseline = Baseline(folder / "before")
        self.dashboard = Dashboard(self.history, self.baseline, self.record, display=":987")
        self.closed: StreamClosed | None = None

    @asynccontextmanager
    async def open(self) -> AsyncIterator[DashboardClient]:
        near, far = joined()

        async def answer() -> None:
            try:
                await serve_dashboard(MessageStream(far), self.dashboard, technician="Anna")
            except StreamClosed as exc:
                self.closed = exc
            finally:
                far.close()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            yield DashboardClient(MessageStream(near))
            nursery.cancel_scope.cancel()
