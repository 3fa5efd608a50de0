"""The File Manager's two ends together: looking, changing, moving files; and what a hostile viewer gets."""

import errno
import hashlib
import os
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import trio

from host.files.places import Places
from host.files.system import system
from host.parts import Parts
from host.record import read_lines
from peer.errors import StreamClosed
from relay.protocol.close_reasons import CloseReason
from technician.files.parts import LocalProblem
from technician.files.transfers import download, upload
from technician.requests import RequestRefused
from tests.helpers.tool_pairs import Served, served

TRANSFER = "0123456789abcdef" * 2
CONTENT = bytes(range(256)) * 16_384  # 4 MiB: several pieces


async def names(it: Served, folder: Path, *, hidden: bool = False) -> list[str]:
    return sorted([entry.name async for entry in it.client.list(str(folder), hidden=hidden)])


def refusing(code: str) -> "pytest.RaisesExc[RequestRefused]":
    return pytest.RaisesExc(RequestRefused, check=lambda error: error.code == code)


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder: contents of files, None for folders."""
    found = sorted(folder.rglob("*"))
    return {str(each.relative_to(folder)): None if each.is_dir() else each.read_bytes() for each in found}


# Looking


async def test_a_folder_is_listed_with_what_a_person_wants_to_know(tmp_path: Path) -> None:
    (tmp_path / "a file").write_bytes(b"12345")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("a file")
    (tmp_path / ".hidden").touch()
    os.mkfifo(tmp_path / "pipe")
    async with served() as it:
        entries = {entry.name: entry async for entry in it.client.list(str(tmp_path))}
        assert await names(it, tmp_path, hidden=True) == [".hidden", "a file", "folder", "link", "pipe"]
    assert {name: entry.kind for name, entry in entries.items()} == {
        "a file": "file",
        "folder": "folder",
        "link": "link",
        "pipe": "other",
    }
    assert entries["a file"].size == 5
    assert entries["link"].target == "a file"
    assert abs(entries["a file"].modified.timestamp() - (tmp_path / "a file").stat().st_mtime) < 0.002


async def test_a_folder_of_thousands_arrives_in_pages(tmp_path: Path) -> None:
    for number in range(1700):
        (tmp_path / f"{number}").touch()
    async with served() as it:
        assert len(await names(it, tmp_path)) == 1700


async def test_names_that_are_no_text_can_be_used(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    (tmp_path / name).write_bytes(b"x")
    async with served() as it:
        assert await names(it, tmp_path) == [name]
        assert (await it.client.stat(f"{tmp_path}/{name}")).size == 1
        await it.client.move(f"{tmp_path}/{name}", f"{tmp_path}/café")
    assert tree(tmp_path) == {"café": b"x"}


async def test_a_linked_folder_can_be_looked_into(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "inside").touch()
    (tmp_path / "link").symlink_to("real")
    async with served() as it:
        assert await names(it, tmp_path / "link") == ["inside"]


@pytest.mark.parametrize(
    ("path", "code"),
    [("missing", "missing"), ("file/below", "missing"), ("file", "missing"), ("x" * 300, "bad_name")],
)
async def test_what_cannot_be_listed_is_refused_with_a_word(tmp_path: Path, path: str, code: str) -> None:
    (tmp_path / "file").touch()
    async with served() as it:
        with refusing(code):
            await names(it, tmp_path / path)
        assert await names(it, tmp_path) == ["file"]  # the stream goes on


async def test_search_finds_below_and_measure_adds_up(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "Report.PDF").write_bytes(b"123")
    (tmp_path / "a" / "b" / "report 2.pdf").write_bytes(b"4567")
    (tmp_path / "loop").symlink_to(".")
    async with served() as it:
        found = [(entry.below, entry.name) async for entry in it.client.search(str(tmp_path), "report")]
        assert sorted(found) == [("a", "Report.PDF"), ("a/b", "report 2.pdf")]
        assert [entry.name async for entry in it.client.search(str(tmp_path), "*2.pdf")] == ["report 2.pdf"]
        assert await it.client.measure(str(tmp_path / "a")) == (7, 2, 1)


async def test_roots_begin_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    async with served() as it:
        roots = await it.client.roots()
    assert [root["path"] for root in roots[:2]] == [str(tmp_path), "/"]
    assert roots[1]["free"] > 0


# Changing


async def test_folders_are_made_moved_copied_and_deleted(tmp_path: Path) -> None:
    async with served() as it:
        await it.client.make(f"{tmp_path}/one")
        (tmp_path / "one" / "file").write_bytes(b"1")
        (tmp_path / "one" / "link").symlink_to("file")
        assert await it.client.copy(f"{tmp_path}/one", f"{tmp_path}/two") == 3
        await it.client.move(f"{tmp_path}/two", f"{tmp_path}/three")
        await it.client.delete(f"{tmp_path}/one", final=True)
    assert tree(tmp_path) == {"three": None, "three/file": b"1", "three/link": b"1"}
    assert (tmp_path / "three" / "link").is_symlink()
    assert [word for word, _ in it.told] == ["made", "copied", "moved", "deleted"]


async def test_a_folder_of_which_only_a_part_was_deleted_is_in_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "gone").write_bytes(b"1")
    (tmp_path / "folder" / "kept").write_bytes(b"2")

    def remove_some(name: str, folder: int) -> None:
        os.unlink(f"{name}/gone", dir_fd=folder)
        raise PermissionError(errno.EACCES, "not this one")

    monkeypatch.setattr(system, "remove_tree", remove_some)
    async with served() as it:
        with pytest.raises(RequestRefused) as refused:
            await it.client.delete(f"{tmp_path}/folder", final=True)
        with pytest.raises(RequestRefused):
            await it.client.delete(f"{tmp_path}/nothing", final=True)
    assert refused.value.code == "denied"
    assert it.told == [("deleted", f"{tmp_path}/folder")]


async def test_what_was_changed_is_told_before_the_answer_and_not_by_the_event_loop(tmp_path: Path) -> None:
    async with served() as it:
        for number in range(3):
            await it.client.make(f"{tmp_path}/{number}")
            assert it.told[-1] == ("made", f"{tmp_path}/{number}")
        await it.client.delete(f"{tmp_path}/0", final=True)
        assert it.told[-1] == ("deleted", f"{tmp_path}/0")
    assert threading.main_thread() not in it.told_by


async def test_nothing_is_replaced_without_being_told_to(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"a")
    (tmp_path / "b").write_bytes(b"b")
    async with served() as it:
        for ask in (it.client.move, it.client.copy):
            with refusing("exists"):
                await ask(f"{tmp_path}/a", f"{tmp_path}/b")
        assert (tmp_path / "b").read_bytes() == b"b"
        await it.client.move(f"{tmp_path}/a", f"{tmp_path}/b", overwrite=True)
    assert tree(tmp_path) == {"b": b"a"}


async def test_a_folder_can_be_copied_into_itself_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_bytes(b"1")
    async with served() as it:
        await it.client.copy(f"{tmp_path}/a", f"{tmp_path}/a/copy")
    assert tree(tmp_path) == {"a": None, "a/copy": None, "a/copy/file": b"1", "a/file": b"1"}


async def test_deleting_a_tree_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    (tmp_path / "gone").mkdir()
    (tmp_path / "gone" / "link").symlink_to(tmp_path / "kept")
    async with served() as it:
        await it.client.delete(f"{tmp_path}/gone", final=True)
        (tmp_path / "link").symlink_to("kept")
        await it.client.delete(f"{tmp_path}/link", final=True)
    assert tree(tmp_path) == {"kept": None, "kept/file": b""}


async def test_the_trash_keeps_what_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    async with served() as it:
        for content in (b"1", b"2"):
            (tmp_path / "a file").write_bytes(content)
            await it.client.delete(f"{tmp_path}/a file", final=False)
    trash = tmp_path / "data" / "Trash"
    assert tree(trash / "files") == {"a file": b"1", "a file.2": b"2"}
    info = (trash / "info" / "a file.2.trashinfo").read_text()
    assert f"Path={tmp_path}/a%20file" in info
    assert "[Trash Info]" in info


# Transfers


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, len(CONTENT)])
async def test_a_file_goes_down_whole_with_time_and_mode(tmp_path: Path, size: int) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(CONTENT[:size])
    source.chmod(0o755)
    os.utime(source, (1, 1_500_000_000))
    async with served() as it:
        arrived = await download(it.client, str(source), target)
    assert target.read_bytes() == CONTENT[:size]
    assert arrived.sha256 == hashlib.sha256(CONTENT[:size]).digest()
    assert target.stat().st_mtime == 1_500_000_000
    assert target.stat().st_mode & 0o111
    assert sorted(tree(tmp_path)) == ["source", "target"]


@pytest.mark.parametrize("size", [0, 1, 1 << 20, len(CONTENT)])
async def test_a_file_goes_up_whole_with_time_and_mode(tmp_path: Path, size: int) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(CONTENT[:size])
    source.chmod(0o640)
    os.utime(source, (1, 1_500_000_000))
    seen: list[tuple[int, int]] = []
    async with served() as it:
        await upload(
            it.client,
            source,
            str(target),
            transfer=TRANSFER,
            progress=lambda done, total: seen.append((done, total)),
        )
    assert target.read_bytes() == CONTENT[:size]
    assert target.stat().st_mtime == 1_500_000_000
    assert target.stat().st_mode & 0o777 == 0o640
    assert seen[-1] == (size, size)
    assert sorted(tree(tmp_path)) == ["source", "target"]


async def test_an_interrupted_download_goes_on_from_where_it_was(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(CONTENT)
    (tmp_path / ".target.part").write_bytes(CONTENT[:3_000_000])
    async with served() as it:
        arrived = await download(it.client, str(source), target)
    assert arrived.resumed_at == 3_000_000
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("part", [b"something else", CONTENT + b"longer"])
async def test_a_part_that_is_no_beginning_is_begun_anew(tmp_path: Path, part: bytes) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(CONTENT)
    (tmp_path / ".target.part").write_bytes(part)
    async with served() as it:
        arrived = await download(it.client, str(source), target)
    assert arrived.resumed_at == 0
    assert target.read_bytes() == CONTENT


async def test_only_what_is_unfinished_stays_written_down(tmp_path: Path) -> None:
    source, denied = tmp_path / "source", tmp_path / "source" / "below a file"
    source.write_bytes(CONTENT)
    known = tmp_path / "parts"

    def kept() -> list[str]:
        return [str(found) for (found,) in read_lines(known, 1) if Path(str(found)).exists()]

    async with served(parts=Parts(known)) as it:
        await upload(it.client, source, f"{tmp_path}/whole", transfer=TRANSFER)
        with refusing("missing"):
            await upload(it.client, source, str(denied), transfer=TRANSFER)
        assert kept() == []
        with trio.CancelScope() as scope:
            await upload(
                it.client,
                source,
                f"{tmp_path}/half",
                transfer=TRANSFER,
                progress=lambda done, total: scope.cancel() if done > total // 2 else None,
            )
        it.end.close(CloseReason.DEAD)
    assert kept() == [f"{tmp_path}/.half.{TRANSFER}.part"]


async def test_an_interrupted_upload_goes_on_from_where_it_was(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(CONTENT)
    async with served() as it:
        with trio.CancelScope() as scope:
            await upload(
                it.client,
                source,
                str(target),
                transfer=TRANSFER,
                progress=lambda done, total: scope.cancel() if done > 2_000_000 else None,
            )
        it.end.close(CloseReason.DEAD)
    assert not target.exists()
    part = tmp_path / f".target.{TRANSFER}.part"
    there = part.stat().st_size
    assert there > 0
    async with served() as it:
        arrived = await upload(it.client, source, str(target), transfer=TRANSFER)
    assert arrived.resumed_at == there
    assert target.read_bytes() == CONTENT
    assert not part.exists()


async def test_a_hosts_part_of_another_file_is_begun_anew(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(CONTENT)
    (tmp_path / f".target.{TRANSFER}.part").write_bytes(b"another beginning")
    async with served() as it:
        arrived = await upload(it.client, source, str(target), transfer=TRANSFER)
    assert arrived.resumed_at == 0
    assert target.read_bytes() == CONTENT


async def test_a_target_that_is_there_is_replaced_only_when_told_to(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"new")
    target.write_bytes(b"old")
    async with served() as it:
        with refusing("exists"):
            await upload(it.client, source, str(target), transfer=TRANSFER)
    async with served() as it:
        with pytest.raises(LocalProblem, match="there already"):
            await download(it.client, str(source), target)
        assert target.read_bytes() == b"old"
        await upload(it.client, source, str(target), transfer=TRANSFER, overwrite=True)
    assert target.read_bytes() == b"new"


async def test_a_source_that_grows_while_it_is_read_is_told(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(CONTENT)

    def grow(done: int, total: int) -> None:
        if done == 1 << 20:
            with source.open("ab") as file:
                file.write(b"more")

    async with served() as it:
        with refusing("changed"):
            await download(it.client, str(source), target, progress=grow)
    assert not target.exists()


async def test_a_full_disk_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = tmp_path / "source", tmp_path / "folder" / "target"
    source.write_bytes(CONTENT)
    target.parent.mkdir()
    real = os.fstatvfs
    monkeypatch.setattr(
        os,
        "fstatvfs",
        lambda fd: os.statvfs_result([*real(fd)[:4], 1, *real(fd)[5:]]),  # one block is free
    )
    async with served() as it:
        with refusing("full"):
            await upload(it.client, source, str(target), transfer=TRANSFER)
    assert tree(target.parent) == {}


# What a hostile viewer gets


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    """A folder that the customer allowed, beside one that they did not, with links that lead out."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_bytes(b"secret")
    folder = tmp_path / "allowed"
    folder.mkdir()
    (folder / "own").write_bytes(b"own")
    (folder / "out").symlink_to(secret)
    (folder / "file out").symlink_to(secret / "file")
    return folder


WAYS_OUT = [
    "{top}/../secret/file",
    "{top}/out/file",
    "{top}/./../secret/file",
    "{top}2/file",
    "/etc/passwd",
    "/proc/self/root{top}/own",
    "relative",
    "",
    "{top}/own\0",
]


@pytest.mark.parametrize("path", WAYS_OUT)
async def test_no_path_leads_out_of_the_chosen_folders(allowed: Path, tmp_path: Path, path: str) -> None:
    path = path.format(top=allowed)
    async with served(limit=[allowed]) as it:
        for ask in (
            partial(download, it.client, path, tmp_path / "stolen"),
            partial(it.client.stat, path),
            partial(it.client.make, path),
            partial(it.client.copy, path, f"{allowed}/copy"),
            partial(it.client.move, path, f"{allowed}/moved"),
            partial(it.client.move, f"{allowed}/own", path),
            partial(it.client.delete, path, final=True),
        ):
            with pytest.raises(RequestRefused):
                await ask()
    assert tree(tmp_path / "secret") == {"file": b"secret"}
    assert (allowed / "own").read_bytes() == b"own"
    assert not (tmp_path / "stolen").exists()


@pytest.mark.parametrize("name", ["out", "file out"])
async def test_links_out_are_seen_and_lead_nowhere(allowed: Path, tmp_path: Path, name: str) -> None:
    async with served(limit=[allowed]) as it:
        assert (await it.client.stat(f"{allowed}/{name}")).kind == "link"
        with pytest.raises(RequestRefused):
            await download(it.client, f"{allowed}/{name}", tmp_path / "stolen")
        with pytest.raises(RequestRefused):
            await names(it, allowed / name)
        await it.client.copy(f"{allowed}/{name}", f"{allowed}/copy")
        assert (allowed / "copy").is_symlink()
        (tmp_path / "mine").write_bytes(b"mine")
        with suppress(RequestRefused):
            await upload(it.client, tmp_path / "mine", f"{allowed}/{name}", transfer=TRANSFER, overwrite=True)
    assert tree(tmp_path / "secret") == {"file": b"secret"}
    assert not (tmp_path / "stolen").exists()


async def test_inside_the_chosen_folders_all_is_as_usual(allowed: Path, tmp_path: Path) -> None:
    async with served(limit=[allowed]) as it:
        assert await names(it, allowed) == ["file out", "out", "own"]
        await it.client.make(f"{allowed}/new")
        await download(it.client, f"{allowed}/own", tmp_path / "fetched")
        await it.client.delete(f"{allowed}/out", final=True)
        with refusing("denied"):
            await it.client.delete(f"{allowed}", final=True)
    assert (tmp_path / "fetched").read_bytes() == b"own"
    assert tree(tmp_path / "secret") == {"file": b"secret"}
    assert not (allowed / "out").is_symlink()


async def test_a_folder_that_is_swapped_for_a_link_leads_nowhere(allowed: Path, tmp_path: Path) -> None:
    """The classic race, played by hand: between the look and the deed the folder becomes a link."""
    inner = allowed / "inner"
    inner.mkdir()
    with Places([str(allowed)]).at(f"{inner}/file") as place:
        inner.rmdir()
        inner.symlink_to(tmp_path / "secret")
        with pytest.raises(FileNotFoundError):
            place.facts()
    again = Places([str(allowed)]).at(f"{inner}/file")
    with pytest.raises(NotADirectoryError):
        again.__enter__()


async def test_a_chosen_folder_that_is_swapped_for_a_link_leads_nowhere(tmp_path: Path) -> None:
    for name in ("chosen", "secret"):
        (tmp_path / name).mkdir()
    places = Places([f"{tmp_path}/chosen"])
    (tmp_path / "chosen").rmdir()
    (tmp_path / "chosen").symlink_to("secret")
    with pytest.raises(NotADirectoryError):
        places.at(f"{tmp_path}/chosen/file").__enter__()


@pytest.mark.parametrize(
    "head",
    [
        {},
        {"id": 1},
        {"id": -1, "op": "roots"},
        {"id": 1, "op": "format"},
        {"id": 1, "op": "list", "path": 7},
        {"id": 1, "op": "delete", "path": "/tmp/x", "final": "no"},
        {"id": 1, "op": "put", "path": "/tmp/x", "sha256": b"short", "modified": 0},
        {"id": 1, "op": "write", "path": "/tmp/x", "size": -1, "modified": 0, "transfer": TRANSFER},
        {"id": 1, "op": "read", "path": "/tmp/x", "offset": 5},
    ],
)
async def test_a_viewer_that_breaks_the_protocol_loses_its_stream(head: dict[str, object]) -> None:
    async with served() as it:
        await it.client.stream.send(head)
        with suppress(StreamClosed):
            assert await it.client.stream.receive() is None
    assert it.closed
    assert it.closed[0].close_reason is CloseReason.BAD_FRAME


@pytest.mark.parametrize("transfer", ["", "../../x", "a" * 31 + "/", "A" * 32, "0" * 33])
async def test_a_transfers_id_is_hexadecimal(tmp_path: Path, transfer: str) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    async with served() as it:
        with pytest.raises((RequestRefused, StreamClosed)):
            await upload(it.client, source, f"{tmp_path}/target", transfer=transfer)
    assert tree(tmp_path) == {"source": b"x"}


async def test_pieces_that_do_not_follow_are_refused_and_the_stream_goes_on(tmp_path: Path) -> None:
    async with served() as it:
        number = await it.client.ask(
            "write", path=f"{tmp_path}/target", size=10, modified=0, transfer=TRANSFER
        )
        await it.client.answer_to(number)
        await it.client.stream.send({"id": number, "offset": 5}, b"xxxxx")
        await it.client.stream.send({"id": number, "offset": 0}, b"ignored by now")
        await it.client.stream.send({"id": number, "end": bytes(32)})
        with refusing("changed"):
            await it.client.answer_to(number)
        assert await names(it, tmp_path) == []
    assert not (tmp_path / "target").exists()


async def test_a_pipe_does_not_hold_the_host(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    async with served() as it:
        with refusing("other"):
            await download(it.client, f"{tmp_path}/pipe", tmp_path / "target")
