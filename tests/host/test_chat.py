"""The chat between the customer's window and the viewers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from host.chat import INTERVAL, MAX_LINES, ChatRoom, serve_chat
from peer.errors import StreamClosed
from peer.messages import MessageStream
from relay.protocol.close_reasons import CloseReason
from tests.helpers.tool_pairs import joined

PATIENCE = 10.0


@asynccontextmanager
async def viewer(room: ChatRoom, technician: str = "Anna") -> AsyncIterator[MessageStream]:
    near, far = joined()

    async def answer() -> None:
        try:
            await serve_chat(MessageStream(far), room, technician=technician)
        except (StreamClosed, BaseExceptionGroup):
            far.close(CloseReason.BAD_FRAME)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        yield MessageStream(near)
        nursery.cancel_scope.cancel()


async def is_over(stream: MessageStream) -> bool:
    try:
        return await stream.receive() is None
    except StreamClosed:
        return True


async def said(stream: MessageStream) -> tuple[str, str]:
    with trio.fail_after(PATIENCE):
        message = await stream.receive()
    assert message is not None
    return str(message.head["author"]), str(message.head["text"])


async def test_everybody_hears_everybody_from_the_first_line_on(tmp_path: Path) -> None:
    room = ChatRoom(tmp_path / "chat")
    shown: list[tuple[str, str]] = []
    room.on_line = lambda line: shown.append((line.author, line.text))
    async with viewer(room) as anna:
        await anna.send({"say": "Good morning"})
        assert await said(anna) == ("Anna", "Good morning")
        room.say("", "Hello\nit is slow")
        assert await said(anna) == ("", "Hello\nit is slow")
        async with viewer(room, "Ben") as ben:
            assert [await said(ben), await said(ben)] == [("Anna", "Good morning"), ("", "Hello\nit is slow")]
            await ben.send({"say": "I look at it too"})
            assert await said(anna) == ("Ben", "I look at it too")
    assert shown == [("Anna", "Good morning"), ("", "Hello\nit is slow"), ("Ben", "I look at it too")]
    # After a reboot of the computer the conversation is still there.
    assert [line.text for line in ChatRoom(tmp_path / "chat").lines] == [text for _, text in shown]


async def test_the_customer_is_asked_to_talk(tmp_path: Path) -> None:
    room = ChatRoom(None)
    begun = trio.Event()
    room.on_begin = begun.set
    async with viewer(room) as anna:
        await anna.send({"begin": True})
        with trio.fail_after(PATIENCE):
            await begun.wait()
    assert room.lines == []


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("\x1b[31mred\x07", "[31mred"),
        ("\u202egnp.exe", "gnp.exe"),
        ("  \t ", None),
        ("a\u0000b", "ab"),
    ],
)
async def test_nothing_invisible_is_shown_to_the_customer(text: str, kept: str | None) -> None:
    room = ChatRoom(None)
    room.say("Anna", text)
    assert [line.text for line in room.lines] == ([] if kept is None else [kept])


@pytest.mark.parametrize("message", [{"say": "x" * 2001}, {"say": 3}, {}, {"begin": "yes"}])
async def test_a_viewer_that_breaks_the_protocol_loses_its_stream(message: dict[str, Any]) -> None:
    room = ChatRoom(None)
    async with viewer(room) as anna:
        await anna.send(message)
        with trio.fail_after(PATIENCE):
            assert await is_over(anna)
    assert room.lines == []


async def test_a_flood_waits_and_the_room_is_never_larger_than_it_may(autojump_clock: object) -> None:
    room = ChatRoom(None)
    for number in range(MAX_LINES):
        room.say("", str(number))
    async with viewer(room) as anna:
        began = trio.current_time()
        for _ in range(30):
            await anna.send({"say": "spam"})
        for _ in range(MAX_LINES):
            await said(anna)
        await trio.testing.wait_all_tasks_blocked()
        assert trio.current_time() - began < 30
    assert len(room.lines) == MAX_LINES


def test_a_line_that_a_crash_cut_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "chat").write_bytes(b'[1, "Anna", "kept"]\n[2, "An')
    assert [line.text for line in ChatRoom(tmp_path / "chat").lines] == ["kept"]


async def test_who_says_much_at_once_waits_and_little_of_it_is_kept(autojump_clock: object) -> None:
    room = ChatRoom(None)
    sent = 0

    async def flood() -> None:
        nonlocal sent
        for number in range(100_000):
            await anna.send({"say": f"{number} " + "x" * 1900})
            sent += 1

    async with viewer(room) as anna, trio.open_nursery() as nursery:
        nursery.start_soon(flood)
        await trio.sleep(10)
        assert len(room.lines) <= 10 / INTERVAL + 1
        assert sent < len(room.lines) + 1000
        nursery.cancel_scope.cancel()


async def test_a_viewer_that_does_not_read_holds_nobody_up(autojump_clock: object) -> None:
    room = ChatRoom(None)
    for number in range(MAX_LINES - 1):
        room.say("", f"{number} " + "x" * 1000)
    async with viewer(room, "Deaf"), viewer(room) as anna:
        await anna.send({"say": "the last one"})
        for _ in range(MAX_LINES - 1):
            await said(anna)
        assert await said(anna) == ("Anna", "the last one")
