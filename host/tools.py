"""What the tools of one session keep on this computer, beside its state, and what goes with it at the end.

That is the record of what was done, the chat, the last 24 hours of load, how the computer was at the first
connection, and which uploads are not finished.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import trio

from host import chat, parts, record
from host.chat import ChatRoom
from host.dashboard import Dashboard, History, differences, history
from host.dashboard.differences import Baseline, take_snapshot
from host.parts import Parts
from host.record import SessionRecord
from host.shell import Shells

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tools:
    """What the streams of all connections of one session share."""

    record: SessionRecord
    chat: ChatRoom
    dashboard: Dashboard
    parts: Parts
    shells: Shells

    async def keep_baseline(self) -> None:
        """Look at the computer before a technician changes it, if nobody has yet."""
        baseline = self.dashboard.baseline
        if not baseline.is_kept:
            # Given up at the session's end: nothing of it is written by a thread that lives on.
            snapshot = await trio.to_thread.run_sync(take_snapshot, abandon_on_cancel=True)
            with suppress(OSError):  # a full disk: it is known until the program starts again
                baseline.keep(snapshot)


@contextmanager
def open_tools(folder: Path | None, *, display: str) -> Iterator[Tools]:
    """The tools' things in a session's folder, or, with None, in memory.

    Args:
        folder: the session's.
        display: the X display whose monitors the Dashboard tells.
    """

    def at(name: str) -> Path | None:
        return None if folder is None else folder / name

    with _open_history(at(history.FILE_NAME)) as kept:
        acts = SessionRecord(at(record.FILE_NAME))
        dashboard = Dashboard(kept, Baseline(at(differences.FILE_NAME)), acts, display=display)
        yield Tools(acts, ChatRoom(at(chat.FILE_NAME)), dashboard, Parts(at(parts.FILE_NAME)), Shells(acts))


def _open_history(path: Path | None) -> History:
    try:
        return History(path)
    except OSError:
        log.warning("the history cannot be kept on the disk")
        return History(None)
