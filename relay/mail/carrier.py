"""Hands one message to one mail server, or puts it into the outbox folder.

`Carrier.carry` tries once. What fails is a `MailFailed` that says whether another try makes sense: a server
that cannot be reached, or says 4xx, may think again; 5xx and a certificate that nobody vouches for are
its last word (RFC 5321 §4.2.1). An error's text never quotes the server: it would reach pages and logs.

A company names its own server, so everything about it is bounded: the address (`relay.destinations`), each
step, the whole, and how much it may say. `smtplib` works in a thread that knows no cancellation; when the
time is over, its socket is shut down under it, and the thread ends.
"""

import os
import secrets
import smtplib
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import IO, Final, Literal

import trio

from relay.destinations import Forbidden, resolve
from relay.errors import RelayError
from relay.mail.servers import MailServer
from relay.texts import mark

MAX_MAILS_AT_ONCE: Final = 16
"""Threads that may wait for mail servers at the same time."""
MAX_STEPS: Final = 3
"""The whole hand-over may take this many times the timeout of one step (connect, TLS, the message)."""
MAX_SAID_BYTES: Final = 64 * 1024
"""What a server may say during one hand-over; real ones say less than 2 KiB."""


class MailFailed(RelayError):
    """The mail did not leave. `str(error)` is a sentence for the technician, in English (source text).

    Attributes:
        is_final: another try would end in the same way.
    """

    def __init__(self, message: str, *, is_final: bool) -> None:
        super().__init__(message)
        self.is_final = is_final


class Carrier:
    """Where messages leave.

    Concurrency: `carry` may be called by any number of tasks; at most `MAX_MAILS_AT_ONCE` threads work.

    Args:
        outbox: folder for messages of relays that have no mail server; made with mode 0700 when needed.
        timeout: seconds for each step with a server.
        allows_private: companies' mail servers may be in private networks.
        tls: how servers' certificates are checked; default: the system's authorities.
    """

    def __init__(
        self, *, outbox: Path, timeout: float, allows_private: bool, tls: ssl.SSLContext | None = None
    ) -> None:
        self._outbox = outbox
        self._timeout = timeout
        self._allows_private = allows_private
        self._tls = tls or ssl.create_default_context()
        self._limiter = trio.CapacityLimiter(MAX_MAILS_AT_ONCE)

    @property
    def longest(self) -> float:
        """Seconds that `carry` takes at the most."""
        return self._timeout * MAX_STEPS

    async def carry(
        self, compose: Callable[[], EmailMessage], server: MailServer | None
    ) -> Literal["sent", "outbox"]:
        """Try once.

        Args:
            compose: makes the message, in a thread: the first one compiles the templates.
            server: takes the message; None for the outbox folder.

        Returns:
            "sent" once the server has taken responsibility for it, "outbox" once it is on the disk.

        Raises:
            MailFailed: neither happened; the message says why.
            ValueError: `compose` did.

        Cancellation: the mail may or may not leave.
        """
        if server is None:
            await trio.to_thread.run_sync(self._keep, compose, limiter=self._limiter)
            return "outbox"
        handover = _Handover(
            server,
            allows_private=self._allows_private or server.is_of_relay,
            timeout=self._timeout,
            tls=self._tls,
        )
        with trio.move_on_after(self.longest):
            try:
                await trio.to_thread.run_sync(
                    handover.run, compose, limiter=self._limiter, abandon_on_cancel=True
                )
                return "sent"
            finally:
                handover.abort()
        raise MailFailed(mark("The mail server did not answer in time."), is_final=False)

    def _keep(self, compose: Callable[[], EmailMessage]) -> None:
        """Write the message into the outbox. Runs in a thread."""
        message = compose()
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}.eml"
        try:
            self._outbox.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
            with os.fdopen(os.open(self._outbox / name, flags, 0o600), "wb") as file:
                file.write(message.as_bytes())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            sentence = mark("The mail could not be written to the outbox folder.")
            raise MailFailed(sentence, is_final=False) from error


class _Handover:
    """One conversation with one server; `run` in a thread, `abort` from anywhere."""

    def __init__(
        self, server: MailServer, *, allows_private: bool, timeout: float, tls: ssl.SSLContext
    ) -> None:
        self._server = server
        self._allows_private = allows_private
        self._timeout = timeout
        self._tls = tls
        self._socket: socket.socket | None = None
        self._is_aborted = False

    def run(self, compose: Callable[[], EmailMessage]) -> None:
        """Composes the message and hands it over.

        Raises:
            MailFailed: the server does not have it, or that is not known.
        """
        message = compose()
        server = self._server
        try:
            with _Connection(server.host, server.port, self._timeout, self._dial) as connection:
                if server.security == "starttls":
                    connection.starttls(context=self._tls)
                    if connection.sock is not None:
                        self._hold(connection.sock)
                if server.user:
                    _sign_in(connection, server)
                connection.send_message(message)
        except Exception as error:
            raise _failure(error) from error

    def abort(self) -> None:
        """Has `run` end soon, whatever it waits for; nothing if it has ended."""
        self._is_aborted = True
        if self._socket is not None:
            try:
                # The plain socket's method: that of an SSLSocket changes what the thread is working with.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                self._socket = None  # closed already

    def _dial(self) -> socket.socket:
        """A connected socket, to an address that was judged."""
        server = self._server
        found: OSError | None = None
        for address in resolve(server.host, server.port, allows_private=self._allows_private):
            if self._is_aborted:
                break
            try:
                dialled = socket.create_connection((address, server.port), self._timeout)
            except OSError as error:
                found = error
                continue
            held = self._hold(dialled)
            if server.security == "tls":
                held = self._hold(self._tls.wrap_socket(dialled, server_hostname=server.host))
            return held
        raise found or TimeoutError

    def _hold(self, connected: socket.socket) -> socket.socket:
        """Let `abort` reach this socket from here on; one that came before it closes it now."""
        self._socket = connected
        if self._is_aborted:  # looked at after the socket is held, as `abort` does it the other way round
            connected.close()
            raise TimeoutError
        return connected


class _Connection(smtplib.SMTP):
    """smtplib's client on a socket of ours, with a bound on what the server may say."""

    def __init__(self, host: str, port: int, timeout: float, dial: Callable[[], socket.socket]) -> None:
        self._dial = dial
        super().__init__(host, port, timeout=timeout)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        """Called by smtplib where it would connect (as `smtplib.SMTP_SSL` does it)."""
        return self._dial()

    def getreply(self) -> tuple[int, bytes]:
        """One answer of the server."""
        if self.file is None:
            if self.sock is None:
                raise smtplib.SMTPServerDisconnected("not connected")
            self.file = _Bounded(self.sock.makefile("rb"))
        return super().getreply()


class _Bounded:
    """What smtplib needs of a file, and no more of it than `MAX_SAID_BYTES`."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._left = MAX_SAID_BYTES

    def readline(self, limit: int) -> bytes:
        """A line of at most `limit` bytes; nothing once the server said too much."""
        line = self._file.readline(min(limit, self._left))
        self._left -= len(line)
        return line

    def close(self) -> None:
        """Closes the file."""
        self._file.close()


def _sign_in(connection: smtplib.SMTP, server: MailServer) -> None:
    try:
        connection.login(server.user, server.password)
    except smtplib.SMTPServerDisconnected as error:
        # smtplib tries one way after the other, and some servers hang up after the first that fails.
        raise smtplib.SMTPAuthenticationError(535, b"") from error


def _failure(error: Exception) -> MailFailed:
    """What went wrong, in a sentence, and whether it will go wrong again.

    Raises:
        Exception: `error` itself, if no server can have caused it.
    """
    match error:
        case Forbidden():
            return MailFailed(str(error), is_final=True)
        case smtplib.SMTPRecipientsRefused():
            codes = [code for code, _ in error.recipients.values()]
            sentence = mark("The mail server refused the recipient's address.")
            return MailFailed(sentence, is_final=all(code >= 500 for code in codes))
        case smtplib.SMTPAuthenticationError():
            sentence = mark("The mail server refused the user or password it was given.")
            return MailFailed(sentence, is_final=error.smtp_code >= 500)
        case ssl.SSLCertVerificationError():
            return MailFailed(mark("The mail server's certificate cannot be trusted."), is_final=True)
        case smtplib.SMTPNotSupportedError():
            sentence = mark("The mail server does not offer what the settings ask for.")
            return MailFailed(sentence, is_final=True)
        case TimeoutError() | smtplib.SMTPServerDisconnected(__context__=TimeoutError()):
            return MailFailed(mark("The mail server did not answer in time."), is_final=False)
        case smtplib.SMTPServerDisconnected() | ConnectionError():
            return MailFailed(mark("The mail server cannot be reached."), is_final=False)
        case smtplib.SMTPResponseException():
            sentence = mark("The mail server did not accept the mail.")
            return MailFailed(sentence, is_final=error.smtp_code >= 500)
        case smtplib.SMTPException():
            return MailFailed(mark("The mail server did not accept the mail."), is_final=False)
        case OSError():  # the name does not resolve, no route, TLS that fails in the middle, …
            return MailFailed(mark("The mail server cannot be reached."), is_final=False)
        case _:
            raise error
