"""The technician's end of a shell: what is typed here, and what a hostile host gets."""

import pytest
import trio

from peer.errors import StreamClosed
from peer.messages import MessageStream
from relay.protocol.close_reasons import CloseReason
from technician.shell import Escape, RemoteShell
from tests.helpers.tool_pairs import joined


@pytest.mark.parametrize(
    ("typed", "passed", "is_leaving"),
    [
        (b"ls\r", b"ls\r", False),
        (b"~.", b"", True),
        (b"ls\r~.rm\r", b"ls\r", True),
        (b"ls ~.\r", b"ls ~.\r", False),
        (b"~~.\r", b"~.\r", False),
        (b"~/bin\r", b"~/bin\r", False),
        (b"~\r~.", b"~\r", True),
        (b"\n~", b"\n", False),
    ],
)
def test_a_tilde_and_a_dot_on_a_new_line_leave(typed: bytes, passed: bytes, is_leaving: bool) -> None:
    whole, single = Escape(), Escape()
    assert whole.feed(typed) == passed
    assert b"".join(single.feed(bytes([byte])) for byte in typed if not single.is_leaving) == passed
    assert whole.is_leaving is single.is_leaving is is_leaving


async def test_what_a_command_prints_is_printed_and_its_status_told(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    near, far = joined()
    host = MessageStream(far)
    await host.send({}, b"one\n")
    await host.send({}, b"two\n")
    await host.send({"exited": 3})
    assert await RemoteShell(MessageStream(near)).run_command("id") == 3
    asked = await host.receive()
    assert asked is not None
    assert asked.head["command"] == "id"
    assert capfdbinary.readouterr().out.endswith(b"one\ntwo\n")


@pytest.mark.parametrize(
    "head", [{"exited": -1}, {"exited": 256}, {"exited": "0"}, {"exited": True}, {"more": 1}]
)
async def test_a_hostile_host_is_left(head: dict[str, object]) -> None:
    near, far = joined()
    await MessageStream(far).send(head)
    with pytest.raises(StreamClosed) as closed:
        await RemoteShell(MessageStream(near)).run_command("id")
    assert closed.value.close_reason is CloseReason.BAD_FRAME


async def test_a_host_that_ends_without_a_status_is_no_success() -> None:
    near, far = joined()
    await far.finish()
    with trio.fail_after(5), pytest.raises(StreamClosed):
        await RemoteShell(MessageStream(near)).run_command("id")
