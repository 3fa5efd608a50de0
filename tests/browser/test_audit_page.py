"""The audit page: sentences, filters, pages of rows, the verdict, and the log as a file."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.helpers.console_house import ConsoleHouse, Desk

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGE = 50
"""Rows that come at once."""


@pytest.fixture
def house(browser: Browser, tmp_path: Path) -> Iterator[ConsoleHouse]:
    """A relay and a mail server; afterwards, no page has complained."""
    house = ConsoleHouse(browser, tmp_path)
    yield house
    try:
        assert [desk.complaints for desk in house.desks] == [[] for _ in house.desks]
    finally:
        house.close()


@pytest.fixture
def owner(house: ConsoleHouse) -> Desk:
    """The owner, who has prepared and ended a session, looks at the log."""
    desk = house.sign_in_owner()
    desk.prepare()
    desk.end_session()
    desk.wait_ended("The technician ended the session.")
    desk.go("Audit")
    return desk


def rows(desk: Desk) -> Locator:
    """The rows of the log, without the head."""
    return desk.part("Log").get_by_role("row").filter(has=desk.page.get_by_role("cell"))


def test_rows_are_sentences_and_follow_the_filter(owner: Desk) -> None:
    page = owner.page
    ended = rows(owner).filter(has_text="Tess Technician ended the session.")
    expect(ended).to_have_count(1)
    expect(rows(owner).last).to_contain_text("The relay created the company.")
    page.get_by_label("What", exact=True).select_option("signed_in")
    owner.press("Show")
    expect(rows(owner)).to_have_count(1)
    expect(rows(owner)).to_contain_text(re.compile(r"Tess Technician signed in\.\s*way: link", re.S))
    page.get_by_label("Until").fill("2020-01-01")
    owner.press("Show")
    expect(page.get_by_role("heading", name="Nothing of this kind has happened.")).to_be_visible()
    owner.press("Show everything")
    expect(page.get_by_label("Until")).to_have_value("")
    page.get_by_label("Who", exact=True).select_option(label="Tess Technician")
    owner.press("Show")
    expect(rows(owner).filter(has_text="The relay")).to_have_count(0)
    ended.get_by_role("link").click()
    expect(page.get_by_label("Session", exact=True)).not_to_have_value("")
    expect(rows(owner).first).to_contain_text("ended the session")
    expect(rows(owner).last).to_contain_text("Tess Technician prepared a session.")
    page.get_by_label("Language", exact=True).select_option("es")
    expect(page.get_by_role("cell", name="Tess Technician preparó una sesión.")).to_be_visible()


def test_older_rows_come_when_asked_for(owner: Desk) -> None:
    name = owner.page.request
    origin = re.match(r"https?://[^/]+", owner.page.url)
    assert origin is not None
    for number in range(PAGE):
        answer = name.patch(
            f"{origin.group()}/api/v1/me",
            data={"name": f"Tess {number}"},
            headers={"X-Adhoc-Csrf": "1", "Origin": origin.group()},
        )
        assert answer.ok
    owner.page.reload()
    expect(rows(owner)).to_have_count(PAGE)
    owner.press("Show older ones")
    expect(rows(owner).last).to_contain_text("The relay created the company.")
    expect(owner.page.get_by_role("button", name="Show older ones")).to_have_count(0)
    numbers = [int(text) for text in rows(owner).get_by_role("cell").first.all_inner_texts()]
    assert numbers == sorted(numbers, reverse=True)


def test_log_is_verified_and_exported(owner: Desk) -> None:
    page = owner.page
    owner.press("Verify")
    expect(page.get_by_role("status").filter(has_text="The log is intact.")).to_contain_text("rows hold.")
    with page.expect_download() as download:
        page.get_by_role("link", name="Export JSON Lines").click()
    lines = [json.loads(line) for line in download.value.path().read_text().splitlines()]
    assert {"company_created", "prepared", "technician_ended"} <= {line["action"] for line in lines}
    with page.expect_download() as download:
        page.get_by_role("link", name="Export CSV").click()
    assert "technician_ended" in download.value.path().read_text()
    page.reload()
    expect(rows(owner).first).to_contain_text("exported the audit log")
