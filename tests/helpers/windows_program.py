"""The program for Windows, saved and started in wine as a customer does it."""

import json
import os
import subprocess
from pathlib import Path
from typing import Final

from host.texts import Texts
from relay.protocol.link_blob import write_link
from tests.helpers.programs import Program
from tests.helpers.wine import Snapshot, Wine

TITLE: Final = Texts("en").get("title")
RUN_SECONDS: Final = 400.0
"""For unpacking everything, and what comes of it, on a busy computer."""


_WINES_OWN: Final = ("user.reg:[Console]", r"\\Microsoft\\SystemCertificates")
"""What wine writes down itself when its console or its certificates are used first."""


def save(wine: Wine, program: Path, link: str) -> Path:
    """What the customer's page saves, on drive C."""
    file = wine.drive / "adhoc-host.exe"
    data = bytearray(program.read_bytes())
    blob = json.loads(program.with_name(f"{program.name}.json").read_text())["blob"]
    region = slice(blob["offset"], blob["offset"] + blob["size"])
    data[region] = write_link(bytes(data[region]), link)
    file.write_bytes(data)
    return file


def start(wine: Wine, file: Path) -> int:
    """Double-click it; returns its exit code when it has handed over to the service."""
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(
        ["wine", str(file)], env=wine.environment, stdin=nowhere, stdout=nowhere, stderr=nowhere
    )
    try:
        return process.wait(RUN_SECONDS)
    finally:
        process.kill()
        process.wait()


def start_in_vain(wine: Wine, file: Path, *arguments: str) -> tuple[int, str]:
    """Start it; its exit code, and what was said in a window, which is closed."""
    with Program(["wine", str(file), *arguments], environment=wine.environment) as started:
        started.err.wait_for("adhoc-host: .*\n", within=RUN_SECONDS)
        _close_window(wine)
        code = started.wait_gone(RUN_SECONDS)
        return code, started.out.text + started.err.text


def _close_window(wine: Wine) -> None:
    """Press Return in the window that tells why nothing begins."""
    find = ["search", "--sync", "--onlyvisible", "--name", TITLE]
    subprocess.run(
        ["xdotool", *find, "windowfocus", "--sync", "%1", "key", "Return"],
        env={**os.environ, "DISPLAY": wine.desktop.name},
        check=True,
        timeout=RUN_SECONDS,
    )


def traces(before: Snapshot, wine: Wine) -> list[str]:
    """What is on the computer now and was not."""
    new = wine.snapshot() - before
    return sorted(name for name in new if not any(own in name for own in _WINES_OWN))


def temporary_files(wine: Wine) -> list[str]:
    """All that is in people's folders for that."""
    return sorted(str(path) for path in wine.drive.glob("users/*/Temp/*"))
