"""What keeps a session from beginning on this computer, found before anything is put on it.

Each obstacle is one sentence for the customer and one word for the technician, which the relay is told as far
as it can be: one that cannot prove who it is is told nothing, so there the customer reads the word out.
What the relay answers here is untrusted. A relay out of reach is no obstacle: the program keeps trying.
Standard library only.
"""

import contextlib
import json
import os
import platform
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from host.layout import FOLDER_NAME, SYSTEM_UNITS
from host.managed import KNOWN, Computer, find_managed
from host.relay_http import Answer, ask
from host.texts import Texts
from relay.protocol.links import DeploymentLink, encode_base64url
from relay.protocol.refusals import Refusal, Trait, parse_traits

MAX_CLOCK_SKEW: Final = 300.0
"""Seconds; more, and certificates and times make no sense any more. The customer's page has it too."""
OLDEST_LIBC: Final = (2, 28)
"""What the packages need: glibc of 2018."""

_WRONG_TIME: Final = frozenset({9, 10})
"""X509_V_ERR_CERT_NOT_YET_VALID and …_HAS_EXPIRED (OpenSSL's x509_vfy.h)."""

Ask = Callable[[str, str, bytes | None], Answer]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why nothing begins here: a word for the technician, a sentence for the customer."""

    refusal: Refusal
    sentence: str


def find_obstacle_here(texts: Texts, units: Path = SYSTEM_UNITS) -> Obstacle | None:
    """What this computer lacks, whatever link it is for; or that it has another one already, for everybody.

    Args:
        texts: in the customer's language.
        units: where systemd keeps what the administrator has it start.
    """
    if not is_system_supported():
        return Obstacle(Refusal.OLD_SYSTEM, texts.get("old_system"))
    if not has_rights():
        return Obstacle(Refusal.NO_RIGHTS, texts.get("no_rights"))
    if sys.platform != "win32" and os.geteuid() != 0 and any(units.glob(f"{FOLDER_NAME}-*.service")):
        return Obstacle(Refusal.OTHER_HOST, texts.get("already_running"))
    return None


def find_obstacle_with(
    link: DeploymentLink, texts: Texts, *, computer: Computer | None = None, ask: Ask = ask
) -> Obstacle | None:
    """What keeps a new session from beginning with this link; takes a question to the relay.

    Args:
        link: the customer's.
        texts: in their language.
        computer: where managed host software is looked for; None: here.
        ask: see `host.relay_http.ask`.
    """
    traits: tuple[Trait, ...] = KNOWN
    try:
        answer = ask(link.origin, _path(link.invite, "start"), None)
    except ssl.SSLCertVerificationError as exc:
        if exc.verify_code in _WRONG_TIME:
            return Obstacle(Refusal.CLOCK, texts.get("clock_unsure"))
        return Obstacle(Refusal.WRONG_RELAY, texts.get("wrong_relay"))
    except OSError:
        pass
    else:
        if answer.status == 404 and _is_relays_word(answer):
            return Obstacle(Refusal.DEAD_LINK, texts.get("dead_link"))
        if answer.status == 200:
            with contextlib.suppress(ValueError, LookupError, TypeError, RecursionError):
                facts = json.loads(answer.body)
                if facts["state"] != "open":
                    return Obstacle(Refusal.DEAD_LINK, texts.get("dead_link"))
                skew = time.time() - datetime.fromisoformat(facts["now"]).timestamp()
                if is_clock_wrong(skew):
                    return Obstacle(Refusal.CLOCK, clock_sentence(texts, skew))
                traits = _read_traits(facts)
    found = find_managed(traits, computer)
    if found is None:
        return None
    return Obstacle(Refusal.MANAGED_HOST, texts.get("managed_host", name=found.name))


def report_refusal(origin: str, invite: bytes, refusal: Refusal, *, ask: Ask = ask) -> None:
    """Tell the relay why nothing begins here, if it can be told. Blocks for some seconds; raises nothing.

    A relay whose certificate is not trusted is told nothing: the connection fails before that.
    """
    with contextlib.suppress(OSError):
        ask(origin, _path(invite, "refused"), json.dumps({"code": refusal.value}).encode())


def is_clock_wrong(skew: float) -> bool:
    """Whether this computer's clock is too far from the relay's; `skew` in seconds, of either sign."""
    return abs(skew) > MAX_CLOCK_SKEW


def clock_sentence(texts: Texts, skew: float) -> str:
    """What is wrong with the clock, and what to do."""
    return texts.get("clock_ahead" if skew > 0 else "clock_behind", duration=texts.duration(abs(skew)))


def is_system_supported() -> bool:
    """Whether the program's packages run on this system at all."""
    if sys.platform == "win32":
        return sys.getwindowsversion() >= (10,)
    name, version = platform.libc_ver()
    if name != "glibc":  # another one: whoever built the program for it knows
        return sys.platform == "linux"
    numbers = version.split(".")
    with contextlib.suppress(ValueError):
        return tuple(map(int, numbers[:2])) >= OLDEST_LIBC
    return True


def has_rights() -> bool:
    """Whether the program may do what it must: on Windows that takes an administrator's rights."""
    if sys.platform == "win32":
        import ctypes

        return bool(ctypes.windll.shell32.IsUserAnAdmin())
    return True


def _path(invite: bytes, door: str) -> str:
    return f"/api/v1/links/{encode_base64url(invite)}/{door}"


def _is_relays_word(answer: Answer) -> bool:
    """Whether a relay's program answered (RFC 9457), and not a proxy before it that knows no such path."""
    with contextlib.suppress(ValueError, LookupError, TypeError, RecursionError):
        return bool(json.loads(answer.body)["status"] == answer.status)
    return False


def _read_traits(facts: dict[str, Any]) -> tuple[Trait, ...]:
    """Untrusted. Raises ValueError, LookupError, TypeError."""
    known = KNOWN if facts["known_managed"] is True else ()
    return (*known, *parse_traits([str(text) for text in facts["managed"]]))
