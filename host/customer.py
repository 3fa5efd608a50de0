"""What the host says to, and hears from, the person at the computer: window and terminal both do this."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # the single file's bootstrap needs this module before it has unpacked msgpack
    from host.brand import Brand
    from host.consent import Consent, Duration
    from relay.protocol.claims import PairClaims

MAX_SHOWN_CHARACTERS = 80
_INVISIBLE_FORMATS = frozenset(
    "\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2060"
    "\u2066\u2067\u2068\u2069\ufeff"
)


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for access, as the relay says (proven only by the pairing). Clean for showing."""

    technician: str
    company: str
    phone: str


class Wish(Enum):
    """What the customer wants in an active session, besides ending it."""

    PAUSE = auto()
    RESUME = auto()
    CHANGE = auto()
    """To look at, and perhaps change, what technicians may do."""


class Customer(Protocol):
    """The person at the computer.

    Concurrency: called from the host's tasks; one `ask_…` at a time, and every call but the `ask_…`s, the
    `next_…`s and the `wait_…`s returns at once.
    """

    shows_brand: bool
    """Whether `show_brand` has anywhere to show it: only then is the relay asked for it."""

    async def ask_code(self, asker: Asker, sentence: str) -> str:
        """Ask for the security code; 9 digits. `sentence` says what was wrong with the last one, or "".

        Cancellation: what was typed so far stays in the field for the next call.
        """

    async def ask_allow(self, claims: "PairClaims") -> "Consent":
        """The code was right: show who is proven to ask, and ask whether they may, and to which files.

        Cancellation: the question is taken back.
        """

    async def ask_permission(self, kind: str, technician: str) -> "Duration":
        """Ask whether a technician may use a tool again, and for how long.

        Args:
            technician: a clean name.

        Returns:
            NEVER for a "no".

        Cancellation: the question is taken back.
        """

    async def ask_changes(self, choices: "Mapping[str, Duration]") -> "Mapping[str, Duration]":
        """Show what technicians may do, and let the customer change it.

        Returns:
            The choices as they are now; `choices` itself if nothing is to change.

        Cancellation: nothing is to change.
        """

    async def wait_refused(self, sentence: str) -> None:
        """Show what is about to happen, with a way to say no; return if the customer does.

        Cancellation: it is not shown any more; the time to say no is over.
        """

    async def next_wish(self) -> Wish:
        """What the customer wants next; only while the session is active."""

    async def wait_wants_to_end(self) -> None:
        """Return when the customer wants the session to end and the program to be removed."""

    async def wait_gone(self) -> None:
        """Return when something is asked and nobody is there who could answer, now or later."""

    async def next_chat_text(self) -> str:
        """What the customer writes to the technicians next; only while the session is active."""

    async def wait_dismissed(self) -> None:
        """After `show_removed`: return when the customer has had the time to read it."""

    def ask_to_end(self) -> None:
        """The customer wants to end, as was learned in another way (Ctrl+C)."""

    def show_brand(self, brand: "Brand") -> None:
        """Whose technicians these are, as the relay says; where `shows_brand` is true."""

    def show_connecting(self) -> None:
        """The relay is being dialled for the first time."""

    def show_waiting_for_technician(self) -> None:
        """A code was typed, the technician's page is not there yet; or it is being checked."""

    def show_new_code_needed(self) -> None:
        """Too many wrong tries; the technician must read out a new code."""

    def show_active(self, seconds_left: float) -> None:
        """The session is active."""

    def show_viewers(self, viewers: Mapping[str, Sequence[str]]) -> None:
        """Who is connected now: clean names, each with the kinds of channels they use; empty for nobody."""

    def show_paused(self, is_paused: bool) -> None:
        """Whether the customer has paused the session."""

    def show_chat(self, author: str, text: str, *, is_new: bool = True) -> None:
        """A line of the chat: plain text, nothing to click.

        Args:
            author: "" for the customer.
            text: clean, of any number of lines.
            is_new: said just now; a technician's then calls the customer.
        """

    def open_chat(self) -> None:
        """A technician wants to talk: bring the chat before the customer, also from a minimised window."""

    def show_trouble(self, sentence: str) -> None:
        """The relay cannot be reached; the program keeps trying."""

    def show_online(self) -> None:
        """The trouble, if there was any, is over."""

    def show_gone(self, sentence: str) -> None:
        """This program ends without the session's end; why."""

    def show_removed(self, sentence: str, left: Sequence[str]) -> None:
        """The session is over and the program was removed, but for what is named in `left`."""


def clean(text: str, max_characters: int = MAX_SHOWN_CHARACTERS) -> str:
    """Foreign text as it may be shown: one line, no control, bidi or invisible characters, capped."""
    shown = "".join(
        " " if character.isspace() else character
        for character in text
        if (character.isprintable() or character.isspace()) and character not in _INVISIBLE_FORMATS
    )
    shown = " ".join(shown.split())
    return shown if len(shown) <= max_characters else shown[: max_characters - 1] + "…"
