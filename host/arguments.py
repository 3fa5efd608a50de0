"""The host's command line, read by the single file's bootstrap before anything is unpacked: stdlib only."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from host.last_words import complain
from host.layout import is_session_folder
from host.link_question import ask_link, own_file, read_line, read_own_link
from host.texts import Texts
from relay.protocol.links import DeploymentLink, LinkError, parse_deployment_link

PROGRAM_NAME = "adhoc-host"

Ask = Callable[..., DeploymentLink | None]


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
        complain(self.prog, message)
        self.exit(2)


def parse_arguments(
    arguments: Sequence[str], stdin: int = 0, *, file: Path | None = None, ask: Ask = ask_link
) -> Arguments:
    """Read the command line; where it has no link, the link in this program's own file, or the customer's.

    Args:
        arguments: without the program's name.
        stdin: descriptor from which the link is read if it is given as ``-``: its first line, and no more.
        file: this program's own; None: find out.
        ask: see `host.link_question.ask_link`.

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
    if given.link is not None and given.resume is not None:
        parser.error("please give the whole deployment link, in quotes.")
    if given.resume is not None and not is_session_folder(given.resume):
        parser.error("there is no temporary support session of this name.")
    link = None
    try:
        if given.link is not None:
            link = parse_deployment_link(read_line(stdin) if given.link == "-" else given.link)
        elif given.resume is None:
            own = file or own_file()
            link = None if own is None else read_own_link(own)
    except LinkError as exc:
        parser.error(str(exc))
    if link is None and given.resume is None:
        texts = Texts.of_environment()
        link = ask(texts, stdin=stdin, is_terminal=given.terminal, display=given.display)
        if link is None:
            parser.error("please give the whole deployment link, in quotes.")
    return Arguments(
        link=link,
        resume=given.resume,
        is_terminal=given.terminal,
        display=given.display,
        data_home=given.data_home,
    )
