"""A file far larger than the page's memory goes both ways."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest
from playwright.sync_api import Page

from tests.browser.test_files_page import FileManager, open_file_manager
from tests.helpers.story import Stage

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1500)]

SIZE = int(os.environ.get("ADHOC_LARGE_FILE_MIB", "1024")) << 20
MAX_GROWTH = 200 << 20
"""Bytes by which the page's process may grow (issue: 200 MB for 4 GiB)."""
MINUTES = 60_000
SEND = """async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("mine", { create: true });
    return (await folder.getFileHandle("large.bin")).getFile().then((file) => file.size);
}"""


class Watch:
    """The largest resident memory of the page's own process, bytes."""

    def __init__(self, page: Page) -> None:
        session = page.context.browser.new_browser_cdp_session()  # type: ignore[union-attr]  # launched, so there
        processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
        self._pids = [process["id"] for process in processes if process["type"] == "renderer"]
        self._began = 0.0
        self.seconds = 0.0
        self._over = Event()
        self.before = self._resident()
        self.most = self.before
        self._thread = Thread(target=self._look)

    def __enter__(self) -> "Watch":
        self._began = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.seconds = time.monotonic() - self._began
        self._over.set()
        self._thread.join()

    @property
    def growth(self) -> int:
        return self.most - self.before

    def _look(self) -> None:
        while not self._over.wait(0.2):
            self.most = max(self.most, self._resident())

    def _resident(self) -> int:
        found = 0
        for pid in self._pids:
            try:
                pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
            except OSError:
                continue
            found = max(found, pages * os.sysconf("SC_PAGE_SIZE"))
        return found


@pytest.fixture
def manager(stage: Stage, tmp_path: Path) -> Iterator[FileManager]:
    """The File Manager beside a computer with a large file."""
    home = tmp_path / "customer-1"
    home.mkdir(exist_ok=True)
    with (home / "large.bin").open("wb") as file:
        file.truncate(SIZE)
        file.seek(SIZE // 2)
        file.write(b"in the middle")
    opened, _ = open_file_manager(stage)
    yield opened


def wait_done(manager: FileManager) -> None:
    manager.jobs.get_by_text("checked by SHA-256").first.wait_for(timeout=20 * MINUTES)


def test_a_large_file_goes_both_ways_in_little_memory(manager: FileManager, tmp_path: Path) -> None:
    manager.open_folder()
    with Watch(manager.page) as down:
        manager.row("large.bin").get_by_role("checkbox").check()
        manager.remote.get_by_role("button", name="Copy to this computer").click()
        wait_done(manager)
    assert manager.page.evaluate(SEND) == SIZE
    (tmp_path / "customer-1" / "large.bin").unlink()
    manager.jobs.get_by_role("button", name="Clear what is over").click()
    manager.remote.get_by_role("button", name="Refresh").click()
    with Watch(manager.page) as up:
        manager.row("large.bin", manager.local).get_by_role("checkbox").check()
        manager.local.get_by_role("button", name="Send to the computer").click()
        wait_done(manager)
    for way, watch in (("down", down), ("up", up)):
        rate = (SIZE >> 20) / watch.seconds
        print(f"{SIZE >> 20} MiB {way}: page grew by {watch.growth >> 20} MiB, {rate:.0f} MiB/s")
    assert (tmp_path / "customer-1" / "large.bin").stat().st_size == SIZE
    assert max(down.growth, up.growth) < MAX_GROWTH
