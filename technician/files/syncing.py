"""Synchronising and replicating folders: look at both sides, plan (`sync_plan`), then do what was planned.

Nothing is lost: what is deleted or replaced, on either side, goes to ``.adhoc-undo/TIME/`` in the folder,
where it keeps its path. Right before each of these it is looked again: what is not as it was seen is left
alone, and told. What breaks off in the middle is finished by running it again. The undo folder itself and
parts of interrupted transfers are nobody's business and left out.
"""

import os
import posixpath
import secrets
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import trio

from technician.errors import TechnicianError
from technician.files.client import FilesClient, wire_name
from technician.files.jobs import JobList, digest_here
from technician.files.moving import Moving
from technician.files.parts import LocalProblem, is_part
from technician.files.sync_plan import (
    Action,
    Known,
    Node,
    Prefer,
    Side,
    is_same,
    known_after,
    mirror,
    two_way,
)
from technician.files.transfers import Job, Transferred
from technician.files.trees import (
    Tree,
    TreeTooLarge,
    can_be_local,
    local_tree,
    make_local_folders,
    make_remote_folders,
    node_here,
    node_of,
    remote_tree,
)
from technician.requests import RequestRefused

T = TypeVar("T")

UNDO_FOLDER: Final = ".adhoc-undo"
AT_ONCE: Final = 64
"""Requests that are sent before the first answer is read."""
_CHANGED: Final = "It was changed meanwhile; it is left alone."


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two folders: a path here, and one on the host."""

    local: Path
    remote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Both folders as they were when they were looked at.

    Attributes:
        missing: sides on which there is no such folder (yet).
        problems: folders that could not be read, by path, and why.
    """

    local: Mapping[str, Node]
    remote: Mapping[str, Node]
    missing: Collection[Side]
    problems: Mapping[str, str]


@dataclass(slots=True)
class Done:
    """What became of a plan.

    Attributes:
        actions: those that were done.
        problems: the others, and why.
        undo: the undo folder's path below the folder, if it was needed.
    """

    actions: list[Action] = field(default_factory=list)
    problems: dict[Action, str] = field(default_factory=dict)
    undo: str = ""


# Looking


async def look(moving: Moving, pair: Pair, *, checksum: bool) -> Seen:
    """Look at both sides.

    Args:
        checksum: compare files of one size by content; all of them are read, on both sides.

    Raises:
        TechnicianError, PeerError: a side cannot be looked at.
    """
    missing: set[Side] = set()
    here, there = Tree(), Tree()
    if await trio.Path(pair.local).is_dir():
        here = await trio.to_thread.run_sync(lambda: local_tree(pair.local, skip=_is_ours))
    elif await trio.Path(pair.local).exists():
        raise TechnicianError(f"{pair.local} is no folder.")
    else:
        missing.add("local")

    async def look_there(client: FilesClient) -> Tree | None:
        try:
            if node_of(await client.stat(pair.remote)).kind == "file":
                raise TechnicianError(f"{pair.remote} is no folder.")
        except RequestRefused as problem:
            if problem.code != "missing":
                raise
            return None
        return await remote_tree(client, pair.remote, skip=_is_ours)

    found = await moving.ask(look_there)
    if found is None:
        missing.add("remote")
    else:
        there = found
    unusable = [path for path in there.nodes if not can_be_local(path)]
    problems = (
        there.problems | here.problems | dict.fromkeys(unusable, "This computer cannot have such a name.")
    )
    local, remote = here.nodes, there.nodes
    if checksum:
        local, remote = await _with_contents(moving, pair, local, remote)
    return Seen(local=local, remote=remote, missing=missing, problems=problems)


def plan_sync(seen: Seen, known: Known, prefer: Prefer | None) -> list[Action]:
    """What synchronising both ways would do (`sync_plan.two_way`).

    Raises:
        TechnicianError: there is nothing to begin with, or a folder that was there the last time is gone as a
            whole, which is rather a disk that is not there than a wish to delete everything.
    """
    if len(seen.missing) == 2:
        raise TechnicianError("There is no such folder, on neither side.")
    if seen.missing and known:
        raise TechnicianError("The folder is gone as a whole on one side; nothing was deleted on the other.")
    return two_way(seen.local, seen.remote, known, prefer=prefer, unknown=seen.problems)


def plan_mirror(seen: Seen, source: Side) -> list[Action]:
    """What replicating the side `source` would do (`sync_plan.mirror`).

    Raises:
        TechnicianError: there is no such folder.
    """
    if source in seen.missing:
        raise TechnicianError("There is no such folder to replicate.")
    return mirror(seen.local, seen.remote, source=source, unknown=seen.problems)


def _is_ours(folder: str, name: str) -> bool:
    return is_part(name) or (not folder and name == UNDO_FOLDER)


async def _with_contents(
    moving: Moving, pair: Pair, local: Mapping[str, Node], remote: Mapping[str, Node]
) -> tuple[dict[str, Node], dict[str, Node]]:
    """Both listings, with the SHA-256 of what may be the same."""
    alike = [
        path
        for path, node in local.items()
        if node.kind == "file" and path in remote and remote[path].kind == "file"
        if node.size == remote[path].size
    ]
    there: dict[str, bytes] = {}

    async def ask(client: FilesClient) -> None:
        for some in _batches([path for path in alike if path not in there]):
            asked = [({"path": wire_name(posixpath.join(pair.remote, path))}, b"") for path in some]
            for number, path in zip(await client.ask_all("digest", asked), some, strict=True):
                try:
                    there[path] = await client.digest_of(number)
                except RequestRefused:
                    continue  # it cannot be read: compared by size and time

    await moving.ask(ask)
    here = await trio.to_thread.run_sync(lambda: _digests(pair.local, there))
    local, remote = dict(local), dict(remote)
    for path, digest in here.items():
        local[path] = replace(local[path], sha256=digest)
        remote[path] = replace(remote[path], sha256=there[path])
    return local, remote


def _digests(top: Path, paths: Iterable[str]) -> dict[str, bytes]:
    found = {}
    for path in paths:
        try:
            found[path] = digest_here(top / path)
        except LocalProblem:
            continue
    return found


# Doing


async def carry_out(moving: Moving, pair: Pair, seen: Seen, actions: Sequence[Action]) -> Done:
    """Do what was planned; what fails does not keep the rest. Conflicts are left alone.

    Raises:
        TechnicianError, PeerError: it cannot go on; what was done by then stays, and running it all again
            finishes it.
    """
    actions = [action for action in actions if action.deed != "conflict"]
    stamp = f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}-{secrets.token_hex(2)}"
    done = Done()
    sides: list[_Side] = [_Local(moving, pair, seen), _Remote(moving, pair, seen)]
    for side in sides:
        mine = [action for action in actions if action.side == side.name]
        lost = seen.local if side.name == "local" else seen.remote
        going = [
            action
            for action in mine
            if action.deed == "delete" or (action.replaces and not _is_kept(action, lost))
        ]
        kept = [action.path for action in mine if action.replaces and _is_kept(action, lost)]
        if mine and side.name in seen.missing:
            _raise_first(await side.make([""]))
        if going or kept:
            done.undo = posixpath.join(UNDO_FOLDER, stamp)
            below = _folders_around([*(action.path for action in going), *kept])
            _raise_first(
                await side.make([UNDO_FOLDER, done.undo, *(f"{done.undo}/{path}" for path in below)])
            )
        problems = await side.move([(action.path, f"{done.undo}/{action.path}") for action in going])
        folders = [action.path for action in mine if action.deed == "folder" and action.path not in problems]
        problems |= await side.make(folders)
        for action in mine:
            if action.path in problems:
                done.problems[action] = problems[action.path]
            elif action.deed != "copy":
                done.actions.append(action)
    copies = [action for action in actions if action.deed == "copy" and action not in done.problems]
    await _copy(moving, pair, seen, copies, done)
    return done


def _is_kept(action: Action, lost: Mapping[str, Node]) -> bool:
    """Whether what is replaced is kept as its name is given away, and need not go before."""
    return action.deed == "copy" and lost[action.path].kind == "file"


async def _copy(moving: Moving, pair: Pair, seen: Seen, copies: Sequence[Action], done: Done) -> None:
    by_job = {}
    for action in copies:
        is_upload = action.side == "remote"
        keep = replaced = None
        lost = seen.remote if is_upload else seen.local
        if action.replaces and _is_kept(action, lost):
            replaced = lost[action.path]
            below = f"{done.undo}/{action.path}"
            keep = posixpath.join(pair.remote, below) if is_upload else str(pair.local / below)
        job = Job(
            here=pair.local / action.path,
            there=posixpath.join(pair.remote, action.path),
            is_upload=is_upload,
            size=action.size,
            overwrite=keep is not None,
            keep=keep,
            replaces=replaced,
        )
        by_job[job] = action
    jobs = JobList.of(by_job, moving.tally)
    try:
        await moving.move(jobs)
    finally:
        for outcome in jobs.outcomes:
            if isinstance(outcome.result, Transferred):
                done.actions.append(by_job[outcome.job])
            else:
                done.problems[by_job[outcome.job]] = str(outcome.result)


class _Local:
    """The folder here."""

    name: Side = "local"

    def __init__(self, _moving: Moving, pair: Pair, seen: Seen) -> None:
        self._top = pair.local
        self._before = _Before(seen.local)

    async def make(self, folders: Sequence[str]) -> dict[str, str]:
        """Make folders; why those that could not be made were not."""
        return await trio.to_thread.run_sync(make_local_folders, self._top, folders)

    async def move(self, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Rename things that still are what was seen; why the others were not. What is not there is done."""
        return await trio.to_thread.run_sync(lambda: dict(self._moved(pairs)))

    def _moved(self, pairs: Sequence[tuple[str, str]]) -> Iterable[tuple[str, str]]:
        for old, new in pairs:
            try:
                now = node_here(self._top / old)
                if now is None:
                    continue
                if not self._is_as_seen(old, now):
                    yield old, _CHANGED
                    continue
                os.rename(self._top / old, self._top / new)
            except FileNotFoundError:
                continue
            except OSError as exc:
                yield old, f"It cannot be moved: {exc.strerror}."

    def _is_as_seen(self, path: str, now: Node) -> bool:
        if now.kind != "folder":
            return self._before.was(path, now)
        try:
            tree = local_tree(self._top / path, skip=_is_a_part)
        except TechnicianError:
            return False
        return self._before.was(path, now, tree)


class _Remote:
    """The folder on the host; the same methods."""

    name: Side = "remote"

    def __init__(self, moving: Moving, pair: Pair, seen: Seen) -> None:
        self._moving = moving
        self._top = pair.remote
        self._before = _Before(seen.remote)

    async def make(self, folders: Sequence[str]) -> dict[str, str]:
        if not folders:
            return {}
        return await self._moving.ask(lambda client: make_remote_folders(client, self._top, folders))

    async def move(self, pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
        problems: dict[str, str] = {}

        async def ask(client: FilesClient) -> None:
            for batch in _batches(pairs):
                changed = await self._changed(client, [old for old, _ in batch])
                problems.update(changed)
                some = [(old, new) for old, new in batch if old not in changed]
                asked = [({"path": self._at(old), "to": self._at(new)}, b"") for old, new in some]
                for number, (old, _) in zip(await client.ask_all("move", asked), some, strict=True):
                    try:
                        await client.answer_to(number)
                    except RequestRefused as problem:
                        # Gone: also what a connection that broke has left undecided.
                        if problem.code != "missing":
                            problems[old] = str(problem)

        if pairs:
            await self._moving.ask(ask)
        return problems

    async def _changed(self, client: FilesClient, paths: Sequence[str]) -> dict[str, str]:
        """Those that are not what was seen, and why they are left alone."""
        found = await client.stat_all([posixpath.join(self._top, path) for path in paths])
        changed = {}
        for path, there in zip(paths, found, strict=True):
            if isinstance(there, RequestRefused):
                continue  # what is not there is done, and moving says what else it is
            if not await self._is_as_seen(client, path, node_of(there)):
                changed[path] = _CHANGED
        return changed

    async def _is_as_seen(self, client: FilesClient, path: str, now: Node) -> bool:
        if now.kind != "folder":
            return self._before.was(path, now)
        try:
            tree = await remote_tree(client, posixpath.join(self._top, path), skip=_is_a_part)
        except (RequestRefused, TreeTooLarge):
            return False
        return self._before.was(path, now, tree)

    def _at(self, path: str) -> str | bytes:
        return wire_name(posixpath.join(self._top, path))


_Side = _Local | _Remote


def _is_a_part(_folder: str, name: str) -> bool:
    return is_part(name)


class _Before:
    """What was seen on one side."""

    def __init__(self, seen: Mapping[str, Node]) -> None:
        self._seen = seen
        self._paths = sorted(seen)

    def was(self, path: str, now: Node, tree: Tree | None = None) -> bool:
        """Whether a thing, and with `tree` all below it, is still what was seen."""
        if not is_same(now, self._seen.get(path)):
            return False
        if tree is None:
            return True
        inside = f"{path}/"
        start = bisect_left(self._paths, inside)
        count = bisect_left(self._paths, f"{path}0") - start  # "0" follows "/"
        return (
            not tree.problems
            and len(tree.nodes) == count
            and all(is_same(node, self._seen.get(inside + each)) for each, node in tree.nodes.items())
        )


def _batches(items: Sequence[T]) -> Iterable[Sequence[T]]:
    return (items[start : start + AT_ONCE] for start in range(0, len(items), AT_ONCE))


def _folders_around(paths: Iterable[str]) -> list[str]:
    """The folders that hold these, the outer ones first."""
    found: dict[str, None] = {}
    for path in paths:
        parts = path.split("/")[:-1]
        found |= dict.fromkeys("/".join(parts[:count]) for count in range(1, len(parts) + 1))
    return list(found)


def _raise_first(problems: Mapping[str, str]) -> None:
    for path, why in problems.items():
        raise TechnicianError(f"{path or 'The folder'}: {why}")


# Telling


def row_of(action: Action, problem: str | None = None) -> dict[str, Any]:
    """An action as it is printed: what, on which side, where, and why not."""
    deed = "overwrite" if action.deed == "copy" and action.replaces else action.deed
    row: dict[str, Any] = {"action": deed, "side": action.side, "path": action.path}
    if action.deed == "copy":
        row["size"] = action.size
    if action.deed == "delete":
        row["files"] = action.files
    if problem or action.why:
        row["problem"] = problem or action.why
    return row


def known_now(seen: Seen, known: Known, done: Done) -> Known:
    """What is known after a plan was carried out."""
    return known_after(seen.local, seen.remote, known, done.actions)
