"""A PostgreSQL server for tests, on a socket in a folder of its own, gone afterwards."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

UNPRIVILEGED = "postgres"
"""Whom the server runs as where tests run as root, which it refuses."""


def why_missing() -> str:
    """Why there can be no server here, in one sentence; empty if there can."""
    if find_spec("psycopg") is None:
        return "psycopg is not installed (the extra 'postgres')."
    if shutil.which("initdb") is None or shutil.which("pg_ctl") is None:
        return "PostgreSQL's initdb and pg_ctl are not on the PATH."
    return ""


@contextmanager
def open_postgres() -> Iterator[str]:
    """The URL of an empty database."""
    with TemporaryDirectory(prefix="pg", dir="/tmp") as name:  # short: a socket's path has 107 bytes at most
        folder = Path(name)
        data = folder / "data"
        if os.geteuid() == 0:
            shutil.chown(folder, UNPRIVILEGED)
        _run("initdb", "--pgdata", str(data), "--username", "adhoc", "--auth", "trust", "--encoding", "UTF8")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        _run("pg_ctl", "-D", str(data), "-l", str(folder / "log"), "-w", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://adhoc@/postgres?host={quote(name)}"
        finally:
            _run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")


def _run(*command: str) -> None:
    user = UNPRIVILEGED if os.geteuid() == 0 else None
    subprocess.run(
        command,
        user=user,
        cwd="/tmp",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )
