"""A customer in another process: what `host.customer.Customer` says and hears, over two pipes.

Where the host runs as a service, the program that has the session (the *engine*) has the system's rights, and
the program that shows the customer a window runs as they themselves. The engine starts that program and holds
the other ends of its pipes, so nobody else can be the customer. It may end at any time (they sign out, or
kill it): then the next one is told what is to be seen, and asked again what was not answered.

::

    size      u32 LE   of the rest, at most `MAX_MESSAGE_BYTES`
    message   msgpack  a map

    engine → window    {"call": number, "name": …, "args": […]}    an ask_…, next_… or wait_…
                       {"cancel": number}
                       {"show": name, "args": […]}
    window → engine    {"done": number, "value": …}                at most one for each call

What the window says is checked as foreign text is: it runs with fewer rights than the engine.
"""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import msgpack
import trio

from host.brand import Brand
from host.consent import MAX_FOLDERS, Consent, Duration
from host.customer import Asker, Customer, Wish
from relay.protocol.claims import PairClaims
from relay.protocol.codes import CodeError, parse_security_code

MAX_MESSAGE_BYTES: Final = 64 * 1024
MAX_CALLS: Final = 32
"""At once; a customer is asked one thing at a time, and a few waits run beside it."""
MAX_CHAT: Final = 200
"""Lines that the next window is shown."""
MAX_TEXT: Final = 4000
MAX_LOGO_BYTES: Final = 48 * 1024
"""Of a company's; a larger one is left out, and its name shown."""

_Value = TypeVar("_Value")

_SIZE_BYTES: Final = 4
_PAGES: Final = frozenset(
    ("show_connecting", "show_waiting_for_technician", "show_new_code_needed", "show_active", "show_gone")
)
"""Of these the last one is what is to be seen."""


class LinkBroken(Exception):
    """The other process is gone, or says what nobody may say."""


class MessagePipes:
    """Messages over a pair of descriptors that block; each is used by one thread of its own.

    Args:
        reading: is read to its end.
        writing: is closed with `close`.
    """

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._feed, self._messages = trio.open_memory_channel[dict[str, Any]](MAX_CALLS)
        self._token = trio.lowlevel.current_trio_token()
        self._limiter = trio.CapacityLimiter(1)
        threading.Thread(target=self._read, name="customer link", daemon=True).start()

    async def receive(self) -> dict[str, Any]:
        """The next message. Raises LinkBroken after the last."""
        try:
            return await self._messages.receive()
        except trio.EndOfChannel:
            raise LinkBroken("The other process is gone.") from None

    async def send(self, message: Mapping[str, Any]) -> None:
        """Raises LinkBroken. Cancellation: the message may be lost, but not half of it."""
        data = msgpack.packb(message)
        whole = len(data).to_bytes(_SIZE_BYTES, "little") + data
        await trio.to_thread.run_sync(self._write, whole, limiter=self._limiter)

    def close(self) -> None:
        """The other process learns that this one is gone."""
        with suppress(OSError):
            os.close(self._writing)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._writing, view) :]
        except OSError as exc:
            raise LinkBroken("The other process is gone.") from exc

    def _read(self) -> None:
        with suppress(trio.RunFinishedError, trio.Cancelled, LinkBroken, OSError):
            while True:
                size = int.from_bytes(self._read_exactly(_SIZE_BYTES), "little")
                if size > MAX_MESSAGE_BYTES:
                    break
                message = _decode(self._read_exactly(size))
                # Waits while too many are unread, so that nobody can fill the memory.
                trio.from_thread.run(self._feed.send, message, trio_token=self._token)
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(self._feed.close)

    def _read_exactly(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            piece = os.read(self._reading, size - len(data))
            if not piece:
                raise LinkBroken("The other process is gone.")
            data += piece
        return data


def _decode(data: bytes) -> dict[str, Any]:
    """Raises LinkBroken."""
    try:
        message = msgpack.unpackb(data)
    except Exception as exc:  # msgpack raises also outside its own exceptions
        raise LinkBroken("The other process does not speak as it should.") from exc
    if not isinstance(message, dict) or not all(isinstance(key, str) for key in message):
        raise LinkBroken("The other process does not speak as it should.")
    return message


# In the engine


class LinkedCustomer:
    """A `Customer` at whatever window is there now; `serve` tells it of each. See `host.customer.Customer`.

    While there is none, questions wait; what is shown is kept for the next.
    """

    shows_brand = True

    def __init__(self) -> None:
        self._pipes: MessagePipes | None = None
        self._outbox: list[Mapping[str, Any]] = []
        self._has_more = trio.Event()
        self._next_number = 0
        self._calls: dict[int, _Call] = {}
        self._shown: dict[str, Mapping[str, Any]] = {}
        self._chat: list[Mapping[str, Any]] = []
        self._wants_to_end = trio.Event()

    async def serve(self, pipes: MessagePipes) -> None:
        """Let a window be the customer's, until it is gone. One at a time."""
        self._pipes = pipes
        self._outbox = [*self._shown.values(), *self._chat, *(call.message for call in self._calls.values())]
        self._has_more.set()
        try:
            async with trio.open_nursery() as nursery:

                async def until_broken(work: Callable[[], Any]) -> None:
                    with suppress(LinkBroken):
                        await work()
                    nursery.cancel_scope.cancel()

                nursery.start_soon(until_broken, self._send)
                nursery.start_soon(until_broken, self._receive)
        finally:
            self._pipes = None
            self._outbox = []
            pipes.close()

    async def ask_code(self, asker: Asker, sentence: str) -> str:
        """See `host.customer.Customer`."""
        args = [asker.technician, asker.company, asker.phone, sentence]
        return await self._call("ask_code", args, _read_code)

    async def ask_allow(self, claims: PairClaims) -> Consent:
        """See `host.customer.Customer`."""
        return await self._call("ask_allow", [claims.pack()], _read_consent)

    async def ask_permission(self, kind: str, technician: str) -> Duration:
        """See `host.customer.Customer`."""
        return await self._call("ask_permission", [kind, technician], _read_duration)

    async def ask_changes(self, choices: Mapping[str, Duration]) -> Mapping[str, Duration]:
        """See `host.customer.Customer`."""
        words = {kind: duration.value for kind, duration in choices.items()}
        chosen = await self._call("ask_changes", [words], _read_durations)
        known = {kind: duration for kind, duration in chosen.items() if kind in choices}
        return choices if known == dict(choices) else {**choices, **known}

    async def next_wish(self) -> Wish:
        """See `host.customer.Customer`."""
        return await self._call("next_wish", [], _read_wish)

    async def next_chat_text(self) -> str:
        """See `host.customer.Customer`."""
        return await self._call("next_chat_text", [], _read_text)

    async def wait_refused(self, sentence: str) -> None:
        """See `host.customer.Customer`."""
        await self._call("wait_refused", [sentence], _read_nothing)

    async def wait_wants_to_end(self) -> None:
        """See `host.customer.Customer`."""
        async with trio.open_nursery() as nursery:

            async def hear() -> None:
                await self._call("wait_wants_to_end", [], _read_nothing)
                self._wants_to_end.set()

            nursery.start_soon(hear)
            await self._wants_to_end.wait()
            nursery.cancel_scope.cancel()

    async def wait_gone(self) -> None:
        """See `host.customer.Customer`: who signs out comes back, and the session's time runs."""
        await trio.sleep_forever()

    async def wait_dismissed(self) -> None:
        """See `host.customer.Customer`; where nobody is, nobody reads."""
        if self._pipes is not None:
            await self._call("wait_dismissed", [], _read_nothing)

    def ask_to_end(self) -> None:
        """See `host.customer.Customer`."""
        self._wants_to_end.set()

    def show_brand(self, brand: Brand) -> None:
        """See `host.customer.Customer`, as for all of these."""
        logo = brand.logo if len(brand.logo) <= MAX_LOGO_BYTES else b""
        self._show("show_brand", brand.company, brand.colour, logo)

    def show_connecting(self) -> None:
        """The relay is being dialled."""
        self._show("show_connecting")

    def show_waiting_for_technician(self) -> None:
        """A code is being checked."""
        self._show("show_waiting_for_technician")

    def show_new_code_needed(self) -> None:
        """Too many wrong tries."""
        self._show("show_new_code_needed")

    def show_active(self, seconds_left: float) -> None:
        """The session is active."""
        self._show("show_active", float(seconds_left))

    def show_viewers(self, viewers: Mapping[str, Sequence[str]]) -> None:
        """Who is connected now."""
        self._show("show_viewers", {name: list(kinds) for name, kinds in viewers.items()})

    def show_paused(self, is_paused: bool) -> None:
        """Whether the session is paused."""
        self._show("show_paused", is_paused)

    def show_chat(self, author: str, text: str, *, is_new: bool = True) -> None:
        """A line of the chat."""
        self._chat.append({"show": "show_chat", "args": [author, text, False]})
        del self._chat[:-MAX_CHAT]
        self._say({"show": "show_chat", "args": [author, text, is_new]})

    def open_chat(self) -> None:
        """A technician wants to talk."""
        self._say({"show": "open_chat", "args": []})

    def show_trouble(self, sentence: str) -> None:
        """The relay cannot be reached."""
        self._shown.pop("show_online", None)
        self._show("show_trouble", sentence)

    def show_online(self) -> None:
        """The trouble is over."""
        self._shown.pop("show_trouble", None)
        self._say({"show": "show_online", "args": []})

    def show_gone(self, sentence: str) -> None:
        """This program ends without the session's end."""
        self._show("show_gone", sentence)

    def show_removed(self, sentence: str, left: Sequence[str]) -> None:
        """The session is over."""
        self._show("show_removed", sentence, list(left))

    def _show(self, name: str, *args: object) -> None:
        message = {"show": name, "args": list(args)}
        if name in _PAGES:
            for other in _PAGES:
                self._shown.pop(other, None)
        self._shown[name] = message
        self._say(message)

    def _say(self, message: Mapping[str, Any]) -> None:
        if self._pipes is not None:
            self._outbox.append(message)
            self._has_more.set()

    async def _call(self, name: str, args: list[Any], read: Callable[[Any], _Value]) -> _Value:
        self._next_number += 1
        number = self._next_number
        call = _Call({"call": number, "name": name, "args": args}, read)
        self._calls[number] = call
        self._say(call.message)
        try:
            await call.answered.wait()
        finally:
            del self._calls[number]
            if not call.answered.is_set():
                self._say({"cancel": number})
        value: _Value = call.value
        return value

    async def _send(self) -> None:
        pipes = self._pipes
        while pipes is not None:
            while self._outbox:
                await pipes.send(self._outbox.pop(0))
            self._has_more = trio.Event()
            await self._has_more.wait()

    async def _receive(self) -> None:
        pipes = self._pipes
        while pipes is not None:
            message = await pipes.receive()
            number = message.get("done")
            call = self._calls.get(number) if isinstance(number, int) else None
            if call is not None:  # else it was taken back meanwhile
                call.value = call.read(message.get("value"))
                call.answered.set()


class _Call:
    """A question that is open."""

    def __init__(self, message: Mapping[str, Any], read: Callable[[Any], Any]) -> None:
        self.message = message
        self.read = read
        self.value: Any = None
        self.answered = trio.Event()


def _read_nothing(value: object) -> None:
    return None


def _read_text(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise LinkBroken("The window gives no text.")
    return value


def _read_code(value: object) -> str:
    try:
        return parse_security_code(_read_text(value))
    except CodeError as exc:
        raise LinkBroken("The window gives no code.") from exc


def _read_duration(value: object) -> Duration:
    try:
        return Duration(value)
    except ValueError as exc:
        raise LinkBroken("The window gives no duration.") from exc


def _read_durations(value: object) -> dict[str, Duration]:
    if not isinstance(value, dict) or len(value) > MAX_CALLS:
        raise LinkBroken("The window gives no choices.")
    return {_read_text(kind): _read_duration(word) for kind, word in value.items()}


def _read_wish(value: object) -> Wish:
    if not isinstance(value, str) or value not in Wish.__members__:
        raise LinkBroken("The window gives no wish.")
    return Wish[value]


def _read_consent(value: object) -> Consent:
    match value:
        case [bool(is_allowed), list(folders) | (None as folders), dict(durations)]:
            if folders is not None and len(folders) > MAX_FOLDERS:
                raise LinkBroken("The window gives too many folders.")
            named = None if folders is None else tuple(map(_read_text, folders))
            return Consent(is_allowed, named, _read_durations(durations))
    raise LinkBroken("The window gives no answer.")


# In the window's process


async def serve_customer(pipes: MessagePipes, customer: Customer) -> None:
    """Let the engine at the other end talk to `customer`, until it is gone."""
    scopes: dict[int, trio.CancelScope] = {}

    async def answer(number: int, name: str, args: list[Any]) -> None:
        with trio.CancelScope() as scope:
            scopes[number] = scope
            value = await _ask(customer, name, args)
            with suppress(LinkBroken):
                await pipes.send({"done": number, "value": value})
        scopes.pop(number, None)

    async with trio.open_nursery() as nursery:
        with suppress(LinkBroken):
            while True:
                match await pipes.receive():
                    case {"call": int(number), "name": str(name), "args": list(args)}:
                        if len(scopes) < MAX_CALLS:
                            nursery.start_soon(answer, number, name, args)
                            await trio.lowlevel.checkpoint()
                    case {"cancel": int(number)}:
                        if number in scopes:
                            scopes[number].cancel()
                    case {"show": str(name), "args": list(args)}:
                        _show(customer, name, args)
        nursery.cancel_scope.cancel()


async def _ask(customer: Customer, name: str, args: list[Any]) -> Any:
    match name:
        case "ask_code":
            return await customer.ask_code(Asker(*args[:3]), args[3])
        case "ask_allow":
            consent = await customer.ask_allow(PairClaims.unpack(args[0]))
            folders = None if consent.folders is None else list(consent.folders)
            return [consent.is_allowed, folders, _words(consent.durations)]
        case "ask_permission":
            return (await customer.ask_permission(*args)).value
        case "ask_changes":
            choices = {kind: Duration(word) for kind, word in args[0].items()}
            return _words(await customer.ask_changes(choices))
        case "next_wish":
            return (await customer.next_wish()).name
        case "next_chat_text":
            return await customer.next_chat_text()
        case "wait_refused":
            return await customer.wait_refused(*args)
        case "wait_wants_to_end":
            return await customer.wait_wants_to_end()
        case "wait_dismissed":
            return await customer.wait_dismissed()
    raise LinkBroken(f"There is nothing to ask of the name {name}.")


def _show(customer: Customer, name: str, args: list[Any]) -> None:
    if name == "show_chat":
        author, text, is_new = args
        customer.show_chat(author, text, is_new=is_new)
    elif name == "show_brand":
        customer.show_brand(Brand(*args))
    elif name == "open_chat" or name.startswith("show_"):
        getattr(customer, name)(*args)


def _words(durations: Mapping[str, Duration]) -> dict[str, str]:
    return {kind: duration.value for kind, duration in durations.items()}
