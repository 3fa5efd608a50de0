"""A customer in another process: asked, shown and replaced over pipes."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgpack
import pytest
import trio
import trio.testing

from host.consent import Consent, Duration
from host.customer import Asker, Wish
from host.customer_link import MAX_MESSAGE_BYTES, LinkBroken, LinkedCustomer, MessagePipes, serve_customer
from relay.protocol.claims import PairClaims
from tests.host.scripted_customer import ScriptedCustomer

CODE = "123456789"
ASKER = Asker("Tess", "Acme", "+34 600")
CLAIMS = PairClaims(technician="Tess", company="Acme", kinds=["control", "files"], lifetime=3600)


@asynccontextmanager
async def window(engine: LinkedCustomer, customer: ScriptedCustomer) -> AsyncIterator[None]:
    """A window's process for the time of the block: after it the window is gone."""
    to_window, from_engine = os.pipe()
    to_engine, from_window = os.pipe()
    ours, theirs = MessagePipes(to_engine, from_engine), MessagePipes(to_window, from_window)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.serve, ours)  # noqa: ASYNC113 - a pipe holds what comes early
        nursery.start_soon(serve_customer, theirs, customer)
        try:
            yield
        finally:
            theirs.close()
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def liar(engine: LinkedCustomer) -> AsyncIterator[tuple[int, int]]:
    """A window that says what the test says: descriptors to read and to write."""
    to_window, from_engine = os.pipe()
    to_engine, from_window = os.pipe()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.serve, MessagePipes(to_engine, from_engine))  # noqa: ASYNC113 - as above
        try:
            yield to_window, from_window
        finally:
            nursery.cancel_scope.cancel()
            os.close(from_window)


def pack(message: object) -> bytes:
    data = msgpack.packb(message)
    return len(data).to_bytes(4, "little") + bytes(data)


async def test_what_is_asked_is_answered_by_the_window() -> None:
    engine, customer = LinkedCustomer(), ScriptedCustomer([CODE], folders=("/home/ana",))
    customer.answer(Duration.ONCE)
    customer.changes = {"files": Duration.NEVER}
    async with window(engine, customer):
        with trio.fail_after(10):
            assert await engine.ask_code(ASKER, "wrong") == CODE
            assert customer.asker == ASKER
            assert await engine.ask_allow(CLAIMS) == Consent(True, ("/home/ana",))
            assert customer.claims == CLAIMS
            assert await engine.ask_permission("files", "Tess") is Duration.ONCE
            before = {"control": Duration.SESSION, "files": Duration.HALF_HOUR}
            assert await engine.ask_changes(before) == {**before, "files": Duration.NEVER}
            customer.wish(Wish.PAUSE)
            assert await engine.next_wish() is Wish.PAUSE


async def test_the_next_window_is_shown_what_is_to_be_seen_and_asked_what_is_open() -> None:
    engine = LinkedCustomer()
    first, second = ScriptedCustomer(), ScriptedCustomer()
    engine.show_connecting()
    engine.show_active(60.0)
    engine.show_viewers({"Tess": ["control"]})
    engine.show_trouble("no network")
    async with trio.open_nursery() as nursery:
        answers: list[str] = []

        async def ask() -> None:
            answers.append(await engine.ask_code(ASKER, ""))

        async with window(engine, first):
            nursery.start_soon(ask)
            with trio.fail_after(10):
                while first.asker is None:
                    await trio.testing.wait_all_tasks_blocked()
        engine.show_online()
        async with window(engine, second):
            second.say_code(CODE)
            with trio.fail_after(10):
                while not answers:
                    await trio.testing.wait_all_tasks_blocked()
    assert answers == [CODE]
    assert ("viewers", {"Tess": ["control"]}) in second.shown
    assert "connecting" not in second.shown
    assert "trouble" not in second.shown


async def test_a_question_that_is_taken_back_is_taken_back_at_the_window() -> None:
    engine, customer = LinkedCustomer(), ScriptedCustomer([CODE])
    customer.may_answer = trio.Event()
    async with window(engine, customer):
        with trio.move_on_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(engine.ask_allow, CLAIMS)
                await customer.asked_to_allow.wait()
                nursery.cancel_scope.cancel()
        with trio.fail_after(10):
            assert await engine.ask_code(ASKER, "") == CODE


@pytest.mark.parametrize(
    "said",
    [
        b"\xff\xff\xff\x7f",
        (MAX_MESSAGE_BYTES + 1).to_bytes(4, "little"),
        pack([1, 2]),
        pack({"done": 1, "value": "no code"}),
        pack({"done": 1, "value": 123456789}),
        pack({"done": 1, "value": None}),
        b"\x01\0\0\0\xc1",
    ],
)
async def test_a_window_that_does_not_speak_as_it_should_is_let_go(said: bytes) -> None:
    engine = LinkedCustomer()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(engine.ask_code, ASKER, "")
        await trio.testing.wait_all_tasks_blocked()
        async with liar(engine) as (reading, writing):
            with trio.fail_after(10):
                size = int.from_bytes(await trio.to_thread.run_sync(os.read, reading, 4), "little")
                asked = msgpack.unpackb(await trio.to_thread.run_sync(os.read, reading, size))
                assert asked["name"] == "ask_code"
                os.write(writing, said)
                assert await trio.to_thread.run_sync(os.read, reading, 1) == b""
        nursery.cancel_scope.cancel()


async def test_an_answer_that_nobody_waits_for_harms_nobody() -> None:
    engine, customer = LinkedCustomer(), ScriptedCustomer([CODE])
    async with liar(engine) as (_, writing):
        os.write(writing, pack({"done": 99, "value": {}}))
        os.write(writing, pack({"done": [], "value": 1}))
        os.write(writing, pack({}))
        await trio.testing.wait_all_tasks_blocked()
    async with window(engine, customer):
        with trio.fail_after(10):
            assert await engine.ask_code(ASKER, "") == CODE


async def test_the_end_of_the_engine_is_heard() -> None:
    reading, writing = os.pipe()
    back, forth = os.pipe()
    pipes = MessagePipes(reading, forth)
    os.close(writing)
    with trio.fail_after(10), pytest.raises(LinkBroken):
        await pipes.receive()
    pipes.close()
    os.close(back)
