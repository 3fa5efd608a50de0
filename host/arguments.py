"""The host's command line, read by the single file's bootstrap before anything is unpacked: stdlib only."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from host.layout import is_session_folder
from relay.protocol.links import MAX_LINK_CHARACTERS, DeploymentLink, LinkError, parse_deployment_link

PROGRAM_NAME = "adhoc-host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arguments:
    """What was asked for.

    Attributes:
        link: the deployment link, unless
        resume: the session's folder whose host is to come back.
        is_terminal: talk in the terminal even where there is a display.
        display: the X display to offer; None: the one this program was started on.
        data_home: where to install; None: ``$XDG_DATA_HOME``.
    """

    link: DeploymentLink | None
    resume: Path | None
    is_terminal: bool
    display: str | None
    data_home: Path | None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def parse_arguments(arguments: Sequence[str], stdin: int = 0) -> Arguments:
    """Read the command line.

    Args:
        arguments: without the program's name.
        stdin: descriptor from which the link is read if it is given as ``-``: its first line, and no more.

    Raises:
        SystemExit: with code 2 and one line on standard error; with code 0 after ``--help``.
    """
    parser = _Parser(
        prog=PROGRAM_NAME,
        description="Lets a technician help with this computer, for one session, and then removes itself.",
        epilog="What is asked for afterwards, the security code, is read out by the technician.",
    )
    parser.add_argument(
        "link",
        metavar="LINK",
        nargs="?",
        help='the whole deployment link, in quotes; "-" reads it from the first line of standard input',
    )
    parser.add_argument("--terminal", action="store_true", help="no window: talk in this terminal")
    parser.add_argument("--display", metavar=":N", help="the X display to offer (default: $DISPLAY)")
    parser.add_argument(
        "--data-home", metavar="DIR", type=Path, help="where to install (default: $XDG_DATA_HOME)"
    )
    parser.add_argument("--resume", metavar="DIR", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if (given.link is None) == (given.resume is None):
        parser.error("please give the whole deployment link, in quotes.")
    if given.resume is not None and not is_session_folder(given.resume):
        parser.error("there is no temporary support session of this name.")
    link = None
    if given.link is not None:
        text = _read_line(stdin) if given.link == "-" else given.link
        try:
            link = parse_deployment_link(text)
        except LinkError as exc:
            parser.error(str(exc))
    return Arguments(
        link=link,
        resume=given.resume,
        is_terminal=given.terminal,
        display=given.display,
        data_home=given.data_home,
    )


def _read_line(descriptor: int) -> str:
    """One line, byte by byte: what follows belongs to the customer's answers."""
    line = b""
    while len(line) <= MAX_LINK_CHARACTERS and (byte := os.read(descriptor, 1)) not in (b"", b"\n"):
        line += byte
    return line.decode("utf-8", "replace")
