"""The mail: what it says, that nobody can smuggle headers into it, and real SMTP servers to hand it to."""

import asyncio
import ssl
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import SecretStr

from relay.api.mail import DeploymentMail, Mailer, MailFailed, compose
from relay.config import SmtpServer
from tests.helpers.certificates import Certificate, make_certificate

LINK = "https://relay.example/d/AAECAwQFBgcICQoLDA0ODw#EBESExQVFhcYGRobHB0eHw.corr%C3%A9ct%20horse"
MAIL = DeploymentMail(
    to="ana@example.com",
    reply_to="alice@help.example",
    company="Help & Söhne",
    phone="+44 20 7946 0000",
    technician="Alice",
    language="en",
    link=LINK,
)


def parts_of(message: EmailMessage) -> tuple[str, str]:
    """Text and HTML, as a mail program shows them."""
    parsed = message_from_bytes(message.as_bytes(), policy=default)
    text, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
    assert text is not None
    assert html is not None
    return text.get_content(), html.get_content()


def composed(mail: DeploymentMail) -> EmailMessage:
    return compose(mail, sender="relay@help.example", now=datetime(2025, 1, 2, tzinfo=UTC))


def test_mail_says_who_helps_and_how_to_call_back() -> None:
    message = composed(MAIL)
    assert str(message["Subject"]) == "Help & Söhne: help with your computer"
    assert message["To"].addresses[0].addr_spec == "ana@example.com"
    assert message["From"].addresses[0].display_name == "Help & Söhne"
    assert message["Reply-To"].addresses[0].addr_spec == "alice@help.example"
    text, html = parts_of(message)
    assert "Alice of Help & Söhne would like to help you" in text
    assert "Call Help & Söhne yourself: +44 20 7946 0000" in text
    assert "well-known fraud" in text
    assert "Help &amp; Söhne" in html


def test_link_survives_the_mail_whole() -> None:
    text, html = parts_of(composed(MAIL))
    assert LINK in text.split()
    assert f'href="{LINK}"' in html


def test_mail_speaks_spanish() -> None:
    message = composed(replace(MAIL, language="es"))
    assert str(message["Subject"]) == "Help & Söhne: ayuda con su equipo"
    text, html = parts_of(message)
    assert "es una estafa muy conocida" in text
    assert 'lang="es"' in html


def test_without_a_phone_number_nothing_is_said_about_calling() -> None:
    text, html = parts_of(composed(replace(MAIL, phone="")))
    assert "yourself" not in text
    assert "yourself" not in html


def test_names_cannot_become_markup() -> None:
    _, html = parts_of(
        composed(replace(MAIL, company="<script>x</script>", technician="<b>A</b>", phone="<i>"))
    )
    assert "<script>" not in html
    assert "<b>" not in html
    assert "<i>" not in html


@pytest.mark.parametrize("field", ["to", "reply_to", "company", "phone", "technician", "language", "link"])
@pytest.mark.parametrize(
    "smuggled", ["x\r\nBcc: eve@example.com", "x\ny", "x\ry", "x\0", "x\u2028y", "x\x1b[2J"]
)
def test_no_field_takes_a_line_break(field: str, smuggled: str) -> None:
    with pytest.raises(ValueError, match=r"line of text|unknown"):
        replace(MAIL, **{field: smuggled})


def test_sender_takes_no_line_break() -> None:
    with pytest.raises(ValueError, match=r".+"):
        compose(MAIL, sender="relay@help.example\r\nBcc: eve@example.com", now=datetime.now(UTC))


def test_link_is_hidden_from_repr() -> None:
    assert "EBESExQV" not in repr(MAIL)


async def test_without_a_server_mail_is_kept_for_the_owner_only(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    mailer = Mailer(server=None, sender="relay@localhost", outbox=outbox, timeout=5)
    assert mailer.way == "outbox"
    assert await mailer.deliver(MAIL) == "outbox"
    (file,) = outbox.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(outbox.stat().st_mode) == 0o700
    assert file.suffix == ".eml"
    assert LINK in message_from_bytes(file.read_bytes(), policy=default).get_body().get_content()  # type: ignore[union-attr]


async def test_an_outbox_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("in the way")
    mailer = Mailer(server=None, sender="relay@localhost", outbox=tmp_path / "outbox", timeout=5)
    with pytest.raises(MailFailed, match="outbox folder"):
        await mailer.deliver(MAIL)


class Recorder:
    """What a server received; refuses recipients at ``refused.example``."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.users: list[str] = []
        self.was_encrypted: list[bool] = []

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.endswith("@refused.example"):
            return "550 no such customer with the password hunter2"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        self.was_encrypted.append(session.ssl is not None)
        return "250 OK"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        self.users.append(data.login.decode())
        return AuthResult(success=data.password == b"right")


class AnyPort(Controller):
    """aiosmtpd's controller greets the port it was given; given 0, it must learn the real one first."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd's


@contextmanager
def smtp_server(recorder: Recorder, **options: Any) -> Iterator[int]:
    """A real SMTP server on this machine; gives its port."""
    controller = AnyPort(recorder, hostname="127.0.0.1", port=0, **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def mailer_to(
    port: int,
    outbox: Path,
    *,
    security: str = "none",
    user: str = "",
    password: str = "",
    tls: ssl.SSLContext | None = None,
) -> Mailer:
    server = SmtpServer("127.0.0.1", port, security, user, SecretStr(password))  # type: ignore[arg-type]
    return Mailer(server=server, sender="relay@help.example", outbox=outbox, timeout=5, tls=tls)


@pytest.mark.sockets
async def test_plain_smtp_takes_the_mail(tmp_path: Path) -> None:
    recorder = Recorder()
    with smtp_server(recorder) as port:
        assert await mailer_to(port, tmp_path).deliver(MAIL) == "sent"
    (envelope,) = recorder.envelopes
    assert envelope.mail_from == "relay@help.example"
    assert envelope.rcpt_tos == ["ana@example.com"]
    assert isinstance(envelope.content, bytes)
    body = message_from_bytes(envelope.content, policy=default).get_body(("plain",))
    assert LINK in body.get_content()  # type: ignore[union-attr]
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - a test's own empty folder


@pytest.mark.sockets
async def test_starttls_and_authentication(tmp_path: Path, certificate: Certificate) -> None:
    recorder = Recorder()
    options = {
        "tls_context": certificate.server_context(),
        "require_starttls": True,
        "authenticator": recorder.authenticate,
        "auth_required": True,
    }
    with smtp_server(recorder, **options) as port:
        mailer = mailer_to(
            port, tmp_path, security="starttls", user="me", password="right", tls=certificate.client_context()
        )
        assert await mailer.deliver(MAIL) == "sent"
    assert recorder.was_encrypted == [True]
    assert recorder.users == ["me"]


@pytest.mark.sockets
async def test_a_certificate_nobody_vouches_for_is_refused(tmp_path: Path, certificate: Certificate) -> None:
    recorder = Recorder()
    options = {"tls_context": certificate.server_context()}
    with smtp_server(recorder, **options) as port, pytest.raises(MailFailed, match="cannot be trusted"):
        await mailer_to(port, tmp_path, security="starttls").deliver(MAIL)
    assert recorder.envelopes == []


@pytest.mark.sockets
async def test_a_server_without_starttls_gets_nothing(tmp_path: Path) -> None:
    recorder = Recorder()
    with smtp_server(recorder) as port, pytest.raises(MailFailed, match="does not offer"):
        await mailer_to(port, tmp_path, security="starttls").deliver(MAIL)
    assert recorder.envelopes == []


@pytest.mark.slow  # aiosmtpd makes whoever guesses wait
@pytest.mark.sockets
async def test_a_wrong_password_is_a_sentence(tmp_path: Path, certificate: Certificate) -> None:
    recorder = Recorder()
    options = {"tls_context": certificate.server_context(), "authenticator": recorder.authenticate}
    with smtp_server(recorder, **options) as port, pytest.raises(MailFailed, match="user or password"):
        await mailer_to(
            port, tmp_path, security="starttls", user="me", password="wrong", tls=certificate.client_context()
        ).deliver(MAIL)


@pytest.mark.sockets
async def test_a_refused_recipient_is_a_sentence_that_quotes_nobody(tmp_path: Path) -> None:
    recorder = Recorder()
    with smtp_server(recorder) as port, pytest.raises(MailFailed) as caught:
        await mailer_to(port, tmp_path).deliver(replace(MAIL, to="ana@refused.example"))
    assert str(caught.value) == "The mail server refused the customer's address."


@pytest.mark.sockets
async def test_a_server_that_is_down_is_a_sentence(tmp_path: Path) -> None:
    with smtp_server(Recorder()) as port:
        pass
    with pytest.raises(MailFailed, match="cannot be reached"):
        await mailer_to(port, tmp_path).deliver(MAIL)
