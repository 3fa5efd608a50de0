"""One `files` stream as a viewer: requests and answers (docs/protocol.md §8). What the host says is
untrusted.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast, get_args

from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import FieldReader
from technician.requests import Extent, RequestClient, RequestRefused

Kind = Literal["file", "folder", "link", "other"]

MAX_SIZE: Final = 1 << 53
MAX_FOUND: Final = 250_000
"""By one request. A host tells 200 000 at most (docs/protocol.md §8), and up to a page more."""
MAX_FOUND_BYTES: Final = 96 << 20
"""Of them, as they came."""
STATS_AT_ONCE: Final = 64
"""Requests that are sent before the first answer is read."""
MAX_TIME: Final = 1 << 43  # milliseconds: some 278 years from 1970, either way


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A thing in a folder of the host; names are untrusted (`technician.printing.printable` shows them).

    Attributes:
        name: may hold surrogates for bytes that are no UTF-8 (PEP 383).
        kind: of the thing itself.
        size: bytes of a file, else 0.
        modified: when, aware, UTC.
        mode: permission bits.
        owner: its owner's name.
        hidden: not shown by default.
        target: where a link leads.
        below: of what a search found, the folder from where it began; else empty.
    """

    name: str
    kind: Kind
    size: int
    modified: datetime
    mode: int
    owner: str
    hidden: bool
    target: str = ""
    below: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """What the host says of a file that it sends: bytes, milliseconds since 1970, permission bits."""

    size: int
    modified: int
    mode: int


class FilesClient(RequestClient):
    """Asks one stream, one request at a time.

    Concurrency: one task at a time; open several streams to do several things at once.
    """

    async def roots(self) -> list[dict[str, Any]]:
        """Where looking begins: maps with ``path``, ``kind``, and ``total`` and ``free`` bytes of disks.

        Where the customer allowed some folders only, these are the roots, and of kind ``chosen``.
        """
        answer = await self.ask_ok("roots")
        found = answer.get("roots")
        if not isinstance(found, list) or not all(isinstance(root, dict) for root in found):
            raise self.broken("no roots")
        return [
            {**cast("dict[str, Any]", root), "path": read_name(cast("dict[str, object]", root).get("path"))}
            for root in found
        ]

    async def stat(self, path: str) -> Entry:
        """What is at `path`.

        Raises:
            RequestRefused: ``missing``, ``denied``, …
            StreamClosed: the stream is closed.
        """
        answer = await self.ask_ok("stat", path=wire_name(path))
        return self._entry(answer.get("entry"))

    async def stat_all(self, paths: Sequence[str]) -> Sequence[Entry | RequestRefused]:
        """What is at each of many paths, or why that is not known; asked `STATS_AT_ONCE` at a time.

        Raises:
            StreamClosed: the stream is closed.
        """
        found: list[Entry | RequestRefused] = []
        for start in range(0, len(paths), STATS_AT_ONCE):
            asked = [({"path": wire_name(path)}, b"") for path in paths[start : start + STATS_AT_ONCE]]
            for number in await self.ask_all("stat", asked):
                try:
                    answer = (await self.answer_to(number)).head.get("ok")
                    found.append(self._entry(answer.get("entry") if isinstance(answer, dict) else None))
                except RequestRefused as problem:
                    found.append(problem)
        return found

    async def list(self, path: str, *, hidden: bool = False) -> AsyncIterator[Entry]:
        """A folder's entries, in no order, as they arrive."""
        async for each in self._pages("list", path=wire_name(path), hidden=hidden):
            yield each

    async def search(self, path: str, pattern: str, *, hidden: bool = False) -> AsyncIterator[Entry]:
        """What has a name like `pattern`, below `path`, as it is found."""
        async for each in self._pages("search", path=wire_name(path), pattern=pattern, hidden=hidden):
            yield each

    async def measure(self, path: str) -> tuple[int, int, int]:
        """Bytes, files and folders of a tree."""
        fields = FieldReader(await self.ask_ok("measure", path=wire_name(path)))
        return (fields.number("size"), fields.number("files"), fields.number("folders"))

    async def make(self, path: str) -> None:
        """Make a folder."""
        await self.ask_ok("make", path=wire_name(path))

    async def move(self, path: str, to: str, *, overwrite: bool = False) -> None:
        """Move or rename."""
        await self.ask_ok("move", path=wire_name(path), to=wire_name(to), overwrite=overwrite)

    async def copy(self, path: str, to: str, *, overwrite: bool = False) -> int:
        """Copy a file or a tree on the host; how many things were copied."""
        answer = await self.ask_ok("copy", path=wire_name(path), to=wire_name(to), overwrite=overwrite)
        return FieldReader(answer).number("count")

    async def digest(self, path: str) -> tuple[int, bytes]:
        """Size and SHA-256 of a file, which stays where it is."""
        answer = await self.ask_ok("digest", path=wire_name(path))
        with self.reading():
            return parse_facts(answer).size, FieldReader(answer).binary("sha256", length=32)

    async def digest_of(self, number: int) -> bytes:
        """SHA-256 of a file, of the ``digest`` request `number`."""
        message = await self.answer_to(number)
        with self.reading():
            ok = message.head.get("ok")
            return FieldReader(ok if isinstance(ok, dict) else {}).binary("sha256", length=32)

    async def delete(self, path: str, *, final: bool) -> None:
        """Delete for good, or into the trash."""
        await self.ask_ok("delete", path=wire_name(path), final=final)

    # The wire

    async def _pages(self, op: str, **fields: object) -> AsyncIterator[Entry]:
        number = await self.ask(op, **fields)
        async for each in self.pages_of(number):
            yield each

    async def pages_of(self, number: int) -> AsyncGenerator[Entry, None]:
        """What was found, of the request `number`.

        Raises:
            RequestRefused: it could not be looked into.
            StreamClosed: the stream was closed, also because the host tells no names, or more of them than it
                may (`MAX_FOUND`).
        """
        extent = Extent(MAX_FOUND, MAX_FOUND_BYTES)
        while "ok" not in (message := await self.answer_to(number)).head:
            entries = message.head.get("entries")
            if not isinstance(entries, list):
                raise self.broken("no entries")
            with self.reading():
                extent.add(message, len(entries))
            for each in entries:
                yield self._entry(each)

    def _entry(self, value: object) -> Entry:
        try:
            return parse_entry(value)
        except RemoteProtocolError as exc:
            raise self.broken(str(exc)) from exc


def parse_entry(value: object) -> Entry:
    """An entry as the host sent it.

    Raises:
        RemoteProtocolError: it is none.
    """
    if not isinstance(value, dict):
        raise RemoteProtocolError("an entry is a map")
    fields = FieldReader(value)
    name, kind = read_name(value.get("name")), fields.text("kind", max_length=16)
    if name in ("", ".", "..") or "/" in name or "\0" in name or kind not in get_args(Kind):
        raise RemoteProtocolError("an entry has a name and a kind")
    milliseconds = fields.number("modified", at_least=-MAX_TIME, at_most=MAX_TIME)
    return Entry(
        name=name,
        kind=cast("Kind", kind),
        size=fields.number("size", at_most=MAX_SIZE),
        modified=_time(milliseconds),
        mode=fields.number("mode", at_most=0o7777),
        owner=fields.text("owner"),
        hidden=fields.flag("hidden"),
        target=read_name(value.get("target", "")),
        below=read_name(value.get("below", "")),
    )


def parse_facts(value: object) -> RemoteFile:
    """What the host says of a file it sends.

    Raises:
        RemoteProtocolError: it is nothing of the kind.
    """
    if not isinstance(value, dict):
        raise RemoteProtocolError("a file has facts")
    fields = FieldReader(value)
    return RemoteFile(
        size=fields.number("size", at_most=MAX_SIZE),
        modified=fields.number("modified", at_least=-MAX_TIME, at_most=MAX_TIME),
        mode=fields.number("mode", at_most=0o7777),
    )


def parse_row(value: object) -> tuple[int, RemoteFile, bytes]:
    """A file among many, as the host sends it: its number, facts and SHA-256. One line a file counts here.

    Raises:
        RemoteProtocolError: it is none.
    """
    match value:
        case [int(index), int(size), int(modified), int(mode), bytes(sha256)]:
            is_good = index >= 0 and 0 <= size <= MAX_SIZE and -MAX_TIME <= modified <= MAX_TIME
            if is_good and 0 <= mode <= 0o7777 and len(sha256) == 32:
                return index, RemoteFile(size=size, modified=modified, mode=mode), sha256
    raise RemoteProtocolError("a file is told by five facts")


def wire_name(name: str) -> str | bytes:
    """A path as it travels: text, or bytes where it is none."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name)
    return name


def read_name(value: object) -> str:
    """A name or path of the host.

    Raises:
        RemoteProtocolError: it is none, or absurdly long.
    """
    if isinstance(value, bytes) and len(value) <= 4096:
        return value.decode(errors="surrogateescape")
    if not isinstance(value, str) or len(value) > 4096:
        raise RemoteProtocolError("a name is text or bytes")
    return value


def _time(milliseconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError) as exc:
        raise RemoteProtocolError("a time is out of range") from exc
