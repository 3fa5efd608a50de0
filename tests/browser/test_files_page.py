"""The File Manager in a browser: look around, change things, copy both ways, go on after interruptions."""

import hashlib
import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.helpers.host_process import HostProcess
from tests.helpers.programs import wait_until
from tests.helpers.story import Stage

pytestmark = pytest.mark.browser

PICKER = """window.showDirectoryPicker = async () =>
    (await navigator.storage.getDirectory()).getDirectoryHandle("mine", { create: true })"""
"""Chromium without a window cannot show its dialog: the folder is one of the browser's own."""
READ = """async (path) => {
    let folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("mine");
    const names = path.split("/");
    for (const name of names.slice(0, -1)) folder = await folder.getDirectoryHandle(name);
    const file = await (await folder.getFileHandle(names.at(-1))).getFile();
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
    return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}"""
WRITE = """async ([path, size]) => {
    let folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("mine", { create: true });
    const names = path.split("/");
    for (const name of names.slice(0, -1)) folder = await folder.getDirectoryHandle(name, { create: true });
    const writable = await (await folder.getFileHandle(names.at(-1), { create: true })).createWritable();
    await writable.write(new Uint8Array(size).fill(7));
    await writable.close();
}"""
BIG = 24 << 20


class FileManager:
    """A tab with the File Manager."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.remote = page.get_by_role("region", name="Customer\u2019s computer")
        self.local = page.get_by_role("region", name="This computer")
        self.jobs = page.get_by_role("region", name="Copying")
        self.left = page.get_by_role("region", name="Left from a tab that was closed")

    def connect(self, password: str) -> None:
        self.page.get_by_label("Access password", exact=True).fill(password)
        self.page.get_by_role("button", name="Connect", exact=True).click()
        expect(self.remote).to_be_visible()

    def row(self, name: str, pane: Locator | None = None) -> Locator:
        return (pane or self.remote).get_by_role("row").filter(has_text=name)

    def open_folder(self) -> None:
        self.local.get_by_role("button", name="Open a folder").click()
        expect(self.local.get_by_role("grid")).to_be_visible()

    def wait_done(self) -> None:
        job = self.jobs.get_by_role("listitem").first
        expect(job.get_by_role("status")).to_have_text("Done", timeout=30_000)


def open_file_manager(stage: Stage) -> tuple[FileManager, HostProcess]:
    """An active session with the tool's tab connected."""
    prepared, host = stage.activate()
    console = stage.console
    with console.page.context.expect_page() as opened:
        console.session.get_by_role("link", name="File Manager").click()
    opened.value.add_init_script(PICKER)
    opened.value.reload()
    manager = FileManager(opened.value)
    manager.connect(prepared.password)
    return manager, host


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The customer's folder, with something in it."""
    home = tmp_path / "customer-1"
    (home / "Documents" / "deep").mkdir(parents=True)
    (home / "Documents" / "letter.txt").write_bytes(b"Dear Ana")
    (home / "Documents" / "deep" / "<b>bold<!-- .txt").write_bytes(b"x" * 3000)
    (home / "Documents" / ".hidden").write_bytes(b"")
    return home


@pytest.mark.slow
def test_looking_around_and_changing_things(stage: Stage, home: Path) -> None:
    manager, _ = open_file_manager(stage)
    remote = manager.remote
    manager.row("Documents").get_by_role("button", name="Documents").click()
    expect(manager.row("letter.txt")).to_contain_text("8 B")
    expect(manager.row(".hidden")).to_have_count(0)
    remote.get_by_role("button", name="Hidden files").click()
    expect(manager.row(".hidden")).to_be_visible()
    remote.get_by_role("button", name="New folder").click()
    manager.page.get_by_label("Name", exact=True).fill("made here")
    manager.page.get_by_role("button", name="OK", exact=True).click()
    expect(manager.row("made here")).to_be_visible()
    assert (home / "Documents" / "made here").is_dir()
    manager.row("letter.txt").click()
    manager.page.keyboard.press("F2")
    manager.page.get_by_label("Name", exact=True).fill("note.txt")
    manager.page.get_by_role("button", name="OK", exact=True).click()
    expect(manager.row("note.txt")).to_be_visible()
    manager.row("note.txt").click()
    manager.page.keyboard.press("Delete")
    manager.page.get_by_role("dialog").get_by_role("button", name="Delete for good").click()
    expect(manager.row("note.txt")).to_have_count(0)
    assert not (home / "Documents" / "note.txt").exists()
    remote.get_by_label("Search here and below").fill("bold")
    manager.page.keyboard.press("Enter")
    expect(manager.row("<b>bold<!-- .txt")).to_contain_text("deep")
    remote.get_by_role("button", name="Back to the folder").click()
    manager.row("deep").get_by_role("checkbox").check()
    remote.get_by_role("button", name="Size with all that is inside").click()
    expect(manager.page.get_by_role("dialog")).to_contain_text("3 kB · 1 file · 1 folder")


def test_files_and_trees_go_both_ways_checked(stage: Stage, home: Path) -> None:
    big = os.urandom(BIG)
    (home / "Documents" / "big.bin").write_bytes(big)
    manager, _ = open_file_manager(stage)
    manager.open_folder()
    manager.row("Documents").get_by_role("checkbox").check()
    manager.remote.get_by_role("button", name="Copy to this computer").click()
    manager.wait_done()
    expect(manager.jobs).to_contain_text("checked by SHA-256")
    page = manager.page
    assert page.evaluate(READ, "Documents/big.bin") == digest(big)
    assert page.evaluate(READ, "Documents/letter.txt") == digest(b"Dear Ana")
    assert page.evaluate(READ, "Documents/deep/_b_bold_!-- .txt") == digest(b"x" * 3000)
    page.evaluate(WRITE, ["Sent/a/small.bin", 10])
    page.evaluate(WRITE, ["Sent/large.bin", BIG])
    manager.local.get_by_role("button", name="Refresh").click()
    manager.row("Sent", manager.local).get_by_role("checkbox").check()
    manager.local.get_by_role("button", name="Send to the computer").click()
    manager.wait_done()
    assert (home / "Sent" / "a" / "small.bin").read_bytes() == b"\7" * 10
    assert (home / "Sent" / "large.bin").read_bytes() == b"\7" * BIG
    expect(manager.row("Sent")).to_be_visible()


@pytest.mark.slow
def test_what_is_there_is_asked_about(stage: Stage, home: Path, tmp_path: Path) -> None:
    (home / "report.txt").write_bytes(b"old")
    source = tmp_path / "report.txt"
    source.write_bytes(b"new")
    manager, _ = open_file_manager(stage)
    expect(manager.row("report.txt")).to_be_visible()
    files = manager.local.locator("input[type=file]").first
    files.set_input_files(source)
    dialog = manager.page.get_by_role("dialog", name="1 name exists already")
    dialog.get_by_role("button", name="Copy the rest").click()
    manager.wait_done()
    expect(manager.jobs).to_contain_text("1 was there and was left")
    assert (home / "report.txt").read_bytes() == b"old"
    files.set_input_files(source)
    dialog.get_by_role("button", name="Replace").click()
    wait_until(lambda: (home / "report.txt").read_bytes() == b"new", "the file was replaced")


def test_a_transfer_goes_on_where_it_was_when_the_computer_is_back(stage: Stage, home: Path) -> None:
    big = os.urandom(BIG * 4)
    (home / "big.bin").write_bytes(big)
    manager, host = open_file_manager(stage)
    manager.open_folder()
    manager.row("big.bin").get_by_role("checkbox").check()
    manager.remote.get_by_role("button", name="Copy to this computer").click()
    expect(manager.jobs.get_by_text(re.compile(r"[1-9]\d*(\.\d)? MB of"))).to_be_visible()
    host.kill()
    expect(manager.page.get_by_text("The computer is offline, waiting").first).to_be_visible()
    expect(manager.jobs).to_contain_text("Waiting for the computer")
    stage.resume_host(host)
    manager.wait_done()
    assert manager.page.evaluate(READ, "big.bin") == digest(big)


@pytest.mark.slow
def test_without_an_open_folder_files_go_to_the_downloads(stage: Stage, home: Path) -> None:
    manager, _ = open_file_manager(stage)
    manager.row("Documents").get_by_role("button", name="Documents").click()
    manager.row("letter.txt").get_by_role("checkbox").check()
    with manager.page.expect_download() as download:
        manager.remote.get_by_role("button", name="Download").click()
    assert Path(download.value.path()).read_bytes() == b"Dear Ana"
    assert download.value.suggested_filename == "letter.txt"


@pytest.mark.slow
def test_a_download_goes_on_in_another_tab(stage: Stage, home: Path) -> None:
    big = os.urandom(BIG * 4)
    (home / "big.bin").write_bytes(big)
    manager, _ = open_file_manager(stage)
    manager.open_folder()
    manager.row("big.bin").get_by_role("checkbox").check()
    manager.remote.get_by_role("button", name="Copy to this computer").click()
    expect(manager.jobs.get_by_text(re.compile(r"[1-9]\d(\.\d)? MB of"))).to_be_visible()
    manager.page.close(run_before_unload=False)
    again = FileManager(stage.console.page.context.new_page())
    received: list[int] = []
    again.page.on(
        "websocket",
        lambda socket: socket.on("framereceived", lambda frame: received.append(len(frame))),
    )
    again.page.add_init_script(PICKER)
    again.page.goto(f"{stage.relay.origin}/session/{stage.console.session_id}/files")
    again.connect(stage.console.secrets["access password"])
    expect(again.left.get_by_role("listitem")).to_contain_text("big.bin")
    again.left.get_by_role("button", name="Go on").click()
    again.wait_done()
    assert again.page.evaluate(READ, "big.bin") == digest(big)
    assert 0 < sum(received) < len(big) - (10 << 20), "what was there was not sent again"
    again.page.reload()
    again.connect(stage.console.secrets["access password"])
    expect(again.row("big.bin")).to_be_visible()
    expect(again.left).to_have_count(0)


@pytest.mark.slow
def test_a_job_that_another_tab_works_on_is_not_offered_and_one_that_was_left_can_be_forgotten(
    stage: Stage, home: Path
) -> None:
    (home / "big.bin").write_bytes(os.urandom(BIG))
    manager, host = open_file_manager(stage)
    manager.open_folder()
    manager.row("big.bin").get_by_role("checkbox").check()
    host.kill()
    expect(manager.page.get_by_text("The computer is offline, waiting").first).to_be_visible()
    manager.remote.get_by_role("button", name="Copy to this computer").click()
    expect(manager.jobs).to_contain_text("Waiting for the computer")
    stage.resume_host(host)
    manager.jobs.get_by_role("button", name="Pause").click()
    other = FileManager(stage.console.page.context.new_page())
    other.page.goto(f"{stage.relay.origin}/session/{stage.console.session_id}/files")
    other.connect(stage.console.secrets["access password"])
    expect(other.row("big.bin")).to_be_visible()
    expect(other.left).to_have_count(0)
    manager.page.close(run_before_unload=False)
    other.page.reload()
    other.connect(stage.console.secrets["access password"])
    expect(other.left.get_by_role("listitem")).to_contain_text("big.bin")
    other.left.get_by_role("button", name="Forget this job").click()
    expect(other.left).to_have_count(0)
    other.page.reload()
    other.connect(stage.console.secrets["access password"])
    expect(other.row("big.bin")).to_be_visible()
    expect(other.left).to_have_count(0)


@pytest.mark.slow
def test_what_was_chosen_in_a_closed_tab_is_chosen_again(stage: Stage, home: Path, tmp_path: Path) -> None:
    source = tmp_path / "from-here.bin"
    source.write_bytes(os.urandom(BIG))
    manager, host = open_file_manager(stage)
    expect(manager.row("Documents")).to_be_visible()
    host.kill()
    expect(manager.page.get_by_text("The computer is offline, waiting").first).to_be_visible()
    manager.local.locator("input[type=file]").first.set_input_files(source)
    expect(manager.jobs).to_contain_text("Waiting for the computer")
    manager.page.close(run_before_unload=False)
    stage.resume_host(host)
    again = FileManager(stage.console.page.context.new_page())
    again.page.goto(f"{stage.relay.origin}/session/{stage.console.session_id}/files")
    again.connect(stage.console.secrets["access password"])
    expect(again.left).to_contain_text("The files must be chosen again")
    again.left.locator("input[type=file]").first.set_input_files(source)
    again.wait_done()
    assert (home / "from-here.bin").read_bytes() == source.read_bytes()
