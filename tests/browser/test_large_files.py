"""A file far larger than the page's memory goes both ways."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenStage
from tests.browser.test_files_page import FileManager, open_file_manager

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1500)]

SIZE = int(os.environ.get("ADHOC_LARGE_FILE_MIB", "1024")) << 20
MAX_GROWTH = 200_000_000
"""Bytes by which the page's process may grow (issue: 200 MB for 4 GiB)."""
MINUTES = 60_000
SEND = """async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("mine");
    return (await folder.getFileHandle("large.bin")).getFile().then((file) => file.size);
}"""


class Watch:
    """The largest resident memory of the page's own process, bytes."""

    def __init__(self, profile: Path) -> None:
        self._pids = list(_renderers(profile))
        self._over = Event()
        self._before = self._resident()
        self._began = time.monotonic()
        self.seconds = 0.0
        self.growth = 0
        self._thread = Thread(target=self._look)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.seconds = time.monotonic() - self._began
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(0.2):
            now = self._resident()
            self.growth = max(self.growth, *(now[pid] - self._before[pid] for pid in now))

    def _resident(self) -> dict[int, int]:
        statm = {pid: Path(f"/proc/{pid}/statm").read_text().split() for pid in self._pids}
        return {pid: int(fields[1]) * os.sysconf("SC_PAGE_SIZE") for pid, fields in statm.items()}


def _renderers(profile: Path) -> Iterator[int]:
    """The processes of a profile's pages."""
    for process in psutil.process_iter(["cmdline"]):
        if f"--user-data-dir={profile}" in (process.info["cmdline"] or ()):
            for child in process.children(recursive=True):
                if "--type=renderer" in child.cmdline():
                    yield child.pid


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """Of a browser that keeps files on the disk, as people's do."""
    return tmp_path / "profile"


@pytest.fixture
def manager(open_stage: OpenStage, profile: Path, tmp_path: Path) -> FileManager:
    """The File Manager beside a computer with a large file."""
    home = tmp_path / "customer-1"
    home.mkdir()
    with (home / "large.bin").open("wb") as file:
        file.truncate(SIZE)
        file.seek(SIZE // 2)
        file.write(b"in the middle")
    manager, _ = open_file_manager(open_stage(profile=profile))
    return manager


def wait_done(manager: FileManager) -> None:
    expect(manager.jobs.get_by_role("status").first).to_have_text("Done", timeout=20 * MINUTES)
    expect(manager.jobs).to_contain_text("checked by SHA-256")


def test_a_large_file_goes_both_ways_in_little_memory(
    manager: FileManager, profile: Path, tmp_path: Path
) -> None:
    manager.open_folder()
    with Watch(profile) as down:
        manager.row("large.bin").get_by_role("checkbox").check()
        manager.remote.get_by_role("button", name="Copy to this computer").click()
        wait_done(manager)
    assert manager.page.evaluate(SEND) == SIZE
    (tmp_path / "customer-1" / "large.bin").unlink()
    manager.jobs.get_by_role("button", name="Clear what is over").click()
    manager.remote.get_by_role("button", name="Refresh").click()
    with Watch(profile) as up:
        manager.row("large.bin", manager.local).get_by_role("checkbox").check()
        manager.local.get_by_role("button", name="Send to the computer").click()
        wait_done(manager)
    for way, watch in (("down", down), ("up", up)):
        rate = (SIZE >> 20) / watch.seconds
        print(f"{SIZE >> 20} MiB {way}: page grew by {watch.growth >> 20} MiB, {rate:.0f} MiB/s")
    assert (tmp_path / "customer-1" / "large.bin").stat().st_size == SIZE
    assert max(down.growth, up.growth) < MAX_GROWTH
