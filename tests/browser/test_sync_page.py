"""Synchronising and replicating in the File Manager: plans, conflicts, undo, interruptions, bad names."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.test_files_page import READ as DIGEST
from tests.browser.test_files_page import FileManager, digest, open_file_manager
from tests.helpers.inspector import AXE, Inspector
from tests.helpers.story import Stage

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WRITE = """async (files) => {
    for (const [path, text] of Object.entries(files)) {
        const create = true;
        let folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("mine", { create });
        const names = path.split("/");
        for (const name of names.slice(0, -1)) folder = await folder.getDirectoryHandle(name, { create });
        const writable = await (await folder.getFileHandle(names.at(-1), { create })).createWritable();
        await writable.write(text);
        await writable.close();
    }
}"""
READ = """async () => {
    const found = {};
    const walk = async (folder, above) => {
        for await (const handle of folder.values()) {
            if (handle.kind === "directory") await walk(handle, `${above}${handle.name}/`);
            else {
                const file = await handle.getFile();
                found[above + handle.name] = file.size < 1e6 ? await file.text() : `${file.size} bytes`;
            }
        }
    };
    await walk(await (await navigator.storage.getDirectory()).getDirectoryHandle("mine"), "");
    return found;
}"""
REMOVE = """async (path) => {
    let folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("mine");
    const names = path.split("/");
    for (const name of names.slice(0, -1)) folder = await folder.getDirectoryHandle(name);
    await folder.removeEntry(names.at(-1), { recursive: true });
}"""
CANNOT_RENAME = "delete FileSystemFileHandle.prototype.move"
"""As browsers are with folders that are not their own."""
LATER = 1_800_000_000


class SyncManager:
    """The two panes with a folder open in each, and the dialog."""

    def __init__(self, manager: FileManager, top: Path) -> None:
        self.manager, self.page, self.top = manager, manager.page, top
        self.dialog = self.page.get_by_role("dialog")

    def open(self) -> None:
        """Open both folders."""
        self.manager.row(self.top.name).get_by_role("button", name=self.top.name).click()
        self.manager.open_folder()

    def here(self, *, undo: bool = False) -> dict[str, str]:
        """The files on the technician's computer, or those in its undo folders."""
        found: dict[str, str] = self.page.evaluate(READ)
        return split(found, undo=undo)

    def there(self, *, undo: bool = False) -> dict[str, str]:
        """The files on the customer's computer, likewise."""
        files = (path for path in self.top.rglob("*") if path.is_file())
        found = {
            str(path.relative_to(self.top)): path.read_text() if size < 1e6 else f"{size} bytes"
            for path in files
            for size in [path.stat().st_size]
        }
        return split(found, undo=undo)

    def look(self, button: str = "Synchronise…", *ticks: str) -> Locator:
        """Begin, and wait for the plan."""
        self.page.get_by_role("button", name=button).click()
        for tick in ticks:
            self.dialog.get_by_label(tick, exact=True).check()
        self.dialog.get_by_role("button", name="See what would happen").click()
        plan = self.dialog.get_by_role("region", name="What would happen")
        expect(plan).to_be_visible()
        return plan

    def reach(self, part: Locator) -> None:
        """Press Tab until it has the focus."""
        for _ in range(20):
            if part.evaluate("(element) => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError("Tab does not lead there.")

    def press(self, button: str) -> None:
        """Press a button of the dialog, by keyboard."""
        part = self.dialog.get_by_role("button", name=button, exact=True)
        expect(part).to_be_visible()
        self.reach(part)
        self.page.keyboard.press("Enter")

    def run(self) -> None:
        """Run what is planned, and wait for the job's end."""
        self.dialog.get_by_role("button", name="Run", exact=True).click()
        expect(self.dialog).to_have_count(0)
        self.manager.wait_done()

    def expect_nothing(self, button: str = "Synchronise…", *ticks: str) -> None:
        """Look again, and find nothing to do."""
        expect(self.look(button, *ticks)).to_contain_text("Nothing to do")
        self.dialog.get_by_role("button", name="Cancel").click()


def split(files: dict[str, str], *, undo: bool) -> dict[str, str]:
    """Without the undo folders, or only what is in them, without their times."""
    if not undo:
        return {path: text for path, text in files.items() if not path.startswith(".adhoc-undo/")}
    inside = {path.split("/", 2)[2]: text for path, text in files.items() if path.startswith(".adhoc-undo/")}
    return dict(sorted(inside.items()))


def write_tree(top: Path, files: dict[str, str], modified: int | None = None) -> None:
    for path, text in files.items():
        (top / path).parent.mkdir(parents=True, exist_ok=True)
        (top / path).write_text(text)
        if modified is not None:
            os.utime(top / path, (modified, modified))


def rows_of(part: Locator, name: str) -> list[str]:
    """The paths in a group of the plan."""
    return [
        text.splitlines()[0]
        for text in part.get_by_role("table", name=name).locator("tbody tr").all_inner_texts()
    ]


@pytest.fixture
def top(tmp_path: Path) -> Path:
    top = tmp_path / "customer-1" / "Site"
    top.mkdir(parents=True)
    return top


@pytest.fixture
def inspector() -> Inspector:
    """With axe-core, a development package of the web client."""
    if not AXE.exists():
        pytest.fail("axe-core is not installed; ./dev test does it.")
    return Inspector()


def test_a_dry_run_then_both_ways_with_conflicts_and_the_undo_folder(
    stage: Stage, top: Path, inspector: Inspector
) -> None:
    write_tree(
        top,
        {"index.html": "home", "img/a.svg": "aaa", ".htaccess": "x", "old.txt": "old", "gone.txt": "gone"},
    )
    manager, _ = open_file_manager(stage)
    both = SyncManager(manager, top)
    both.open()
    both.page.evaluate(WRITE, {"draft/new.txt": "draft"})
    plan = both.look()
    assert rows_of(plan, "Copy to the customer\u2019s computer") == ["draft", "draft/new.txt"]
    assert rows_of(plan, "Copy to this computer") == [
        ".htaccess",
        "gone.txt",
        "img",
        "img/a.svg",
        "index.html",
        "old.txt",
    ]
    expect(plan).to_contain_text("5 files · 1 folder · 15 B")
    assert both.here() == {"draft/new.txt": "draft"}, "nothing is done by looking"
    plan.get_by_label("Filter by name").fill("svg")
    assert rows_of(plan, "Copy to this computer") == ["img/a.svg"]
    both.run()
    everything = {
        "index.html": "home",
        "img/a.svg": "aaa",
        ".htaccess": "x",
        "old.txt": "old",
        "gone.txt": "gone",
    }
    everything["draft/new.txt"] = "draft"
    assert both.here() == both.there() == everything
    both.expect_nothing()

    # Changes and deletions on both sides, three conflicts.
    both.page.evaluate(REMOVE, "gone.txt")
    both.page.evaluate(REMOVE, "img")
    both.page.evaluate(
        WRITE, {"index.html": "mine", "old.txt": "mine too", "draft/new.txt": "my draft", "left.txt": "mine"}
    )
    write_tree(
        top,
        {"index.html": "theirs", "old.txt": "theirs too", "left.txt": "theirs", ".htaccess": "changed"},
        LATER,
    )
    plan = both.look()
    assert rows_of(plan, "Conflicts") == ["index.html", "left.txt", "old.txt"]
    assert rows_of(plan, "Delete on the customer\u2019s computer") == ["gone.txt", "img"]
    assert rows_of(plan, "Overwrite on the customer\u2019s computer") == ["draft/new.txt"]
    assert rows_of(plan, "Overwrite on this computer") == [".htaccess"]
    plan.get_by_label("What to do with index.html").select_option("Keep both")
    plan.get_by_label("What to do with old.txt").select_option("The customer\u2019s wins")
    inspector.look_at(both.page, "sync-plan")
    both.run()
    now = {
        "index.html": "theirs",
        "index (technician).html": "mine",
        "old.txt": "theirs too",
        "draft/new.txt": "my draft",
        ".htaccess": "changed",
    }
    assert both.here() == {**now, "left.txt": "mine"}
    assert both.there() == {**now, "left.txt": "theirs"}
    assert both.here(undo=True) == {".htaccess": "x", "old.txt": "mine too"}
    assert both.there(undo=True) == {"draft/new.txt": "draft", "gone.txt": "gone", "img/a.svg": "aaa"}
    expect(manager.jobs).to_contain_text("1 conflict left alone")
    manager.jobs.get_by_role("button", name="Results").first.click()
    expect(both.dialog.get_by_role("row").filter(has_text="gone.txt")).to_contain_text("Done")
    inspector.look_at(both.page, "sync-results")
    both.dialog.get_by_role("button", name="Close").click()
    plan = both.look()
    assert rows_of(plan, "Conflicts") == ["left.txt"]
    plan.get_by_label("For all conflicts").select_option("Mine wins")
    both.run()
    assert both.there()["left.txt"] == "mine"
    both.expect_nothing()
    both.page.get_by_role("button", name="Replicate…").click()
    inspector.look_at(both.page, "sync-wishes")
    both.dialog.get_by_role("button", name="Cancel").click()
    inspector.look_at(both.page, "sync-jobs")
    assert inspector.faults == []


@pytest.mark.parametrize("can_rename", [True, False])
def test_replicating_deletes_into_the_undo_folder(stage: Stage, top: Path, *, can_rename: bool) -> None:
    write_tree(top, {"keep.txt": "new", "deep/er/x.txt": "x"})
    manager, _ = open_file_manager(stage)
    both = SyncManager(manager, top)
    both.open()
    if not can_rename:
        both.page.evaluate(CANNOT_RENAME)
    both.page.evaluate(WRITE, {"keep.txt": "old one", "mine/a.txt": "a", "mine/b/c.txt": "c", ".secret": "s"})
    plan = both.look("Replicate…", "From the computer")
    assert rows_of(plan, "Delete on this computer") == [".secret", "mine"]
    assert rows_of(plan, "Overwrite on this computer") == ["keep.txt"]
    both.run()
    assert both.here() == both.there() == {"keep.txt": "new", "deep/er/x.txt": "x"}
    assert both.here(undo=True) == {
        ".secret": "s",
        "keep.txt": "old one",
        "mine/a.txt": "a",
        "mine/b/c.txt": "c",
    }
    both.expect_nothing("Replicate…", "From the computer")
    both.page.evaluate(WRITE, {"keep.txt": "newest"})
    both.page.evaluate(REMOVE, "deep")
    both.look("Replicate…", "To the computer")
    both.run()
    assert both.here() == both.there() == {"keep.txt": "newest"}
    assert both.there(undo=True) == {"deep/er/x.txt": "x", "keep.txt": "new"}


def test_content_tells_the_same_from_the_different(stage: Stage, top: Path) -> None:
    write_tree(top, {"same.txt": "abc", "other.txt": "abc"}, LATER)
    manager, _ = open_file_manager(stage)
    both = SyncManager(manager, top)
    both.open()
    both.page.evaluate(WRITE, {"same.txt": "abc", "other.txt": "xyz"})
    assert rows_of(both.look(), "Conflicts") == ["other.txt", "same.txt"]
    both.dialog.get_by_role("button", name="Cancel").click()
    assert rows_of(both.look("Synchronise…", "Content"), "Conflicts") == ["other.txt"]


def test_what_was_changed_after_the_look_is_left_alone(stage: Stage, top: Path) -> None:
    write_tree(top, {"a.txt": "there", "b.txt": "there"})
    manager, _ = open_file_manager(stage)
    both = SyncManager(manager, top)
    both.open()
    both.look("Replicate…", "From the computer")
    write_tree(top, {"a.txt": "there, but changed"}, LATER)
    both.page.evaluate(WRITE, {"b.txt": "made meanwhile"})
    both.run()
    assert both.here() == {"b.txt": "made meanwhile"}
    expect(manager.jobs).to_contain_text("2 things were not done")
    manager.jobs.get_by_role("button", name="Results").click()
    told = "It was changed after you looked, and was left alone."
    expect(both.dialog.get_by_role("row").filter(has_text="a.txt")).to_contain_text(told)
    expect(both.dialog.get_by_role("row").filter(has_text="b.txt")).to_contain_text(told)


def test_it_is_paused_and_goes_on_when_the_computer_is_back(stage: Stage, top: Path) -> None:
    write_tree(top, {f"many/{number:03}.txt": str(number) * 2000 for number in range(400)})
    big = os.urandom(96 << 20)
    (top / "big.bin").write_bytes(big)
    manager, host = open_file_manager(stage)
    both = SyncManager(manager, top)
    both.open()
    both.page.evaluate(WRITE, {"mine.txt": "mine"})
    both.look()
    both.dialog.get_by_role("button", name="Run", exact=True).click()
    expect(manager.jobs.get_by_text(re.compile(r"[1-9]\d*(\.\d)? MB of"))).to_be_visible()
    manager.jobs.get_by_role("button", name="Pause").click()
    expect(manager.jobs).to_contain_text("Paused")
    manager.jobs.get_by_role("button", name="Go on").click()
    expect(manager.jobs.get_by_text(re.compile(r"[1-9]\d(\.\d)? MB of"))).to_be_visible()
    host.kill()
    expect(manager.jobs).to_contain_text("Waiting for the computer")
    stage.resume_host(host)
    manager.wait_done()
    assert both.here() == both.there()
    assert len(both.here()) == 402
    assert both.page.evaluate(DIGEST, "big.bin") == digest(big)
    both.expect_nothing()


def test_jobs_queue_while_the_computer_is_offline_and_are_done_when_it_is_back(
    stage: Stage, top: Path, tmp_path: Path
) -> None:
    write_tree(top, {"a.txt": "there", "deep/b.txt": "there"})
    source = tmp_path / "sent.txt"
    source.write_text("sent")
    manager, host = open_file_manager(stage)
    both = SyncManager(manager, top)
    both.open()
    both.page.evaluate(WRITE, {"mine.txt": "mine"})
    both.look()
    host.kill()
    expect(both.page.get_by_text("The computer is offline, waiting").first).to_be_visible()
    both.dialog.get_by_role("button", name="Run", exact=True).click()
    manager.local.locator("input[type=file]").first.set_input_files(source)
    manager.row("deep").get_by_role("checkbox").check()
    manager.remote.get_by_role("button", name="Copy to this computer").click()
    states = manager.jobs.get_by_role("status")
    expect(states).to_have_text(["Waiting for the computer"] * 3)
    assert both.there() == {"a.txt": "there", "deep/b.txt": "there"}
    stage.resume_host(host)
    expect(states).to_have_text(["Done"] * 3, timeout=30_000)
    everything = {"a.txt": "there", "deep/b.txt": "there", "mine.txt": "mine"}
    assert both.there() == {**everything, "sent.txt": "sent"}
    assert both.here() == everything


def test_cancelled_in_the_middle_the_next_one_does_the_rest(stage: Stage, top: Path) -> None:
    write_tree(top, {f"many/{number:03}.txt": str(number) for number in range(100)})
    (top / "big.bin").write_bytes(os.urandom(96 << 20))
    manager, _ = open_file_manager(stage)
    both = SyncManager(manager, top)
    both.open()
    both.look("Replicate…", "From the computer")
    both.dialog.get_by_role("button", name="Run", exact=True).click()
    expect(manager.jobs.get_by_text(re.compile(r"[1-9]\d*(\.\d)? MB of"))).to_be_visible()
    manager.jobs.get_by_role("button", name="Cancel the copying").click()
    expect(manager.jobs).to_contain_text("Cancelled")
    assert "big.bin" not in both.here()
    plan = both.look("Replicate…", "From the computer")
    assert "big.bin" in rows_of(plan, "Copy to this computer")
    both.run()
    assert both.here() == both.there()
    both.expect_nothing()


def test_what_a_closed_tab_has_left_is_looked_at_again_and_finished(stage: Stage, top: Path) -> None:
    write_tree(top, {"a.txt": "theirs", "wanted.txt": "theirs", "gone.txt": "gone"}, LATER)
    manager, host = open_file_manager(stage)
    both = SyncManager(manager, top)
    both.open()
    both.page.evaluate(WRITE, {"a.txt": "mine, and longer", "mine.txt": "mine"})
    both.look()
    both.dialog.get_by_label("What to do with a.txt").select_option("Mine wins")
    host.kill()
    expect(manager.page.get_by_text("The computer is offline, waiting").first).to_be_visible()
    both.dialog.get_by_role("button", name="Run", exact=True).click()
    expect(manager.jobs).to_contain_text("Waiting for the computer")
    manager.page.close(run_before_unload=False)
    stage.resume_host(host)
    (top / "gone.txt").unlink()
    manager = FileManager(stage.console.page.context.new_page())
    manager.page.goto(f"{stage.relay.origin}/session/{stage.console.session_id}/files")
    manager.connect(stage.console.secrets["access password"])
    both = SyncManager(manager, top)
    expect(manager.left).to_contain_text("shows what is left to do")
    manager.left.get_by_role("button", name="Go on").click()
    plan = both.dialog.get_by_role("region", name="What would happen")
    expect(plan).to_be_visible()
    expect(plan.get_by_label("What to do with a.txt")).to_have_value("local")
    expect(plan).to_contain_text("Overwrite on the customer\u2019s computer")
    assert rows_of(plan, "Copy to the customer\u2019s computer") == ["mine.txt"]
    assert rows_of(plan, "Copy to this computer") == ["wanted.txt"]
    both.dialog.get_by_role("button", name="Cancel").click()
    expect(manager.left.get_by_role("listitem")).to_have_count(1)
    manager.left.get_by_role("button", name="Go on").click()
    expect(plan).to_be_visible()
    both.run()
    expect(manager.left).to_have_count(0)
    assert both.here() == both.there()
    assert both.here() == {"a.txt": "mine, and longer", "mine.txt": "mine", "wanted.txt": "theirs"}
    manager.page.reload()
    manager.connect(stage.console.secrets["access password"])
    expect(manager.row(top.name)).to_be_visible()
    expect(manager.left).to_have_count(0)


def test_all_of_it_by_keyboard(stage: Stage, top: Path) -> None:
    write_tree(top, {"a.txt": "there"})
    manager, _ = open_file_manager(stage)
    both = SyncManager(manager, top)
    both.open()
    both.page.evaluate(WRITE, {"a.txt": "here"})
    both.page.get_by_role("button", name="Synchronise…").focus()
    both.page.keyboard.press("Enter")
    both.press("See what would happen")
    choice = both.dialog.get_by_label("What to do with a.txt")
    expect(choice).to_be_visible()
    both.reach(choice)
    both.page.keyboard.type("Mine")
    both.press("Run")
    manager.wait_done()
    assert both.there() == {"a.txt": "here"}
    both.page.get_by_role("button", name="Replicate…").focus()
    both.page.keyboard.press("Enter")
    expect(both.dialog.get_by_role("button", name="See what would happen")).to_be_visible()
    both.page.keyboard.press("Escape")
    expect(both.dialog).to_have_count(0)
    expect(both.page.get_by_role("button", name="Replicate…")).to_be_focused()


def test_hostile_names_are_told_and_lead_nowhere(stage: Stage, top: Path) -> None:
    names = ["con", "a:b", "back\\slash", "turned\u202egnp.exe", "Case.txt", "case.txt", "dot.", "fine.txt"]
    write_tree(top, dict.fromkeys(names, "x"))
    write_tree(top, {"deep/nul.txt": "x", "deep/fine.txt": "x"})
    (top / os.fsdecode(b"raw\xff")).write_text("x")
    (top / "link").symlink_to("/etc")
    manager, _ = open_file_manager(stage)
    both = SyncManager(manager, top)
    both.open()
    plan = both.look()
    left: dict[str, str] = {}
    plan.get_by_role("heading", name="Left alone").click()
    for text in plan.get_by_role("table", name="Left alone").locator("tbody tr").all_inner_texts():
        name, why = text.strip().splitlines()[:2]
        left[name] = why
    case = "Another name differs from it only in capitals or accents."
    special = "Its name has characters that not every computer takes."
    device = "Windows takes its name for a device."
    assert left == {
        "con": device,
        "deep/nul.txt": device,
        "a:b": special,
        "back\\slash": special,
        "turnedgnp.exe": "Its name has invisible characters.",
        "Case.txt": case,
        "case.txt": case,
        "dot.": "Its name ends in a dot or a space.",
        "raw\ufffd": "Its name is no text.",
    }
    both.run()
    assert both.here() == {"fine.txt": "x", "deep/fine.txt": "x"}


def test_without_an_open_folder_there_is_nothing_to_press(stage: Stage, top: Path) -> None:
    manager, _ = open_file_manager(stage)
    bar = manager.page.get_by_role("region", name="Two folders")
    expect(bar.get_by_role("button", name="Synchronise…")).to_be_disabled()
    expect(bar).to_contain_text("Open a folder of this computer")
    manager.page.add_init_script("delete window.showDirectoryPicker")
    manager.page.reload()
    manager.connect(stage.console.secrets["access password"])
    expect(manager.page.get_by_text("This browser does not let a page open folders, so that")).to_be_visible()
    expect(manager.page.get_by_role("button", name="Synchronise…")).to_have_count(0)
