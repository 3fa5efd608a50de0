"""The Dashboard in a browser: what the computer is, does and did; processes ended; the record of it."""

import platform
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.host_process import HostProcess
from tests.helpers.story import Stage

pytestmark = pytest.mark.browser


def open_dashboard(stage: Stage) -> tuple[Page, HostProcess]:
    """An active session with the tool's tab connected."""
    prepared, host = stage.activate()
    with stage.console.page.context.expect_page() as opened:
        stage.console.session.get_by_role("link", name="Dashboard").click()
    page = opened.value
    page.get_by_label("Access password", exact=True).fill(prepared.password)
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.get_by_role("tab", name="Overview")).to_be_visible()
    return page, host


@pytest.fixture
def victim() -> Iterator["subprocess.Popen[bytes]"]:
    """A process with a name that would be markup."""
    code = "import sys; sys.stdin.read()"
    process = subprocess.Popen([sys.executable, "-c", code, "<b>victim</b>"], stdin=subprocess.PIPE)
    with process:
        yield process
        process.kill()


def test_the_computer_is_shown_live_and_goes_on_after_an_interruption(stage: Stage) -> None:
    page, host = open_dashboard(stage)
    system = page.get_by_role("region", name="System")
    expect(system.get_by_role("heading", name=platform.node(), exact=True)).to_be_visible()
    cpu = page.get_by_role("region", name="Processor", exact=True)
    expect(cpu.locator("canvas")).to_be_visible()
    expect(cpu).to_contain_text(re.compile(r"in use \d+ %"))
    expect(page.get_by_role("region", name="Busiest processes").get_by_role("row").nth(1)).to_be_visible()
    page.get_by_role("button", name="24 hours").click()
    host.kill()
    expect(page.get_by_text("The computer is offline, waiting").first).to_be_visible()
    expect(system.get_by_role("heading", name=platform.node(), exact=True)).to_be_visible()
    stage.resume_host(host)
    expect(page.get_by_text("The computer is offline, waiting")).to_have_count(0)
    expect(cpu).to_contain_text(re.compile(r"in use \d+ %"))


def test_a_process_is_found_ended_and_noted(stage: Stage, victim: "subprocess.Popen[bytes]") -> None:
    page, _ = open_dashboard(stage)
    page.get_by_role("tab", name="Processes").click()
    page.get_by_label("Filter").fill("<b>victim</b>")
    row = page.get_by_role("row").filter(has_text=str(victim.pid))
    expect(row).to_contain_text("<b>victim</b>")
    row.get_by_label(re.compile("^Priority of")).select_option("Low")
    expect(row.get_by_label(re.compile("^Priority of"))).to_have_value("low")
    row.get_by_role("button", name="End").click()
    page.get_by_role("dialog").get_by_role("button", name="End", exact=True).click()
    assert victim.wait(timeout=10) != 0
    expect(row).to_have_count(0)
    page.get_by_role("tab", name="What was done").click()
    expect(page.get_by_role("row").filter(has_text="Tess Technician").first).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="1 process ended")).to_be_visible()


@pytest.mark.slow
def test_every_list_is_there_or_says_why_not(stage: Stage) -> None:
    page, _ = open_dashboard(stage)
    for tab in (
        "Services",
        "Scheduled tasks",
        "Event log",
        "Software",
        "Startup",
        "Environment",
        "Open ports",
    ):
        page.get_by_role("tab", name=tab).click()
        shown = page.get_by_role("table").or_(page.get_by_text("That computer does not have this."))
        expect(shown.first).to_be_visible()
    page.get_by_role("tab", name="Software").click()
    page.get_by_label("Filter").fill("chromium")
    expect(page.get_by_role("row").filter(has_text="chromium").first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    assert download.value.suggested_filename == "software.csv"
    page.get_by_role("tab", name="Software").press("ArrowDown")
    page.get_by_role("tab", name="Software").press("End")
    expect(page.get_by_role("tab", name="What was done")).to_be_focused()
    page.get_by_role("tab", name="What changed").click()
    expect(page.get_by_text(re.compile("the first connection of this session"))).to_be_visible()
