"""The plans that the browser's planner (web/src/files/sync/plan.ts) must make as well.

A node is written ``KIND SIZE MODIFIED [SHA256]``, an action ``DEED SIDE PATH`` with what else it says; what
is known of a path is the nodes of both sides with `` | `` between them. After a deliberate change of the
rules, ``ADHOC_WRITE_VECTORS=1 pytest tests/files/test_sync_vectors.py`` writes the file anew.
"""

import posixpath
import random
from collections.abc import Sequence
from typing import Any

from technician.files.sync_plan import (
    Action,
    Known,
    Node,
    Prefer,
    Side,
    known_after,
    mirror,
    two_way,
)
from tests.helpers.vectors import assert_vectors

Tree = dict[str, Node]

SIDES: tuple[Side, ...] = ("local", "remote")
PREFERENCES: tuple[Prefer | None, ...] = (None, "newer", "local", "remote")
NAMES = ("a", "a-b", "a/c", "a/c/e", "a/d", "a/d/f", "b", "b/c", "\uff5e", "\U0001f600", "\U0001f600/x")
"""Two of them come in another order by UTF-16 units than by code points."""
FOLDER = Node(kind="folder")
LINK = Node(kind="other")
CASES_AT_RANDOM = 60


def file(version: int, content: int | None = None) -> Node:
    sha256 = None if content is None else bytes([content]) * 32
    return Node(kind="file", size=version, modified=1000 * version, sha256=sha256)


def node_text(node: Node) -> str:
    digest = "" if node.sha256 is None else f" {node.sha256.hex()}"
    return f"{node.kind} {node.size} {node.modified}{digest}"


def action_text(action: Action) -> str:
    told = [action.deed, action.side, action.path]
    told += ["replaces"] * action.replaces
    told += [f"size={action.size}"] * bool(action.size) + [f"files={action.files}"] * bool(action.files)
    return " ".join(told) + (f": {action.why}" if action.why else "")


def tree_texts(tree: Tree) -> dict[str, str]:
    return {path: node_text(node) for path, node in tree.items()}


def known_texts(known: Known) -> dict[str, str]:
    return {path: " | ".join(map(node_text, nodes)) for path, nodes in sorted(known.items())}


def both_ways(
    local: Tree,
    remote: Tree,
    before: Tree,
    prefer: Prefer | None = None,
    unknown: Sequence[str] = (),
) -> dict[str, Any]:
    known = {path: (node, node) for path, node in before.items()}
    actions = two_way(local, remote, known, prefer=prefer, unknown=unknown)
    return {
        "local": tree_texts(local),
        "remote": tree_texts(remote),
        "known": known_texts(known),
        "prefer": prefer,
        "unknown": list(unknown),
        "actions": [action_text(action) for action in actions],
        "after": known_texts(known_after(local, remote, known, actions)),
        "half": known_texts(known_after(local, remote, known, actions[: len(actions) // 2])),
    }


def one_way(local: Tree, remote: Tree, source: Side, unknown: Sequence[str] = ()) -> dict[str, Any]:
    actions = mirror(local, remote, source=source, unknown=unknown)
    return {
        "local": tree_texts(local),
        "remote": tree_texts(remote),
        "source": source,
        "unknown": list(unknown),
        "actions": [action_text(action) for action in actions],
    }


def random_tree(chance: random.Random) -> Tree:
    """With the folders around everything, and nothing below what is none."""
    tree: Tree = {}
    for path in NAMES:
        above = posixpath.dirname(path)
        if chance.random() < 0.3 or (above and tree.get(above) != FOLDER):
            continue
        tree[path] = chance.choice((FOLDER, FOLDER, FOLDER, LINK, file(1), file(2), file(3), file(3, 7)))
    return tree


def test_the_planner_makes_the_shared_plans() -> None:
    inside = {"a": FOLDER, "a/b": file(1), "a/d": FOLDER, "a/d/e": file(2)}
    chosen = [
        both_ways({"a": file(1)}, {}, {}),
        both_ways({}, {"a": file(1)}, {"a": file(1)}),
        both_ways({"a": file(2)}, {"a": file(1)}, {"a": file(1)}),
        both_ways({"a": file(2)}, {"a": file(3)}, {"a": file(1)}),
        *(both_ways({"a": file(2)}, {"a": file(3)}, {}, prefer) for prefer in PREFERENCES),
        *(both_ways({}, {"a": file(2)}, {"a": file(1)}, prefer) for prefer in PREFERENCES),
        *(both_ways({"a": FOLDER, "a/b": file(1)}, {"a": file(2)}, {}, prefer) for prefer in PREFERENCES),
        both_ways({"a": LINK}, {"a": file(1)}, {}, "remote"),
        both_ways({"a": file(1, 1)}, {"a": file(2, 1)}, {}),
        both_ways({"a": file(1, 1)}, {"a": file(1, 2)}, {}),
        both_ways({}, inside, inside),
        both_ways({}, {**inside, "a/c": file(3)}, inside),
        both_ways({}, inside, inside, unknown=["a/d"]),
        one_way(inside, {"a": file(1), "b": FOLDER, "b/c": LINK}, "local"),
        one_way(inside, {"b": FOLDER, "b/c": file(1)}, "local"),
        one_way(inside, {}, "remote", unknown=["a/d"]),
    ]
    chance = random.Random(14)  # noqa: S311 - the same trees each time
    for number in range(CASES_AT_RANDOM):
        local, remote, before = (random_tree(chance) for _ in range(3))
        unknown = ["a/c"] if number % 5 == 4 else []
        chosen.append(both_ways(local, remote, before, PREFERENCES[number % 4], unknown))
        if number % 4 == 0:
            chosen.append(one_way(local, remote, SIDES[number // 4 % 2], unknown))
    assert_vectors("sync-plans", {"plans": chosen})
