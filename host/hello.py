"""How the host introduces itself to the relay: what the computer is called, and the frame that says so."""

import getpass
import os
import platform
import sys
from dataclasses import dataclass
from typing import Final

from host.customer import clean
from host.state import HostState
from relay.protocol.frames import PROTOCOL_VERSION, Hello
from relay.protocol.lease import make_join_proof

if sys.platform == "win32":
    from host.windows.facts import system_name
    from host.windows.sessions import screen_session, user_name

PROGRAM: Final = "adhoc-host/0.1"
MAX_FACT_CHARACTERS: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputerFacts:
    """What the host tells about the computer: clean names of at most 128 characters."""

    computer: str
    os: str
    user: str


def learn_facts() -> ComputerFacts:
    """What this computer and its user are called."""
    if sys.platform == "win32":
        # The service's own name is nobody's.
        system, user = system_name(), user_name(screen_session())
    else:
        try:
            system = platform.freedesktop_os_release()["PRETTY_NAME"]
        except (OSError, KeyError):
            system = platform.system()
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # no name for this number
            user = str(os.getuid())
    names = (clean(name, MAX_FACT_CHARACTERS) for name in (platform.node(), system, user))
    computer, system, user = names
    return ComputerFacts(computer=computer, os=system, user=user)


def make_hello(state: HostState, facts: ComputerFacts) -> Hello:
    """The HELLO of a host (docs/protocol.md §3)."""
    secret = state.join_secret
    return Hello(
        PROTOCOL_VERSION,
        "host",
        secret,
        {
            "key": state.public_key,
            "computer": facts.computer,
            "os": facts.os,
            "user": facts.user,
            "program": PROGRAM,
            "proof": make_join_proof(secret, state.origin, state.private_key),
        },
    )
