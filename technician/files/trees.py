"""Trees, here and on the host, as flat maps from relative paths: what get, put and synchronising start from.

The host is not trusted to be honest about its own tree: what it tells is bounded in number, depth and length
of names, and a name leads nowhere but one folder down (`technician.files.client.parse_entry`). Links are
never followed, so that there are no loops either.
"""

import os
import posixpath
import stat
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from technician.errors import TechnicianError
from technician.files.client import Entry, FilesClient, wire_name
from technician.files.sync_plan import Node, NodeKind
from technician.requests import RequestRefused

MAX_TREE_NODES: Final = 500_000
"""Some hundred megabytes here. A tree beyond that is better taken in parts."""
MAX_TREE_CHARACTERS: Final = 64 << 20
"""Of all paths together."""
MAX_DEPTH: Final = 100
MAX_PATH_CHARACTERS: Final = 4096
LISTS_AT_ONCE: Final = 16

Skip = Callable[[str, str], bool]
"""Whether something is left out: told the folder's relative path ("" for the top) and a name in it."""


class TreeTooLarge(TechnicianError):
    """A tree is larger or deeper than anything that is handled at once."""


@dataclass(slots=True)
class Tree:
    """What is below a folder.

    Attributes:
        nodes: by path relative to the top, with ``/``; a folder comes before what is in it.
        problems: folders that cannot be read, and why. What is in them is unknown.
        characters: of all paths together.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    characters: int = 0

    def take(self, path: str, node: Node) -> None:
        """Take one thing in.

        Raises:
            TreeTooLarge: there are too many.
        """
        self.characters += len(path)
        if len(self.nodes) >= MAX_TREE_NODES or self.characters > MAX_TREE_CHARACTERS:
            raise TreeTooLarge(f"There are more than {MAX_TREE_NODES:,} files and folders.")
        self.nodes[path] = node


def skip_nothing(folder: str, name: str) -> bool:
    """For whoever wants everything."""
    return False


async def remote_tree(client: FilesClient, top: str, *, skip: Skip = skip_nothing) -> Tree:
    """What is below the folder `top` of the host. Several folders are asked for at once.

    Raises:
        RequestRefused: `top` cannot be listed.
        TreeTooLarge: it has too many things, or goes too deep.
        StreamClosed: the connection broke, or the host sent what no folder is like.
    """
    tree = Tree()
    waiting = deque([""])
    while waiting:
        folders = [waiting.popleft() for _ in range(min(LISTS_AT_ONCE, len(waiting)))]
        asked = [
            ({"path": wire_name(posixpath.join(top, folder)), "hidden": True}, b"") for folder in folders
        ]
        numbers = await client.ask_all("list", asked)
        for number, folder in zip(numbers, folders, strict=True):
            try:
                async with aclosing(client.pages_of(number)) as entries:
                    async for entry in entries:
                        if skip(folder, entry.name):
                            continue
                        path = posixpath.join(folder, entry.name)
                        if path in tree.nodes:
                            raise client.broken("a name is there twice")
                        _check_depth(path)
                        tree.take(path, node_of(entry))
                        if entry.kind == "folder":
                            waiting.append(path)
            except RequestRefused as problem:
                if not folder:
                    raise
                tree.problems[folder] = str(problem)
    return tree


def node_of(entry: Entry) -> Node:
    """What is compared of a thing on the host."""
    modified = round(entry.modified.timestamp() * 1000)
    kind: NodeKind = entry.kind if entry.kind in ("file", "folder") else "other"
    return Node(kind=kind, size=entry.size, modified=modified, mode=entry.mode)


def local_tree(top: Path, *, skip: Skip = skip_nothing) -> Tree:
    """What is below a folder here. Blocks.

    Raises:
        TechnicianError: `top` cannot be listed; TreeTooLarge.
    """
    tree = Tree()
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        _check_depth(folder)
        try:
            with os.scandir(top / folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
            for entry in entries:
                if not skip(folder, entry.name):
                    path = posixpath.join(folder, entry.name)
                    node = local_node(entry.stat(follow_symlinks=False))
                    tree.take(path, node)
                    if node.kind == "folder":
                        waiting.append(path)
        except OSError as exc:
            if not folder:
                raise TechnicianError(f"{top} cannot be read: {exc.strerror}.") from exc
            tree.problems[folder] = f"It cannot be read: {exc.strerror}."
    return tree


def node_here(path: Path) -> Node | None:
    """What is there now, on this computer. Blocks.

    Raises:
        OSError: it cannot be looked at.
    """
    try:
        return local_node(path.stat(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return None


def local_node(found: os.stat_result) -> Node:
    """What is compared of a thing here."""
    kind: NodeKind = "other"
    if stat.S_ISREG(found.st_mode):
        kind = "file"
    elif stat.S_ISDIR(found.st_mode):
        kind = "folder"
    return Node(
        kind=kind,
        size=found.st_size if kind == "file" else 0,
        modified=found.st_mtime_ns // 1_000_000,
        mode=found.st_mode & 0o777,
    )


async def make_remote_folders(client: FilesClient, top: str, folders: Sequence[str]) -> dict[str, str]:
    """Make folders, those around others first; what is there already is fine.

    Returns:
        Of those that could not be made, why.
    """
    problems = {}
    for start in range(0, len(folders), LISTS_AT_ONCE * 4):
        some = folders[start : start + LISTS_AT_ONCE * 4]
        asked = [({"path": wire_name(posixpath.join(top, folder))}, b"") for folder in some]
        for number, folder in zip(await client.ask_all("make", asked), some, strict=True):
            try:
                await client.answer_to(number)
            except RequestRefused as problem:
                if problem.code != "exists":
                    problems[folder] = str(problem)
    return problems


def make_local_folders(top: Path, folders: Sequence[str]) -> dict[str, str]:
    """As `make_remote_folders`, here. Blocks."""
    problems = {}
    for folder in folders:
        try:
            (top / folder).mkdir(exist_ok=True)
        except OSError as exc:
            problems[folder] = f"It cannot be made: {exc.strerror}."
    return problems


def folders_of(nodes: Mapping[str, Node]) -> list[str]:
    """The folders among them, those around others first."""
    return [path for path, node in nodes.items() if node.kind == "folder"]


def can_be_local(path: str) -> bool:
    """Whether a relative path of the host means the same here (elsewhere, ``\\`` and ``:`` are special)."""
    return all(os.path.basename(name) == name and not os.path.splitdrive(name)[0] for name in path.split("/"))


def _check_depth(path: str) -> None:
    if path.count("/") >= MAX_DEPTH or len(path) > MAX_PATH_CHARACTERS:
        raise TreeTooLarge("The folders go too deep.")
