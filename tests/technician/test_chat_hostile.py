"""The technician's chat, and a host that says absurd things in it."""

import io
import json
from typing import Any

import pytest
import trio

from peer.errors import StreamClosed
from peer.messages import MessageStream
from relay.protocol.close_reasons import CloseReason
from technician.chat import MAX_CHARACTERS, MAX_TIME, _Talk
from tests.helpers.tool_pairs import joined

PATIENCE = 20.0
LINE = {"number": 0, "at": 1_700_000_000, "author": "", "text": "hello"}


async def hear(lines: list[dict[str, Any]], *, as_json: bool = False) -> CloseReason:
    """Listen to a host that says these and closes the stream; how it was closed."""
    near, far = joined()
    host = MessageStream(far)

    async def tell() -> None:
        try:
            for line in lines:
                await host.send(line)
            await far.finish()
        except StreamClosed:
            return

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tell)
        with trio.fail_after(PATIENCE), pytest.raises(StreamClosed) as closed:
            await _Talk(MessageStream(near), as_json=as_json)._listen()
        nursery.cancel_scope.cancel()
    return closed.value.close_reason


@pytest.mark.parametrize(
    "change",
    [
        {"at": -1},
        {"at": MAX_TIME + 1},
        {"at": "now"},
        {"at": 1.5},
        {"author": None},
        {"author": "x" * 257},
        {"text": b"bytes"},
        {"text": "x" * (MAX_CHARACTERS + 1)},
        {"text": ["x"]},
    ],
    ids=str,
)
async def test_an_absurd_line_costs_the_host_its_stream(change: dict[str, Any]) -> None:
    assert await hear([LINE, {**LINE, **change}]) is CloseReason.BAD_FRAME


async def test_nothing_that_is_said_controls_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    spiteful = {**LINE, "author": "Ann\x1b]0;x\x07\u202ea", "text": "one\x1b[2J\rtwo\n[bold]\u2066three\x00"}
    assert await hear([spiteful, {**LINE, "at": MAX_TIME}]) is CloseReason.DONE
    shown = capsys.readouterr().out
    assert all(character.isprintable() or character == "\n" for character in shown)
    assert all(line[2] == ":" and line[5] == " " for line in shown.splitlines())  # no line without its author
    assert shown.splitlines()[-1] == "23:59 Customer: hello"
    await hear([spiteful], as_json=True)
    shown = capsys.readouterr().out
    assert shown.isascii()
    assert "\x1b" not in shown
    assert json.loads(shown)["text"] == spiteful["text"]


async def test_what_is_not_answered_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("technician.chat.ANSWER_TIMEOUT", 0.01)
    monkeypatch.setattr("sys.stdin", io.StringIO("hello?\n"))
    near, far = joined()
    talk = _Talk(MessageStream(near), as_json=False)
    with trio.fail_after(PATIENCE):
        await talk.run(begin=True)
    host = MessageStream(far)
    first, second = await host.receive(), await host.receive()
    assert first is not None
    assert second is not None
    assert (first.head, second.head) == ({"begin": True}, {"say": "hello?"})
