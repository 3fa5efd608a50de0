"""Connected transports of every kind, one with switches for faults, and throw-away certificates."""

import datetime
import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from relay.transport import (
    MEMORY_BYTES,
    Chunk,
    ServerTls,
    SocketTransport,
    TlsTransport,
    Transport,
    memory_transport_pair,
)


class SwitchedTransport(Transport):
    """One end of a pair in memory with switches; see `switched_transport_pair`."""

    def __init__(self, inner: Transport) -> None:
        super().__init__(inner.peer_address, is_tls=False)
        self._inner = inner
        self._other: SwitchedTransport | None = None
        self._may_receive = trio.Event()
        self._may_receive.set()
        self._receiving = trio.CancelScope()

    def stall(self) -> None:
        """This end takes no bytes any more, so that the other's `send_all` waits once the buffer is full."""
        if self._may_receive.is_set():
            self._may_receive = trio.Event()
            self._receiving.cancel()

    def resume(self) -> None:
        """Ends a stall; no byte was lost."""
        self._may_receive.set()

    def break_connection(self) -> None:
        """The network is gone: waiting and later calls at both ends raise `PeerGone`."""
        for end in (self, self._other):
            if end is not None:
                end._inner.abort()
                end.resume()

    def limit_unsent(self, size: int) -> None:
        self._inner.limit_unsent(size)

    async def _wait_to_receive(self) -> None:
        await self._may_receive.wait()
        with trio.CancelScope() as self._receiving:
            await self._inner.wait_to_receive()

    def _receive_now(self, buffer: memoryview) -> int | None:
        return self._inner.receive_now(buffer) if self._may_receive.is_set() else None

    def _send_some(self, chunks: list[Chunk]) -> list[Chunk]:
        return self._inner.send_now(chunks)

    async def _wait_to_send(self) -> None:
        await self._inner.wait_to_send()

    async def _close_gracefully(self) -> None:
        self.resume()
        await self._inner.aclose()

    def _close_now(self) -> None:
        """`_close_gracefully` has done it."""

    def _break_off(self) -> None:
        self.resume()
        self._inner.abort()


def switched_transport_pair(
    capacity_bytes: int = MEMORY_BYTES,
) -> tuple[SwitchedTransport, SwitchedTransport]:
    """`memory_transport_pair` whose ends can `stall`, `resume` and `break_connection`."""
    one, other = map(SwitchedTransport, memory_transport_pair(capacity_bytes))
    one._other, other._other = other, one
    return one, other


async def open_socket_pair() -> tuple[trio.socket.SocketType, trio.socket.SocketType]:
    """Both ends of a new TCP connection on 127.0.0.1: who dialled, who accepted."""
    with trio.socket.socket() as listener:
        await listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        dialled = trio.socket.socket()
        await dialled.connect(listener.getsockname())
        accepted, _ = await listener.accept()
    return dialled, accepted


async def open_socket_transports() -> tuple[SocketTransport, SocketTransport]:
    """`open_socket_pair` as transports."""
    dialled, accepted = await open_socket_pair()
    return SocketTransport(dialled), SocketTransport(accepted)


async def open_tls_transports(
    folder: Path, accepted_class: type[ssl.SSLSocket] | None = None, *, is_compiled: bool = False
) -> tuple[TlsTransport, TlsTransport]:
    """Like `open_socket_transports`, with TLS.

    Args:
        folder: where the certificate goes.
        accepted_class: what the accepting side wraps its socket in, to make it behave oddly.
        is_compiled: the accepting side is in C; skips the test if that was not built.
    """
    server, client_context = make_server_tls(folder)
    if not is_compiled:
        server = ServerTls(server.context)
    elif server.compiled is None:
        pytest.skip("relay.transport._records was not built")
    server.context.sslsocket_class = accepted_class or ssl.SSLSocket
    dialled, accepted = await open_socket_pair()
    ends: dict[str, TlsTransport] = {}

    async def accept() -> None:
        ends["accepted"] = await TlsTransport.accept(accepted, server)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(accept)
        ends["dialled"] = await TlsTransport.connect(dialled, client_context, "localhost")
    return ends["dialled"], ends["accepted"]


async def receive_exactly(transport: Transport, size: int) -> bytes:
    """So many bytes, and no more."""
    received = bytearray()
    while len(received) < size:
        data = await transport.receive_some(size - len(received))
        assert data, "ended too early"
        received += data
    return bytes(received)


def make_server_tls(folder: Path) -> tuple[ServerTls, ssl.SSLContext]:
    """What the relay shows, with a throw-away certificate, and a client's context that trusts only that."""
    certificate, key = make_certificate(folder)
    return ServerTls.load(certificate, key), ssl.create_default_context(cafile=certificate)


def make_tls_contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """The same for a server that is not the relay."""
    certificate, key = make_certificate(folder)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(certificate, key)
    return server_context, ssl.create_default_context(cafile=certificate)


def make_certificate(folder: Path, names: Sequence[str] = ("localhost",)) -> tuple[Path, Path]:
    """A self-signed certificate for `names` and 127.0.0.1, valid for an hour, and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.datetime.now(datetime.UTC)
    alternatives = [x509.DNSName(host) for host in names]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([*alternatives, x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate_path, key_path = folder / "certificate.pem", folder / "key.pem"
    certificate_path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    key_path.chmod(0o600)
    return certificate_path, key_path
