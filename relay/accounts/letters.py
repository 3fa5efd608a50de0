"""What this room asks to be mailed, and of whom: it knows neither mail servers nor templates."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from relay.people import Company
from relay.texts import mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A mail with a one-time link for one of a company's people.

    Attributes:
        kind: what the link does.
        company: whose brand the mail bears.
        to: the person's address.
        name: what the person is called; one line of printable text.
        language: one of `relay.texts.LANGUAGES`.
        link: a secret.
        inviter: the name of who sends an invitation; empty for a new password.
        expires_at: when the link is dead, and the mail of no use.
        is_by_relay: must go by the relay's own mail server. The company's managers choose the company's
            server, and could read there what lets somebody in who may do more than they.
    """

    kind: Literal["invitation", "reset"]
    company: Company
    to: str
    name: str
    language: str
    link: str = field(repr=False)
    inviter: str = ""
    expires_at: datetime
    is_by_relay: bool


@dataclass(frozen=True, slots=True)
class Posted:
    """What became of a letter.

    Attributes:
        state: ``waiting`` for another try, ``sent``, ``outbox`` (kept in the relay's folder), or ``failed``.
        detail: one sentence for a person, English source text; may be empty.
    """

    state: Literal["waiting", "sent", "outbox", "failed"]
    detail: str


class Post(Protocol):
    """Who carries letters."""

    async def put(self, letter: Letter) -> Posted:
        """Takes a letter over. Returns within seconds; a delivery that fails is an answer, no error.

        Raises:
            RelayError: it could not even be stored.
        """


class NoPost:
    """Carries nothing: for programs that send no mail."""

    async def put(self, letter: Letter) -> Posted:
        """Says so."""
        return Posted("failed", mark("This relay sends no mail."))
