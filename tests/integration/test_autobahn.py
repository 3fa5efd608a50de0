"""The Autobahn cases (by kosoku) against echo endpoints made of our codec and transport, in both roles.

Not applicable, and left out: 12.* and 13.*, which are about permessage-deflate; the codec negotiates no
extension (docs/protocol.md). Text messages are allowed here because most cases use them.
"""

import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import trio

from relay.errors import PeerGone
from relay.protocol.runs import Run, take_runs
from relay.protocol.upgrade import (
    check_client_response,
    check_server_request,
    client_request,
    make_key,
    server_response,
    split_head,
)
from relay.protocol.websocket import CloseReceived, Event, Ping, Pong, Text, WebSocketCodec, WebSocketError
from relay.transport import SocketTransport

pytestmark = [pytest.mark.slow, pytest.mark.sockets]

KOSOKU = str(Path(sys.executable).with_name("kosoku"))
LEFT_OUT = ["--exclude", "12.*", "--exclude", "13.*"]
MAX_MESSAGE_BYTES = 16 << 20  # the largest of the cases 9.*
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}


def encode_text(codec: WebSocketCodec, text: str) -> bytes:
    """The codec sends no text, as nothing here does; one bit of the opcode makes the difference."""
    frame = bytearray(codec.encode_binary(text.encode()))
    frame[0] = 0x81
    return bytes(frame)


def answer(codec: WebSocketCodec, event: Event) -> bytes:
    match event:
        case bytes():
            return codec.encode_binary(event)
        case Text(text):
            return encode_text(codec, text)
        case Ping(payload):
            return codec.encode_pong(payload)
        case CloseReceived(code):
            return codec.encode_close(code)
        case Run(wire=wire):
            return wire
        case Pong():
            return b""


async def echo(transport: SocketTransport, codec: WebSocketCodec) -> None:
    """Sends every message back until one side closes; owns `transport`."""
    try:
        is_open = True
        while is_open and (data := await transport.receive_some()):
            try:
                events = codec.receive_data(data)
                last = b""
            except WebSocketError as error:
                events = error.events
                last = codec.encode_close(error.ws_code, str(error))
                is_open = False
            await transport.send_all([*(answer(codec, event) for event in events), last])
            is_open = is_open and not any(isinstance(event, CloseReceived) for event in events)
        await transport.aclose()
    except PeerGone:
        transport.abort()


async def receive_head(transport: SocketTransport) -> bytes:
    received = b""
    while (parts := split_head(received)) is None:
        data = await transport.receive_some()
        assert data, "the peer hung up inside its head"
        received += data
    head, rest = parts
    transport.unread(rest)
    return head


async def serve_echo(stream: trio.SocketStream) -> None:
    transport = SocketTransport(stream.socket)
    request_line, *lines = (await receive_head(transport)).rstrip().split(b"\r\n")
    headers = [(name, value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    key = check_server_request(headers, request_line.split()[0], None)
    await transport.send_all(server_response(key, None))
    codec = WebSocketCodec(
        is_client=False, max_message_bytes=MAX_MESSAGE_BYTES, allow_text=True, take_runs=take_runs
    )
    await echo(transport, codec)


async def dial(port: int, path: str) -> tuple[SocketTransport, WebSocketCodec]:
    sock = trio.socket.socket()
    await sock.connect(("127.0.0.1", port))
    transport = SocketTransport(sock)
    key = make_key()
    await transport.send_all(client_request(f"127.0.0.1:{port}", path, key, None))
    check_client_response(await receive_head(transport), key, None)
    return transport, WebSocketCodec(is_client=True, max_message_bytes=MAX_MESSAGE_BYTES, allow_text=True)


async def read_one_text(port: int, path: str) -> str:
    transport, codec = await dial(port, path)
    texts: list[str] = []
    while data := await transport.receive_some():
        texts += [event.text for event in codec.receive_data(data) if isinstance(event, Text)]
        if texts:
            break
    await transport.aclose()
    return texts[0]


def failed_cases(report: Path) -> tuple[int, dict[str, str]]:
    """How many cases ran, and the verdicts of those that did not pass."""
    (results,) = json.loads((report / "index.json").read_text()).values()
    verdicts = {case: (result["behavior"], result["behaviorClose"]) for case, result in results.items()}
    bad = {case: "/".join(pair) for case, pair in verdicts.items() if not GOOD.issuperset(pair)}
    return len(verdicts), bad


async def test_every_case_passes_as_server(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listener.socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, serve_echo, [listener])
        command = [KOSOKU, f"ws://127.0.0.1:{port}", *LEFT_OUT, "-p", "4", "-o", str(tmp_path)]
        await trio.run_process(command, check=False)
        nursery.cancel_scope.cancel()
    count, bad = failed_cases(tmp_path)
    assert bad == {}
    assert count >= 300


async def test_every_case_passes_as_client(tmp_path: Path) -> None:
    command = [KOSOKU, "-m", "fuzzingserver", "127.0.0.1:0", *LEFT_OUT, "-o", str(tmp_path)]
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            partial(trio.run_process, command, check=False, stderr=subprocess.PIPE)
        )
        assert process.stderr is not None
        said = b""
        while (match := re.search(rb"listening on ws://127\.0\.0\.1:(\d+)\n", said)) is None:
            piece = await process.stderr.receive_some()
            assert piece, said
            said += piece
        port = int(match[1])
        count = int(await read_one_text(port, "/getCaseCount"))
        for case in range(1, count + 1):
            await echo(*await dial(port, f"/runCase?case={case}&agent=adhoc"))
        # Asking for the reports ends the run.
        transport, codec = await dial(port, "/updateReports?agent=adhoc")
        await echo(transport, codec)
        async for piece in process.stderr:
            said += piece
    ran, bad = failed_cases(tmp_path)
    assert bad == {}
    assert ran == count >= 300
