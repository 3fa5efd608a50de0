"""Why a host does not begin on a computer, and by what a computer is known to be managed already.

A `Refusal`'s value is what travels to the relay (docs/protocol.md §13) and stands in the session's funnel as
``refused_VALUE``; the sentences are the host's (`host.texts`) and the console's own. A *trait* is how managed
host software is recognised: a service, a file or folder of programs, a key of the Windows registry. Traits
come from the relay's operator and are as untrusted at the host as everything from there: a computer tells by
its refusal whether it has one, so only places where programs are installed can be named.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

MAX_TRAITS: Final = 64
MAX_TRAIT_CHARACTERS: Final = 160

TraitKind = Literal["service", "file", "registry"]

_GRAMMAR: Final[dict[TraitKind, re.Pattern[str]]] = {
    # A name, perhaps with a star at its end: some products add the number of an installation to theirs.
    "service": re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@()-]{2,98}\*?"),
    "file": re.compile(
        r"/(?:opt|usr/bin|usr/lib|usr/local|usr/sbin|usr/share)(?:/[A-Za-z0-9._@+ -]+)+"
        r"|%Program(?:Files|Files\(x86\)|Data)%(?:\\[A-Za-z0-9._@+() -]+)+"
    ),
    "registry": re.compile(r"HKLM\\SOFTWARE(?:\\[A-Za-z0-9._@+() -]+)+"),
}


class Refusal(Enum):
    """Why a host does not begin. Values are the words on the wire."""

    MANAGED_HOST = "managed_host"
    OTHER_HOST = "other_host"
    NO_RIGHTS = "no_rights"
    OLD_SYSTEM = "old_system"
    DEAD_LINK = "dead_link"
    CLOCK = "clock"
    WRONG_RELAY = "wrong_relay"
    NO_DISPLAY = "no_display"
    CANNOT_INSTALL = "cannot_install"

    @property
    def step(self) -> str:
        """The step of the funnel that tells of it."""
        return f"refused_{self.value}"


@dataclass(frozen=True, slots=True)
class Trait:
    """By what managed host software is recognised.

    Attributes:
        kind: what `name` names.
        name: a service, perhaps with a star at its end; a path; a key of the registry.
    """

    kind: TraitKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def parse_trait(text: str) -> Trait:
    """Reads ``service:NAME``, ``file:PATH`` or ``registry:KEY`` from anywhere.

    Raises:
        ValueError: it is none, or names something else than installed programs.
    """
    kind, _, name = text.partition(":")
    for known, grammar in _GRAMMAR.items():
        if kind == known and len(text) <= MAX_TRAIT_CHARACTERS and grammar.fullmatch(name):
            if not {".", ".."}.isdisjoint(re.split(r"[/\\]", name)):
                break
            return Trait(known, name)
    raise ValueError(
        "must be service:NAME, file:PATH below /opt, /usr or %ProgramFiles%, or registry:HKLM\\SOFTWARE\\KEY"
    )


def parse_traits(texts: Iterable[str]) -> tuple[Trait, ...]:
    """Reads a list of traits.

    Raises:
        ValueError: one is malformed, or there are more than `MAX_TRAITS`.
    """
    traits = tuple(map(parse_trait, texts))
    if len(traits) > MAX_TRAITS:
        raise ValueError(f"must be at most {MAX_TRAITS}")
    return traits
