"""One `dashboard` stream as a viewer (docs/protocol.md §9). What the host says is untrusted.

Every text of it is for `technician.printing.printable`; numbers are within bounds.
"""

import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeGuard, cast

from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import FieldReader
from relay.protocol.messages import Message
from technician.requests import Extent, RequestClient

LISTS: Final = (
    "processes",
    "services",
    "schedule",
    "software",
    "startup",
    "environment",
    "ports",
    "record",
)
"""What `rows` can ask for."""
MAX_ROWS: Final = 20_000
MAX_ROWS_BYTES: Final = 32 << 20
"""Of them, as they came."""
MAX_FIELDS: Final = 32
"""Of a row."""
MAX_KINDS: Final = 64
"""Of things that can be different."""
MAX_DEPTH: Final = 8
"""Of maps and lists in what the system is."""
MAX_TIME: Final = 253_402_300_799
"""The last second that a calendar has: 9999-12-31."""
PAST_VALUES: Final = 8640
_COLUMNS: Final = frozenset({"cpu", "memory", "disk_read", "disk_written", "received", "sent"})

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the computer does now.

    Attributes:
        cpu, cores: per cent, of all and of each.
        memory_used, memory_total, swap_used, swap_total: bytes.
        disk_read, disk_written, received, sent: bytes a second.
        top: the busiest processes, maps of pid, name, cpu (per cent of one core) and memory (bytes).
    """

    cpu: float
    cores: list[float]
    memory_used: int
    memory_total: int
    swap_used: int
    swap_total: int
    disk_read: int
    disk_written: int
    received: int
    sent: int
    top: list[Row]


@dataclass(frozen=True, slots=True)
class Past:
    """The last 24 hours.

    Attributes:
        began_at: of the first value, seconds since 1970 by the computer's clock.
        step: seconds between two values.
        columns: cpu, memory (per cent), disk_read, disk_written, received, sent (bytes a second): 8 640
        values
            each, None where nobody measured.
    """

    began_at: int
    step: int
    columns: Mapping[str, list[float | None]]


class DashboardClient(RequestClient):
    """Asks one stream, one request at a time; `watch` and `follow` take a stream to themselves.

    Raises (all of it):
        RequestRefused: that computer does not have it, or its user may not.
        StreamClosed: the stream is closed, or the host broke the protocol.
    """

    async def system(self) -> Row:
        """What the computer is: a map as `host.dashboard.facts.system` tells."""
        told = await self.ask_ok("system")
        with self.reading():
            check_plain(told)
        return told

    async def rows(self, name: str) -> list[Row]:
        """One of `LISTS`, as maps of the host's making."""
        return [row async for row in self._rows(await self.ask(name))]

    async def events(
        self,
        *,
        limit: int = 100,
        priority: int = 7,
        unit: str = "",
        pattern: str = "",
        before: str = "",
        boot: bool = False,
    ) -> list[Row]:
        """Entries of the event log, newest first."""
        fields = {"limit": limit, "before": before, "boot": boot, "priority": priority}
        number = await self.ask("events", **fields, unit=unit, pattern=pattern)
        return [row async for row in self._rows(number, at_most=limit)]

    async def follow(
        self, *, priority: int = 7, unit: str = "", pattern: str = ""
    ) -> AsyncGenerator[Row, None]:
        """Entries of the event log from now on, without end."""
        number = await self.ask("follow", priority=priority, unit=unit, pattern=pattern)
        while True:
            message = await self.answer_to(number)
            if "begins" not in message.head:
                for row in self._page(message, _extent()):
                    yield row

    async def changes(self) -> tuple[int, dict[str, list[Row]]]:
        """Since when (seconds since 1970), and by kind of thing what is different since then."""
        number = await self.ask("changes")
        found: dict[str, list[Row]] = {}
        extent = _extent()
        while "ok" not in (message := await self.answer_to(number)).head:
            with self.reading():
                kind = FieldReader(message.head).text("kind", max_length=32)
            found.setdefault(kind, []).extend(self._page(message, extent))
            if len(found) > MAX_KINDS:
                raise self.broken("too many kinds of things")
        with self.reading():
            return FieldReader(_map(message.head["ok"])).number("since", at_most=MAX_TIME), found

    async def end_process(self, pid: int, started: int, *, tree: bool = False, force: bool = False) -> Row:
        """End a process; `started` (ms) tells it from a later one with its number."""
        done = await self.ask_ok("end", pid=pid, started=started, tree=tree, force=force)
        with self.reading():
            fields = FieldReader(done)
            return {"name": fields.text("name", max_length=1000)} | {
                name: fields.number(name) for name in ("ended", "left")
            }

    async def set_priority(self, pid: int, started: int, priority: str) -> Row:
        """Make a process "low", "normal" or "high"."""
        return await self.ask_ok("priority", pid=pid, started=started, priority=priority)

    async def control_service(self, name: str, action: str) -> None:
        """Start, stop or restart (`action`) a service."""
        await self.ask_ok("service", name=name, action=action)

    async def watch(self) -> AsyncGenerator[Past | Load, None]:
        """The last 24 hours, then the load each second, without end."""
        number = await self.ask("watch")
        columns: dict[str, list[float | None]] = {}
        while "begins" not in (message := await self.answer_to(number)).head:
            self._take_column(message, columns)
        with self.reading():
            begins = FieldReader(_map(message.head["begins"]))
            past = Past(begins.number("began_at"), begins.number("step", at_least=1, at_most=3600), columns)
        yield past
        while True:
            message = await self.answer_to(number)
            with self.reading():
                load = parse_load(message.head.get("now"))
            yield load

    # The wire

    async def _rows(self, number: int, *, at_most: int = MAX_ROWS) -> AsyncIterator[Row]:
        extent = Extent(at_most, MAX_ROWS_BYTES)
        while "ok" not in (message := await self.answer_to(number)).head:
            for row in self._page(message, extent):
                yield row

    def _page(self, message: Message, extent: Extent) -> list[Row]:
        rows = message.head.get("rows")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self.broken("no rows")
        with self.reading():
            extent.add(message, len(rows))
            # No lists and maps in a row: a few bytes of those are many in memory.
            check_plain(rows, depth=2)
            if any(len(row) > MAX_FIELDS for row in rows):
                raise RemoteProtocolError("a row has few fields")
        return cast("list[Row]", rows)

    def _take_column(self, message: Message, columns: dict[str, list[float | None]]) -> None:
        name, values = message.head.get("history"), message.head.get("values")
        if not isinstance(name, str) or name not in _COLUMNS or not isinstance(values, list) or not values:
            raise self.broken("no history")
        column = columns.setdefault(name, [])
        column.extend(value if _is_finite(value) else None for value in values)
        if len(column) > PAST_VALUES:
            raise self.broken("too much history")


def _extent() -> Extent:
    return Extent(MAX_ROWS, MAX_ROWS_BYTES)


def parse_load(value: object) -> Load:
    """A measurement as the host sent it.

    Raises:
        RemoteProtocolError: it is none.
    """
    now = _map(value)
    memory, swap, disk, network = (
        FieldReader(_map(now.get(name))) for name in ("memory", "swap", "disk", "network")
    )
    cores, top = now.get("cores"), now.get("top")
    if not isinstance(cores, list) or not isinstance(top, list) or len(cores) > 1024 or len(top) > 100:
        raise RemoteProtocolError("a load has cores and processes")
    return Load(
        cpu=_percent(now.get("cpu")),
        cores=[_percent(core) for core in cores],
        memory_used=memory.number("used"),
        memory_total=memory.number("total"),
        swap_used=swap.number("used"),
        swap_total=swap.number("total"),
        disk_read=disk.number("read"),
        disk_written=disk.number("written"),
        received=network.number("received"),
        sent=network.number("sent"),
        top=[_process(each) for each in top],
    )


def check_plain(value: object, depth: int = MAX_DEPTH) -> None:
    """Lets through what can be shown and written as JSON: texts, finite numbers, true, false, nil, and maps
    and lists of them.

    Raises:
        RemoteProtocolError: it is something else, or too deep.
    """
    if isinstance(value, dict | list) and depth > 0:
        for inner in value.values() if isinstance(value, dict) else value:
            check_plain(inner, depth - 1)
        if isinstance(value, dict) and not all(isinstance(name, str) for name in value):
            raise RemoteProtocolError("a name is text")
    elif not (value is None or isinstance(value, str) or _is_finite(value)):
        raise RemoteProtocolError("what is told is text and numbers")


def _is_finite(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and math.isfinite(value)


def _process(value: object) -> Row:
    process = _map(value)
    fields = FieldReader(process)
    return {
        "pid": fields.number("pid"),
        "name": fields.text("name", max_length=1000),
        "cpu": _number(process.get("cpu"), 1e6),
        "memory": fields.number("memory"),
    }


def _percent(value: object) -> float:
    return _number(value, 100)


def _number(value: object, at_most: float) -> float:
    if not isinstance(value, int | float) or not 0 <= value <= at_most:
        raise RemoteProtocolError("a share is a number")
    return float(value)


def _map(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise RemoteProtocolError("what is told is a map")
    return cast("dict[str, object]", value)
