"""The rules of synchronising and replicating, over all kinds of trees: nothing lost, nothing done twice."""

import posixpath
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from technician.files.sync_plan import (
    OTHER_SIDE,
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

Sides = dict[Side, dict[str, Node]]

FOLDER = Node(kind="folder")
LINK = Node(kind="other")
PREFERENCES: tuple[Prefer | None, ...] = (None, "newer", "local", "remote")


def file(version: int) -> Node:
    return Node(kind="file", size=version, modified=1000 * version)


def in_folders(nodes: dict[str, Node]) -> dict[str, Node]:
    """A tree: with the folders around everything, and nothing below what is none."""
    tree: dict[str, Node] = {}
    for path in sorted(nodes):
        above = posixpath.dirname(path)
        if not above or tree.get(above) == FOLDER:
            tree[path] = nodes[path]
    return tree


names = ("a", "b", "a/c", "a/d", "a/d/e", "a/d/f", "b/c", "a-b")
nodes = st.one_of(st.builds(file, st.integers(1, 3)), st.just(FOLDER), st.just(FOLDER), st.just(LINK))
trees = st.dictionaries(st.sampled_from(names), nodes).map(in_folders)
plain_trees = trees.map(
    lambda tree: in_folders({path: node for path, node in tree.items() if node.kind != "other"})
)


def known_from(tree: dict[str, Node]) -> Known:
    return {path: (node, node) for path, node in tree.items() if node.kind != "other"}


def do(sides: Sides, actions: Iterable[Action]) -> list[Node]:
    """Do actions on the trees; what goes to the undo folder."""
    undo = []
    for action in actions:
        mine, other = sides[action.side], sides[OTHER_SIDE[action.side]]
        if action.deed == "conflict":
            continue
        if action.deed == "delete" or action.replaces:
            assert action.path in mine
            below = [path for path in mine if path == action.path or path.startswith(action.path + "/")]
            undo += [mine.pop(path) for path in below]
        if action.deed != "delete":
            assert action.path not in mine
            above = posixpath.dirname(action.path)
            assert not above or mine[above] == FOLDER
            mine[action.path] = other[action.path]
    return undo


def files_of(*listings: Iterable[Node]) -> set[Node]:
    return {node for listing in listings for node in listing if node.kind == "file"}


@given(trees, trees, trees, st.sampled_from(PREFERENCES))
def test_after_a_plan_only_conflicts_are_left_to_do(
    local: dict[str, Node], remote: dict[str, Node], before: dict[str, Node], prefer: Prefer | None
) -> None:
    sides: Sides = {"local": dict(local), "remote": dict(remote)}
    actions = two_way(local, remote, known_from(before), prefer=prefer)
    undo = do(sides, actions)
    known = known_after(local, remote, known_from(before), actions)
    again = two_way(sides["local"], sides["remote"], known, prefer=prefer)
    assert {action.path for action in again} == {
        action.path for action in actions if action.deed == "conflict"
    }
    everything = files_of(sides["local"].values(), sides["remote"].values(), undo)
    assert everything == files_of(local.values(), remote.values())


@given(trees, trees, trees, st.integers(0, 20))
def test_a_plan_that_was_interrupted_is_finished_by_the_next(
    local: dict[str, Node], remote: dict[str, Node], before: dict[str, Node], count: int
) -> None:
    known = known_from(before)
    whole: Sides = {"local": dict(local), "remote": dict(remote)}
    actions = two_way(local, remote, known)
    do(whole, actions)
    half: Sides = {"local": dict(local), "remote": dict(remote)}
    do(half, actions[:count])
    do(half, two_way(half["local"], half["remote"], known))
    assert half == whole


@given(trees, trees, trees)
def test_a_file_that_alone_was_changed_is_never_replaced_nor_deleted(
    local: dict[str, Node], remote: dict[str, Node], before: dict[str, Node]
) -> None:
    sides: Sides = {"local": dict(local), "remote": dict(remote)}
    do(sides, two_way(local, remote, known_from(before)))
    for side in sides:
        for path, node in (local if side == "local" else remote).items():
            if node.kind == "file" and not is_same(node, before.get(path)):
                assert sides[side][path] == node


@given(plain_trees, trees, st.sampled_from(("local", "remote")))
def test_a_mirror_is_the_same_as_its_source_afterwards(
    source: dict[str, Node], target: dict[str, Node], side: Side
) -> None:
    sides: Sides = {side: dict(source), OTHER_SIDE[side]: dict(target)}
    undo = do(sides, mirror(sides["local"], sides["remote"], source=side))
    assert sides[OTHER_SIDE[side]] == sides[side] == source
    assert files_of(target.values()) <= files_of(source.values(), undo)


@given(trees, trees, st.sampled_from(("local", "remote")))
def test_a_mirror_changes_nothing_below_a_folder_that_cannot_be_read(
    source: dict[str, Node], target: dict[str, Node], side: Side
) -> None:
    local, remote = (source, target) if side == "local" else (target, source)
    actions = mirror(local, remote, source=side, unknown=["a"])
    assert not [action for action in actions if action.path == "a" or action.path.startswith("a/")]


@pytest.mark.parametrize(
    ("here", "there", "last", "expected"),
    [
        (file(1), None, None, ("copy", "remote")),
        (None, file(1), None, ("copy", "local")),
        (None, file(1), file(1), ("delete", "remote")),
        (file(1), None, file(1), ("delete", "local")),
        (file(2), file(1), file(1), ("copy", "remote")),
        (file(1), file(2), file(1), ("copy", "local")),
        (file(2), file(3), file(1), ("conflict", "local")),
        (file(1), file(2), None, ("conflict", "local")),
        (None, file(2), file(1), ("conflict", "local")),
        (file(2), None, file(1), ("conflict", "local")),
        (file(1), FOLDER, file(1), ("conflict", "local")),
        (LINK, file(1), None, ("conflict", "local")),
        (LINK, None, None, None),
        (FOLDER, FOLDER, None, None),
        (file(1), file(1), None, None),
    ],
)
def test_each_case_of_one_path(
    here: Node | None, there: Node | None, last: Node | None, expected: tuple[str, str] | None
) -> None:
    actions = two_way(
        {"a": here} if here else {}, {"a": there} if there else {}, {"a": (last, last)} if last else {}
    )
    assert [(action.deed, action.side) for action in actions] == ([expected] if expected else [])


@pytest.mark.parametrize(("prefer", "side"), [("newer", "local"), ("local", "remote"), ("remote", "local")])
def test_a_preference_decides_a_conflict(prefer: Prefer, side: Side) -> None:
    (action,) = two_way({"a": file(1)}, {"a": file(2)}, {}, prefer=prefer)
    assert (action.deed, action.side, action.replaces) == ("copy", side, True)


def test_what_exists_is_newer_than_what_was_deleted() -> None:
    (action,) = two_way({"a": file(2)}, {}, {"a": (file(1), file(1))}, prefer="newer")
    assert (action.deed, action.side) == ("copy", "remote")


def test_a_folder_goes_as_one_with_all_that_is_in_it() -> None:
    tree = {"a": FOLDER, "a/b": file(1), "a/d": FOLDER, "a/d/e": file(2)}
    (action,) = two_way({}, tree, known_from(tree))
    assert (action.deed, action.side, action.path, action.files) == ("delete", "remote", "a", 2)


def test_a_folder_stays_for_what_is_new_in_it_and_comes_back_on_the_other_side() -> None:
    before = {"a": FOLDER, "a/b": file(1)}
    actions = two_way({}, {**before, "a/c": file(2)}, known_from(before))
    assert [(action.deed, action.side, action.path) for action in actions] == [
        ("delete", "remote", "a/b"),
        ("folder", "local", "a"),
        ("copy", "local", "a/c"),
    ]


def test_contents_count_where_they_are_known() -> None:
    here = Node(kind="file", size=1, modified=1, sha256=b"1" * 32)
    assert two_way({"a": here}, {"a": Node(kind="file", size=1, modified=2, sha256=b"1" * 32)}, {}) == []
    assert two_way({"a": here}, {"a": Node(kind="file", size=1, modified=1, sha256=b"2" * 32)}, {}) != []
