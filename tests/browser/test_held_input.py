"""The customer is asked, or pauses, while a technician has their desktop: what the technician sees of it.

Both sides are real: the viewer in the browser, and the customer's own window, which is on the screen that the
technician uses. That nothing of theirs arrives meanwhile is tested message by message in
`tests/host/test_window_live.py`.
"""

import pytest
from playwright.sync_api import expect

from host.consent import Duration
from host.state import HostState
from tests.browser.test_files_page import FileManager
from tests.helpers.customer_window import CustomerWindow
from tests.helpers.inspector import AXE, Inspector
from tests.helpers.programs import wait_until
from tests.helpers.story import Prepared, Stage, Viewer

pytestmark = [pytest.mark.browser, pytest.mark.slow]

ASKED = "The customer is being asked. Until they answer, your mouse and keyboard do nothing there."
LEFT_OF_ALLOW = 160
"""Pixels from one of the question's two buttons to the other."""


@pytest.fixture
def inspector() -> Inspector:
    """With axe-core, a development package of the web client."""
    if not AXE.exists():
        pytest.fail("axe-core is not installed; ./dev test does it.")
    return Inspector()


def begin(stage: Stage, *, ask: str = "") -> tuple[Prepared, CustomerWindow, Viewer]:
    """An active session whose customer sits before the window, and Remote Control of their desktop.

    Args:
        ask: the kind of tool that was allowed once, which is over: the customer is asked about it.
    """
    home = stage.next_home
    (home / "Documents").mkdir(parents=True)
    prepared = stage.console.prepare()
    host = stage.start_host_at_window(prepared.link)
    customer = CustomerWindow(stage.desktop)
    customer.type(prepared.code)
    complete = customer.wait_main_button()
    customer.press("Return")
    wait_until(lambda: customer.main_button not in (None, complete), "the customer is asked to allow")
    customer.click(*customer.wait_main_button())
    stage.console.wait_active()
    if ask:
        host.kill()
        host.wait_gone()
        (folder,) = (home / ".local/share/adhoc-host").glob("*/")
        state = HostState.load(folder)
        state.permissions[ask] = [Duration.ASK.value, 0, 0, ""]
        state.save(folder)
        stage.resume_host_at_window(host)
        customer = CustomerWindow(stage.desktop)
    viewer = stage.console.open_remote_control()
    viewer.connect(prepared.password)
    viewer.wait_shows(stage.desktop)
    return prepared, customer, viewer


def open_files(stage: Stage) -> FileManager:
    with stage.console.page.context.expect_page() as opened:
        stage.console.session.get_by_role("link", name="File Manager").click()
    return FileManager(opened.value)


def test_a_question_holds_the_technicians_input_until_the_customer_allows(
    stage: Stage, inspector: Inspector
) -> None:
    prepared, customer, viewer = begin(stage, ask="files")
    expect(viewer.page.get_by_text(ASKED)).to_have_count(0)
    files = open_files(stage)
    files.page.get_by_label("Access password", exact=True).fill(prepared.password)
    files.page.get_by_role("button", name="Connect", exact=True).click()
    viewer.expect_words(ASKED)
    x, y = customer.wait_main_button()
    viewer.wait_shows(stage.desktop)
    inspector.look_at(viewer.page, "input-held")
    before = stage.desktop.pointer
    for place in (x - LEFT_OF_ALLOW, x):
        viewer.click(place, y)
    viewer.page.keyboard.press("Alt+a")
    viewer.expect_words(ASKED)
    assert stage.desktop.pointer == before
    expect(files.row("Documents")).to_have_count(0)
    stage.console.expect_words("2 windows connected")
    customer.click(x, y)
    expect(viewer.page.get_by_text(ASKED)).to_have_count(0)
    expect(files.row("Documents")).to_be_visible()
    viewer.move_to(20, 20)
    wait_until(lambda: stage.desktop.pointer != (x, y), "the technician's pointer moves again")
    assert inspector.faults == []


def test_a_pause_is_told_in_words_and_over_when_the_customer_says_so(
    stage: Stage, inspector: Inspector
) -> None:
    _, customer, viewer = begin(stage)
    customer.press("alt+p")
    viewer.expect_words("The customer has paused the session.")
    viewer.wait_gone()
    inspector.look_at(viewer.page, "paused-by-customer")
    customer.press("alt+g")
    viewer.wait_shows(stage.desktop)
    assert inspector.faults == []
