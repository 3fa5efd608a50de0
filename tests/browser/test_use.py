"""Use: Remote Control of a real desktop, through wrong passwords, closed tabs, cuts and killed relays."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenStage
from tests.helpers.programs import wait_until
from tests.helpers.story import Console, Stage

pytestmark = pytest.mark.browser


def test_technician_sees_and_uses_the_desktop(stage: Stage, tmp_path: Path) -> None:
    desktop = stage.desktop
    desktop.paint(seed=1)
    prepared, host = stage.activate()
    viewer = stage.console.open_remote_control()
    viewer.connect(prepared.password)
    viewer.wait_shows(desktop)
    host.hear(r"Connected now: Tess Technician \(Remote Control\)")
    desktop.paint(seed=2)
    viewer.wait_shows(desktop)
    viewer.move_to(123, 456)
    wait_until(lambda: desktop.pointer == (123, 456), "the pointer moves")
    with desktop.open_line(tmp_path / "line") as terminal:
        viewer.wait_shows(desktop)
        viewer.click(200, 200)
        viewer.type_line("Hello, World! 3*(4+5) = 27 @home")
        terminal.wait_gone()
    assert (tmp_path / "line").read_text() == "Hello, World! 3*(4+5) = 27 @home"
    viewer.wait_shows(desktop)


def test_two_tabs_work_at_once_and_closing_them_leaves_the_session_active(stage: Stage) -> None:
    stage.desktop.paint(seed=3)
    prepared, host = stage.activate()
    first = stage.console.open_remote_control()
    first.connect(prepared.password)
    first.wait_shows(stage.desktop)
    second = stage.console.open_remote_control()
    second.connect(prepared.password)
    second.wait_shows(stage.desktop)
    stage.console.expect_words("2 windows connected")
    first.page.close()
    stage.console.expect_words("1 window connected")
    stage.desktop.paint(seed=4)
    second.wait_shows(stage.desktop)
    second.page.close()
    host.hear(r"Nobody is connected\.")
    expect(stage.console.session.get_by_text("window connected")).to_have_count(0)
    stage.console.wait_active()
    third = stage.console.open_remote_control()
    third.connect(prepared.password)
    third.wait_shows(stage.desktop)


def test_wrong_access_password_is_told_and_can_be_corrected(stage: Stage) -> None:
    stage.desktop.paint(seed=5)
    prepared, _ = stage.activate()
    viewer = stage.console.open_remote_control()
    viewer.connect("not-the-password")
    viewer.expect_words("The access password is not right. Check it and try again.")
    viewer.connect(prepared.password, keep=True)
    viewer.wait_shows(stage.desktop)
    viewer.page.reload()
    viewer.wait_shows(stage.desktop)


def test_another_browser_of_the_technician_connects_with_the_access_password(stage: Stage) -> None:
    stage.desktop.paint(seed=6)
    prepared, _ = stage.activate()
    elsewhere = Console(stage.open_context(), stage.relay)
    stage.relay.renew_sign_in_link()
    elsewhere.sign_in()
    elsewhere.wait_active()
    viewer = elsewhere.open_remote_control()
    viewer.connect("not-the-password")
    viewer.expect_words("With this access password the key kept by the relay cannot be opened.")
    viewer.connect(prepared.password)
    viewer.wait_shows(stage.desktop)
    assert elsewhere.complaints == []


def test_viewer_waits_while_the_computer_is_offline_and_goes_on_by_itself(open_stage: OpenStage) -> None:
    stage = open_stage(is_cuttable=True)
    assert stage.proxy is not None
    stage.desktop.paint(seed=7)
    prepared, host = stage.activate()
    viewer = stage.console.open_remote_control()
    viewer.connect(prepared.password)
    viewer.wait_shows(stage.desktop)
    stage.proxy.cut("/tunnel/host")
    viewer.expect_words("The computer is offline, waiting")
    viewer.wait_gone()
    stage.console.wait_active()
    stage.console.expect_words("offline")
    host.hear(r"The support service cannot be reached\.")
    stage.desktop.paint(seed=8)
    stage.proxy.restore("/tunnel/host")
    host.hear(r"The connection is back\.")
    viewer.wait_shows(stage.desktop)
    expect(stage.console.session.get_by_text("online", exact=True)).to_be_visible()


def test_session_host_and_viewer_come_back_after_a_killed_relay(stage: Stage) -> None:
    stage.desktop.paint(seed=9)
    prepared, host = stage.activate()
    viewer = stage.console.open_remote_control()
    viewer.connect(prepared.password)
    viewer.wait_shows(stage.desktop)
    stage.relay.kill()
    viewer.expect_words("The relay is unreachable, reconnecting")
    host.hear(r"The support service cannot be reached\.")
    stage.desktop.paint(seed=10)
    stage.relay.start_again()
    host.hear(r"The connection is back\.")
    viewer.wait_shows(stage.desktop)
    stage.console.wait_active()
    stage.desktop.paint(seed=11)
    viewer.wait_shows(stage.desktop)
