"""The mail that brings a customer the deployment link.

`compose` makes the message and `Mailer` gets rid of it: over SMTP where a server is configured, else as a
file in the outbox folder, which the technician is told about. The link carries the access password, so the
message is a secret: it is written with mode 0600, never logged, and an error's text never quotes the server.

Header injection has two doors here and both are shut: `DeploymentMail` refuses line breaks in every field,
and `EmailMessage` with the default policy refuses them in every header.
"""

import os
import secrets
import smtplib
import ssl
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import cache
from pathlib import Path
from typing import Literal, Protocol

import trio
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from relay.errors import RelayError
from relay.texts import LANGUAGES, mark, translate, translations

MailState = Literal["sent", "outbox", "failed", "none"]

MAX_MAILS_AT_ONCE = 4
"""Threads that may wait for the mail server at the same time; it is asked a few times a minute."""

MAX_STEPS = 3
"""The whole hand-over may take this many times the timeout of one step (connect, TLS, the message)."""

SUBJECT = mark("{company}: help with your computer")


class MailServer(Protocol):
    """What `Mailer` needs to know of a mail server; `relay.config.SmtpServer` is one."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def security(self) -> Literal["none", "starttls", "tls"]: ...
    @property
    def user(self) -> str: ...
    @property
    def password(self) -> "Hidden": ...


class Hidden(Protocol):
    """A text that does not print itself; pydantic's `SecretStr` is one."""

    def get_secret_value(self) -> str: ...


class MailFailed(RelayError):
    """The mail did not leave. `str(error)` is a sentence for the technician, in English (source text)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentMail:
    """Everything that the mail says.

    Attributes:
        to: the customer's address, as `relay.addresses.parse_address` gives it.
        reply_to: the technician's address, where an answer goes.
        company: its name, the brand of the mail.
        phone: where the customer can call back; may be empty.
        technician: the name of who will help.
        language: one of `relay.texts.LANGUAGES`.
        link: the whole deployment link, with its secrets.

    Raises:
        ValueError: a field has a line break or another control character in it, or the language is unknown.
    """

    to: str
    reply_to: str
    company: str
    phone: str
    technician: str
    language: str
    link: str = field(repr=False)

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value and not value.isprintable():
                raise ValueError(f"{each.name} must be one line of text")
        if self.language not in LANGUAGES:
            raise ValueError("language is unknown")


def compose(mail: DeploymentMail, *, sender: str, now: datetime) -> EmailMessage:
    """The message: headers, a plain text and the same as HTML.

    Args:
        mail: what it says.
        sender: the relay's own address.
        now: aware; becomes the Date header.

    Raises:
        ValueError: a header would have a line break in it.
    """
    subject = translate(mail.language, SUBJECT, company=mail.company)
    message = EmailMessage(policy=SMTP)
    message["Subject"] = subject
    message["From"] = Address(display_name=mail.company, addr_spec=sender)
    message["To"] = Address(addr_spec=mail.to)
    message["Reply-To"] = Address(display_name=mail.technician, addr_spec=mail.reply_to)
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{secrets.token_hex(16)}@{sender.rpartition('@')[2]}>"
    message["Content-Language"] = mail.language
    values = {each.name: getattr(mail, each.name) for each in fields(mail)} | {"subject": subject}
    templates = _templates(mail.language)
    message.set_content(templates.get_template("deployment.txt").render(values))
    message.add_alternative(templates.get_template("deployment.html").render(values), subtype="html")
    return message


@cache
def _templates(language: str) -> Environment:
    environment = Environment(
        loader=PackageLoader("relay.api"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        keep_trailing_newline=True,
    )
    # The i18n extension adds this method at run time; jinja2 has no type for it.
    environment.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]
    return environment


class Mailer:
    """Sends deployment mails, or keeps them in the outbox.

    Concurrency: `deliver` may be called by any number of tasks; at most `MAX_MAILS_AT_ONCE` threads work.

    Args:
        server: where mail is handed over; None keeps every mail in `outbox`.
        sender: the relay's own address.
        outbox: folder for mails that are kept; made with mode 0700 when needed.
        timeout: seconds for each step with the server.
        tls: how the server's certificate is checked; default: the system's authorities.
    """

    def __init__(
        self,
        *,
        server: MailServer | None,
        sender: str,
        outbox: Path,
        timeout: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._sender = sender
        self._outbox = outbox
        self._timeout = timeout
        self._tls = tls or ssl.create_default_context()
        self._limiter = trio.CapacityLimiter(MAX_MAILS_AT_ONCE)

    @property
    def way(self) -> Literal["smtp", "outbox"]:
        """Where mails go."""
        return "outbox" if self._server is None else "smtp"

    async def deliver(self, mail: DeploymentMail) -> Literal["sent", "outbox"]:
        """Hand `mail` to the server or put it into the outbox.

        Returns:
            "sent" once the server has taken responsibility for it, "outbox" once it is on the disk.

        Raises:
            MailFailed: neither happened; the message says why.

        Cancellation: the mail may or may not leave; the thread is abandoned to its timeouts.
        """
        with trio.move_on_after(self._timeout * MAX_STEPS):
            if self._server is None:
                await trio.to_thread.run_sync(self._keep, mail, limiter=self._limiter)
                return "outbox"
            await trio.to_thread.run_sync(
                self._send, self._server, mail, limiter=self._limiter, abandon_on_cancel=True
            )
            return "sent"
        raise MailFailed(mark("The mail server did not answer in time."))

    def _compose(self, mail: DeploymentMail) -> EmailMessage:
        """The message. In a thread, too: the first one compiles the templates."""
        return compose(mail, sender=self._sender, now=datetime.now(UTC))

    def _keep(self, mail: DeploymentMail) -> None:
        """Write the message into the outbox. Runs in a thread."""
        message = self._compose(mail)
        name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}.eml"
        try:
            self._outbox.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
            with os.fdopen(os.open(self._outbox / name, flags, 0o600), "wb") as file:
                file.write(message.as_bytes())
        except OSError as error:
            raise MailFailed(mark("The mail could not be written to the outbox folder.")) from error

    def _send(self, server: MailServer, mail: DeploymentMail) -> None:
        """Hand the message over. Runs in a thread."""
        message = self._compose(mail)
        try:
            with self._connect(server) as connection:
                if server.security == "starttls":
                    connection.starttls(context=self._tls)
                if server.user:
                    _sign_in(connection, server)
                connection.send_message(message)
        except smtplib.SMTPRecipientsRefused as error:
            raise MailFailed(mark("The mail server refused the customer's address.")) from error
        except smtplib.SMTPAuthenticationError as error:
            raise MailFailed(mark("The mail server refused the relay's user or password.")) from error
        except ssl.SSLError as error:
            raise MailFailed(mark("The mail server's certificate cannot be trusted.")) from error
        except smtplib.SMTPNotSupportedError as error:
            raise MailFailed(mark("The mail server does not offer what the settings ask for.")) from error
        except TimeoutError as error:
            raise MailFailed(mark("The mail server did not answer in time.")) from error
        except (smtplib.SMTPConnectError, smtplib.SMTPServerDisconnected, ConnectionError) as error:
            raise MailFailed(mark("The mail server cannot be reached.")) from error
        except smtplib.SMTPException as error:
            raise MailFailed(mark("The mail server did not accept the mail.")) from error
        except OSError as error:  # the name does not resolve, no route, …
            raise MailFailed(mark("The mail server cannot be reached.")) from error

    def _connect(self, server: MailServer) -> smtplib.SMTP:
        if server.security == "tls":
            return smtplib.SMTP_SSL(server.host, server.port, timeout=self._timeout, context=self._tls)
        return smtplib.SMTP(server.host, server.port, timeout=self._timeout)


def _sign_in(connection: smtplib.SMTP, server: MailServer) -> None:
    try:
        connection.login(server.user, server.password.get_secret_value())
    except smtplib.SMTPServerDisconnected as error:
        # smtplib tries one way after the other, and some servers hang up after the first that fails.
        raise smtplib.SMTPAuthenticationError(535, b"") from error
