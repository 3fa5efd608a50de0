"""One `dashboard` stream: requests in, answers out, one after the other (docs/protocol.md §9).

`watch` and `follow` have no end of their own: a viewer gives them a stream to themselves, and closes it.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar

import trio

from host.dashboard.differences import Baseline, take_snapshot
from host.dashboard.history import History
from host.dashboard.measuring import Load, LoadMeter, ProcessMeter
from host.dashboard.processes import Processes, end, set_priority
from host.dashboard.system import events, facts, inventory, services
from host.problems import RequestProblem, problem_of
from host.record import SessionRecord
from host.requests import Request, showable
from peer.errors import StreamClosed
from peer.messages import MessageStream
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.messages import encode_message

PAGE: Final = 200
"""Rows in one message."""
PAGE_BYTES: Final = 128 * 1024
"""Of the rows in one message, with room for a row of the largest kind to the limit of a message's head."""
MAX_ROWS: Final = 20_000
MAX_ROWS_BYTES: Final = 30 << 20
"""Of one list: a viewer takes 32 MiB, and what is around the rows counts there."""
MAX_THREADS: Final = 2
MAX_LIVE: Final = 16
"""Streams that watch or follow at once, of all viewers; each costs a measurement a second, or a program."""
MAX_PID: Final = (1 << 32) - 1

Row = dict[str, Any]

_T = TypeVar("_T")


class Dashboard:
    """What the streams of one host share.

    Attributes:
        history: the last 24 hours.
        baseline: how the computer was at the first connection.
        record: what was done to it.
        display: the X display whose monitors are told.
    """

    def __init__(self, history: History, baseline: Baseline, record: SessionRecord, *, display: str) -> None:
        self.history = history
        self.baseline = baseline
        self.record = record
        self.display = display
        self.limiter = trio.CapacityLimiter(MAX_THREADS)
        self._live = trio.CapacityLimiter(MAX_LIVE)

    @contextmanager
    def one_more_live(self) -> Iterator[None]:
        """The block goes on for as long as a viewer likes.

        Raises:
            RequestProblem: ``busy``, there are as many as there may be.
        """
        holder = object()
        try:
            self._live.acquire_on_behalf_of_nowait(holder)
        except trio.WouldBlock:
            raise RequestProblem("busy", "Too many streams watch this computer.") from None
        try:
            yield
        finally:
            self._live.release_on_behalf_of(holder)


async def serve_dashboard(stream: MessageStream, dashboard: Dashboard, *, technician: str) -> None:
    """Serve a stream until the viewer ends it.

    Raises:
        StreamClosed: the stream was cut, or the viewer broke the protocol and it was closed for that.
    """
    service = _Service(stream, dashboard, technician)
    try:
        while (message := await stream.receive()) is not None:
            await service.answer(Request(message))
    except RemoteProtocolError as exc:
        stream.close(exc.close_reason)
        raise StreamClosed(exc.close_reason, str(exc)) from exc


class _Service:
    def __init__(self, stream: MessageStream, dashboard: Dashboard, technician: str) -> None:
        self._stream = stream
        self._dashboard = dashboard
        self._technician = technician
        self._processes = Processes()
        self._operations: dict[str, Callable[[Request], Awaitable[None]]] = {
            "system": self._system,
            "watch": partial(self._live, self._watch),
            "processes": partial(self._rows, self._processes.list),
            "end": self._end,
            "priority": self._set_priority,
            "services": partial(self._rows, services.services),
            "service": self._control_service,
            "schedule": partial(self._rows, inventory.schedule),
            "events": self._events,
            "follow": partial(self._live, self._follow),
            "software": partial(self._rows, inventory.software),
            "startup": partial(self._rows, inventory.startup),
            "environment": partial(self._rows, inventory.environment),
            "ports": partial(self._rows, inventory.ports),
            "changes": self._changes,
            "record": partial(self._rows, dashboard.record.acts),
        }

    async def answer(self, request: Request) -> None:
        """Do what is asked, and say what became of it."""
        operation = self._operations.get(request.op)
        if operation is None:
            raise RemoteProtocolError("There is no such request.")
        try:
            await operation(request)
        except RequestProblem as problem:
            await self._refuse(request, problem)
        except OSError as error:
            await self._refuse(request, problem_of(error))

    async def _refuse(self, request: Request, problem: RequestProblem) -> None:
        await self._stream.send({"id": request.id, "error": problem.code, "detail": problem.detail[:500]})

    async def _done(self, request: Request, fields: Mapping[str, object]) -> None:
        await self._stream.send({"id": request.id, "ok": fields})

    async def _thread(self, work: Callable[[], _T]) -> _T:
        return await trio.to_thread.run_sync(work, limiter=self._dashboard.limiter, abandon_on_cancel=True)

    # Looking

    async def _rows(self, look: Callable[[], Iterable[dict[str, Any]]], request: Request) -> None:
        rows = [showable(row) for row in await self._thread(look)]
        for page in _pages(rows[:MAX_ROWS]):
            await self._stream.send({"id": request.id, "rows": page})
        await self._done(request, {"count": len(rows)})

    async def _system(self, request: Request) -> None:
        told = await self._thread(partial(facts.system, self._dashboard.display))
        await self._done(request, showable(told))

    async def _live(self, operation: Callable[[Request], Awaitable[None]], request: Request) -> None:
        with self._dashboard.one_more_live():
            await operation(request)

    async def _watch(self, request: Request) -> None:
        """The last 24 hours at once, then the load each second until the stream is closed."""
        past = await self._thread(self._dashboard.history.read)
        columns = {name: value for name, value in past.items() if isinstance(value, list)}
        scale = {name: value for name, value in past.items() if name not in columns}
        # A message for each column: all of them are more than one head may hold.
        for name, values in columns.items():
            for start in range(0, len(values), _COLUMN_PIECE):
                piece = values[start : start + _COLUMN_PIECE]
                await self._stream.send({"id": request.id, "history": name, "start": start, "values": piece})
        await self._stream.send({"id": request.id, "begins": scale})
        meter, processes = await self._thread(LoadMeter), ProcessMeter()
        await self._thread(processes.measure)
        while True:
            await trio.sleep(1)
            load, top = await self._thread(lambda: (meter.measure(), processes.top()))
            await self._stream.send({"id": request.id, "now": {**_load_fields(load), "top": showable(top)}})

    async def _events(self, request: Request) -> None:
        fields = request.fields
        look = partial(
            events.read_events,
            limit=fields.number("limit", at_least=1, at_most=events.MAX_PAGE),
            before=_argument(request, "before", max_length=500),
            boot=request.fields.optional_flag("boot"),
            **_event_filters(request),
        )
        await self._rows(look, request)

    async def _follow(self, request: Request) -> None:
        async with events.follow_events(**_event_filters(request)) as followed:
            await self._stream.send({"id": request.id, "begins": {}})
            async for event in followed:
                await self._stream.send({"id": request.id, "rows": [showable(event)]})
        raise RequestProblem("unavailable", "The event log ended.")

    async def _changes(self, request: Request) -> None:
        told = self._dashboard.baseline.compare(await self._thread(take_snapshot))
        for kind, found in told["kinds"].items():
            for page in _pages([showable(row) for row in found["changes"]]):
                await self._stream.send({"id": request.id, "kind": kind, "rows": page})
        counts = {kind: found["count"] for kind, found in told["kinds"].items()}
        await self._done(request, {"since": told["since"], "counts": counts})

    # Changing

    async def _end(self, request: Request) -> None:
        fields = request.fields
        done = await self._thread(
            partial(
                end,
                fields.number("pid", at_most=MAX_PID),
                fields.number("started"),
                with_tree=request.fields.optional_flag("tree"),
                is_forced=request.fields.optional_flag("force"),
            )
        )
        self._note("process_ended", done["name"])
        await self._done(request, showable(done))

    async def _set_priority(self, request: Request) -> None:
        fields = request.fields
        pid, started = fields.number("pid", at_most=MAX_PID), fields.number("started")
        priority = fields.text("priority", max_length=16)
        done = await self._thread(partial(set_priority, pid, started, priority))
        self._note("priority_changed", f"{done['name']}: {priority}")
        await self._done(request, showable(done))

    async def _control_service(self, request: Request) -> None:
        name, action = request.fields.text("name"), request.fields.text("action", max_length=16)
        await self._thread(partial(services.control_service, name, action))
        self._note(f"service_{action}", name)
        await self._done(request, {})

    def _note(self, act: str, detail: str) -> None:
        self._dashboard.record.note(self._technician, act, detail)


_COLUMN_PIECE: Final = 4096


def _pages(rows: list[Row]) -> Iterator[list[Row]]:
    """The rows in order, so many that a message can hold them, until it is too much; no page is empty."""
    page: list[Row] = []
    size = all_size = 0
    for row in rows:
        row_size = len(encode_message(row))
        all_size += row_size
        if all_size > MAX_ROWS_BYTES:
            break
        if page and (len(page) == PAGE or size + row_size > PAGE_BYTES):
            yield page
            page, size = [], 0
        page.append(row)
        size += row_size
    if page:
        yield page


def _argument(request: Request, name: str, max_length: int = 256) -> str:
    """The text in a field, "" without one, for the command line of a program: no NUL ends it early."""
    value = request.fields.text(name, max_length=max_length) if request.has(name) else ""
    if "\0" in value:
        raise RequestProblem("bad_value", "There is no such text.")
    return value


def _event_filters(request: Request) -> dict[str, Any]:
    fields = request.fields
    return {
        "priority": fields.number("priority", at_most=7) if request.has("priority") else 7,
        "unit": _argument(request, "unit"),
        "pattern": _argument(request, "pattern", max_length=200),
    }


def _load_fields(load: Load) -> dict[str, object]:
    return {
        "cpu": round(load.cpu, 1),
        "cores": [round(share, 1) for share in load.cores[:1024]],
        "memory": {"used": load.memory_used, "total": load.memory_total},
        "swap": {"used": load.swap_used, "total": load.swap_total},
        "disk": {"read": round(load.disk_read), "written": round(load.disk_written)},
        "network": {"received": round(load.received), "sent": round(load.sent)},
    }
