"""Is everything in order? What ``relay doctor`` looks at, with a plain verdict and what to do for each.

Every check tries the thing itself: binds the port, signs in to the mail server, asks for a WebSocket through
the public address. Nothing is changed but an empty file in the data folder, removed at once, and no mail is
sent. A relay may be running on the folder or not; what only a running one can show is then left open.

Blocking code for a terminal; everything that waits has a timeout of `PATIENCE` seconds.
"""

import ctypes
import os
import shutil
import smtplib
import socket
import sqlite3
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from cryptography import x509

from relay.auth import load_or_make_relay_key
from relay.config import Config, SmtpServer
from relay.downloads import FILE_NAMES, Download, Downloads, Fault
from relay.errors import ConfigError
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import SUBPROTOCOL
from relay.protocol.upgrade import check_client_response, client_request, make_key, split_head
from relay.store import newest_revision

COMMON_GLIBC = (2, 34)
"""Of Red Hat 9, the oldest of the systems that are common."""
PATIENCE = 10.0
LOW_SPACE_BYTES = 1 << 30
NO_SPACE_BYTES = 64 << 20
CERTIFICATE_NOTICE = timedelta(days=14)
MAX_CLOCK_ERROR = timedelta(seconds=60)
"""Hosts refuse a lease from a clock that is off by 5 minutes; a minute is already somebody's mistake."""


class Verdict(Enum):
    """How a check went."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one check found: about what, how it went, one sentence, and what to do if it went badly."""

    subject: str
    verdict: Verdict
    sentence: str
    advice: str = ""

    def as_json(self) -> dict[str, str]:
        """The same for machines."""
        return {
            "subject": self.subject,
            "verdict": self.verdict.value,
            "sentence": self.sentence,
            "advice": self.advice,
        }


def examine(config: Config) -> Iterator[Finding]:
    """Every check, one after the other, each when it is asked for. None of them raises."""
    yield check_folder(config.data)
    yield check_space(config.data)
    yield check_store(config.data)
    yield check_key(config.data)
    yield check_certificate(config)
    yield check_clock()
    yield check_mail(config)
    yield from check_host_files(config)
    port = check_port(config)
    yield port
    origin = config.origin_at(config.listen.port)
    if port.verdict is Verdict.OK and not port.sentence.startswith(_IS_RUNNING) and config.public_url is None:
        yield _warning(
            "public URL", "Not tried, because the relay is not running.", "Start it and look again."
        )
        return
    public = check_public_url(origin)
    yield public
    if public.verdict is not Verdict.FAILED:
        yield check_websocket(origin)


_IS_RUNNING = "The relay is running"


def _ok(subject: str, sentence: str) -> Finding:
    return Finding(subject=subject, verdict=Verdict.OK, sentence=sentence)


def _warning(subject: str, sentence: str, advice: str) -> Finding:
    return Finding(subject=subject, verdict=Verdict.WARNING, sentence=sentence, advice=advice)


def _failed(subject: str, sentence: str, advice: str) -> Finding:
    return Finding(subject=subject, verdict=Verdict.FAILED, sentence=sentence, advice=advice)


# The machine


def check_folder(data: Path) -> Finding:
    """The data folder can be written, by nobody else."""
    subject = "folder"
    if not data.exists():
        parent = next(folder for folder in data.absolute().parents if folder.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            return _ok(subject, f"{data} will be made when the relay starts.")
        return _failed(subject, f"{data} cannot be made.", f"Let the relay's user write in {parent}.")
    try:
        with tempfile.TemporaryFile(dir=data):
            pass
    except OSError as error:
        return _failed(subject, f"{data} cannot be written: {error.strerror}.", "Correct owner and mode.")
    if data.stat().st_mode & 0o077:
        return _warning(subject, f"Other users of this machine may look into {data}.", f"chmod 700 {data}")
    return _ok(subject, f"{data} can be written, and only by its owner.")


def check_space(data: Path) -> Finding:
    """There is room on the disk."""
    subject = "disk"
    folder = next(folder for folder in (data.absolute(), *data.absolute().parents) if folder.exists())
    free = shutil.disk_usage(folder).free
    sentence = f"{free / (1 << 30):.1f} GiB are free."
    if free < NO_SPACE_BYTES:
        return _failed(subject, sentence, "Make room: without it no session can be prepared.")
    if free < LOW_SPACE_BYTES:
        return _warning(subject, sentence, "Make room soon.")
    return _ok(subject, sentence)


def check_store(data: Path) -> Finding:
    """The database is whole, and not of a newer relay."""
    subject = "store"
    path = data / "relay.db"
    if not path.exists():
        return _ok(subject, "The database will be made when the relay starts.")
    advice = "Stop the relay and restore a backup: relay restore FILE"
    try:
        with closing(
            sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True, timeout=PATIENCE)
        ) as db:
            verdict = db.execute("PRAGMA quick_check(1)").fetchone()[0]
            (revision,) = db.execute("SELECT version_num FROM alembic_version").fetchone()
    except (sqlite3.Error, TypeError) as error:
        return _failed(subject, f"The database cannot be used: {error}.", advice)
    if verdict != "ok":
        return _failed(subject, "The database is damaged.", advice)
    newest = newest_revision()
    if revision > newest:
        return _failed(subject, "The database was made by a newer relay.", "Use that one, or newer.")
    if revision < newest:
        return _ok(subject, "The database is whole; it will be brought up to date when the relay starts.")
    return _ok(subject, "The database is whole and up to date.")


def check_key(data: Path) -> Finding:
    """The relay's key can be read, by nobody else."""
    subject = "key"
    path = data / "relay.key"
    if not path.exists():
        return _ok(subject, "The relay's key will be made when it starts.")
    try:
        load_or_make_relay_key(path)
    except ConfigError as error:
        return _failed(subject, str(error), "Without this key, hosts of active sessions cannot come back.")
    return _ok(subject, "The relay's key is there, and nobody else can read it.")


def check_clock() -> Finding:
    """The kernel is told the time by somebody (adjtimex(2))."""
    subject = "clock"
    advice = "Switch time synchronisation on, for instance: timedatectl set-ntp true"
    try:
        timex = ctypes.create_string_buffer(512)  # struct timex, all zero: nothing is to be set
        state = ctypes.CDLL(None, use_errno=True).adjtimex(timex)
    except (OSError, AttributeError):
        return _warning(subject, "It is not known whether the clock is synchronised.", advice)
    if state == 5:  # TIME_ERROR
        return _warning(subject, "Nothing keeps this machine's clock right.", advice)
    return _ok(subject, f"Synchronised; it is {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC.")


# What the settings name


def check_certificate(config: Config) -> Finding:
    """Certificate and key belong together, are for the public name, and last."""
    subject = "TLS"
    if config.tls_cert is None or config.tls_key is None:
        if config.origin_at(config.listen.port).startswith("https://"):
            return _ok(subject, "A proxy before the relay speaks TLS; see the public URL.")
        return _ok(subject, "None: the relay is for this machine only.")
    advice = "Give tls_cert and tls_key as PEM, the key without a password."
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            config.tls_cert, config.tls_key, password=lambda: b""
        )
        certificate = x509.load_pem_x509_certificates(config.tls_cert.read_bytes())[0]
    except (OSError, ValueError, IndexError) as error:
        return _failed(subject, f"The certificate cannot be used: {error}.", advice)
    left = certificate.not_valid_after_utc - datetime.now(UTC)
    until = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
    if left <= timedelta():
        return _failed(subject, f"The certificate has been out of date since {until}.", "Renew it.")
    name = urlsplit(config.origin_at(config.listen.port)).hostname or ""
    if not _is_for(certificate, name):
        return _failed(subject, f"The certificate is not for {name}.", "Get one for the public URL's name.")
    if config.tls_key.stat().st_mode & 0o077:
        return _warning(subject, f"Other users may read {config.tls_key}.", f"chmod 600 {config.tls_key}")
    if left < CERTIFICATE_NOTICE:
        return _warning(subject, f"The certificate ends on {until}.", "Renew it, and restart the relay.")
    return _ok(subject, f"The certificate is for {name} and lasts until {until}.")


def _is_for(certificate: x509.Certificate, name: str) -> bool:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    known = [str(address) for address in names.get_values_for_type(x509.IPAddress)]
    known += [each.lower() for each in names.get_values_for_type(x509.DNSName)]
    return name in known or "*." + name.partition(".")[2] in known


def check_mail(config: Config) -> Finding:
    """The mail server lets the relay in. Nothing is sent."""
    subject = "mail"
    server = config.smtp_url
    if server is None:
        return _warning(
            subject,
            f"No mail server is set: mails stay in {config.data / 'outbox'}.",
            "Set smtp_url and mail_from; until then technicians copy the links themselves.",
        )
    where = f"{server.host}:{server.port}"
    try:
        _greet(server)
    except smtplib.SMTPAuthenticationError:
        return _failed(subject, f"{where} refuses user or password.", "Correct them in smtp_url.")
    except ssl.SSLError as error:
        return _failed(
            subject,
            f"The encryption with {where} fails: {error.reason}.",
            "Look at scheme, port and certificate.",
        )
    except smtplib.SMTPNotSupportedError:
        return _failed(subject, f"{where} does not offer STARTTLS or sign-in.", "Correct smtp_url.")
    except (OSError, smtplib.SMTPException) as error:
        return _failed(subject, f"{where} cannot be used: {error}.", "Look at name, port and firewall.")
    return _ok(subject, f"{where} answers and lets the relay in.")


def _greet(server: SmtpServer) -> None:
    context = ssl.create_default_context()
    if server.security == "tls":
        connection: smtplib.SMTP = smtplib.SMTP_SSL(
            server.host, server.port, timeout=PATIENCE, context=context
        )
    else:
        connection = smtplib.SMTP(server.host, server.port, timeout=PATIENCE)
    with connection:
        if server.security == "starttls":
            connection.starttls(context=context)
        if server.user:
            connection.login(server.user, server.password.get_secret_value())
        connection.noop()


def check_host_files(config: Config) -> Iterator[Finding]:
    """There is something for customers to download, and it is what its sidecar says; one finding a target."""
    folder = config.downloads_folder
    found = Downloads(folder).look()
    if all(each.fault is Fault.MISSING for each in found):
        yield _failed(
            "host file",
            f"Customers can download nothing: {folder} has none of {', '.join(FILE_NAMES.values())}.",
            f"Build with relay build-host --out {folder}",
        )
        return
    for each in found:
        yield _check_host_file(each)


def _check_host_file(download: Download) -> Finding:
    facts, fault = download.facts, download.fault or Fault.MISSING
    name, target = download.path.name, download.target.value
    subject = f"host file, {target}"
    if facts is not None:
        signer = "not signed" if facts.signer is None else f"signed by {facts.signer}"
        python = "" if facts.python is None else f", for Python {', '.join(facts.python)}"
        size = f"{facts.size / 1e6:.1f} MB"
        about = f"{name} {facts.version}, {size}, {signer}{python}, SHA-256 {facts.sha256}."
        if facts.window is False:
            return _warning(subject, f"{about} It has no window.", "Build it with a Python that has Tk.")
        if facts.glibc is not None and tuple(map(int, facts.glibc.split("."))) > COMMON_GLIBC:
            return _warning(
                subject,
                f"{about} It needs C library {facts.glibc}, which Ubuntu 22.04 and Red Hat 9 do not have.",
                "Build it on the oldest system that customers have, or give those the file for Python.",
            )
        return _ok(subject, about)
    if fault is Fault.MISSING:
        build = f"relay build-host --target {download.target.value} --out {download.path.parent}"
        advice = f"Build it with {build}, or do without such customers."
        return _warning(subject, f"{name} is not there: such customers can download nothing.", advice)
    return _failed(
        subject,
        f"{name} is not served: it {fault.sentence}.",
        "Build it again, or copy file and .json together.",
    )


# The network


def check_port(config: Config) -> Finding:
    """The port is free, or it is the relay that holds it."""
    subject = "port"
    host, port = config.listen
    authority = urlsplit(config.origin_at(port)).netloc
    scheme = "https" if config.has_tls else "http"
    url = f"{scheme}://{_reachable(host)}:{port}/healthz"
    try:
        # Whose certificate it is, and for which name, is asked at the public URL.
        answer = httpx.get(url, headers={"Host": authority}, timeout=PATIENCE, verify=False)  # noqa: S501
    except httpx.ConnectError:
        return _bindable(subject, config)
    except httpx.HTTPError:
        return _failed(subject, f"Another program holds {config.listen}.", "Stop it, or choose another port.")
    with suppress(ValueError):
        if answer.json() == {"status": "ok"}:
            return _ok(subject, f"{_IS_RUNNING} on {config.listen}.")
    return _failed(subject, f"Another program holds {config.listen}.", "Stop it, or choose another port.")


def _reachable(host: str) -> str:
    """Where a listener on `host` can be reached from this machine."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"[{host}]" if ":" in host else host


def _bindable(subject: str, config: Config) -> Finding:
    family = socket.AF_INET6 if ":" in config.listen.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(tuple(config.listen))
    except OSError as error:
        return _failed(
            subject,
            f"{config.listen} cannot be listened on: {error.strerror}.",
            "Ports below 1024 need CAP_NET_BIND_SERVICE; the address must be this machine's.",
        )
    return _ok(subject, f"{config.listen} is free; the relay is not running.")


def check_public_url(origin: str) -> Finding:
    """The relay answers at its public address, and both clocks agree."""
    subject = "public URL"
    try:
        answer = httpx.get(f"{origin}/healthz", timeout=PATIENCE)
        is_relay = answer.json() == {"status": "ok"}
    except httpx.ConnectError as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return _failed(
                subject, f"The certificate at {origin} is not trusted.", "Get one from an authority."
            )
        return _failed(
            subject,
            f"{origin} cannot be reached from here.",
            "Look at DNS, firewall and proxy; is the relay up?",
        )
    except httpx.HTTPError as error:
        return _failed(
            subject, f"{origin} does not answer: {type(error).__name__}.", "Look at the proxy's log."
        )
    except ValueError:
        is_relay = False
    if not is_relay:
        advice = "Forward everything to the relay, with the Host header as it came."
        return _failed(subject, f"Something else answers at {origin} ({answer.status_code}).", advice)
    with suppress(KeyError, ValueError, TypeError):
        away = abs(parsedate_to_datetime(answer.headers["date"]) - datetime.now(UTC))
        if away > MAX_CLOCK_ERROR:
            return _failed(subject, f"The clock there is {away} away from this one.", "Set both right.")
    return _ok(subject, f"The relay answers at {origin}.")


def check_websocket(origin: str) -> Finding:
    """A WebSocket comes through to the relay (RFC 6455): the one thing that proxies forget."""
    subject = "WebSocket"
    parts = urlsplit(origin)
    advice = "Let the proxy pass Upgrade and Connection on, in HTTP/1.1 (nginx: proxy_http_version 1.1)."
    key = make_key()
    try:
        with _dial(parts.scheme, parts.hostname or "", parts.port) as sock:
            sock.sendall(client_request(parts.netloc, "/tunnel/host", key, SUBPROTOCOL))
            check_client_response(_read_head(sock), key, SUBPROTOCOL)
    except RemoteProtocolError:
        return _failed(subject, f"{origin} lets no WebSocket through.", advice)
    except OSError as error:
        return _failed(subject, f"{origin} cut the WebSocket: {error}.", advice)
    return _ok(subject, "Hosts and viewers can connect through the public URL.")


def _dial(scheme: str, host: str, port: int | None) -> socket.socket:
    sock = socket.create_connection((host, port or {"http": 80, "https": 443}[scheme]), PATIENCE)
    if scheme == "http":
        return sock
    return ssl.create_default_context().wrap_socket(sock, server_hostname=host)


def _read_head(sock: socket.socket) -> bytes:
    """The head of the answer.

    Raises:
        RemoteProtocolError: it is too long, or ends in the middle.
        OSError: the connection broke.
    """
    data = b""
    while (split := split_head(data)) is None:
        piece = sock.recv(4096)
        if not piece:
            raise RemoteProtocolError("The answer ends in its head.")
        data += piece
    return split[0]
