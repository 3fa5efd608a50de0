"""The mails that the relay writes: a class for each kind, with what only that mail knows.

A mail waits encrypted in the store, maybe through a restart: `encode` and `decode` are its form there. The
company's brand and mail server are not part of it; they are those of the moment at which it is sent.

Nobody can smuggle a header in: every text is one line, whoever made it, and an address is checked again.
"""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal

from pydantic import TypeAdapter

from relay.addresses import parse_address
from relay.texts import LANGUAGES, mark

Removal = Literal["none", "pending", "all_but_last", "confirmed"]


def check_line(name: str, value: str) -> None:
    """Lets one line of text through.

    Raises:
        ValueError: it has a line break, another control character or half a character in it.
    """
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in value):
        raise ValueError(f"{name} must be one line of text")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What all mails have.

    Attributes:
        kind: its name in the store, in templates' names and in the audit log.
        subject: English source text, filled in with the mail's own fields and ``company``.
        to: one address, as `relay.addresses.parse_address` gives it.
        language: one of `relay.texts.LANGUAGES`.

    Raises:
        ValueError: a field is not one line of text, an address is none, or the language is unknown.
    """

    kind: ClassVar[str]
    subject: ClassVar[str]

    to: str
    language: str

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            for text in value if isinstance(value, tuple) else (value,):
                if isinstance(text, str):
                    check_line(each.name, text)
        if self.language not in LANGUAGES:
            raise ValueError("language is unknown")
        parse_address(self.to)

    @property
    def answers_to(self) -> tuple[str, str] | None:
        """Name and address of who gets the answer, if not whoever sent it."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentMail(Mail):
    """Brings a customer the deployment link.

    Attributes:
        technician: the name of who will help.
        reply_to: that technician's address.
        link: the whole deployment link, with its secrets.
    """

    kind: ClassVar[str] = "deployment"
    subject: ClassVar[str] = mark("{company}: help with your computer")

    technician: str
    reply_to: str
    link: str = field(repr=False)

    def __post_init__(self) -> None:
        Mail.__post_init__(self)
        parse_address(self.reply_to)

    @property
    def answers_to(self) -> tuple[str, str] | None:
        """The technician."""
        return self.technician, self.reply_to


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationMail(Mail):
    """Invites somebody to work for a company.

    Attributes:
        name: theirs.
        inviter: the name of who invites them; may be empty.
        link: where they choose a password; a secret.
    """

    kind: ClassVar[str] = "invitation"
    subject: ClassVar[str] = mark("{company}: your account for remote support")

    name: str
    inviter: str = ""
    link: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetMail(Mail):
    """Lets somebody choose a new password.

    Attributes:
        name: theirs.
        link: where they do that; a secret.
    """

    kind: ClassVar[str] = "reset"
    subject: ClassVar[str] = mark("{company}: choose a new password")

    name: str
    link: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptUse:
    """A tool that was used.

    Attributes:
        technician: who used it.
        tool: a channel's name.
        can_act: False for who could only watch.
        began_at: when.
        seconds: for how long.
    """

    technician: str
    tool: str
    can_act: bool
    began_at: datetime
    seconds: float

    def __post_init__(self) -> None:
        check_line("technician", self.technician)
        check_line("tool", self.tool)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptMail(Mail):
    """Tells a customer what happened.

    Attributes:
        technicians: names of everybody who could connect.
        activated_at, ended_at: when.
        end_sentence: why it ended, English source text.
        removal: whether the host has confirmed that it removed itself.
        uses: in the order in which they began.
        acts: what was done to the computer (`relay.audit.receipts.ACTS`), and how often.
    """

    kind: ClassVar[str] = "receipt"
    subject: ClassVar[str] = mark("{company}: what was done on your computer")

    technicians: tuple[str, ...]
    activated_at: datetime
    ended_at: datetime
    end_sentence: str
    removal: Removal
    uses: tuple[ReceiptUse, ...]
    acts: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TestMail(Mail):
    """Shows that mail arrives.

    Attributes:
        name: of who asked for it.
    """

    __test__: ClassVar[bool] = False  # pytest takes classes called Test… for its own

    kind: ClassVar[str] = "test"
    subject: ClassVar[str] = mark("{company}: a test of the mail server")

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookMail(Mail):
    """Tells an owner that a webhook was disabled.

    Attributes:
        name: of the owner.
        receiver: the host name in the webhook's URL.
    """

    kind: ClassVar[str] = "webhook"
    subject: ClassVar[str] = mark("{company}: a webhook was disabled")

    name: str
    receiver: str


KINDS: Final[Mapping[str, type[Mail]]] = MappingProxyType(
    {
        kind.kind: kind
        for kind in (DeploymentMail, InvitationMail, ResetMail, ReceiptMail, TestMail, WebhookMail)
    }
)

_ADAPTERS: Final[Mapping[str, TypeAdapter[Mail]]] = MappingProxyType(
    {name: TypeAdapter[Mail](kind) for name, kind in KINDS.items()}
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A mail as it waits.

    Attributes:
        mail: what it says.
        message_id: the Message-ID of every try, so that who gets two of them can tell.
        is_by_relay: goes by the relay's own mail server whatever the company has set.
    """

    mail: Mail
    message_id: str
    is_by_relay: bool


def encode(envelope: Envelope) -> bytes:
    """The form in which it is stored, in the clear: to be encrypted."""
    adapter = _ADAPTERS[envelope.mail.kind]
    content: dict[str, Any] = {
        "kind": envelope.mail.kind,
        "mail": adapter.dump_python(envelope.mail, mode="json"),
        "message_id": envelope.message_id,
        "is_by_relay": envelope.is_by_relay,
    }
    return json.dumps(content).encode()


def decode(content: bytes) -> Envelope:
    """What `encode` made.

    Raises:
        ValueError: something else made it, or another release.
    """
    try:
        values = json.loads(content)
        mail = _ADAPTERS[values["kind"]].validate_python(values["mail"])
        return Envelope(mail, str(values["message_id"]), bool(values["is_by_relay"]))
    except (KeyError, TypeError) as error:
        raise ValueError("This is no mail.") from error
