"""Requests to a tool of the host on one stream, and their answers (docs/protocol.md §8).

What comes is untrusted.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final, cast

from peer.errors import StreamClosed
from peer.messages import MessageStream
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import FieldReader
from relay.protocol.messages import Message
from technician.errors import TechnicianError

_SENTENCES: Final = {
    "missing": "There is no such file or folder.",
    "denied": "That computer's user may not do this.",
    "outside": "That is outside the folders that the customer allowed.",
    "exists": "There is something of this name already.",
    "not_empty": "The folder is not empty.",
    "is_folder": "That is a folder.",
    "other": "That is no ordinary file.",
    "full": "The disk is full.",
    "too_large": "The file is too large for that disk.",
    "too_deep": "The folders go too deep.",
    "bad_name": "That computer cannot have such a name.",
    "busy": "That computer is too busy with it at the moment.",
    "broken": "The disk reports an error.",
    "changed": "The file was changed while it was on its way.",
    "no_trash": "There is no trash for it; it can only be deleted for good.",
    "other_disk": "It is on another disk.",
    "large": "The file has grown meanwhile.",
    "dropped": "The transfer was given up.",
    "bad_value": "That computer does not know what this means.",
    "own": "The support program itself runs in it.",
    "unavailable": "That computer does not have this.",
}


class RequestRefused(TechnicianError):
    """The host could not do one request; everything else goes on.

    Attributes:
        code: docs/protocol.md §8; one that is unknown here reads ``failed``.
        word: the code as it came, of at most 32 characters.
        detail: the host's words, untrusted.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(_SENTENCES.get(code, "That computer could not do it."))
        self.code = code if code in _SENTENCES else "failed"
        self.word = code
        self.detail = detail


class Extent:
    """Adds up an answer in parts: a host may tell without end.

    Args:
        max_items, max_bytes: of all parts together; the bytes are those of their heads as they came.
    """

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self._items = max_items
        self._bytes = max_bytes

    def add(self, part: Message, items: int) -> None:
        """Take in a part with so many things.

        Raises:
            RemoteProtocolError: it is too much, or there are none in it.
        """
        self._items -= items
        self._bytes -= part.head_bytes
        # A part with nothing in it tells nothing: whoever sends one can send them without end.
        if not items or self._items < 0 or self._bytes < 0:
            raise RemoteProtocolError("an answer without an end")


class RequestClient:
    """Asks one stream.

    Concurrency: one task at a time.

    Attributes:
        stream: the stream.
        is_over: it was closed here.
    """

    def __init__(self, stream: MessageStream) -> None:
        self.stream = stream
        self.is_over = False
        self._last_id = 0

    def close(self) -> None:
        """Close the stream, where it can be of no more use."""
        self.is_over = True
        self.stream.close(CloseReason.DETACHED)

    async def ask(self, op: str, **fields: object) -> int:
        """Send a request; its id. The answer is taken by `answer_to`."""
        self._last_id += 1
        await self.stream.send({"id": self._last_id, "op": op, **fields})
        return self._last_id

    async def ask_all(self, op: str, requests: Sequence[tuple[Mapping[str, object], bytes]]) -> list[int]:
        """Send many requests as one piece, each with a body; their ids. Answers come in their order."""
        numbers = list(range(self._last_id + 1, self._last_id + 1 + len(requests)))
        self._last_id += len(requests)
        await self.stream.send_all(
            ({"id": number, "op": op, **fields}, body)
            for number, (fields, body) in zip(numbers, requests, strict=True)
        )
        return numbers

    async def answer_to(self, number: int) -> Message:
        """The next message, which must be about the request `number`.

        Raises:
            RequestRefused: the host could not do it.
            StreamClosed: the stream ended, or the host broke the protocol.
        """
        message = await self.stream.receive()
        if message is None:
            raise StreamClosed(CloseReason.DONE, "The computer closed the stream.")
        fields = FieldReader(message.head)
        with self.reading():
            if fields.number("id") != number:
                raise RemoteProtocolError("an answer to another request")
            if "error" in message.head:
                raise RequestRefused(
                    fields.text("error", max_length=32), fields.text("detail", max_length=500)
                )
        return message

    async def ask_ok(self, op: str, **fields: object) -> dict[str, object]:
        """Send a request that has one answer; its ``ok``.

        Raises:
            RequestRefused, StreamClosed: as `answer_to`.
        """
        message = await self.answer_to(await self.ask(op, **fields))
        ok = message.head.get("ok")
        if not isinstance(ok, dict):
            raise self.broken("no answer")
        return cast("dict[str, object]", ok)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """A block that reads what the host sent: what is wrong with it closes the stream.

        Raises:
            StreamClosed: instead of RemoteProtocolError.
        """
        try:
            yield
        except RemoteProtocolError as exc:
            raise self.broken(str(exc)) from exc

    def broken(self, what: str) -> StreamClosed:
        """Close the stream; the error to raise."""
        self.is_over = True
        self.stream.close(CloseReason.BAD_FRAME)
        return StreamClosed(CloseReason.BAD_FRAME, f"The computer broke the protocol: {what}.")
