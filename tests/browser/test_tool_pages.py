"""File Manager, Dashboard and chat as people see them: sizes, colour schemes, barriers, languages."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.test_dashboard_page import open_dashboard
from tests.browser.test_files_page import open_file_manager
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
    expect(page.get_by_text("There is nothing here.")).to_be_visible()
    inspector.look_at(page, "dashboard-record")
    assert inspector.faults == []
