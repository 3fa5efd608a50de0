"""Trees fetched, sent, synchronised, replicated, through connections that break and with hosts that lie."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

import technician.files.client
import technician.files.jobs
from peer.errors import StreamClosed
from peer.messages import MessageStream
from peer.together import beside
from technician.errors import TechnicianError
from technician.files import FilesClient, trees
from technician.files.jobs import Tally
from technician.files.moving import Moving, get_all, put_all
from technician.files.small import MAX_SMALL_BYTES
from technician.files.sync_plan import Prefer, Side
from technician.files.sync_state import load_known, save_known
from technician.files.syncing import (
    UNDO_FOLDER,
    Done,
    Pair,
    carry_out,
    known_now,
    look,
    plan_mirror,
    plan_sync,
)
from technician.files.trees import MAX_DEPTH, TreeTooLarge, remote_tree
from tests.helpers.tool_pairs import BreakingConnection, joined

LARGE = os.urandom(3 << 20)
OLD, NEW = 1_700_000_000, 1_700_000_500


def moving(*breaks: int) -> Moving:
    return Moving(BreakingConnection(list(breaks)), Tally())


def make_tree(top: Path, files: dict[str, bytes], modified: int = OLD) -> None:
    for path, content in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_bytes(content)
        os.utime(top / path, (modified, modified))


def delete(path: Path) -> None:
    """A file, or a folder with all in it."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def contents(top: Path) -> dict[str, bytes]:
    """All files but the undo folder's."""
    return {
        str(path.relative_to(top)): path.read_bytes()
        for path in sorted(top.rglob("*"))
        if path.is_file() and UNDO_FOLDER not in path.parts
    }


def undone(top: Path) -> dict[str, bytes]:
    """Files in the undo folders, without the time."""
    undo = top / UNDO_FOLDER
    return {
        str(path.relative_to(undo)).partition("/")[2]: path.read_bytes()
        for path in sorted(undo.rglob("*"))
        if path.is_file()
    }


MANY = {f"folder {number % 7}/deep/{number}": os.urandom(number * 20) for number in range(200)} | {
    "large": LARGE,
    "edge": bytes(MAX_SMALL_BYTES),
    "empty": b"",
}


# Trees, both ways


@pytest.mark.parametrize("breaks", [[], [3], [33, 2, 5], [36, 0, 0, 7]])
@pytest.mark.parametrize("move", [get_all, put_all])
async def test_a_tree_arrives_whatever_happens_to_the_connection(
    tmp_path: Path, move: Callable[..., Any], breaks: list[int]
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    make_tree(source, MANY)
    it = moving(*breaks)
    ends = (source, str(target)) if move is put_all else (str(source), target)
    rows = await move(it, *ends, overwrite=False)
    assert [row for row in rows if "problem" in row] == []
    assert contents(target) == contents(source) == MANY
    assert {path.name for path in target.iterdir()} == {path.name for path in source.iterdir()}
    assert (target / "folder 3/deep/3").stat().st_mtime == OLD
    by_path = {Path(row["path"]).name: row for row in rows}
    assert by_path["large"]["sha256"] == hashlib.sha256(LARGE).hexdigest()
    assert (it.tally.files, it.tally.bytes) == (len(MANY), sum(map(len, MANY.values())))


@pytest.mark.parametrize("move", [get_all, put_all])
async def test_one_file_that_cannot_be_moved_does_not_keep_the_others(
    tmp_path: Path, move: Callable[..., Any]
) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    make_tree(source, {"a": b"a", "b": b"b", "large": LARGE})
    make_tree(target / "source", {"a": b"here first", "large": b"too"})
    ends = (source, str(target)) if move is put_all else (str(source), target)
    rows = await move(moving(), *ends, overwrite=False)
    assert [Path(row["path"]).name for row in rows if "problem" in row] == ["a", "large"]
    assert contents(target / "source") == {"a": b"here first", "b": b"b", "large": b"too"}
    rows = await move(moving(), *ends, overwrite=True)
    assert contents(target / "source") == {"a": b"a", "b": b"b", "large": LARGE}


async def test_links_are_passed_over(tmp_path: Path) -> None:
    source = tmp_path / "source"
    make_tree(source, {"a": b"a"})
    (source / "loop").symlink_to(".")
    (source / "out").symlink_to("/etc/hostname")
    await get_all(moving(), str(source), tmp_path / "down", overwrite=False)
    await put_all(moving(), source, str(tmp_path / "up"), overwrite=False)
    assert contents(tmp_path / "down") == contents(tmp_path / "up") == {"a": b"a"}


# A host that lies


Answer = Callable[[dict[str, Any]], list[tuple[dict[str, Any], bytes]]]


async def look_at(answer: Answer) -> None:
    """Walk the tree of a host that answers every `list` as `answer` says."""
    near, far = joined()
    stream = MessageStream(far)

    async def lie() -> None:
        try:
            while (message := await stream.receive()) is not None:
                for head, body in answer(dict(message.head)):
                    await stream.send({"id": message.head["id"], **head}, body)
        except StreamClosed:
            pass

    async def walk() -> None:
        try:
            await remote_tree(FilesClient(MessageStream(near)), "/")
        finally:
            near.close()

    await beside(lie, walk)


def entry(name: str, kind: str = "file", **others: object) -> dict[str, object]:
    facts = {"name": name, "kind": kind, "size": 1, "modified": 0, "mode": 0o644, "owner": "x"}
    return {**facts, "hidden": False, **others}


def found(*entries: dict[str, object]) -> list[tuple[dict[str, Any], bytes]]:
    return [({"entries": list(entries)}, b""), ({"ok": {}}, b"")]


@pytest.mark.parametrize(
    "told",
    [
        entry(".."),
        entry("."),
        entry(""),
        entry("../up"),
        entry("a/b"),
        entry("a\0b"),
        entry("x" * 5000),
        entry("a", size=-1),
        entry("a", size=1 << 60),
        entry("a", modified=1 << 60),
        entry("a", kind="tree"),
        {"name": "a"},
    ],
)
async def test_what_no_folder_holds_ends_the_walk(told: dict[str, object]) -> None:
    with pytest.raises(StreamClosed, match="broke the protocol"):
        await look_at(lambda head: found(told))


async def test_a_name_that_is_there_twice_ends_the_walk() -> None:
    with pytest.raises(StreamClosed, match="twice"):
        await look_at(lambda head: found(entry("a"), entry("a")))


async def test_a_tree_without_end_downwards_ends_the_walk() -> None:
    asked: list[object] = []

    def answer(head: dict[str, Any]) -> list[tuple[dict[str, Any], bytes]]:
        asked.append(head["path"])
        return found(entry("deeper", "folder"))

    with pytest.raises(TreeTooLarge):
        await look_at(answer)
    assert len(asked) <= MAX_DEPTH + 1


async def test_a_tree_without_end_sideways_ends_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MAX_TREE_NODES", 5000)
    with pytest.raises(TreeTooLarge):
        await look_at(lambda head: found(*(entry(f"{number}", "folder") for number in range(50))))


async def test_a_tree_of_endlessly_long_names_ends_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "MAX_TREE_CHARACTERS", 100_000)
    with pytest.raises(TreeTooLarge):
        await look_at(lambda head: found(*(entry(f"{number}{'x' * 200}", "folder") for number in range(50))))


async def test_a_listing_of_endlessly_long_words_ends_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(technician.files.client, "MAX_FOUND_BYTES", 1 << 20)
    told = 0

    def answer(_head: dict[str, Any]) -> list[tuple[dict[str, Any], bytes]]:
        nonlocal told
        told += 1
        facts = {"target": "x" * 4000, "below": "y" * 4000}
        return [({"entries": [entry(f"{page} {n}", **facts) for n in range(28)]}, b"") for page in range(10)]

    with pytest.raises(StreamClosed, match="without an end"):
        await look_at(answer)
    assert told == 1


@pytest.mark.parametrize("page", [[], [entry("a")]])
async def test_a_listing_without_end_ends_the_walk(page: list[dict[str, object]]) -> None:
    with pytest.raises(StreamClosed, match="broke the protocol"):
        await look_at(lambda head: [({"entries": page}, b"") for _ in range(3)])


# Synchronising


async def run_sync(
    pair: Pair, state: Path, *breaks: int, prefer: Prefer | None = None, checksum: bool = False
) -> Done:
    known = load_known(state)
    it = moving(*breaks)
    seen = await look(it, pair, checksum=checksum)
    done = await carry_out(it, pair, seen, plan_sync(seen, known, prefer))
    save_known(state, known_now(seen, known, done))
    return done


async def run_mirror(pair: Pair, source: Side, *breaks: int) -> Done:
    it = moving(*breaks)
    seen = await look(it, pair, checksum=False)
    return await carry_out(it, pair, seen, plan_mirror(seen, source))


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(local=tmp_path / "here", remote=str(tmp_path / "there"))


async def test_synchronising_goes_both_ways_and_knows_deletions_the_next_time(
    tmp_path: Path, pair: Pair
) -> None:
    here, there, state = pair.local, Path(pair.remote), tmp_path / "state"
    make_tree(here, {"mine": b"1", "both": b"same", "sub/deep/mine": b"2"})
    make_tree(there, {"theirs": b"3", "both": b"same", "other/theirs": b"4"})
    done = await run_sync(pair, state)
    assert contents(here) == contents(there)
    assert set(contents(here)) == {"mine", "both", "sub/deep/mine", "theirs", "other/theirs"}
    assert done.problems == {}
    delete(here / "mine")
    make_tree(there, {"both": b"changed there"}, NEW)
    delete(there / "other")
    await run_sync(pair, state)
    assert contents(here) == contents(there)
    assert contents(here) == {"both": b"changed there", "sub/deep/mine": b"2", "theirs": b"3"}
    assert undone(here) == {"both": b"same", "other/theirs": b"4"}
    assert undone(there) == {"mine": b"1"}
    assert not any(path.name == "other" for path in here.iterdir())
    assert (await run_sync(pair, state)).actions == []


async def test_what_changed_on_both_sides_is_left_alone_until_somebody_says_who_wins(
    tmp_path: Path, pair: Pair
) -> None:
    make_tree(pair.local, {"a": b"mine"}, OLD)
    make_tree(Path(pair.remote), {"a": b"theirs"}, NEW)
    assert (await run_sync(pair, tmp_path / "state")).actions == []
    assert contents(pair.local) == {"a": b"mine"}
    await run_sync(pair, tmp_path / "state", prefer="newer")
    assert contents(pair.local) == contents(Path(pair.remote)) == {"a": b"theirs"}
    assert undone(pair.local) == {"a": b"mine"}


async def test_by_checksum_the_same_contents_are_the_same_whatever_their_times(
    tmp_path: Path, pair: Pair
) -> None:
    make_tree(pair.local, {"a": b"same", "b": b"here"}, OLD)
    make_tree(Path(pair.remote), {"a": b"same", "b": b"ther"}, OLD)
    os.utime(pair.local / "a", (NEW, NEW))
    done = await run_sync(pair, tmp_path / "state", prefer="local", checksum=True)
    assert [action.path for action in done.actions] == ["b"]
    assert contents(Path(pair.remote)) == {"a": b"same", "b": b"here"}


async def test_a_folder_that_is_gone_as_a_whole_deletes_nothing(tmp_path: Path, pair: Pair) -> None:
    make_tree(pair.local, {"a": b"1"})
    await run_sync(pair, tmp_path / "state")
    delete(Path(pair.remote))
    with pytest.raises(TechnicianError, match="gone as a whole"):
        await run_sync(pair, tmp_path / "state")
    assert contents(pair.local) == {"a": b"1"}


async def test_a_folder_that_cannot_be_read_deletes_nothing_on_the_other_side(
    tmp_path: Path, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(pair.local, {"locked/a": b"1", "b": b"2"})
    await run_sync(pair, tmp_path / "state")
    delete(Path(pair.remote) / "b")
    real = os.scandir

    def scandir(path: Any) -> Any:
        if str(path).endswith("/here/locked"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    await run_sync(pair, tmp_path / "state")
    assert contents(Path(pair.remote)) == {"locked/a": b"1"}


async def test_a_damaged_state_file_means_that_nothing_is_known(tmp_path: Path) -> None:
    for damage in (b"", b"{", b"[]", b'{"a": 1}', b'{"a": [["file", "x", 1], ["file", 1, 1]]}'):
        (tmp_path / "state").write_bytes(damage)
        assert load_known(tmp_path / "state") == {}


# Changed after it was looked at


@pytest.mark.parametrize("source", ["local", "remote"])
@pytest.mark.parametrize("change", ["content", "kind", "gone"])
@pytest.mark.parametrize("name", ["small", "large"])
async def test_what_was_changed_after_the_look_is_neither_overwritten_nor_kept_from_the_others(
    pair: Pair, source: Side, change: str, name: str
) -> None:
    folders = (pair.local, Path(pair.remote))
    original, copy = folders if source == "local" else folders[::-1]
    make_tree(original, {"small": b"new", "large": LARGE, "other": b"new"}, NEW)
    make_tree(copy, {"small": b"old", "large": b"old", "other": b"old"})
    it = moving()
    seen = await look(it, pair, checksum=False)
    actions = plan_mirror(seen, source)
    delete(copy / name)
    if change == "content":
        make_tree(copy, {name: b"changed meanwhile"})
    elif change == "kind":
        make_tree(copy, {f"{name}/inner": b"a folder now"})
    before = contents(copy)
    done = await carry_out(it, pair, seen, actions)
    assert [(action.path, "changed meanwhile" in why) for action, why in done.problems.items()] == [
        (name, True)
    ]
    after = contents(copy)
    assert {path: after[path] for path in before if path.startswith(name)} == {
        path: content for path, content in before.items() if path.startswith(name)
    }
    assert name not in after or change == "content"
    assert after["other"] == b"new"
    assert not [path for path in copy.iterdir() if path.name.endswith(".part")]


@pytest.mark.parametrize("side", ["local", "remote"])
@pytest.mark.parametrize(
    ("change", "kept"),
    [
        ({"gone": b"longer now"}, "gone"),
        ({"folder/in/one": b"longer now"}, "folder"),
        ({"folder/in/new": b"new"}, "folder"),
        ({"kind/inner": b"new"}, "kind"),
    ],
)
async def test_what_was_changed_after_the_look_is_not_deleted(
    pair: Pair, side: Side, change: dict[str, bytes], kept: str
) -> None:
    folders = (pair.local, Path(pair.remote))
    copy, original = folders if side == "local" else folders[::-1]
    make_tree(original, {"kind": b"a file"})
    make_tree(
        copy, {"gone": b"1", "folder/in/one": b"2", "folder/in/two": b"3", "kind/first": b"4", "x/y": b"5"}
    )
    it = moving()
    seen = await look(it, pair, checksum=False)
    actions = plan_mirror(seen, "remote" if side == "local" else "local")
    make_tree(copy, change)
    before = contents(copy)
    done = await carry_out(it, pair, seen, actions)
    assert {action.path for action, why in done.problems.items() if "changed meanwhile" in why} == {kept}
    after = contents(copy)
    assert {path for path in before if path.split("/")[0] == kept} <= after.keys()
    assert "x/y" not in after
    assert ("gone" in after) == (kept == "gone")
    assert kept not in undone(copy)


async def test_what_is_changed_in_the_last_moment_is_not_overwritten_here(pair: Pair) -> None:
    """A large file takes its time: here it is looked once more when it is whole."""
    make_tree(Path(pair.remote), {"large": LARGE}, NEW)
    make_tree(pair.local, {"large": b"old"})
    it = moving()
    seen = await look(it, pair, checksum=False)
    it.tally.changed = lambda: make_tree(pair.local, {"large": b"changed"}) if it.tally.bytes else None
    done = await carry_out(it, pair, seen, plan_mirror(seen, "remote"))
    assert ["changed meanwhile" in why for why in done.problems.values()] == [True]
    assert contents(pair.local) == {"large": b"changed"}


# Replicating


@pytest.mark.parametrize("source", ["local", "remote"])
@pytest.mark.parametrize("breaks", [[], [2], [12, 3, 60, 1]])
async def test_a_replica_is_the_same_and_what_was_there_is_in_the_undo_folder(
    pair: Pair, source: Side, breaks: list[int]
) -> None:
    folders = (pair.local, Path(pair.remote))
    original, copy = folders if source == "local" else folders[::-1]
    make_tree(original, MANY | {"changed": b"new", "kind/inner": b"folder now", "flat": b"file now"}, NEW)
    make_tree(copy, {"changed": b"old", "kind": b"was a file", "flat/inner": b"was a folder", "x/y": b"gone"})
    (copy / "link").symlink_to("/etc/hostname")
    done = await run_mirror(pair, source, *breaks)
    assert done.problems == {}
    assert contents(copy) == contents(original)
    assert not any(path.is_symlink() for path in copy.iterdir())
    assert undone(copy).items() >= {
        ("changed", b"old"),
        ("kind", b"was a file"),
        ("flat/inner", b"was a folder"),
        ("x/y", b"gone"),
    }
    assert (await run_mirror(pair, source)).actions == []


async def test_an_interrupted_replica_is_finished_by_running_it_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(technician.files.jobs, "MAX_AT_ONCE", 32)  # so that some are left
    make_tree(pair.local, MANY, NEW)
    make_tree(Path(pair.remote), {"folder 1/deep/1": b"old", "gone": b"gone"})
    it = moving()
    seen = await look(it, pair, checksum=False)
    with trio.CancelScope() as scope:
        it.tally.changed = lambda: scope.cancel() if it.tally.files > 50 else None
        await carry_out(it, pair, seen, plan_mirror(seen, "local"))
    assert scope.cancelled_caught
    assert contents(Path(pair.remote)) != MANY
    await run_mirror(pair, "local")
    assert contents(Path(pair.remote)) == MANY
    assert undone(Path(pair.remote)) == {"folder 1/deep/1": b"old", "gone": b"gone"}


async def test_there_must_be_something_to_replicate(pair: Pair) -> None:
    make_tree(Path(pair.remote), {"a": b"1"})
    with pytest.raises(TechnicianError, match="no such folder"):
        await run_mirror(pair, "local")
    assert contents(Path(pair.remote)) == {"a": b"1"}
