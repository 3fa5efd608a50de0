"""The event log of Windows: newest entries, older pages, and new ones as they come (wevtapi).

The two channels that every user may read and that tell of the computer's health are read as one log. A text
to look for is plain text here: Python's regular expressions can be made to work for ever.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import ExitStack, aclosing, asynccontextmanager, suppress
from ctypes import wintypes
from functools import partial
from typing import Any, Final

import psutil
import trio

from host.problems import RequestProblem
from host.windows.words import MAX_MESSAGE, MAX_XML, event_query, make_cursor, parse_cursor, parse_event

MAX_PAGE: Final = 500
CHANNELS: Final = ("Application", "System")
MAX_LOOKED_AT: Final = 5000
"""Events of a channel that are rendered for one page: those that do not fit a text are not told."""
_AT_ONCE: Final = 32

_CHANNEL_PATH: Final = 0x1
_NEWEST_FIRST: Final = 0x200
_FUTURE: Final = 1
_AS_XML: Final = 1
_MESSAGE: Final = 1
_NO_MORE: Final = 259
_TOO_SMALL: Final = 122

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.CreateEventW.restype = wintypes.HANDLE
_kernel32.CreateEventW.argtypes = (ctypes.c_void_p, wintypes.BOOL, wintypes.BOOL, wintypes.LPCWSTR)
_kernel32.ResetEvent.argtypes = (wintypes.HANDLE,)
_kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
_wevtapi = ctypes.WinDLL("wevtapi", use_last_error=True)
for _name, _returned, _taken in (
    ("EvtQuery", wintypes.HANDLE, (wintypes.HANDLE, wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.DWORD)),
    (
        "EvtSubscribe",
        wintypes.HANDLE,
        (
            *(wintypes.HANDLE, wintypes.HANDLE, wintypes.LPCWSTR, wintypes.LPCWSTR),
            *(wintypes.HANDLE, ctypes.c_void_p, ctypes.c_void_p, wintypes.DWORD),
        ),
    ),
    (
        "EvtNext",
        wintypes.BOOL,
        (
            *(wintypes.HANDLE, wintypes.DWORD, ctypes.POINTER(wintypes.HANDLE), wintypes.DWORD),
            *(wintypes.DWORD, ctypes.POINTER(wintypes.DWORD)),
        ),
    ),
    (
        "EvtRender",
        wintypes.BOOL,
        (
            *(wintypes.HANDLE, wintypes.HANDLE, wintypes.DWORD, wintypes.DWORD, ctypes.c_void_p),
            *(ctypes.POINTER(wintypes.DWORD), ctypes.POINTER(wintypes.DWORD)),
        ),
    ),
    (
        "EvtOpenPublisherMetadata",
        wintypes.HANDLE,
        (wintypes.HANDLE, wintypes.LPCWSTR, wintypes.LPCWSTR, wintypes.DWORD, wintypes.DWORD),
    ),
    (
        "EvtFormatMessage",
        wintypes.BOOL,
        (
            *(wintypes.HANDLE, wintypes.HANDLE, wintypes.DWORD, wintypes.DWORD, ctypes.c_void_p),
            *(wintypes.DWORD, wintypes.DWORD, wintypes.LPWSTR, ctypes.POINTER(wintypes.DWORD)),
        ),
    ),
    ("EvtClose", wintypes.BOOL, (wintypes.HANDLE,)),
):
    getattr(_wevtapi, _name).restype = _returned
    getattr(_wevtapi, _name).argtypes = _taken


def read_events(
    *, limit: int, priority: int, unit: str, pattern: str, before: str, boot: bool
) -> list[dict[str, Any]]:
    """Entries, newest first: maps as of `host.dashboard.events.read_events`. Blocks.

    Args:
        unit: of this provider only; "" for all.
        pattern: whose message holds this text, in whatever case; "" for all.

    Raises:
        RequestProblem: unavailable; or bad_value.
    """
    try:
        older = parse_cursor(before) if before else None
        since = int(psutil.boot_time() * 1000) if boot else None
        query = partial(
            event_query, priority=priority, unit=unit, since=since, until=older[0] if older else None
        )
        queries = {channel: query(channel) for channel in CHANNELS}
    except ValueError as exc:
        raise RequestProblem("bad_value", "There is no such entry or program.") from exc
    found: list[dict[str, Any]] = []
    failures = 0
    for channel, path in queries.items():
        handle = _wevtapi.EvtQuery(None, channel, path, _CHANNEL_PATH | _NEWEST_FIRST)
        if not handle:
            failures += 1
            continue
        try:
            found += _page(handle, limit, pattern, older)
        finally:
            _wevtapi.EvtClose(handle)
    if failures == len(CHANNELS):
        raise RequestProblem("unavailable", "The event log does not answer.")
    found.sort(key=_order, reverse=True)
    return [_shown(event) for event in found[:limit]]


def _order(event: dict[str, Any]) -> tuple[int, str, int]:
    return event["at"], event["channel"], event["number"]


def _page(query: int, limit: int, pattern: str, older: tuple[int, str, int] | None) -> list[dict[str, Any]]:
    """The newest of a query, at most `limit`, that fit."""
    found: list[dict[str, Any]] = []
    with _Messages() as messages:
        for looked_at, event in enumerate(_events(query, messages)):
            if looked_at >= MAX_LOOKED_AT or len(found) >= limit:
                break
            if (older is None or _order(event) < older) and _fits(event, pattern):
                found.append(event)
    return found


def _fits(event: dict[str, Any], pattern: str) -> bool:
    return not pattern or pattern.casefold() in event["message"].casefold()


def _shown(event: dict[str, Any]) -> dict[str, Any]:
    return {
        "cursor": make_cursor(event),
        **{name: event[name] for name in ("at", "priority", "unit", "pid", "message")},
    }


def _events(query: int, messages: "_Messages") -> Iterator[dict[str, Any]]:
    """What a query or subscription has now, with messages; what cannot be read is passed over."""
    handles, count = (wintypes.HANDLE * _AT_ONCE)(), wintypes.DWORD()
    while _wevtapi.EvtNext(query, _AT_ONCE, handles, 0, 0, ctypes.byref(count)):
        with ExitStack() as stack:
            for handle in handles[: count.value]:
                stack.callback(_wevtapi.EvtClose, handle)
            for handle in handles[: count.value]:
                with suppress(OSError, ValueError):
                    event = parse_event(_render(handle or 0))
                    event["message"] = messages.of(handle or 0, event)
                    yield event


def _render(event: int) -> str:
    """An event as XML. Raises OSError."""
    needed, properties = wintypes.DWORD(), wintypes.DWORD()
    _wevtapi.EvtRender(None, event, _AS_XML, 0, None, ctypes.byref(needed), ctypes.byref(properties))
    if ctypes.get_last_error() != _TOO_SMALL or needed.value > 2 * MAX_XML:
        raise OSError("an event that cannot be read")
    buffer = ctypes.create_string_buffer(needed.value + 2)
    if not _wevtapi.EvtRender(
        None, event, _AS_XML, needed.value, buffer, ctypes.byref(needed), ctypes.byref(properties)
    ):
        raise OSError("an event that cannot be read")
    return buffer.raw.decode("utf-16-le", "replace").partition("\0")[0]


class _Messages:
    """What providers make of their events; each provider's book is opened once."""

    def __init__(self) -> None:
        self._books: dict[str, int] = {}

    def __enter__(self) -> "_Messages":
        return self

    def __exit__(self, *error: object) -> None:
        for book in self._books.values():
            if book:
                _wevtapi.EvtClose(book)

    def of(self, event: int, told: dict[str, Any]) -> str:
        """The message; without a book, the event's number and what it was told with."""
        provider = told["unit"]
        if provider not in self._books:
            self._books[provider] = _wevtapi.EvtOpenPublisherMetadata(None, provider, None, 0, 0) or 0
        book = self._books[provider]
        return (_format(book, event) if book else "") or f"{told['event']}: {told['data']}"[:MAX_MESSAGE]


def _format(book: int, event: int) -> str:
    needed = wintypes.DWORD()
    buffer = ctypes.create_unicode_buffer(MAX_MESSAGE)
    arguments = (book, event, 0, 0, None, _MESSAGE, MAX_MESSAGE, buffer, ctypes.byref(needed))
    return buffer.value.strip() if _wevtapi.EvtFormatMessage(*arguments) else ""


@asynccontextmanager
async def follow_events(
    *, priority: int, unit: str, pattern: str
) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    """Entries from now on, as maps of `read_events`.

    Raises:
        RequestProblem: unavailable, or bad_value.
    """
    with ExitStack() as stack:
        signal = _kernel32.CreateEventW(None, True, False, None)
        if not signal:
            raise RequestProblem("unavailable", "The event log does not answer.")
        stack.callback(_kernel32.CloseHandle, signal)
        subscriptions = []
        for channel in CHANNELS:
            try:
                path = event_query(channel, priority=priority, unit=unit, since=None, until=None)
            except ValueError as exc:
                raise RequestProblem("bad_value", "There is no such program.") from exc
            handle = _wevtapi.EvtSubscribe(None, signal, channel, path, None, None, None, _FUTURE)
            if handle:
                stack.callback(_wevtapi.EvtClose, handle)
                subscriptions.append(handle)
        if not subscriptions:
            raise RequestProblem("unavailable", "The event log does not answer.")
        async with aclosing(_followed(signal, subscriptions, pattern)) as events:
            yield events


async def _followed(
    signal: int, subscriptions: list[int], pattern: str
) -> AsyncGenerator[dict[str, Any], None]:
    with _Messages() as messages:
        while True:
            await trio.lowlevel.WaitForSingleObject(signal)
            _kernel32.ResetEvent(signal)  # before the looking: what comes meanwhile is another signal
            for subscription in subscriptions:
                # Not abandoned when cancelled: the handles must outlive the looking.
                look = partial(lambda handle: list(_events(handle, messages)), subscription)
                for event in await trio.to_thread.run_sync(look):
                    if _fits(event, pattern):
                        yield _shown(event)
