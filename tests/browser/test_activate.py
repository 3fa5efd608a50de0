"""Activate: the security code, typed right and typed wrong, seen from both sides."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenStage
from tests.helpers.host_process import HostProcess
from tests.helpers.relay_process import COMPANY, TECHNICIAN
from tests.helpers.story import Stage

pytestmark = pytest.mark.browser

TRIES = 5
CODES = 3


def wrong(code: str) -> str:
    """A code that `code` is not."""
    return f"{(int(code) + 1) % 10**9:09}"


def spoil(stage: Stage, host: HostProcess, code: str, tries_left: int = TRIES) -> None:
    """Type a code wrongly until it is dead."""
    for left in range(tries_left - 1, -1, -1):
        host.type_code(wrong(code))
        if left > 0:
            host.hear(rf"That code is not right\. Tries left: {left}\.")
            stage.console.expect_words(f"{left} tr{'y' if left == 1 else 'ies'} left")


def test_wrong_code_is_told_on_both_sides_and_the_right_one_activates(stage: Stage) -> None:
    prepared = stage.console.prepare()
    stage.console.expect_words("Waiting for the customer to start the program.")
    host = stage.start_host(prepared.link)
    assert f"{TECHNICIAN} of {COMPANY} asks to help you with this computer." in host.hear(r"(?s).*code: $")
    stage.console.expect_words("The computer is connected. Read out the code now.")
    host.type("12 34")
    host.hear(r"A security code has nine digits")
    host.type_code(wrong(prepared.code))
    host.hear(r"That code is not right\. Tries left: 4\.")
    stage.console.expect_words("A wrong code was typed. Please read it out once more.")
    stage.console.expect_words("4 tries left")
    spoken = f"{prepared.code[:3]}-{prepared.code[3:6]} {prepared.code[6:]}"
    host.type_code(spoken)
    stage.console.expect_words("The code is right. The customer is being asked to allow the session.")
    assert f"{TECHNICIAN} of {COMPANY} is confirmed. May they see and control" in host.allow()
    host.hear(r"Connected for support\. Time left: 24 hours\.")
    stage.console.wait_active()
    expect(stage.console.session.get_by_role("timer")).to_have_text(re.compile(r"^(24:00:00|23:59:\d\d)$"))


def test_customer_who_does_not_allow_ends_it(stage: Stage) -> None:
    prepared = stage.console.prepare()
    host = stage.start_host(prepared.link)
    host.type_code(prepared.code)
    host.hear(r"\[y/N\] $")
    host.type("n")
    host.wait_removed()
    stage.console.wait_ended("The customer ended the session.")


def test_five_wrong_codes_make_it_dead_and_a_new_one_works(stage: Stage) -> None:
    prepared = stage.console.prepare()
    host = stage.start_host(prepared.link)
    spoil(stage, host, prepared.code)
    host.hear(r"Too many wrong codes\. Ask the technician to read out a new one\.")
    stage.console.expect_words("This code was typed wrongly too often and does not work any more.")
    stage.console.expect_words("2 more codes possible")
    code = stage.console.show_new_code(prepared.code)
    host.hear(r"The technician has a new code for you\.")
    host.type_code(code)
    host.allow()
    stage.console.wait_active()


@pytest.mark.slow
def test_three_dead_codes_end_the_session(stage: Stage) -> None:
    prepared = stage.console.prepare()
    host = stage.start_host(prepared.link)
    code = prepared.code
    for _ in range(CODES - 1):
        spoil(stage, host, code)
        host.hear(r"Too many wrong codes\.")
        code = stage.console.show_new_code(code)
    spoil(stage, host, code)
    host.wait_removed()
    stage.console.wait_ended("Too many wrong security codes; the session was ended.")


def test_counts_survive_a_killed_relay(stage: Stage) -> None:
    prepared = stage.console.prepare()
    host = stage.start_host(prepared.link)
    host.type_code(wrong(prepared.code))
    host.hear(r"Tries left: 4\.")
    stage.relay.kill()
    stage.relay.start_again()
    host.hear(r"The connection is back\.")
    # Which of the two depends on whether the page heard of the wrong code before the relay was gone.
    stage.console.expect_words(re.compile("Read out the code now|Please read it out once more"))
    stage.console.expect_words("4 tries left")
    host.type_code(wrong(prepared.code))
    host.hear(r"Tries left: 3\.")
    stage.console.expect_words("3 tries left")
    host.type_code(prepared.code)
    host.allow()
    stage.console.wait_active()


@pytest.mark.slow
def test_a_code_dead_before_the_relay_was_killed_stays_dead(open_stage: OpenStage) -> None:
    stage = open_stage()
    prepared = stage.console.prepare()
    host = stage.start_host(prepared.link)
    spoil(stage, host, prepared.code)
    host.hear(r"Too many wrong codes\.")
    stage.relay.kill()
    stage.relay.start_again()
    host.hear(r"The connection is back\.")
    stage.console.expect_words("This code was typed wrongly too often and does not work any more.")
    code = stage.console.show_new_code(prepared.code)
    host.type_code(code)
    host.allow()
    stage.console.wait_active()
