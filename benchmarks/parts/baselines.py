"""What the relay is compared with. Each is started by `open_…`, which yields a `Subject`: a maker of paths.

    direct       nothing in between: what the load generator reaches by itself
    nginx        WebSocket reverse proxy, one process, proxy_buffering off
    haproxy      TCP, one thread
    websockify   WebSocket to TCP
    trio-ws      a forwarder on trio-websocket (`benchmarks.parts.forwarders`)
    trio         a byte pump on plain Trio streams (likewise)

nginx, HAProxy, websockify and the pump carry from one who dials to one who listens: the far end is a listener
of ours. trio-websocket's forwarder joins two who dialled, as the relay does. What is not installed raises
`Missing` with what to install.
"""

import shutil
import socket
import ssl
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.parts.legs import (
    Leg,
    Socket,
    answer_upgrade,
    dial,
    finish_upgrade,
    open_leg,
    patient,
    request_upgrade,
)
from benchmarks.parts.load import Framing
from benchmarks.parts.load import Path as LoadPath
from benchmarks.parts.machine import first_line, free_port, running, wait_listening
from tests.helpers.certificates import Certificate

NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port}{listen_tls} backlog=4096;
    {tls}
    location / {{
      proxy_pass {scheme}://127.0.0.1:{far_port};
      proxy_http_version 1.1; proxy_buffering off; proxy_read_timeout 300s;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
    }}
  }}
}}
"""
NGINX_TLS = "ssl_certificate {certificate}; ssl_certificate_key {key};"

HAPROXY = """
global
  nbthread 1
  maxconn 6000
defaults
  mode tcp
  timeout connect 5s
  timeout client 300s
  timeout server 300s
listen tunnel
  bind 127.0.0.1:{port}
  server far 127.0.0.1:{far_port}
"""


class Missing(Exception):
    """A baseline's program is not installed; `str()` says what to install."""


@dataclass(frozen=True)
class Subject:
    """Something to measure.

    Attributes:
        name: for the report.
        pid: of its process; 0 if there is none.
        open_path: connects two ends through it.
        port: where it takes connections; 0 if there is none.
    """

    name: str
    pid: int
    open_path: Callable[[], LoadPath]
    port: int = 0


Opener = Callable[[Certificate | None], AbstractContextManager[Subject]]


class FarEnd:
    """The listener behind a proxy."""

    def __init__(self, certificate: Certificate | None) -> None:
        self._server = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self._server.settimeout(10)
        self._tls = None if certificate is None else certificate.server_context()
        self.port: int = self._server.getsockname()[1]

    def accept(self) -> Socket:
        """The next connection, with TLS if there is a certificate."""
        sock = patient(self._server.accept()[0])
        return sock if self._tls is None else self._tls.wrap_socket(sock, server_side=True)

    def close(self) -> None:
        """Stop listening."""
        self._server.close()


@contextmanager
def far_end(certificate: Certificate | None) -> Iterator[FarEnd]:
    """A listener until the block ends."""
    far = FarEnd(certificate)
    try:
        yield far
    finally:
        far.close()


@contextmanager
def open_direct(certificate: Certificate | None) -> Iterator[Subject]:
    """Generator to generator; with a certificate, over TLS."""
    with far_end(certificate) as far:
        tls = None if certificate is None else certificate.client_context()

        def open_path() -> LoadPath:
            # The handshake takes both sides, and this is one task: it goes on while the sink is accepted.
            near = patient(socket.create_connection(("127.0.0.1", far.port)))
            if tls is None:
                return LoadPath(Leg(near), Leg(far.accept()), Framing.MASKED)
            with ThreadPoolExecutor(1) as other:
                accepting = other.submit(far.accept)
                source = tls.wrap_socket(near, server_hostname="127.0.0.1")
                return LoadPath(Leg(source), Leg(accepting.result()), Framing.MASKED)

        yield Subject("generator alone", 0, open_path)


@contextmanager
def open_nginx(certificate: Certificate | None) -> Iterator[Subject]:
    """nginx; with a certificate, TLS on both legs."""
    program = _need("nginx", "nginx-light")
    with tempfile.TemporaryDirectory(prefix="bench-nginx-") as name, far_end(certificate) as far:
        folder = Path(name)
        port = free_port()
        tls = certificate is not None
        config = NGINX.format(
            folder=folder,
            port=port,
            far_port=far.port,
            scheme="https" if tls else "http",
            listen_tls=" ssl" if tls else "",
            tls=NGINX_TLS.format(certificate=certificate.certificate, key=certificate.key)
            if certificate
            else "",
        )
        (folder / "nginx.conf").write_text(config)
        near_tls = None if certificate is None else certificate.client_context()
        with running([program, "-p", folder, "-c", folder / "nginx.conf"]) as process:
            wait_listening(port, process)

            def open_path() -> LoadPath:
                near = dial(port, near_tls)
                key = request_upgrade(near, f"127.0.0.1:{port}", "/", None)
                sink = far.accept()
                answer_upgrade(sink)
                return LoadPath(finish_upgrade(near, key, None), Leg(sink), Framing.MASKED)

            yield Subject("nginx", process.pid, open_path, port)


@contextmanager
def open_haproxy(certificate: Certificate | None) -> Iterator[Subject]:
    """HAProxy, TCP; without TLS only."""
    program = _need("haproxy", "haproxy")
    with tempfile.TemporaryDirectory(prefix="bench-haproxy-") as name, far_end(None) as far:
        config = Path(name) / "haproxy.cfg"
        port = free_port()
        config.write_text(HAPROXY.format(port=port, far_port=far.port))
        with running([program, "-q", "-db", "-f", config]) as process:
            wait_listening(port, process)
            yield Subject("HAProxy TCP", process.pid, lambda: _dial_through(port, far), port)


@contextmanager
def open_websockify(certificate: Certificate | None) -> Iterator[Subject]:
    """websockify; without TLS only."""
    program = _need("websockify", "websockify")
    with far_end(None) as far:
        port = free_port()
        with running([program, f"127.0.0.1:{port}", f"127.0.0.1:{far.port}"]) as process:
            wait_listening(port, process)

            def open_path() -> LoadPath:
                near = open_leg(port, f"127.0.0.1:{port}", "/", None)
                return LoadPath(near, Leg(far.accept()), Framing.MESSAGE)

            yield Subject("websockify", process.pid, open_path, port)


@contextmanager
def open_trio_websocket(certificate: Certificate | None) -> Iterator[Subject]:
    """trio-websocket's forwarder: whoever dials second is joined with who dialled first. Without TLS only."""
    with running([sys.executable, "-m", "benchmarks.parts.forwarders", "websocket"]) as process:
        port = int(first_line(process))

        def open_path() -> LoadPath:
            sink = open_leg(port, f"127.0.0.1:{port}", "/", None)
            source = open_leg(port, f"127.0.0.1:{port}", "/", None)
            return LoadPath(source, sink, Framing.UNMASKED)

        yield Subject("trio-websocket", process.pid, open_path, port)


@contextmanager
def open_pump(certificate: Certificate | None) -> Iterator[Subject]:
    """The byte pump; with a certificate, `trio.SSLStream` on both legs."""
    with far_end(certificate) as far:
        command = [sys.executable, "-m", "benchmarks.parts.forwarders", "pump", str(far.port)]
        if certificate is not None:
            command += [str(certificate.certificate), str(certificate.key)]
        with running(command) as process:
            port = int(first_line(process))
            tls = None if certificate is None else certificate.client_context()
            name = "trio pump" if certificate is None else "trio.SSLStream pump"
            yield Subject(name, process.pid, lambda: _dial_through(port, far, tls), port)


def _dial_through(port: int, far: FarEnd, tls: ssl.SSLContext | None = None) -> LoadPath:
    near = dial(port, tls)
    return LoadPath(Leg(near), Leg(far.accept()), Framing.MASKED)


def _need(program: str, package: str) -> str:
    """Where a program is.

    Raises:
        Missing: nowhere.
    """
    # Servers are in folders that are not on everybody's path.
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise Missing(f"left out: {program} is not installed (sudo apt-get install {package})")
    return found
