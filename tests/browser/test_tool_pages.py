"""File Manager, Dashboard and chat as people see them: sizes, colour schemes, barriers, languages."""

import re
import socket
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.test_dashboard_page import open_dashboard
from tests.browser.test_files_page import open_file_manager
from tests.browser.test_shell_page import open_shell
from tests.helpers.inspector import AXE, Inspector
from tests.helpers.story import Stage

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def inspector() -> Inspector:
    """With axe-core, a development package of the web client."""
    if not AXE.exists():
        pytest.fail("axe-core is not installed; ./dev test does it.")
    return Inspector()


def test_file_manager(stage: Stage, inspector: Inspector, tmp_path: Path) -> None:
    home = tmp_path / "customer-1"
    (home / "Documents").mkdir(parents=True)
    for number in range(20):
        (home / "Documents" / f"Invoice {number}.pdf").write_bytes(b"x" * number * 10_000)
    manager, _ = open_file_manager(stage)
    manager.row("Documents").get_by_role("button", name="Documents").click()
    expect(manager.row("Invoice 19.pdf")).to_be_visible()
    inspector.look_at(manager.page, "files-closed")
    manager.open_folder()
    manager.row("Invoice 3.pdf").get_by_role("checkbox").check()
    manager.remote.get_by_role("button", name="Copy to this computer").click()
    manager.wait_done()
    manager.page.get_by_role("button", name="Chat").click()
    inspector.look_at(manager.page, "files-copied")
    manager.remote.get_by_role("button", name="Delete").click()
    expect(manager.page.get_by_role("dialog")).to_be_visible()
    inspector.look_at(manager.page, "files-delete")
    assert inspector.faults == []


def test_dashboard(stage: Stage, inspector: Inspector) -> None:
    page, _ = open_dashboard(stage)
    expect(page.get_by_role("region", name="Processor", exact=True)).to_contain_text("%")
    inspector.look_at(page, "dashboard-overview")
    for tab, name in (("Processes", "processes"), ("Event log", "events"), ("Software", "software")):
        page.get_by_role("tab", name=tab).click()
        expect(
            page.get_by_role("table").or_(page.get_by_text("That computer does not have this.")).first
        ).to_be_visible()
        inspector.look_at(page, f"dashboard-{name}")
    page.get_by_role("tab", name="What was done").click()
    expect(page.get_by_text("Nothing was done on this computer with a tool yet.")).to_be_visible()
    inspector.look_at(page, "dashboard-record")
    assert inspector.faults == []


def test_what_changed(stage: Stage, inspector: Inspector) -> None:
    page, _ = open_dashboard(stage)
    page.get_by_role("tab", name="What changed").click()
    since = page.get_by_text(re.compile("the first connection of this session"))
    not_yet = page.get_by_text("The first look at this computer is not done yet.")
    expect(since.or_(not_yet)).to_be_visible()
    while not_yet.is_visible():
        page.get_by_role("tab", name="Overview").click()
        page.get_by_role("tab", name="What changed").click()
        expect(since.or_(not_yet)).to_be_visible()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1])
        page.get_by_role("button", name="Refresh").click()
        row = page.get_by_role("row").filter(has_text=f"127.0.0.1:{port}")
        expect(row).to_contain_text("Open port")
        expect(row).to_contain_text("New")
        inspector.look_at(page, "dashboard-changes")
    page.get_by_label("Filter").fill(f"127.0.0.1:{port}")
    page.get_by_role("button", name="Refresh").click()
    expect(
        page.get_by_text(re.compile("^(Nothing has changed since then|Nothing here matches)"))
    ).to_be_visible()
    inspector.look_at(page, "dashboard-changes-none")
    assert inspector.faults == []


def test_shell_and_chat(stage: Stage, inspector: Inspector) -> None:
    page, host = open_shell(stage)
    screen = page.get_by_role("application", name="Terminal")
    page.keyboard.type("clear; ls --color=always / | head; echo end-$((1+1))\n")
    expect(screen).to_contain_text("end-2")
    inspector.look_at(page, "shell")
    page.get_by_role("button", name="Chat").click()
    chat = page.get_by_role("complementary", name="Chat with the customer")
    for line in ("Good morning Ana, I am looking at the printer now.", "It will take five minutes. " * 8):
        chat.get_by_label("Write to the customer").fill(line)
        chat.get_by_role("button", name="Send").click()
        expect(chat.get_by_text(line.strip()[:20]).last).to_be_visible()
    host.type("Thank you! https://example.com/" + "long" * 30)
    expect(chat.get_by_text("Thank you!")).to_be_visible()
    inspector.look_at(page, "shell-chat")
    chat.get_by_role("button", name="Close the chat").click()
    page.get_by_role("application", name="Terminal").click()
    page.keyboard.type("exit 3\n")
    expect(page.get_by_text("The shell has ended (status 3).")).to_be_visible()
    inspector.look_at(page, "shell-ended")
    assert inspector.faults == []
