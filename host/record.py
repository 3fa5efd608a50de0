"""The session's record on this computer: what technicians did here that changes something.

It is kept beside the state, so that it survives a reboot, and goes with it at the end; how often each thing
was done goes into the signed removal receipt, without names of files or programs, which are the customer's
business. The technicians read all of it on the Dashboard.
"""

import contextlib
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from host.own_files import OWN_FILE

FILE_NAME: Final = "record"
MAX_ACTS: Final = 5000
"""Kept word for word; those after it are only counted."""
MAX_DETAIL: Final = 300
MAX_WORDS: Final = 32
"""Different acts that are counted apart; no more fit into a receipt (docs/protocol.md §7)."""
MAX_WORD: Final = 32
OTHER: Final = "other"
COUNT_INTERVAL: Final = 256
"""Of the acts that are only counted, the count is written down after so many: a crash forgets fewer."""


class SessionRecord:
    """What was done, oldest first; each act is on the disk when `note` returns, though not synced.

    Args:
        path: of the file, one JSON array a line: an act, or a word and its count so far; None keeps it in
            memory.
        now: seconds since 1970.

    Concurrency: any thread may note, as those do that have just changed something.
    """

    def __init__(self, path: Path | None, *, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._lock = threading.Lock()
        self._acts: list[list[Any]] = []
        self._counts: Counter[str] = Counter()
        for at, technician, act, detail in read_lines(path, 4):
            self._keep([int(at), str(technician), str(act), str(detail)])
        for act, count in read_lines(path, 2):
            self._counts[str(act)] = max(self._counts[str(act)], int(count))

    def note(self, technician: str, act: str, detail: str = "") -> None:
        """Write down that `technician` did `act` (a word such as "deleted") to `detail`. Blocks for a write.

        On a full disk it is remembered until the program starts again.
        """
        self.note_all(technician, act, [detail])

    def note_all(self, technician: str, act: str, details: Sequence[str]) -> None:
        """As `note`, for several things to which the same was done: one write for all of them."""
        at = int(self._now())
        with self._lock:
            lines: list[list[Any]] = []
            for detail in details:
                line: list[Any] = [at, technician, act, detail[:MAX_DETAIL]]
                is_kept = len(self._acts) < MAX_ACTS
                word = self._keep(line)
                if is_kept or self._counts[word] % COUNT_INTERVAL == 0:
                    lines.append(line if is_kept else [word, self._counts[word]])
            if self._path is not None and lines:
                with contextlib.suppress(OSError):
                    append_lines(self._path, lines)

    def acts(self) -> list[dict[str, Any]]:
        """Maps of at (seconds since 1970), technician, act and detail."""
        return [
            {"at": at, "technician": technician, "act": act, "detail": detail}
            for at, technician, act, detail in list(self._acts)
        ]

    def counts(self) -> dict[str, int]:
        """How often each act was done: at most 32 words."""
        with self._lock:
            return dict(sorted(self._counts.items()))

    def _keep(self, act: list[Any]) -> str:
        """Keep an act and count it; the word that it is counted under."""
        word: str = act[2]
        is_word = word.isascii() and len(word) <= MAX_WORD
        if not is_word or (word not in self._counts and len(self._counts) >= MAX_WORDS - 1):
            word = OTHER
        self._counts[word] += 1
        if len(self._acts) < MAX_ACTS:
            self._acts.append(act)
        return word


def append_line(path: Path, values: list[Any]) -> None:
    """Append a JSON array as a line to the file, which only this user may read.

    Raises:
        OSError: it cannot be written.
    """
    append_lines(path, [values])


def append_lines(path: Path, lines: Sequence[list[Any]]) -> None:
    """As `append_line`, several lines in one go.

    Raises:
        OSError: they cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | OWN_FILE
    descriptor = os.open(path, flags, 0o600)
    try:
        os.write(descriptor, b"".join(json.dumps(values).encode() + b"\n" for values in lines))
    finally:
        os.close(descriptor)


def read_lines(path: Path | None, length: int) -> Iterator[list[Any]]:
    """The lines that are arrays of this length; what a crash has cut is passed over."""
    try:
        lines = [] if path is None else path.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(ValueError):
            values = json.loads(line)
            if isinstance(values, list) and len(values) == length:
                yield values
