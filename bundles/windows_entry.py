"""The first code of the program for Windows, which runs ``pythonw start.py --self FILE [ARGUMENTS…]``.

FILE is the downloaded program, which waits for this one and then takes away the folder that this one runs
from. To the rest of the host this is a program that brings its Python along, like the executable for Linux:
`sys.frozen` is set, and `sys.executable` is the customer's file (the interpreter is in `sys.prefix`).
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from host.installation import Installation


def main() -> int:
    """Returns the exit code."""
    file, arguments = parse_self(sys.argv[1:])
    sys.frozen = True  # type: ignore[attr-defined]
    sys.executable = str(file)
    from host.bundled import run

    return run(file, arguments, leave_unpacked)


def parse_self(arguments: Sequence[str]) -> tuple[Path, list[str]]:
    """The downloaded program, and what the customer told it.

    Raises:
        SystemExit: this was not started by it.
    """
    if len(arguments) < 2 or arguments[0] != "--self":
        raise SystemExit("This is started by adhoc-host.exe.")
    return Path(arguments[1]), list(arguments[2:])


def leave_unpacked(installation: "Installation") -> None:
    """Nothing: the program that waits takes the folder away, and cannot before this one has ended."""


if __name__ == "__main__":
    sys.exit(main())
