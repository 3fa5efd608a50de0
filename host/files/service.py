"""One `files` stream: requests in, answers out, strictly one after the other (docs/protocol.md §8).

A viewer opens one stream to look around and some more for transfers, and may send requests without waiting
for answers. A request that takes long holds up its own stream only; to give it up, close the stream. That
the viewer does not read holds up the sending, by credit; nothing is kept for it here but one piece.

Requests that cannot be done are answered with a word and go no further; a viewer that breaks the protocol
loses its stream.
"""

import errno
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import trio

from host.files import changes, listing
from host.files.bulk import Failed, get_all, new_files_of, put_all, wanted_of
from host.files.places import Place, Places
from host.files.receiving import Writing
from host.files.sending import Reading
from host.files.small import MAX_AT_ONCE, Small, SmallPut, SmallRead, do_some, is_small, refusal, small_of
from host.parts import Parts
from host.problems import RequestProblem, problem_of
from host.requests import MAX_ID, Request, require
from peer.errors import StreamClosed
from peer.messages import MessageStream
from peer.together import beside
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import FieldReader
from relay.protocol.messages import Message

MAX_THREADS: Final = 4
MAX_SIZE: Final = 1 << 53
"""Of a file, bytes: what every number of JavaScript can say."""

Tell: TypeAlias = Callable[[str, Sequence[str]], None]
"""Takes a word and the paths of what was changed."""

_T = TypeVar("_T")


async def serve_files(stream: MessageStream, places: Places, parts: Parts, *, tell: Tell) -> None:
    """Serve a stream until the viewer ends it.

    Args:
        stream: just proven.
        places: what may be reached.
        parts: where unfinished uploads are written down.
        tell: called in a worker thread after things were changed, and before that is answered (the
            session's record).

    Raises:
        StreamClosed: the stream was cut, or the viewer broke the protocol and it was closed for that.

    Cancellation: what is just being written stays as a part; what was being deleted may be half deleted.
    """
    service = _Service(stream, places, parts, tell)
    try:
        while (message := await stream.receive()) is not None:
            await service.answer(Request(message))
    except RemoteProtocolError as exc:
        stream.close(exc.close_reason)
        raise StreamClosed(exc.close_reason, str(exc)) from exc


class _Service:
    def __init__(self, stream: MessageStream, places: Places, parts: Parts, tell: Tell) -> None:
        self._stream = stream
        self._places = places
        self._parts = parts
        self._tell = tell
        self._limiter = trio.CapacityLimiter(MAX_THREADS)
        self._pending: Request | None = None
        self._operations: dict[str, Callable[[Request], Awaitable[None]]] = {
            "roots": self._roots,
            "list": self._list,
            "stat": self._stat,
            "search": self._search,
            "measure": self._measure,
            "make": self._make,
            "move": self._move,
            "copy": self._copy,
            "delete": self._delete,
            "read": self._read,
            "write": self._write,
            "put": self._small,
            "gets": self._gets,
            "puts": self._puts,
            "digest": self._digest,
        }

    async def answer(self, request: Request) -> None:
        """Do what is asked, and say what became of it."""
        while True:
            operation = self._operations.get(request.op)
            if operation is None:
                raise RemoteProtocolError("There is no such request.")
            try:
                await operation(request)
            except RequestProblem as problem:
                await self._refuse(request, problem)
            except OSError as error:
                await self._refuse(request, problem_of(error))
            if self._pending is None:
                return
            request, self._pending = self._pending, None

    async def _refuse(self, request: Request, problem: RequestProblem) -> None:
        await self._stream.send(*refusal(request, problem))

    async def _done(self, request: Request, **fields: Any) -> None:
        await self._stream.send({"id": request.id, "ok": fields})

    async def _thread(self, work: Callable[[], _T]) -> _T:
        return await trio.to_thread.run_sync(work, limiter=self._limiter)

    async def _at(self, request: Request, work: Callable[[Place], _T]) -> _T:
        return await self._thread(partial(self._work_at, request.path(), work))

    def _work_at(self, path: str, work: Callable[[Place], _T]) -> _T:
        with self._places.at(path) as place:
            return work(place)

    async def _change(self, word: str, path: str, work: Callable[[], _T]) -> _T:
        """Change something, and write that down, in one go of a thread."""

        def run() -> _T:
            result = work()
            self._tell(word, [path])
            return result

        return await self._thread(run)

    # Looking

    async def _roots(self, request: Request) -> None:
        found = await self._thread(partial(listing.roots, self._places))
        await self._done(request, roots=found, limited=self._places.limit is not None)

    async def _stat(self, request: Request) -> None:
        name = request.path().rstrip("/").rpartition("/")[2]
        await self._done(request, entry=await self._at(request, lambda place: listing.stat_one(place, name)))

    async def _list(self, request: Request) -> None:
        show_hidden = request.fields.optional_flag("hidden")
        await self._pages(
            request, lambda place: listing.list_folder(place, show_hidden=show_hidden), "entries"
        )

    async def _search(self, request: Request) -> None:
        pattern = request.fields.text("pattern", max_length=200)
        show_hidden = request.fields.optional_flag("hidden")
        await self._pages(
            request, lambda place: listing.search(place, pattern, show_hidden=show_hidden), "entries"
        )

    async def _measure(self, request: Request) -> None:
        def totals(place: Place) -> Iterator[dict[str, int]]:
            told = dict.fromkeys(("size", "files", "folders"), 0)
            for told["size"], told["files"], told["folders"] in listing.measure(place):
                yield dict(told)

        last: dict[str, int] = {}
        with ExitStack() as stack:
            found = await self._thread(lambda: totals(stack.enter_context(self._places.at(request.path()))))
            while (now := await self._thread(partial(next, found, None))) is not None:
                last = now
        await self._done(request, **last)

    async def _pages(
        self, request: Request, find: Callable[[Place], Iterator[list[listing.Entry]]], name: str
    ) -> None:
        """Send pages as they are found, so that neither side keeps a whole folder of a million things."""
        path = request.path()
        with ExitStack() as stack:
            pages = await self._thread(lambda: find(stack.enter_context(self._places.at(path))))
            while (page := await self._thread(partial(next, pages, None))) is not None:
                if page:
                    await self._stream.send({"id": request.id, name: page})
        await self._done(request)

    # Changing

    async def _make(self, request: Request) -> None:
        path = request.path()
        await self._change("made", path, partial(self._work_at, path, changes.make_folder))
        await self._done(request)

    async def _move(self, request: Request) -> None:
        source, target, overwrite = (
            request.path(),
            request.path("to"),
            request.fields.optional_flag("overwrite"),
        )

        def work() -> None:
            with self._places.at(source) as old, self._places.at(target) as new:
                try:
                    changes.move(old, new, overwrite=overwrite)
                except OSError as error:
                    if error.errno != errno.EXDEV:
                        raise
                    changes.copy(old, new, overwrite=overwrite)
                    changes.delete(old)

        await self._change("moved", source, work)
        await self._done(request)

    async def _copy(self, request: Request) -> None:
        source, target, overwrite = (
            request.path(),
            request.path("to"),
            request.fields.optional_flag("overwrite"),
        )

        def work() -> int:
            with self._places.at(source) as old, self._places.at(target) as new:
                return changes.copy(old, new, overwrite=overwrite)

        count = await self._change("copied", target, work)
        await self._done(request, count=count)

    async def _delete(self, request: Request) -> None:
        path, is_final = request.path(), request.fields.flag("final")

        def delete(place: Place) -> None:
            is_tree = changes.is_folder(place)
            try:
                changes.delete(place)
            except OSError:
                if is_tree:  # what was deleted before it failed is gone
                    self._tell("deleted", [path])
                raise

        if is_final:
            await self._change("deleted", path, partial(self._work_at, path, delete))
        else:
            trash = partial(self._work_at, path, lambda place: changes.trash(place, path))
            await self._change("trashed", path, trash)
        await self._done(request)

    # Transfers

    async def _read(self, request: Request) -> None:
        """The rest of a file of which the viewer has a beginning; from the beginning it is `_small`."""
        if not request.has("offset"):
            await self._small(request)
            return
        offset = request.fields.number("offset", at_most=MAX_SIZE)
        prefix = request.fields.binary("prefix", length=32)

        def begin() -> tuple[Reading, int, bytes]:
            with self._places.at(request.path()) as place:
                reading = Reading(place)
            try:
                start = offset if offset and reading.skip(offset, prefix) else 0
                return reading, start, reading.read()
            except BaseException:
                reading.close()
                raise

        reading, at, piece = await self._thread(begin)
        with reading:
            await self._stream.send({"id": request.id, "begins": {**reading.facts(), "offset": at}})
            await self._send_file(request, reading, at, piece)

    async def _send_file(self, request: Request, reading: Reading, at: int, piece: bytes) -> None:
        """The pieces from `at` on, the next being read while one is on its way; then the SHA-256."""
        while piece:
            send = partial(self._stream.send, {"id": request.id, "offset": at}, piece)
            at += len(piece)
            piece = await beside(send, partial(self._thread, reading.read))
        sha256 = await self._thread(reading.finish)
        await self._done(request, **reading.facts(), sha256=sha256)

    async def _write(self, request: Request) -> None:
        fields = request.fields
        size = fields.number("size", at_most=MAX_SIZE)
        modified = fields.number("modified", at_least=-(1 << 43), at_most=1 << 43)
        mode = fields.optional_number("mode")
        transfer = fields.text("transfer", max_length=32)
        overwrite = request.fields.optional_flag("overwrite")
        path = request.path()
        keep: Place | None = None
        with ExitStack() as stack:

            def begin() -> Writing:
                nonlocal keep
                place = stack.enter_context(self._places.at(path))
                if request.has("keep"):
                    keep = stack.enter_context(self._places.at(request.path("keep")))
                return stack.enter_context(
                    Writing(place, transfer, self._parts, size=size, overwrite=overwrite)
                )

            writing = await self._thread(begin)
            await self._stream.send(
                {"id": request.id, "go": {"offset": writing.offset, "prefix": writing.prefix}}
            )
            sha256 = await self._take_pieces(request, writing)
            if sha256 is None:
                return
            finish = partial(writing.finish, sha256, modified=modified, mode=mode, keep=keep)
            await self._change("written", path, finish)
        await self._done(request, size=size, sha256=sha256)

    async def _take_pieces(self, request: Request, writing: Writing) -> bytes | None:
        """Write what comes, until its end; the SHA-256 that the viewer has, or None after a refusal."""
        is_refused = False

        async def take(message: Message) -> None:
            nonlocal is_refused
            if is_refused:
                return  # sent before the viewer could hear of it
            try:
                await self._take_piece(message, writing)
            except RequestProblem as problem:
                is_refused = True
                await self._refuse(request, problem)
            except OSError as error:
                is_refused = True
                await self._refuse(request, problem_of(error))

        message = await self._next_piece(request)
        while "end" not in message.head:
            # One piece is written while the next is on its way.
            message = await beside(partial(take, message), partial(self._next_piece, request))
        sha256 = FieldReader(message.head).binary("end", length=32)
        return None if is_refused else sha256

    async def _next_piece(self, request: Request) -> Message:
        message = await self._stream.receive()
        if message is None:
            raise StreamClosed(CloseReason.BAD_FRAME, "The stream ended inside a file.")
        number = FieldReader(message.head).number("id", at_most=MAX_ID)
        require(number == request.id, "A file is followed by another request.")
        return message

    async def _take_piece(self, message: Message, writing: Writing) -> None:
        if "drop" in message.head:
            await self._thread(writing.drop)
            raise RequestProblem("dropped")
        if "restart" in message.head:
            await self._thread(writing.restart)
        else:
            offset = FieldReader(message.head).number("offset", at_most=MAX_SIZE)
            await self._thread(partial(writing.write, offset, message.pieces))

    async def _digest(self, request: Request) -> None:
        def work(place: Place) -> dict[str, Any]:
            with Reading(place) as reading:
                while reading.read():
                    pass
                return {**reading.facts(), "sha256": reading.finish()}

        await self._done(request, **await self._at(request, work))

    async def _gets(self, request: Request) -> None:
        """Many small files down, the next message being read while one is on its way."""
        messages = get_all(wanted_of(request), self._places)

        async def following() -> tuple[Mapping[str, object], bytes] | None:
            return await self._thread(partial(next, messages, None))

        message = await following()
        while message is not None:
            head, body = message
            message = await beside(partial(self._stream.send, {"id": request.id, **head}, body), following)
        await self._done(request)

    async def _puts(self, request: Request) -> None:
        """Many small files up."""
        files = new_files_of(request)

        def work() -> list[Failed]:
            failed = put_all(files, self._places, self._parts)
            is_missing = {index for index, *_ in failed}
            self._tell_written(file.path for index, file in enumerate(files) if index not in is_missing)
            return failed

        failed = await self._thread(work)
        await self._done(request, failed=failed)

    async def _small(self, request: Request) -> None:
        """A file that fits a message, and those that wait behind it already, in few goes of a thread."""
        waiting = deque([small_of(request)])
        while len(waiting) < MAX_AT_ONCE and (message := self._stream.receive_nowait()) is not None:
            following = Request(message)
            if not is_small(following):
                self._pending = following
                break
            waiting.append(small_of(following))

        def work() -> list[Small]:
            done = do_some(waiting, self._places, self._parts)
            self._tell_written(
                each.path for each in done if isinstance(each, SmallPut) and each.problem is None
            )
            return done

        while waiting:
            done = await self._thread(work)
            last = done[-1]
            with ExitStack() as stack:
                if isinstance(last, SmallRead) and last.rest is not None:
                    stack.enter_context(last.rest)
                await self._stream.send_all(each.answer() for each in done)
                if isinstance(last, SmallRead) and last.rest is not None:
                    await self._send_file(last.request, last.rest, 0, last.piece)

    def _tell_written(self, paths: Iterable[str]) -> None:
        if written := list(paths):
            self._tell("written", written)
