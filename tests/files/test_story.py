"""Files through the real thing: a relay's process, a host's process, and the technician's command line."""

import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from peer.errors import StreamClosed
from peer.messages import MessageStream
from relay.protocol.frames import Channel
from technician.attaching import open_tool
from technician.errors import RelayRefused
from technician.files import FilesClient
from technician.files.connection import FilesConnection
from technician.files.jobs import Tally
from technician.files.moving import Moving, get_all, put_all
from technician.files.transfers import download, upload
from technician.requests import RequestRefused
from tests.helpers.active_story import ActiveSession, open_active_session, run_technician
from tests.helpers.desktops import Desktop

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

TRANSFER = "ab" * 16
BIG = os.urandom(1 << 20) * 12


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    """The customer's desktop."""
    with Desktop() as running:
        yield running


@asynccontextmanager
async def files_of(session: ActiveSession) -> AsyncIterator[FilesClient]:
    """A files stream of its own."""
    password = session.prepared.link.access_password
    key = bytes(session.pairing_key)
    async with open_tool(session.client, session.id, Channel.FILES, key, password) as stream:
        yield FilesClient(MessageStream(stream))


async def test_files_go_both_ways_and_come_back_after_the_host_was_killed(
    tmp_path: Path, desktop: Desktop
) -> None:
    source, there, back = tmp_path / "source", tmp_path / "there", tmp_path / "back"
    source.write_bytes(BIG)
    async with open_active_session(tmp_path, desktop) as session:
        async with files_of(session) as client:
            assert (await client.roots())[0]["path"] == str(session.host.home)

            def kill(done: int, total: int) -> None:
                if done > len(BIG) // 2:
                    session.host.kill()

            with pytest.raises((StreamClosed, BaseExceptionGroup)):
                await upload(client, source, str(there), transfer=TRANSFER, progress=kill)
        assert not there.exists()
        await session.wait_online(is_online=False)
        session.host = type(session.host).resume(session.host.home, display=desktop.name)
        await session.wait_online(is_online=True)
        async with files_of(session) as client:
            sent = await upload(client, source, str(there), transfer=TRANSFER)
            assert sent.resumed_at > 0
            assert there.read_bytes() == BIG
            fetched = await download(client, str(there), back)
            assert fetched.sha256 == sent.sha256
    assert back.read_bytes() == BIG


async def test_no_unfinished_file_outlives_the_session(tmp_path: Path, desktop: Desktop) -> None:
    source, there = tmp_path / "source", tmp_path / "there"
    source.write_bytes(BIG)
    there.mkdir()
    async with open_active_session(tmp_path, desktop) as session:
        async with files_of(session) as client:

            def kill(done: int, total: int) -> None:
                if done > len(BIG) // 2:
                    session.host.kill()

            with pytest.raises((StreamClosed, BaseExceptionGroup)):
                await upload(client, source, f"{there}/file", transfer=TRANSFER, progress=kill)
        assert [path.name for path in there.iterdir()] == [f".file.{TRANSFER}.part"]
        await session.wait_online(is_online=False)
        session.host = type(session.host).resume(session.host.home, display=desktop.name)
        await session.wait_online(is_online=True)
        await trio.to_thread.run_sync(session.host.interrupt)
        await trio.to_thread.run_sync(session.host.wait_removed)
        assert list(there.iterdir()) == []


async def test_the_free_plan_has_no_files(tmp_path: Path, desktop: Desktop) -> None:
    async with open_active_session(tmp_path, desktop, "--company-plan", "free") as session:
        with pytest.raises(RelayRefused) as refused:
            async with files_of(session):
                raise AssertionError("the stream opened")
        assert refused.value.status == 409


async def test_the_command_line_lists_puts_gets_and_removes(tmp_path: Path, desktop: Desktop) -> None:
    (tmp_path / "mine" / "deep").mkdir(parents=True)
    (tmp_path / "mine" / "a").write_bytes(b"a")
    (tmp_path / "mine" / "deep" / "b").write_bytes(BIG)
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    async with open_active_session(tmp_path, desktop) as session:
        technician = partial(run_technician, session, tmp_path / "config", "files")
        put = await technician("put", tmp_path / "mine", theirs, "--json")
        assert put.returncode == 0, put.stderr
        assert [file["path"] for file in json.loads(put.stdout)["files"]] == [
            f"{theirs}/mine/a",
            f"{theirs}/mine/deep/b",
        ]
        listed = await technician("ls", theirs / "mine", "--json")
        assert [(row["name"], row["kind"]) for row in json.loads(listed.stdout)["entries"]] == [
            ("deep", "folder"),
            ("a", "file"),
        ]
        again = await technician("put", tmp_path / "mine", theirs)
        assert again.returncode == 1
        assert "There is something of this name already." in again.stderr
        got = await technician("get", theirs / "mine", tmp_path / "back")
        assert got.returncode == 0, got.stderr
        assert (tmp_path / "back" / "deep" / "b").read_bytes() == BIG
        gone = await technician("rm", theirs / "mine", "--final", "--yes")
        assert gone.returncode == 0, gone.stderr
        assert list(theirs.iterdir()) == []
        wrong = await technician("ls", "/no such folder")
        assert (wrong.returncode, wrong.stderr) == (1, "technician: There is no such file or folder.\n")


async def test_the_customers_folders_are_all_that_can_be_reached(tmp_path: Path, desktop: Desktop) -> None:
    mine, secret = tmp_path / "mine", tmp_path / "secret"
    mine.mkdir()
    secret.mkdir()
    (secret / "file").write_bytes(b"secret")
    (mine / "file").write_bytes(b"mine")
    (mine / "link").symlink_to(secret)
    hostile = {
        str(secret): "outside",
        f"{mine}/../secret": "bad_name",
        f"{mine}/./../secret": "bad_name",
        f"{mine}/link": "missing",
        f"{mine}x": "outside",
        str(mine).upper(): "outside",
        "/": "outside",
        f"/proc/self/root{mine}": "outside",
    }
    async with open_active_session(tmp_path, desktop, folders=[tmp_path / "none", mine]) as session:

        async def look() -> None:
            async with files_of(session) as client:
                assert [(root["path"], root["kind"]) for root in await client.roots()] == [
                    (str(mine), "chosen")
                ]
                assert sorted([entry.name async for entry in client.list(str(mine))]) == ["file", "link"]
                for path, word in hostile.items():
                    with pytest.raises(RequestRefused) as refused:
                        assert [entry async for entry in client.list(path)] == []
                    assert refused.value.code == word, path
                with pytest.raises(RequestRefused):
                    await download(client, f"{mine}/link/file", tmp_path / "stolen")
                with pytest.raises(RequestRefused):
                    await upload(client, mine / "file", f"{mine}/link/new", transfer=TRANSFER)

        await look()
        session.host.kill()
        await session.wait_online(is_online=False)
        session.host = type(session.host).resume(session.host.home, display=desktop.name)
        await session.wait_online(is_online=True)
        await look()
    assert sorted(path.name for path in secret.iterdir()) == ["file"]


async def test_a_tree_put_while_the_computer_is_offline_arrives_when_it_is_back_and_is_kept_the_same(
    tmp_path: Path, desktop: Desktop
) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    (mine / "deep").mkdir(parents=True)
    for number in range(100):
        (mine / "deep" / f"{number}").write_bytes(BIG[: number * 100])
    async with open_active_session(tmp_path, desktop) as session:
        technician = partial(run_technician, session, tmp_path / "config", "files")
        session.host.kill()
        await session.wait_online(is_online=False)
        is_waiting = trio.Event()

        def said(sentence: str) -> None:
            if "by itself" in sentence:
                is_waiting.set()

        password = session.prepared.link.access_password
        connection = FilesConnection(session.client, session.id, session.pairing_key, password, say=said)
        rows: list[dict[str, Any]] = []

        async def put() -> None:
            rows.extend(await put_all(Moving(connection, Tally()), mine, str(theirs), overwrite=False))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(put)
            await is_waiting.wait()
            session.host = type(session.host).resume(session.host.home, display=desktop.name)
        assert [row for row in rows if "problem" in row] == []
        assert len(rows) == 100
        first = await technician("sync", mine, theirs, "--json")
        assert json.loads(first.stdout)["actions"] == [], first.stderr
        (theirs / "deep" / "7").unlink()
        (mine / "deep" / "new").write_bytes(b"new")
        listed = await technician("sync", mine, theirs, "--dry-run", "--json")
        assert [
            (row["action"], row["side"], row["path"]) for row in json.loads(listed.stdout)["actions"]
        ] == [
            ("delete", "local", "deep/7"),
            ("copy", "remote", "deep/new"),
        ]
        refused = await technician("sync", mine, theirs, stdin="n\n")
        assert refused.returncode == 1
        assert (mine / "deep" / "7").exists()
        done = await technician("sync", mine, theirs, "--yes")
        assert done.returncode == 0, done.stderr
        assert (theirs / "deep" / "new").read_bytes() == b"new"
        assert [path.name for path in mine.glob(".adhoc-undo/*/deep/*")] == ["7"]
        copied = await technician("replicate", f":{theirs}", tmp_path / "copy", "--yes", "--json")
        assert copied.returncode == 0, copied.stderr
        assert len(list((tmp_path / "copy" / "deep").iterdir())) == 100


@pytest.mark.parametrize("move", [get_all, put_all])
async def test_a_transfer_goes_on_after_the_relay_was_killed_in_the_middle_of_it(
    tmp_path: Path, desktop: Desktop, move: Callable[..., Any]
) -> None:
    size = 48 << 20
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(os.urandom(1 << 20) * (size >> 20))
    said: list[str] = []
    killed_at: list[int] = []
    async with open_active_session(tmp_path, desktop) as session:
        is_killed = trio.Event()
        tally = Tally()

        def look() -> None:
            if not killed_at and tally.bytes > size // 3:
                killed_at.append(tally.bytes)
                session.relay.kill()
                is_killed.set()

        tally.changed = look

        async def start_again() -> None:
            await is_killed.wait()
            await trio.to_thread.run_sync(session.relay.start_again)

        password = session.prepared.link.access_password
        connection = FilesConnection(
            session.client, session.id, session.pairing_key, password, say=said.append
        )
        ends = (source, str(target)) if move is put_all else (str(source), target)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(start_again)
            (row,) = await move(Moving(connection, tally), *ends, overwrite=False)
        assert killed_at
        assert killed_at[0] < size
        assert "problem" not in row
        assert 0 < row["resumed_at"] < size, "what was there was not sent again"
        assert row["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
        assert target.read_bytes() == source.read_bytes()
        assert any("by itself" in sentence for sentence in said)
        assert said[-1] == "It goes on."
        assert [name for name in os.listdir(tmp_path) if name.endswith(".part")] == []
