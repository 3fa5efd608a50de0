"""`relay backup` and `relay restore`: the same relay elsewhere, and nothing alive that should be dead."""

import io
import json
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest
import trio

from relay.backup import Made, Restored, restore_backup, write_backup
from relay.errors import ConfigError
from tests.helpers.relays import activate, open_relay

pytestmark = [pytest.mark.sockets, pytest.mark.slow]


async def back_up(data: Path, file: Path) -> Made:
    return await trio.to_thread.run_sync(write_backup, data, file)


async def restore(file: Path, data: Path) -> Restored:
    return await trio.to_thread.run_sync(restore_backup, file, data)


async def a_backup(folder: Path) -> Path:
    """Of a relay that nobody has used."""
    async with open_relay(folder / "data"):
        await back_up(folder / "data", folder / "backup.tar")
    return folder / "backup.tar"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def rows(data: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(data / "relay.db")) as db:
        return db.execute(query).fetchall()


def rewritten(file: Path, *, change: str = "", leave_out: str = "", add: str = "") -> Path:
    """A copy of the archive with one member changed, left out or added; its manifest says what it said."""
    target = file.with_name("rewritten.tar")
    with tarfile.open(file) as old, tarfile.open(target, "w") as new:
        for entry in old:
            content = old.extractfile(entry)
            assert content is not None
            data = bytearray(content.read())
            if entry.name == change:
                data[len(data) // 2] ^= 1
            if entry.name != leave_out:
                new.addfile(entry, io.BytesIO(data))
        if add:
            new.addfile(tarfile.TarInfo(add))
    return target


async def test_an_active_sessions_host_comes_back_to_the_restored_relay(tmp_path: Path) -> None:
    async with open_relay(tmp_path / "old") as house:
        active = await activate(house)
        made = await back_up(tmp_path / "old", tmp_path / "backup.tar")
        port = int(house.origin.rpartition(":")[2])
    assert made.sessions == 1
    assert (tmp_path / "backup.tar").stat().st_mode & 0o777 == 0o600
    restored = await restore(tmp_path / "backup.tar", tmp_path / "new")
    assert (restored.active, restored.lapsed) == (1, 0)
    async with open_relay(tmp_path / "new", port=port) as house, active.host.connected():
        session = await house.relay.session(active.id)
        assert session.state == "active"
        assert session.host is not None
        assert session.host.online


async def test_the_relay_goes_on_writing_while_it_is_copied(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with open_relay(data) as house, trio.open_nursery() as nursery:
        is_done = trio.Event()

        async def prepare_and_end() -> None:
            while not is_done.is_set():
                prepared = await house.relay.prepare("ana@example.com")
                await house.relay.end(prepared.session.id)

        nursery.start_soon(prepare_and_end)
        for number in range(3):
            file = tmp_path / f"{number}.tar"
            await back_up(data, file)
            await restore(file, tmp_path / f"restored-{number}")
        is_done.set()
    assert rows(tmp_path / "restored-2", "PRAGMA integrity_check") == [("ok",)]


async def test_what_was_live_does_not_come_back_to_life(tmp_path: Path) -> None:
    async with open_relay(tmp_path / "old") as house:
        prepared = await house.relay.prepare("ana@example.com")
        await back_up(tmp_path / "old", tmp_path / "backup.tar")
    restored = await restore(tmp_path / "backup.tar", tmp_path / "new")
    assert (restored.active, restored.lapsed) == (0, 1)
    assert rows(tmp_path / "old", "SELECT count(*) FROM cookies") == [(1,)]
    for table in ("cookies", "tickets", "sign_in_links", "challenges"):
        assert rows(tmp_path / "new", f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608 - names from here
    assert rows(tmp_path / "new", "SELECT state, end_reason FROM sessions") == [("ended", "lapsed")]
    assert rows(tmp_path / "new", "SELECT action FROM audit ORDER BY id DESC LIMIT 1") == [("restored",)]
    async with open_relay(tmp_path / "new") as house:
        assert (await house.relay.session(prepared.session.id)).state == "ended"


async def test_a_backup_replaces_nothing(tmp_path: Path) -> None:
    file = await a_backup(tmp_path)
    before = file.read_bytes()
    with pytest.raises(ConfigError, match="is there already"):
        await back_up(tmp_path / "data", file)
    assert file.read_bytes() == before


async def test_a_folder_without_a_relay_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not the folder of a relay"):
        await back_up(tmp_path, tmp_path / "backup.tar")


async def test_a_damaged_database_is_not_backed_up(tmp_path: Path) -> None:
    (tmp_path / "relay.db").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with pytest.raises(ConfigError, match="cannot be read"):
        await back_up(tmp_path, tmp_path / "backup.tar")
    assert names_in(tmp_path) == ["relay.db"]


async def test_a_folder_with_anything_in_it_is_not_restored_into(tmp_path: Path) -> None:
    file = await a_backup(tmp_path)
    with pytest.raises(ConfigError, match="not empty"):
        await restore(file, tmp_path / "data")


@pytest.mark.parametrize("member", ["relay.db", "relay.key", "origin"])
async def test_a_changed_or_missing_member_is_found(tmp_path: Path, member: str) -> None:
    file = await a_backup(tmp_path)
    with pytest.raises(ConfigError, match="damaged, or was changed"):
        await restore(rewritten(file, change=member), tmp_path / "new")
    with pytest.raises(ConfigError, match="cut short"):
        await restore(rewritten(file, leave_out=member), tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "relay.db", "another"])
async def test_a_member_that_the_manifest_does_not_name_is_refused(tmp_path: Path, name: str) -> None:
    file = await a_backup(tmp_path)
    with pytest.raises(ConfigError, match="damaged, or was changed"):
        await restore(rewritten(file, add=name), tmp_path / "new")
    assert names_in(tmp_path) == ["backup.tar", "data", "rewritten.tar"]


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"[]",
        b"{",
        json.dumps({"format": 1}).encode(),
        json.dumps({"format": 1, "made_at": "yesterday", "members": {}}).encode(),
        json.dumps({"format": 1, "made_at": "2026-01-01", "members": {"../relay.db": {}}}).encode(),
        json.dumps(
            {"format": 1, "made_at": "2026-01-01", "members": {"relay.db": 1, "relay.key": 2}}
        ).encode(),
    ],
)
async def test_rubbish_is_no_backup(tmp_path: Path, manifest: bytes) -> None:
    entry = tarfile.TarInfo("manifest.json")
    entry.size = len(manifest)
    with tarfile.open(tmp_path / "backup.tar", "w") as archive:
        archive.addfile(entry, io.BytesIO(manifest))
    with pytest.raises(ConfigError, match="no backup of a relay"):
        await restore(tmp_path / "backup.tar", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("size", [0, 100, 5000, -1024 * 30])
async def test_a_cut_backup_is_found(tmp_path: Path, size: int) -> None:
    file = await a_backup(tmp_path)
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(ConfigError, match=r"."):
        await restore(file, tmp_path / "new")
    assert not (tmp_path / "new").exists()


async def test_a_newer_relays_backup_is_left_alone(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("manifest.json")
    text = json.dumps({"format": 2}).encode()
    entry.size = len(text)
    with tarfile.open(tmp_path / "backup.tar", "w") as archive:
        archive.addfile(entry, io.BytesIO(text))
    with pytest.raises(ConfigError, match="newer relay"):
        await restore(tmp_path / "backup.tar", tmp_path / "new")
