"""TLS: what only it can get wrong, with both implementations of a server's side."""

import contextlib
import errno
import os
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked
from typing_extensions import Buffer

from relay.errors import PeerGone
from relay.protocol.runs import PURE_PYTHON_VARIABLE
from relay.transport import Chunk, ServerTls, TlsTransport
from relay.transport.records import Wants, waiting_bytes, whole_records
from tests.helpers.transports import (
    make_certificate,
    make_server_tls,
    open_socket_pair,
    open_tls_transports,
    receive_exactly,
)

FLOOD = bytes(32 << 20)
"""More than both kernel buffers of a loopback connection can grow to."""

Tls = tuple[ServerTls, ssl.SSLContext]


@pytest.fixture(params=["python", "compiled"])
def tls(request: pytest.FixtureRequest, tmp_path: Path) -> Tls:
    """What a server shows, and the context of a client that trusts it."""
    server, client_context = make_server_tls(tmp_path)
    if request.param == "python":
        server = ServerTls(server.context)
    elif server.compiled is None:
        pytest.skip("relay.transport._records was not built")
    return server, client_context


@pytest.mark.sockets
async def test_someone_who_does_not_speak_tls_is_gone_and_closed(tls: Tls) -> None:
    server, _ = tls
    dialled, accepted = await open_socket_pair()
    await dialled.send(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(PeerGone, match="The encryption failed") as info:
        await TlsTransport.accept(accepted, server)
    assert isinstance(info.value.__cause__, ssl.SSLError)
    assert accepted.fileno() == -1
    dialled.close()


@pytest.mark.sockets
async def test_a_certificate_for_another_name_is_refused(tls: Tls) -> None:
    server, client_context = tls
    dialled, accepted = await open_socket_pair()

    async def accept() -> None:
        with pytest.raises(PeerGone):
            await TlsTransport.accept(accepted, server)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept)
        with pytest.raises(PeerGone) as info:
            await TlsTransport.connect(dialled, client_context, "elsewhere.example")
    assert isinstance(info.value.__cause__, ssl.SSLCertVerificationError)


@pytest.mark.sockets
async def test_a_cancelled_handshake_closes_the_socket(tls: Tls) -> None:
    server, _ = tls
    dialled, accepted = await open_socket_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(TlsTransport.accept, accepted, server)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    with pytest.raises(OSError, match=os.strerror(errno.ECONNRESET)):
        await dialled.recv(1)
    dialled.close()


@pytest.mark.sockets
async def test_an_end_without_a_word_in_tls_is_no_proper_end(tls: Tls) -> None:
    server, client_context = tls
    dialled, accepted = await open_socket_pair()
    with socket.socket(fileno=os.dup(dialled.fileno())) as wire:

        async def connect_and_cut() -> None:
            transport = await TlsTransport.connect(dialled, client_context, "localhost")
            await transport.send_all(b"half a mess")
            wire.shutdown(socket.SHUT_WR)
            with pytest.raises(PeerGone):
                await transport.receive_some()
            transport.abort()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(connect_and_cut)
            transport = await TlsTransport.accept(accepted, server)
            assert await receive_exactly(transport, 11) == b"half a mess"
            with pytest.raises(PeerGone, match="without a proper end"):
                await transport.receive_some()
            transport.abort()


class HesitantSocket(ssl.SSLSocket):
    """Needs to write before it can read, as when a key update must be answered into a full buffer."""

    hesitations = 1

    def read(self, len: int = 1024, buffer: Buffer | None = None) -> Any:
        if self.hesitations:
            self.hesitations -= 1
            raise ssl.SSLWantWriteError(ssl.SSL_ERROR_WANT_WRITE, "want write")
        return super().read(len, buffer)


@pytest.mark.sockets
async def test_reader_and_writer_may_both_wait_to_write(tmp_path: Path) -> None:
    dialled, accepted = await open_tls_transports(tmp_path, HesitantSocket)
    await dialled.send_all(b"read me")
    received: list[bytes] = []

    async def receive() -> None:
        received.append(await accepted.receive_some())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accepted.send_all, FLOOD)
        await wait_all_tasks_blocked(0.01)
        nursery.start_soon(receive)
        await wait_all_tasks_blocked(0.01)
        assert received == []
        await receive_exactly(dialled, len(FLOOD))
    assert received == [b"read me"]
    for end in (dialled, accepted):
        end.abort()


@pytest.mark.parametrize(
    "sizes", [(), (1,), (16384,), (16385,), (65_560, 65_560, 10), (10, 20, 16_000, 40_000), (16_374, 10, 5)]
)
def test_chunks_are_cut_into_whole_records(sizes: tuple[int, ...]) -> None:
    chunks: list[Chunk] = [os.urandom(size) for size in sizes]
    pieces = whole_records(chunks)
    assert b"".join(pieces) == b"".join(chunks)
    assert all(len(piece) % 16384 == 0 for piece in pieces[:-1])
    assert all(pieces)
    again = whole_records(list(pieces))
    assert [len(piece) for piece in again] == [len(piece) for piece in pieces]


@pytest.mark.sockets
@pytest.mark.parametrize("is_compiled", [False, True])
async def test_many_odd_chunks_arrive_whole_through_a_slow_reader(tmp_path: Path, is_compiled: bool) -> None:
    accepted, dialled = await open_tls_transports(tmp_path, is_compiled=is_compiled)
    chunks: list[Chunk] = [os.urandom(size) for size in (65_560, 3, 70_001, 16_384, 1, 5_000_000, 90_000)]
    received = bytearray()

    async def read_slowly() -> None:
        while len(received) < sum(map(len, chunks)):
            received.extend(await accepted.receive_some(40_000))
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read_slowly)
        await dialled.send_all(chunks)
    assert received == b"".join(chunks)
    for end in (dialled, accepted):
        end.abort()


@pytest.mark.sockets
@pytest.mark.parametrize("is_compiled", [False, True])
async def test_all_records_that_have_come_are_read_at_once(tmp_path: Path, is_compiled: bool) -> None:
    dialled, accepted = await open_tls_transports(tmp_path, is_compiled=is_compiled)
    await dialled.send_all(bytes(70_000))
    while waiting_bytes(accepted._sock) < 70_000:
        await trio.lowlevel.checkpoint()
    await accepted.wait_to_receive()
    assert accepted.receive_now(memoryview(bytearray(1 << 18))) == 70_000
    assert waiting_bytes(accepted._sock) == 0
    for end in (dialled, accepted):
        end.abort()


class FailingSocket(ssl.SSLSocket):
    """Fails at the second record, once, and would then wait for ever."""

    reads = 0

    def read(self, len: int = 1024, buffer: Buffer | None = None) -> Any:
        self.reads += 1
        if self.reads == 2:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        return super().read(len, buffer)


@pytest.mark.sockets
async def test_records_before_a_failure_are_received_and_then_the_failure(tmp_path: Path) -> None:
    dialled, accepted = await open_tls_transports(tmp_path, FailingSocket)
    await dialled.send_all(b"good")
    await dialled.send_all(b"bad")
    while waiting_bytes(accepted._sock) < 50:
        await trio.lowlevel.checkpoint()
    assert await accepted.receive_some() == b"good"
    with pytest.raises(PeerGone, match=os.strerror(errno.ECONNRESET)):
        await accepted.receive_some()
    for end in (dialled, accepted):
        end.abort()


# A server's side against clients that are not ours


@asynccontextmanager
async def echoing(server: ServerTls) -> AsyncIterator[int]:
    """The port of a server that says everything again, to one connection."""

    async def echo(accepted: trio.SocketStream) -> None:
        try:
            transport = await TlsTransport.accept(accepted.socket, server)
        except PeerGone:
            return
        try:
            while data := await transport.receive_some(70_000):
                await transport.send_all(data)
            await transport.aclose()
        except PeerGone:
            pass
        finally:
            transport.abort()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, echo, 0, host="127.0.0.1"))
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@contextmanager
def client_of(
    port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> Iterator[ssl.SSLSocket]:
    """A blocking client."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost", session=session) as sock,
    ):
        yield sock


def talk(port: int, context: ssl.SSLContext, said: bytes) -> None:
    """Say something, hear it again, and end properly."""
    with client_of(port, context) as sock:
        hear_again(sock, said)
        sock.unwrap()


def hear_again(sock: ssl.SSLSocket, said: bytes) -> None:
    """Say something and hear it again."""
    sock.sendall(said)
    heard = bytearray()
    while len(heard) < len(said):
        heard += sock.recv(65536)
    assert heard == said


@pytest.mark.sockets
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_both_versions_carry_more_than_a_record(tls: Tls, version: ssl.TLSVersion) -> None:
    server, client_context = tls
    client_context.minimum_version = client_context.maximum_version = version
    async with echoing(server) as port:
        await trio.to_thread.run_sync(talk, port, client_context, os.urandom(100_000))


@pytest.mark.sockets
async def test_old_versions_are_refused(tls: Tls) -> None:
    server, client_context = tls
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        client_context.minimum_version = client_context.maximum_version = ssl.TLSVersion.TLSv1_1
    client_context.set_ciphers("ALL:@SECLEVEL=0")
    async with echoing(server) as port:
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
            await trio.to_thread.run_sync(talk, port, client_context, b"old")


@pytest.mark.sockets
@pytest.mark.parametrize(
    "names", [["CHACHA20-POLY1305", "AES256-GCM-SHA384"], ["AES128-GCM-SHA256", "CHACHA20-POLY1305"]]
)
async def test_the_clients_order_of_ciphers_counts(tls: Tls, names: list[str]) -> None:
    server, client_context = tls
    client_context.maximum_version = ssl.TLSVersion.TLSv1_2
    client_context.set_ciphers(":".join(f"ECDHE-ECDSA-{name}" for name in names))
    async with echoing(server) as port:
        chosen = await trio.to_thread.run_sync(cipher_of, port, client_context)
    assert chosen == f"ECDHE-ECDSA-{names[0]}"


def cipher_of(port: int, context: ssl.SSLContext) -> str:
    with client_of(port, context) as sock:
        cipher = sock.cipher()
        assert cipher is not None
        return cipher[0]


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("offered", "chosen"), [(["h2", "http/1.1"], "http/1.1"), (["h2"], None), ([], None)]
)
async def test_inside_is_http_1_1(tls: Tls, offered: list[str], chosen: str | None) -> None:
    server, client_context = tls
    if offered:
        client_context.set_alpn_protocols(offered)

    def protocol_of(port: int) -> str | None:
        with client_of(port, client_context) as sock:
            return sock.selected_alpn_protocol()

    async with echoing(server) as port:
        assert await trio.to_thread.run_sync(protocol_of, port) == chosen


@pytest.mark.sockets
async def test_a_client_that_comes_back_need_not_begin_again(tls: Tls) -> None:
    server, client_context = tls

    def come_twice(port: int) -> tuple[bool | None, bool | None]:
        with client_of(port, client_context) as first:
            hear_again(first, b"first")  # behind the tickets
            with client_of(port, client_context, first.session) as second:
                hear_again(second, b"second")
                return first.session_reused, second.session_reused

    async with echoing(server) as port:
        assert await trio.to_thread.run_sync(come_twice, port) == (False, True)


@pytest.mark.sockets
async def test_keys_are_changed_when_a_client_asks_for_it(tls: Tls, tmp_path: Path) -> None:
    """By `openssl s_client`, whose command K asks for new keys of both sides."""
    server, _ = tls
    async with echoing(server) as port:
        command = [
            "openssl",
            "s_client",
            "-connect",
            f"127.0.0.1:{port}",
            "-CAfile",
            str(tmp_path / "certificate.pem"),
        ]
        try:
            client = await trio.lowlevel.open_process(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except FileNotFoundError:
            pytest.skip("there is no openssl")
        assert client.stdin is not None
        heard = client.stdout
        assert heard is not None
        said = bytearray()

        async def wait_for(words: bytes, times: int = 1) -> None:
            while said.count(words) < times:
                said.extend(await heard.receive_some())

        with trio.fail_after(10):
            for times, word in enumerate((b"before", b"between", b"after"), start=1):
                await client.stdin.send_all(word + b" the change\n")
                await wait_for(word + b" the change")
                await client.stdin.send_all(b"K\n")  # alone, or it would be no command
                await wait_for(b"KEYUPDATE", times)
            client.terminate()
            await client.wait()
    assert b"Verify return code: 0 (ok)" in said


@pytest.mark.sockets
async def test_what_comes_with_the_end_of_the_handshake_is_received(tls: Tls) -> None:
    server, client_context = tls
    dialled, accepted = await open_socket_pair()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context.wrap_bio(incoming, outgoing, server_hostname="localhost")

    async def shake_hands_and_speak() -> None:
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                await dialled.send(outgoing.read())
                incoming.write(await dialled.recv(65536))
        client.write(b"first words")
        await dialled.send(outgoing.read())  # in one piece with the handshake's last

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(shake_hands_and_speak)
            transport = await TlsTransport.accept(accepted, server)
            assert await receive_exactly(transport, 11) == b"first words"
    transport.abort()
    dialled.close()


@pytest.mark.sockets
async def test_what_is_no_record_ends_the_connection(tls: Tls) -> None:
    server, client_context = tls
    dialled, accepted = await open_socket_pair()
    with socket.socket(fileno=os.dup(dialled.fileno())) as wire:
        ends: list[TlsTransport] = []

        async def accept() -> None:
            ends.append(await TlsTransport.accept(accepted, server))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(accept)
            ends.append(await TlsTransport.connect(dialled, client_context, "localhost"))
        transport = next(end for end in ends if end._sock.getsockname() == wire.getpeername())
        wire.send(b"this is no record at all")
        for _ in range(2):
            with pytest.raises(PeerGone, match="The encryption failed"):
                await transport.receive_some()
        for end in ends:
            end.abort()


@pytest.mark.sockets
@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_client_may_say_anything(tls: Tls, data: st.DataObject) -> None:
    """A handshake and a message of which one byte is another, and which comes in any pieces."""
    server, client_context = tls
    at = data.draw(st.integers(0, 700), label="place")
    flip = data.draw(st.integers(0, 255), label="change")
    sizes = data.draw(st.lists(st.integers(1, 300), min_size=1, max_size=5), label="pieces")

    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    records = server.accept(near)
    with far, records.sock:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = client_context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        said = 0
        received = bytearray()
        is_greeted = is_welcomed = False
        buffer = memoryview(bytearray(1000))
        try:
            for turn in range(40):
                with contextlib.suppress(ssl.SSLWantReadError):
                    if is_greeted:
                        client.write(b"something of use")
                    else:
                        client.do_handshake()
                        is_greeted = True
                piece = bytearray(outgoing.read(sizes[turn % len(sizes)]))
                if said <= at < said + len(piece):
                    piece[at - said] ^= flip
                said += len(piece)
                if piece:
                    far.send(piece)
                if not is_welcomed:
                    is_welcomed = records.shake_hands() == Wants.NOTHING
                elif count := records.receive_into(buffer)[0]:
                    received += buffer[:count]
                with contextlib.suppress(BlockingIOError):
                    incoming.write(far.recv(65536))
        except OSError:
            assert flip or said <= at, "a client that says the right thing is heard"
        assert bytes(received) == (b"something of use" * 40)[: len(received)]
        assert received or flip or min(sizes) < 200


# What it is made of


def test_both_implementations_are_made_of_one_certificate(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    others = tmp_path / "others"
    others.mkdir()
    _, other_key = make_certificate(others)
    ServerTls.load(certificate, key)
    for wrong in ((certificate, other_key), (key, certificate), (certificate, tmp_path / "nowhere")):
        with pytest.raises(OSError, match=r".+"):
            ServerTls.load(*wrong)


def test_the_compiled_one_has_the_stdlibs_level_of_security(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = pytest.importorskip("relay.transport._records", reason="it was not built")
    certificate, key = make_certificate(tmp_path)
    told: list[Any] = []
    monkeypatch.setattr(compiled, "Context", lambda *arguments: told.append(arguments))
    server = ServerTls.load(certificate, key)
    monkeypatch.undo()
    ((*files, ciphers, version, protocols),) = told
    level = f"@SECLEVEL={server.context.security_level}:"
    assert ciphers.startswith(level)
    compiled.Context(*files, ciphers, version, protocols)
    with pytest.raises(ssl.SSLError, match="too small"):  # 256 bits of ECDSA are level 3
        compiled.Context(*files, ciphers.replace(level, "@SECLEVEL=5:"), version, protocols)


def test_the_compiled_one_checks_for_itself(tmp_path: Path) -> None:
    compiled = pytest.importorskip("relay.transport._records", reason="it was not built")
    certificate, key = map(str, make_certificate(tmp_path))
    right = (certificate, key, "ECDHE-ECDSA-AES128-GCM-SHA256", 0x303, b"\x08http/1.1")
    compiled.Context(*right)
    for place, wrong in (
        (0, key),
        (1, certificate),
        (1, str(tmp_path / "nowhere")),
        (2, "NONSENSE"),
        (3, 77),
    ):
        with pytest.raises(ssl.SSLError, match=r".+"):
            compiled.Context(*right[:place], wrong, *right[place + 1 :])
    with pytest.raises(ValueError, match="too many"):
        compiled.Context(*right[:4], bytes(65))
    for arguments in ((), (1, 2, 3, 4, 5), (certificate, key)):
        with pytest.raises(TypeError):
            compiled.Context(*arguments)
    with pytest.raises(TypeError):
        compiled.Session()


@pytest.mark.sockets
async def test_after_what_cannot_be_sent_nothing_follows(tmp_path: Path) -> None:
    dialled, accepted = await open_tls_transports(tmp_path, is_compiled=True)
    wrong: list[Any] = [b"something", object()]
    with pytest.raises(TypeError):
        accepted.send_now(wrong)
    with pytest.raises(PeerGone):
        accepted.send_now([b"more"])
    for end in (dialled, accepted):
        end.abort()


def test_without_the_compiled_one_the_stdlibs_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PURE_PYTHON_VARIABLE, "1")
    server, _ = make_server_tls(tmp_path)
    assert server.compiled is None
    near, far = socket.socketpair()
    near.setblocking(False)
    with far, server.accept(near).sock as sock:
        assert isinstance(sock, ssl.SSLSocket)
