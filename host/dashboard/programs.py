"""Asking the system's own programs (systemctl, dpkg-query …). No shell sees what a viewer says."""

import json
import os
import subprocess
from collections.abc import Sequence
from typing import Any, Final

TIMEOUT: Final = 20.0
MAX_OUTPUT: Final = 16 * 1024 * 1024

_ENVIRONMENT: Final = {"LC_ALL": "C.UTF-8", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}


class ProgramUnavailable(Exception):
    """The program is not there, fails, or does not answer in time; `str(error)` is its own last words."""


def run(arguments: Sequence[str], *, accept_failure: bool = False) -> str:
    """What a program prints. Blocks for at most 20 seconds.

    Raises:
        ProgramUnavailable: see there.
    """
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program; untrusted words are checked, and never options
            arguments,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            env=plain_environment(),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise ProgramUnavailable(f"{arguments[0]} is not available.") from exc
    if done.returncode and not accept_failure:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise ProgramUnavailable(words[-1][:300] if words else f"{arguments[0]} failed.")
    return done.stdout[:MAX_OUTPUT].decode(errors="replace")


def run_json(arguments: Sequence[str], *, accept_failure: bool = False) -> Any:
    """What a program prints, as JSON.

    Raises:
        ProgramUnavailable: it is not available, or prints something else.
    """
    try:
        return json.loads(run(arguments, accept_failure=accept_failure) or "null")
    except ValueError as exc:
        raise ProgramUnavailable(f"{arguments[0]} does not print what it should.") from exc


def plain_environment() -> dict[str, str]:
    """This program's environment, with plain English output."""
    return {**os.environ, **_ENVIRONMENT}
