"""Before and after: what changed on this computer since the session's first connection.

The snapshot of the beginning is a file in the session's folder, so that it survives a reboot; it goes with
it.
"""

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgpack

from host.dashboard.system import facts, inventory, services
from host.own_files import OWN_FILE
from host.problems import RequestProblem

FILE_NAME: Final = "before"
MAX_CHANGES: Final = 1000
"""Of one kind that are told; `count` says how many there are."""

Snapshot = dict[str, dict[str, str]]
"""Kind of thing → its name → what is compared."""

_KINDS: Final[Mapping[str, Callable[[], dict[str, str]]]] = {
    "software": lambda: {each["name"]: each["version"] for each in inventory.software()},
    "services": lambda: {each["name"]: f"{each['state']}, {each['start']}" for each in services.services()},
    "startup": lambda: {each["path"]: each["command"] for each in inventory.startup()},
    "schedule": lambda: {
        f"{each['name']}: {each['command']}": each["schedule"] for each in inventory.schedule()
    },
    "ports": lambda: {
        f"{each['protocol']} {each['address']}:{each['port']}": each["program"] for each in inventory.ports()
    },
    "disks": lambda: {each["path"]: f"{each['used'] // 10**8 / 10:.1f} GB" for each in facts.disks()},
}


def take_snapshot() -> Snapshot:
    """How it is now; what cannot be read is not in it. Blocks for a second or two."""
    found: Snapshot = {}
    for kind, look in _KINDS.items():
        try:
            found[kind] = look()
        except RequestProblem:
            continue
    return found


class Baseline:
    """The first snapshot of a session.

    Args:
        path: of its file; None keeps it in memory.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._kept = self._load()

    @property
    def is_kept(self) -> bool:
        """True once there is a first snapshot."""
        return self._kept is not None

    def keep(self, snapshot: Snapshot) -> None:
        """Keep the first snapshot; later ones are not looked at.

        Raises:
            OSError: it cannot be written; it is kept in memory then.
        """
        if self._kept is None:
            self._kept = (int(time.time()), snapshot)
            self._save()

    def compare(self, after: Snapshot) -> dict[str, Any]:
        """What is different in `after`.

        Returns:
            `since` (seconds since 1970), and `kinds`: for each `count`, and up to 1 000 `changes` of name,
            before and after, of which one is None where the thing is new or has gone.

        Raises:
            RequestProblem: missing: there is no first snapshot yet.
        """
        if self._kept is None:
            raise RequestProblem("missing", "The first look at this computer is not done yet.")
        since, before = self._kept
        told: dict[str, Any] = {}
        for kind in before.keys() & after.keys():
            changes = [
                {"name": name, "before": before[kind].get(name), "after": after[kind].get(name)}
                for name in sorted(before[kind].keys() | after[kind].keys())
                if before[kind].get(name) != after[kind].get(name)
            ]
            told[kind] = {"count": len(changes), "changes": changes[:MAX_CHANGES]}
        return {"since": since, "kinds": told}

    def _load(self) -> tuple[int, Snapshot] | None:
        if self._path is None:
            return None
        try:
            since, snapshot = msgpack.unpackb(self._path.read_bytes())
        except (OSError, ValueError, TypeError):
            return None  # there is none, or a crash left half of one
        return since, snapshot

    def _save(self) -> None:
        if self._path is None:
            return
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | OWN_FILE, 0o600)
        with open(descriptor, "wb") as file:
            file.write(msgpack.packb(self._kept))
