"""The list of everything that the host put on the computer, written before each thing is made.

The standard library only: the single file's bootstrap needs it before anything is unpacked.
"""

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from host.layout import MANIFEST_NAME, write_new
from host.own_files import sync_folder

if sys.platform == "win32":
    from host.windows.deletion import check_ours, open_file, opened_folder
else:
    from host.deletion import check_ours, open_file, opened_folder

MAX_MANIFEST_BYTES: Final = 4 * 1024 * 1024

Kind = Literal["file", "folder", "tree", "parts", "link", "registration", "windows service", "safe mode"]
Role = Literal[
    "state",
    "unfinished files",
    "packages",
    "download",
    "download folder",
    "receipt key",
    "program",
    "service link",
    "service",
    "service registration",
    "autostart entry",
    "safe mode",
    "surrounding folder",
]
Phase = Literal["open", "ending", "retrying", "finishing"]
"""Of an installation: in use; its removal has begun; that found something that it could not remove, and is
tried once more at the next start; or nothing is left but what runs now, which on Windows goes after that."""

ORDER: Final[tuple[Role, ...]] = (
    "state",
    "unfinished files",
    "packages",
    "download",
    "download folder",
    "safe mode",
)
"""Of removal: secrets first. What is not in here is last: it starts the program again, is around it, or lets
it say good-bye."""
LAST: Final[tuple[Role, ...]] = ("service link", "service", "service registration", "autostart entry")
"""What starts the program again, in the order of its removal."""

_ROLES: Final[frozenset[str]] = frozenset({*ORDER, *LAST, "receipt key", "program", "surrounding folder"})
_KINDS: Final = frozenset(
    {"file", "folder", "tree", "parts", "link", "registration", "windows service", "safe mode"}
)
_PHASES: Final = frozenset({"open", "ending", "retrying", "finishing"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing of the manifest.

    Attributes:
        role: what it is; also its name in the receipt.
        kind: a file; a folder, removed if it is empty; a folder with exactly `files` in it; a list of parts,
            which go with it; a link to `files[0]`; or what the service manager `files[0]` (``system`` or
            ``user``) knows of a unit; or a service of Windows, which has the
            path's last name; or what was changed to start that service in safe mode.
        path: absolute, without links at the time of writing.
        files: of a tree: relative paths with slashes.
        identity: device and inode, for a file that is replaced by others under the same name.
    """

    role: Role
    kind: Kind
    path: str
    files: tuple[str, ...] = ()
    identity: tuple[int, int] | None = None


def load_manifest(folder: Path) -> tuple[list[Entry], Phase]:
    """What the manifest in `folder` names, and how far its removal has come.

    Raises:
        OSError: there is none.
        ValueError, LookupError, TypeError: it is damaged.
    """
    with opened_folder(folder) as descriptor:
        manifest = json.loads(_read_file(MANIFEST_NAME, descriptor))
    if manifest["state"] not in _PHASES:
        raise ValueError("the manifest is in no state that there is")
    return [_read_entry(fields) for fields in manifest["entries"]], manifest["state"]


def save_manifest(folder: Path, entries: list[Entry], phase: Phase) -> None:
    """Replace the manifest in `folder` in one step, durably. Raises OSError."""
    data = json.dumps({"state": phase, "entries": [asdict(entry) for entry in entries]}).encode()
    new = folder / f"{MANIFEST_NAME}.new"
    new.unlink(missing_ok=True)
    write_new(new, data, 0o600)
    new.replace(folder / MANIFEST_NAME)
    sync_folder(folder)


def _read_file(name: str, folder: int) -> bytes:
    descriptor = open_file(name, folder)
    with open(descriptor, "rb") as file:
        check_ours(os.fstat(descriptor))
        return file.read(MAX_MANIFEST_BYTES)


def _read_entry(fields: dict[str, Any]) -> Entry:
    identity = fields["identity"]
    entry = Entry(
        role=fields["role"],
        kind=fields["kind"],
        path=str(fields["path"]),
        files=tuple(map(str, fields["files"])),
        identity=None if identity is None else (int(identity[0]), int(identity[1])),
    )
    if entry.role not in _ROLES or entry.kind not in _KINDS:
        raise ValueError("the manifest has a thing of an unknown kind")
    if not os.path.isabs(entry.path):
        raise ValueError("the manifest has a path of the wrong kind")
    if entry.kind in ("link", "registration"):
        if len(entry.files) != 1:
            raise ValueError("the manifest has a link to nowhere")
    elif any(map(os.path.isabs, entry.files)):
        raise ValueError("the manifest has a path of the wrong kind")
    if any(".." in Path(name).parts for name in (entry.path, *entry.files)):
        raise ValueError("the manifest leads outside")
    return entry
