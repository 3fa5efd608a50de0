"""Files that fit a message: read or written many in one go of a thread, which is what makes trees fast.

Blocking code for a worker thread, but for `answer`, which is for the task that sends.
"""

from collections import deque
from collections.abc import Mapping
from typing import Final, TypeAlias

from host.files.places import NearbyPlaces, Place, Places
from host.files.receiving import put
from host.files.sending import Reading
from host.parts import Parts
from host.problems import RequestProblem, problem_of
from host.requests import Request, require

MAX_SMALL_BYTES: Final = 256 * 1024
"""Of a file that is put at once, without asking first."""
MAX_AT_ONCE: Final = 64
"""Requests that wait already and are taken together: 16 MiB of files that are put, at most."""
MAX_READ_BYTES: Final = 2 << 20
"""Read for one go, a piece more at most: memory until they are sent."""

Answer: TypeAlias = tuple[Mapping[str, object], bytes]


class SmallPut:
    """A file that came with its request.

    Attributes:
        path: where it goes.
        problem: why it is not there; None before and after it was written.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.path = request.path()
        self.problem: RequestProblem | None = None
        self._keep = request.path("keep") if request.has("keep") else None
        self._sha256 = request.fields.binary("sha256", length=32)
        self._modified = request.fields.number("modified", at_least=-(1 << 43), at_most=1 << 43)
        self._mode = request.fields.optional_number("mode")
        self._overwrite = request.fields.optional_flag("overwrite")
        require(len(request.body) <= MAX_SMALL_BYTES, "A file that is put at once is small.")

    def do(self, near: NearbyPlaces, places: Places, parts: Parts) -> None:
        """Write it.

        Raises:
            RequestProblem, OSError: it could not be.
        """
        if self._keep is None:
            self._put(near, parts, None)
        else:
            with places.at(self._keep) as keep:
                self._put(near, parts, keep)

    def _put(self, near: NearbyPlaces, parts: Parts, keep: Place | None) -> None:
        put(
            near.at(self.path),
            self.request.body,
            parts,
            sha256=self._sha256,
            modified=self._modified,
            mode=self._mode,
            overwrite=self._overwrite,
            keep=keep,
        )

    def answer(self) -> Answer:
        """What became of it."""
        return (
            refusal(self.request, self.problem) if self.problem else ({"id": self.request.id, "ok": {}}, b"")
        )


class SmallRead:
    """A file that is asked for from its beginning; that it is small shows when it is opened.

    Attributes:
        problem: why it cannot be read; None before and after it was.
        piece: its first, or all of it.
        rest: the open file, if there is more to read than `piece`; whoever sends it closes it.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.problem: RequestProblem | None = None
        self.piece = b""
        self.rest: Reading | None = None
        self._path = request.path()
        self._facts: dict[str, object] = {}

    def do(self, near: NearbyPlaces, _places: Places, _parts: Parts) -> None:
        """Read it, or its first piece.

        Raises:
            RequestProblem, OSError: it could not be.
        """
        reading = Reading(near.at(self._path))
        try:
            self._facts |= reading.facts()
            self.piece = reading.read()
            if len(self.piece) < reading.size:
                self.rest = reading
            else:
                self._facts["sha256"] = reading.finish()
        finally:
            if self.rest is None:
                reading.close()

    def answer(self) -> Answer:
        """What became of it: all of it, or where it begins, after which the pieces are sent."""
        if self.problem:
            return refusal(self.request, self.problem)
        if self.rest is not None:
            return {"id": self.request.id, "begins": {**self._facts, "offset": 0}}, b""
        return {"id": self.request.id, "ok": self._facts}, self.piece


Small: TypeAlias = SmallPut | SmallRead


def is_small(request: Request) -> bool:
    """Whether a request is one of these."""
    return request.op == "put" or (request.op == "read" and not request.has("offset"))


def small_of(request: Request) -> Small:
    """The request as one of these, for which `is_small` holds.

    Raises:
        RemoteProtocolError: a field is missing or wrong.
    """
    return SmallPut(request) if request.op == "put" else SmallRead(request)


def do_some(waiting: deque[Small], places: Places, parts: Parts) -> list[Small]:
    """Do the first ones, at least one, and take them out; what went wrong is in their `problem`.

    It ends after one that is not small at all, or when enough was read.
    """
    done: list[Small] = []
    read_bytes = 0
    with NearbyPlaces(places) as near:
        while waiting and read_bytes < MAX_READ_BYTES:
            each = waiting.popleft()
            done.append(each)
            try:
                each.do(near, places, parts)
            except RequestProblem as problem:
                each.problem = problem
            except OSError as error:
                each.problem = problem_of(error)
            if isinstance(each, SmallRead):
                read_bytes += len(each.piece)
                if each.rest is not None:
                    break
    return done


def refusal(request: Request, problem: RequestProblem) -> Answer:
    """The answer to what could not be done."""
    return {"id": request.id, "error": problem.code, "detail": problem.detail[:500]}, b""
