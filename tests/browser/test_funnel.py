"""The funnel: how far the customer has come, live, with its times; and what the mail server said."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import OpenStage
from tests.helpers.host_process import HOST_FILE
from tests.helpers.mail_servers import Receiver, smtp_server
from tests.helpers.story import CUSTOMER_EMAIL, Stage

pytestmark = pytest.mark.browser

TIME = re.compile(r"\d{1,2}:\d\d")


def step(stage: Stage, name: str, progress: str) -> Locator:
    """A step of the open session, as far as it has come."""
    words = re.compile(rf"{re.escape(name)}.*\({progress}\)")
    return stage.console.session.get_by_role("listitem").filter(has_text=words)


def expect_done(stage: Stage, name: str) -> None:
    """Wait until a step is done, and says when."""
    done = step(stage, name, "done")
    expect(done).to_be_visible()
    expect(done.get_by_role("time")).to_have_text(TIME)


def test_every_step_appears_when_it_happens_with_its_time(open_stage: OpenStage) -> None:
    stage = open_stage(downloads=HOST_FILE.parent.absolute())
    stage.desktop.paint(seed=21)
    prepared = stage.console.prepare("Send e-mail and prepare session")
    expect(step(stage, "Link opened", "now")).to_be_visible()
    expect(step(stage, "Activated", "not yet")).to_be_visible()
    customer = stage.open_context().new_page()
    customer.goto(prepared.link)
    with customer.expect_download() as download:
        customer.get_by_role("button", name="Download the support program").click()
    download.value.path()
    expect_done(stage, "Link opened")
    expect_done(stage, "Program downloaded")
    host = stage.start_host(prepared.link)
    expect_done(stage, "Program started")
    expect(step(stage, "Waiting for the code", "now")).to_be_visible()
    host.type_code("000000000" if prepared.code != "000000000" else "1" * 9)
    expect(step(stage, "Wrong code (4 tries left)", "failed")).to_be_visible()
    host.hear(r"That code is not right\.")
    host.type_code(prepared.code)
    host.allow()
    expect_done(stage, "Activated")
    expect_done(stage, "Wrong code")
    expect(step(stage, "First picture seen", "now")).to_be_visible()
    viewer = stage.console.open_remote_control()
    viewer.connect(prepared.password)
    viewer.wait_shows(stage.desktop)
    stage.console.session.get_by_text("Progress", exact=True).click()
    expect_done(stage, "First picture seen")


@pytest.fixture
def receiver() -> Receiver:
    """What the mail server takes, and refuses."""
    return Receiver()


@pytest.fixture
def smtp_url(receiver: Receiver) -> Iterator[str]:
    """Where the mail server is."""
    with smtp_server(receiver) as port:
        yield f"smtp://127.0.0.1:{port}"


def test_a_refused_mail_says_so_why_and_what_to_do(
    open_stage: OpenStage, receiver: Receiver, smtp_url: str
) -> None:
    receiver.refuses = CUSTOMER_EMAIL.partition("@")[2]
    stage = open_stage("--smtp-url", smtp_url, "--mail-from", "support@acme.example")
    stage.console.prepare("Send e-mail and prepare session")
    card = stage.console.session
    expect(step(stage, "E-mail not sent", "failed")).to_be_visible()
    expect(card.get_by_text("The e-mail could not be sent. Copy the link")).to_be_visible()
    expect(card.get_by_text("The mail server refused the recipient's address.")).to_be_visible()
    receiver.refuses = "nobody.example"
    card.get_by_role("button", name="Send e-mail again").click()
    expect_done(stage, "E-mail handed over")
    expect(card.get_by_text(f"The e-mail to {CUSTOMER_EMAIL} was handed over.")).to_be_visible()
    receiver.wait_for(1)


def test_a_mail_server_that_is_busy_is_tried_again(
    open_stage: OpenStage, receiver: Receiver, smtp_url: str
) -> None:
    receiver.answers = ["451 try again later"]
    stage = open_stage("--smtp-url", smtp_url, "--mail-from", "support@acme.example")
    stage.console.prepare("Send e-mail and prepare session")
    expect(step(stage, "E-mail waits for the mail server", "now")).to_be_visible()
    stage.console.expect_words("The relay keeps trying")
    stage.console.expect_words("The mail server did not accept the mail.")
    stage.console.session.get_by_role("button", name="Send e-mail again").click()
    expect_done(stage, "E-mail handed over")
    receiver.wait_for(1)


def test_revoking_brings_back_what_was_typed(stage: Stage) -> None:
    page = stage.console.page
    page.get_by_role("textbox", name="Note").fill("Ticket 4711")
    page.get_by_label("Customer\u2019s language").select_option("es")
    page.get_by_role("checkbox", name="Send the customer a receipt").check()
    prepared = stage.console.prepare()
    expect(page.get_by_role("textbox", name="Note")).to_have_value("")
    stage.console.session.get_by_role("button", name="Revoke and prepare again").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke the link").click()
    expect(stage.console.session).to_have_count(0)
    expect(page.get_by_label("Customer\u2019s e-mail")).to_have_value(CUSTOMER_EMAIL)
    expect(page.get_by_role("textbox", name="Note")).to_have_value("Ticket 4711")
    expect(page.get_by_label("Customer\u2019s language")).to_have_value("es")
    expect(page.get_by_role("checkbox", name="Send the customer a receipt")).to_be_checked()
    expect(page.get_by_role("textbox", name="Access password")).to_have_value(prepared.password)
    expect(page.get_by_role("button", name="Send e-mail and prepare session")).to_be_focused()
    again = stage.console.prepare()
    assert again.password == prepared.password
    assert again.link != prepared.link


def test_the_qr_code_is_drawn_in_the_page_only_when_wanted(stage: Stage) -> None:
    stage.console.prepare()
    card = stage.console.session
    asked: list[str] = []
    stage.console.page.on("request", lambda request: asked.append(request.url))
    expect(card.get_by_role("img", name="QR code")).to_have_count(0)
    card.get_by_text("QR code of the link").click()
    expect(card.get_by_role("img", name="QR code with the link for the customer")).to_be_visible()
    assert [url for url in asked if not url.startswith(stage.relay.origin)] == []


def test_the_desk_goes_on_while_another_page_is_shown(stage: Stage) -> None:
    page = stage.console.page
    page.get_by_role("textbox", name="Note").fill("half a thought")
    prepared = stage.console.prepare()
    page.get_by_label("Customer\u2019s e-mail").fill("next@customer.example")
    navigation = page.get_by_role("navigation", name="Pages")
    navigation.get_by_role("link", name="Account").click()
    expect(stage.console.session).to_have_count(0)
    host = stage.start_host(prepared.link)
    host.type_code(prepared.code)
    host.allow()
    host.hear(r"Connected for support\.")
    navigation.get_by_role("link", name="Support").click()
    stage.console.wait_active()
    stage.console.expect_words("Last time it is shown")
    expect(page.get_by_label("Customer\u2019s e-mail")).to_have_value("next@customer.example")
