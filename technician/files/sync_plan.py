"""What synchronising and replicating would do: a pure function of two listings and what was last known.

Both sides are flat maps from relative paths to `Node`s. For each path, from the outermost folder inwards, one
side wins, both are left as they are, or there is a conflict; the other side is then made like the winner's.

Two ways (`two_way`). A path that is the same on both sides needs nothing. Else, with `known`, what both sides
had after the last time, the side that differs from it has changed and wins, be it that something is new, was
changed or was deleted. Nothing known: what only one side has is new there and is copied. All else is a
conflict: changed on both sides, changed here and deleted there, different with nothing known, a file here and
a folder there. A conflict is listed and left alone, unless `prefer` says who wins: ``local``, ``remote``, or,
among files, ``newer`` (what exists is newer than what was deleted).

Mirror (`mirror`). The source always wins.

Always. A folder goes only if all in it goes; it then goes as one. What is neither file nor folder (links,
devices) is never copied, nor is anything in its place. Below folders that could not be read nothing is done.
Deleted means moved into the undo folder, and so does replaced; both are done by the caller.

Doing only some of the actions and planning again leads to the same end. The same rules are the browser's.
"""

import posixpath
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

NodeKind = Literal["file", "folder", "other"]
Side = Literal["local", "remote"]
Prefer = Literal["newer", "local", "remote"]
Deed = Literal["delete", "folder", "copy", "conflict"]

OTHER_SIDE: Final[Mapping[Side, Side]] = {"local": "remote", "remote": "local"}
DEEDS: Final[tuple[Deed, ...]] = ("delete", "folder", "copy", "conflict")
"""In the order in which they are done: names are freed first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A thing in a tree.

    Attributes:
        kind: ``other`` is a link, a device and the like.
        size: bytes of a file, else 0.
        modified: milliseconds since 1970.
        mode: permission bits; not compared.
        sha256: of the content, where it is to be compared instead of the time.
    """

    kind: NodeKind
    size: int = 0
    modified: int = 0
    mode: int = 0
    sha256: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing to do.

    Attributes:
        deed: ``delete`` a thing, with all that is in it; make a ``folder``; ``copy`` a file; or a
            ``conflict``, with which nothing is done.
        path: relative.
        side: which is changed; of a conflict, ``local``.
        replaces: something of this name is there and goes first.
        size: bytes that are copied.
        files: that are deleted.
        why: a conflict's reason, a sentence.
    """

    deed: Deed
    path: str
    side: Side
    replaces: bool = False
    size: int = 0
    files: int = 0
    why: str = ""


Listing: TypeAlias = Mapping[str, Node]
Known: TypeAlias = Mapping[str, tuple[Node, Node]]
"""What the local and the remote side had when they were last the same; for them it was the same."""
_Verdict: TypeAlias = Side | Literal["leave"] | None
_Judge: TypeAlias = Callable[[str, Node | None, Node | None], _Verdict]


def two_way(
    local: Listing,
    remote: Listing,
    known: Known,
    *,
    prefer: Prefer | None = None,
    unknown: Collection[str] = (),
) -> list[Action]:
    """What makes both sides the same.

    Args:
        local, remote: what is there; each with the folders around it.
        known: what was, after the last time.
        prefer: who wins where there would be a conflict.
        unknown: folders of which it is not known what is in them.

    Returns:
        Actions, in the order of `DEEDS` and of their paths.
    """

    def judge(path: str, here: Node | None, there: Node | None) -> _Verdict:
        if "other" in (here and here.kind, there and there.kind):
            return None if here and there else "leave"
        if here and there and here.kind != there.kind:
            return None if prefer == "newer" else prefer
        last = known.get(path)
        if last is None and not (here and there):
            return "local" if here else "remote"
        if last is not None:
            is_changed_here, is_changed_there = not is_same(here, last[0]), not is_same(there, last[1])
            if is_changed_here != is_changed_there:
                return "local" if is_changed_here else "remote"
        return _newer(here, there) if prefer == "newer" else prefer

    return _plan(local, remote, unknown, judge)


def mirror(local: Listing, remote: Listing, *, source: Side, unknown: Collection[str] = ()) -> list[Action]:
    """What makes the other side a copy of the side `source`; arguments and result as for `two_way`."""

    def judge(path: str, here: Node | None, there: Node | None) -> _Verdict:
        original = here if source == "local" else there
        return "leave" if original and original.kind == "other" else source

    return _plan(local, remote, unknown, judge)


def is_same(one: Node | None, other: Node | None) -> bool:
    """Whether two things need not be copied: by content where both are known, else by size and time."""
    if one is None or other is None:
        return one is other
    if one.kind != other.kind or one.kind != "file":
        return one.kind == other.kind
    if one.sha256 is not None and other.sha256 is not None:
        return one.sha256 == other.sha256
    return (one.size, one.modified) == (other.size, other.modified)


def known_after(
    local: Listing, remote: Listing, known: Known, done: Collection[Action]
) -> dict[str, tuple[Node, Node]]:
    """What is known once some actions are done; of what is not the same, what was known before."""
    after = {path: last for path, last in known.items() if path in local or path in remote}
    after |= {path: (node, remote[path]) for path, node in local.items() if is_same(node, remote.get(path))}
    for action in done:
        if action.deed == "delete":
            for path in [path for path in after if path == action.path or path.startswith(action.path + "/")]:
                del after[path]
        elif action.deed != "conflict":
            won = (remote if action.side == "local" else local)[action.path]
            after[action.path] = (won, won)
    return after


def _newer(here: Node | None, there: Node | None) -> Side | None:
    if here is None or there is None:
        return "remote" if here is None else "local"
    if here.modified == there.modified:
        return None
    return "local" if here.modified > there.modified else "remote"


def _plan(local: Listing, remote: Listing, unknown: Collection[str], judge: _Judge) -> list[Action]:
    actions: dict[str, Action] = {}
    left: set[str] = set(unknown)
    """Paths with which, and below which, nothing is done."""
    forced: dict[str, Side] = {}
    """Folders that take the place of something else: the same side wins below them."""
    for path in sorted(local.keys() | remote.keys()):  # a folder before what is in it
        above = posixpath.dirname(path)
        if above in left or path in left:
            left.add(path)
            continue
        here, there = local.get(path), remote.get(path)
        if above in forced:
            forced[path] = forced[above]
        if is_same(here, there):
            continue
        winner = forced.get(path) or judge(path, here, there)
        if winner is None or winner == "leave":
            if winner is None:
                actions[path] = Action(deed="conflict", path=path, side="local", why=_why(here, there))
                left.add(path)
            elif "folder" not in (here and here.kind, there and there.kind):
                left.add(path)
            continue
        won, lost = (here, there) if winner == "local" else (there, here)
        if won is not None and lost is not None and won.kind == "folder":
            forced[path] = winner
        elif won is not None and lost is not None and lost.kind == "folder":
            left.add(path)  # it goes with all that is in it
        actions[path] = _action(path, OTHER_SIDE[winner], won, lost)
    _keep_what_holds(actions, {"local": local, "remote": remote})
    return sorted(actions.values(), key=lambda action: (DEEDS.index(action.deed), action.path))


def _action(path: str, side: Side, won: Node | None, lost: Node | None) -> Action:
    if won is None:
        return Action(
            deed="delete", path=path, side=side, files=int(lost is not None and lost.kind == "file")
        )
    is_replaced = lost is not None
    if won.kind == "folder":
        return Action(deed="folder", path=path, side=side, replaces=is_replaced)
    return Action(deed="copy", path=path, side=side, replaces=is_replaced, size=won.size)


def _why(here: Node | None, there: Node | None) -> str:
    if here is None:
        return "It was deleted here and changed there."
    if there is None:
        return "It was changed here and deleted there."
    if here.kind != there.kind:
        return "It is not the same kind of thing on both sides."
    return "It differs, and neither side is known to be the one that changed."


def _keep_what_holds(actions: dict[str, Action], sides: Mapping[Side, Listing]) -> None:
    """Let no folder go of which something stays, and those that go go as one."""
    for side, listing in sides.items():
        deleted = {path for path, action in actions.items() if _is_delete(action, side)}
        held: set[str] = set()
        for path in listing:
            if path not in deleted:
                held.update(_folders_around(path))
        needed: set[str] = set()
        for path, action in actions.items():
            if action.side != side and action.deed in ("folder", "copy"):
                needed.update(_folders_around(path))
        for path in deleted & held:
            del actions[path]
            if path in needed:
                actions[path] = Action(deed="folder", path=path, side=OTHER_SIDE[side])
        _join(actions, deleted - held)


def _join(actions: dict[str, Action], deleted: set[str]) -> None:
    for path in sorted(deleted, reverse=True):  # from the inside out
        above = posixpath.dirname(path)
        if above in deleted:
            inner = actions.pop(path)
            actions[above] = replace(actions[above], files=actions[above].files + inner.files)


def _is_delete(action: Action, side: Side) -> bool:
    return action.deed == "delete" and action.side == side


def _folders_around(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
