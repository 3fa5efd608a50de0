"""The terminal in a browser: a shell of the computer, ended with its tab or by the company."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.host_process import HostProcess
from tests.helpers.story import Stage

pytestmark = pytest.mark.browser


def open_shell(stage: Stage) -> tuple[Page, HostProcess]:
    """An active session with the tool's tab connected."""
    prepared, host = stage.activate()
    with stage.console.page.context.expect_page() as opened:
        stage.console.session.get_by_role("link", name="Terminal").click()
    page = opened.value
    page.get_by_label("Access password", exact=True).fill(prepared.password)
    page.get_by_role("button", name="Connect", exact=True).click()
    host.hear(r"Connected now: Tess Technician \(Terminal\)")
    expect(page.get_by_role("application", name="Terminal")).to_contain_text(re.compile(r"[#$]"))
    return page, host


def test_a_shell_is_typed_into_resized_ended_and_begun_again(stage: Stage) -> None:
    page, _ = open_shell(stage)
    screen = page.get_by_role("application", name="Terminal")
    page.keyboard.type("echo $((6*7))-$(stty size | tr ' ' x)\n")
    expect(screen).to_contain_text(re.compile(r"42-\d\dx\d{2,3}"))
    page.set_viewport_size({"width": 700, "height": 500})
    page.keyboard.type(
        "clear; echo size-$(stty size | tr ' ' x)-end; printf '\\033[38;2;1;200;3mgreen\\033[0m'\n"
    )
    expect(screen).to_contain_text(re.compile(r"size-\d\dx\d\d-end"))
    expect(screen).to_contain_text("green")
    page.keyboard.type("exit 3\n")
    expect(page.get_by_text("The shell has ended (status 3).")).to_be_visible()
    page.get_by_role("button", name="New shell").click()
    expect(screen).to_contain_text(re.compile(r"[#$]"))
    page.keyboard.type("echo again-$((1+1))\n")
    expect(screen).to_contain_text("again-2")


@pytest.mark.slow
def test_a_company_that_wants_no_shells_ends_those_that_run(stage: Stage) -> None:
    page, _ = open_shell(stage)
    page.keyboard.type("echo here-$((1+1))\n")
    expect(page.get_by_role("application", name="Terminal")).to_contain_text("here-2")
    stage.console.call("PATCH", "/company", {"allows_shell": False})
    expect(page.get_by_text("This tool is not allowed here")).to_be_visible()
    stage.console.page.reload()
    button = stage.console.session.get_by_role("button", name=re.compile("^Terminal"))
    expect(button).to_be_disabled()
