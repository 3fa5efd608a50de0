"""Real SMTP servers to hand a message to, and what is made of everything that they do instead."""

import socket
import ssl
import stat
import threading
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default
from pathlib import Path
from typing import Any

import pytest
import trio

from relay.destinations import FORBIDDEN
from relay.mail import Carrier, MailFailed, MailServer
from tests.helpers.certificates import Certificate, make_certificate
from tests.helpers.mail_servers import Receiver, scripted_server, smtp_server

GREETING = (b"220 hello\r\n", b"250 fine\r\n")
FAREWELL = (b"250 forgotten\r\n", b"221 bye\r\n")
UP_TO_DATA = (*GREETING, b"250 sender\r\n", b"250 recipient\r\n", b"354 go on\r\n")


def message(to: str = "ana@example.com") -> EmailMessage:
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"] = "relay@help.example", to, "Héllo"
    made.set_content("Text")
    return made


def server(port: int, **options: Any) -> MailServer:
    values: dict[str, Any] = {"host": "127.0.0.1", "port": port, "security": "none"}
    return MailServer(**values | options)


def carrier(
    folder: Path, *, tls: ssl.SSLContext | None = None, allows_private: bool = True, timeout: float = 5
) -> Carrier:
    return Carrier(outbox=folder / "outbox", timeout=timeout, allows_private=allows_private, tls=tls)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


async def test_without_a_server_mail_is_kept_for_the_owner_only(tmp_path: Path) -> None:
    assert await carrier(tmp_path).carry(message, None) == "outbox"
    outbox = tmp_path / "outbox"
    (file,) = outbox.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(outbox.stat().st_mode) == 0o700
    assert file.suffix == ".eml"
    assert message_from_bytes(file.read_bytes(), policy=default)["Subject"] == "Héllo"


async def test_an_outbox_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("in the way")
    with pytest.raises(MailFailed, match="outbox folder") as caught:
        await carrier(tmp_path).carry(message, None)
    assert not caught.value.is_final


@pytest.mark.sockets
async def test_plain_smtp_takes_the_mail(tmp_path: Path) -> None:
    receiver = Receiver()
    with smtp_server(receiver) as port:
        assert await carrier(tmp_path).carry(message, server(port)) == "sent"
    (envelope,) = receiver.envelopes
    assert envelope.mail_from == "relay@help.example"
    assert envelope.rcpt_tos == ["ana@example.com"]
    assert receiver.messages[0]["Subject"] == "Héllo"
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - a test's own empty folder


@pytest.mark.sockets
async def test_starttls_and_authentication(tmp_path: Path, certificate: Certificate) -> None:
    receiver = Receiver()
    options: dict[str, Any] = {
        "tls_context": certificate.server_context(),
        "require_starttls": True,
        "authenticator": receiver.authenticate,
        "auth_required": True,
    }
    with smtp_server(receiver, **options) as port:
        wanted = server(port, security="starttls", user="me", password="right")
        assert await carrier(tmp_path, tls=certificate.client_context()).carry(message, wanted) == "sent"
    assert receiver.was_encrypted == [True]
    assert receiver.users == ["me"]


@pytest.mark.sockets
async def test_tls_from_the_first_byte(tmp_path: Path, certificate: Certificate) -> None:
    receiver = Receiver()
    with smtp_server(receiver, ssl_context=certificate.server_context()) as port:
        wanted = server(port, security="tls")
        assert await carrier(tmp_path, tls=certificate.client_context()).carry(message, wanted) == "sent"
    assert len(receiver.envelopes) == 1


@pytest.mark.sockets
@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_certificate_nobody_vouches_for_is_refused(
    tmp_path: Path, certificate: Certificate, security: str
) -> None:
    receiver = Receiver()
    kind = "tls_context" if security == "starttls" else "ssl_context"
    options: dict[str, Any] = {kind: certificate.server_context()}
    with smtp_server(receiver, **options) as port, pytest.raises(MailFailed, match="cannot be") as caught:
        await carrier(tmp_path).carry(message, server(port, security=security))
    assert str(caught.value) == "The mail server's certificate cannot be trusted."
    assert caught.value.is_final
    assert receiver.envelopes == []


@pytest.mark.sockets
async def test_a_server_without_starttls_gets_nothing(tmp_path: Path) -> None:
    receiver = Receiver()
    with smtp_server(receiver) as port, pytest.raises(MailFailed, match="does not offer") as caught:
        await carrier(tmp_path).carry(message, server(port, security="starttls"))
    assert caught.value.is_final
    assert receiver.envelopes == []


@pytest.mark.slow  # aiosmtpd makes whoever guesses wait
@pytest.mark.sockets
async def test_a_wrong_password_is_a_sentence(tmp_path: Path, certificate: Certificate) -> None:
    receiver = Receiver()
    options: dict[str, Any] = {
        "tls_context": certificate.server_context(),
        "authenticator": receiver.authenticate,
    }
    wrong = {"security": "starttls", "user": "me", "password": "wrong"}
    with smtp_server(receiver, **options) as port, pytest.raises(MailFailed, match="user or pass") as caught:
        await carrier(tmp_path, tls=certificate.client_context()).carry(message, server(port, **wrong))
    assert caught.value.is_final


@pytest.mark.sockets
async def test_a_refused_recipient_is_a_sentence_that_quotes_nobody(tmp_path: Path) -> None:
    with smtp_server(Receiver()) as port, pytest.raises(MailFailed) as caught:
        await carrier(tmp_path).carry(lambda: message("ana@refused.example"), server(port))
    assert str(caught.value) == "The mail server refused the recipient's address."
    assert caught.value.is_final


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("answer", "is_final"), [("451 try later", False), ("554 no", True), ("552 too large: hunter2", True)]
)
async def test_a_code_decides_whether_it_is_tried_again(tmp_path: Path, answer: str, is_final: bool) -> None:
    with smtp_server(Receiver(answer)) as port, pytest.raises(MailFailed) as caught:
        await carrier(tmp_path).carry(message, server(port))
    assert str(caught.value) == "The mail server did not accept the mail."
    assert caught.value.is_final == is_final


@pytest.mark.sockets
@pytest.mark.parametrize(
    ("replies", "sentence", "is_final"),
    [
        ((b"554 not you\r\n",), "did not accept", True),
        ((b"421 too busy\r\n",), "did not accept", False),
        ((*GREETING, b"250 ok\r\n", b"450 busy\r\n", *FAREWELL), "recipient's address", False),
        ((*GREETING, b"550 not from there\r\n", *FAREWELL), "did not accept", True),
        ((b"",), "cannot be reached", False),
        ((*UP_TO_DATA, b""), "cannot be reached", False),
        ((b"\xff\x00nonsense\r\n",), "did not accept|cannot be reached", False),
    ],
)
async def test_whatever_a_server_says_is_a_sentence(
    tmp_path: Path, replies: tuple[bytes, ...], sentence: str, is_final: bool
) -> None:
    async with scripted_server(*replies) as script:
        with pytest.raises(MailFailed, match=sentence) as caught:
            await carrier(tmp_path).carry(message, server(script.port))
    assert caught.value.is_final == is_final


@pytest.mark.sockets
@pytest.mark.parametrize("replies", [(), GREETING, UP_TO_DATA], ids=["silent", "after hello", "after data"])
async def test_a_server_that_hangs_is_left(tmp_path: Path, replies: tuple[bytes, ...]) -> None:
    async with scripted_server(*replies) as script:
        with pytest.raises(MailFailed, match="did not answer in time") as caught:
            await carrier(tmp_path, timeout=0.2).carry(message, server(script.port))
        with trio.fail_after(5):
            await script.is_left.wait()
    assert not caught.value.is_final


@pytest.mark.slow
@pytest.mark.sockets
async def test_a_server_that_trickles_is_left_when_the_whole_takes_too_long(tmp_path: Path) -> None:
    async def trickle(stream: trio.SocketStream) -> None:
        with trio.move_on_after(20):
            try:
                while True:
                    await stream.send_all(b"220-welcome\r\n")
                    await trio.sleep(0.1)
            except trio.BrokenResourceError:
                left.set()

    left = trio.Event()
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, trickle, [listener])
        with pytest.raises(MailFailed, match="in time"):
            await carrier(tmp_path, timeout=0.3).carry(message, server(listener.socket.getsockname()[1]))
        with trio.fail_after(5):
            await left.wait()
        nursery.cancel_scope.cancel()


@pytest.mark.sockets
async def test_a_server_that_talks_without_end_is_left(tmp_path: Path) -> None:
    flood = b"".join(b"220-%d\r\n" % number for number in range(20_000))
    async with scripted_server(flood, b"") as script:
        with pytest.raises(MailFailed, match="cannot be reached"):
            await carrier(tmp_path).carry(message, server(script.port))
        with trio.fail_after(5):
            await script.is_left.wait()


@pytest.mark.sockets
async def test_cancelling_leaves_the_server(tmp_path: Path) -> None:
    async with scripted_server(*GREETING) as script:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(carrier(tmp_path).carry, message, server(script.port))
                await script.visited.wait()
                scope.cancel()
        with trio.fail_after(5):
            await script.is_left.wait()


@pytest.mark.sockets
async def test_cancelling_while_the_connection_is_made_leaves_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_cancelled = threading.Event()
    connect = socket.create_connection

    def connect_slowly(*arguments: Any) -> socket.socket:
        connected = connect(*arguments)
        assert is_cancelled.wait(10)  # the server has it; whoever asked for it does not yet
        return connected

    monkeypatch.setattr(socket, "create_connection", connect_slowly)
    async with scripted_server(*GREETING) as script:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(carrier(tmp_path).carry, message, server(script.port))
                await script.visited.wait()
                scope.cancel()
        is_cancelled.set()
        with trio.fail_after(5):
            await script.is_left.wait()


@pytest.mark.sockets
async def test_a_server_that_is_down_is_a_sentence(tmp_path: Path) -> None:
    with smtp_server(Receiver()) as port:
        pass
    with pytest.raises(MailFailed, match="cannot be reached") as caught:
        await carrier(tmp_path).carry(message, server(port))
    assert not caught.value.is_final


async def test_a_name_that_does_not_resolve_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(*arguments: object, **keywords: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with pytest.raises(MailFailed, match="cannot be reached"):
        await carrier(tmp_path).carry(message, server(25, host="nobody.example"))


@pytest.mark.sockets
async def test_a_companys_server_is_not_looked_for_in_private_networks(tmp_path: Path) -> None:
    async with scripted_server(b"220 secret service\r\n") as script:
        strict = carrier(tmp_path, allows_private=False)
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(MailFailed) as caught:
                await strict.carry(message, server(script.port, host=host))
            assert str(caught.value) == FORBIDDEN
            assert caught.value.is_final
        assert script.visits == 0


@pytest.mark.sockets
async def test_the_relays_own_server_may_be_anywhere(tmp_path: Path) -> None:
    receiver = Receiver()
    with smtp_server(receiver) as port:
        own = server(port, is_of_relay=True)
        assert await carrier(tmp_path, allows_private=False).carry(message, own) == "sent"


@pytest.mark.sockets
async def test_the_connection_goes_to_the_address_that_was_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that answers with a public address first and with a private one then gains nothing."""
    asked: list[str] = []
    dialled: list[tuple[str, int]] = []

    def resolver(host: str, *arguments: object, **keywords: object) -> list[tuple[Any, ...]]:
        asked.append(host)
        address = "198.51.100.7" if len(asked) > 1 else "93.184.216.34"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 25))]

    def dial(address: tuple[str, int], timeout: float) -> socket.socket:
        dialled.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    monkeypatch.setattr(socket, "create_connection", dial)
    with pytest.raises(MailFailed, match="cannot be reached"):
        await carrier(tmp_path, allows_private=False).carry(message, server(25, host="rebind.example"))
    assert asked == ["rebind.example"]
    assert dialled == [("93.184.216.34", 25)]


def test_password_is_hidden_from_repr() -> None:
    assert "hunter2" not in repr(server(25, user="me", password="hunter2"))
