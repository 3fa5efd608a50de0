"""End: by the technician, by the customer, by time; everything goes at once, with or without a relay."""

import time

import pytest

from tests.browser.conftest import OpenStage
from tests.helpers.story import Stage, Viewer

pytestmark = pytest.mark.browser


def watch(stage: Stage, password: str) -> Viewer:
    """A viewer that shows the desktop."""
    viewer = stage.console.open_remote_control()
    viewer.connect(password)
    viewer.wait_shows(stage.desktop)
    return viewer


def test_technician_ends_and_everything_is_gone_within_a_second(stage: Stage) -> None:
    stage.desktop.paint(seed=1)
    prepared, host = stage.activate()
    viewer = watch(stage, prepared.password)
    host_files = host.traces()
    assert host_files != []
    stage.console.end_session()
    pressed_at = time.monotonic()
    viewer.wait_gone()
    assert time.monotonic() - pressed_at < 1
    viewer.expect_words("The session has ended")
    viewer.expect_words("The technician ended the session.")
    host.hear(r"The support program was removed from this computer\.")
    host.wait_removed()
    stage.console.wait_ended("The technician ended the session.")
    stage.console.expect_words("Removal confirmed")


def test_technician_ends_from_the_viewer(stage: Stage) -> None:
    stage.desktop.paint(seed=2)
    prepared, host = stage.activate()
    viewer = watch(stage, prepared.password)
    viewer.end_session()
    viewer.expect_words("The session has ended")
    viewer.wait_gone()
    host.wait_removed()
    stage.console.wait_ended("The technician ended the session.")


def test_customer_ends_with_control_c(stage: Stage) -> None:
    stage.desktop.paint(seed=3)
    prepared, host = stage.activate()
    viewer = watch(stage, prepared.password)
    host.interrupt()
    viewer.expect_words("The session has ended")
    viewer.expect_words("The customer ended the session.")
    viewer.wait_gone()
    host.wait_removed()
    stage.console.wait_ended("The customer ended the session.")
    stage.console.expect_words("Removal confirmed")


def test_time_ends_the_session_on_both_sides(open_stage: OpenStage) -> None:
    stage = open_stage("--session-lifetime", "8")
    stage.desktop.paint(seed=4)
    prepared, host = stage.activate()
    viewer = watch(stage, prepared.password)
    viewer.expect_words("The session has ended")
    viewer.expect_words("The session\u2019s time is over.")
    viewer.wait_gone()
    host.wait_removed()
    stage.console.wait_ended("The session\u2019s time is over.")
    stage.console.expect_words("Removal confirmed")


@pytest.mark.slow
def test_host_removes_itself_at_the_end_with_no_relay_in_reach(open_stage: OpenStage) -> None:
    stage = open_stage("--session-lifetime", "6")
    _, host = stage.activate()
    stage.relay.kill()
    host.hear(r"The support service cannot be reached\.")
    host.wait_removed(within=45)
    assert "The session's time is over." in host.out.text
    stage.relay.start_again()
    stage.console.wait_ended("The session\u2019s time is over.")
    stage.console.expect_words("Removal not confirmed")


def test_waiting_host_goes_when_the_preparation_lapses(open_stage: OpenStage) -> None:
    stage = open_stage("--preparation-timeout", "5")
    prepared = stage.console.prepare()
    host = stage.start_host(prepared.link)
    host.hear(r"code: $")
    stage.console.wait_ended("The session was never activated in time.")
    host.wait_removed()
