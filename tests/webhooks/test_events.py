"""What receivers are told, and what they are not."""

import json
from datetime import UTC, datetime
from typing import get_args

import pytest

from relay.api.webhook_bodies import EventName
from relay.people import CompanyId, Technician, TechnicianId
from relay.sessions import END_REASONS, Event, Session, SessionId
from relay.store.webhook_rows import Happening
from relay.webhooks.events import EVENTS, body_of, event_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SESSION = Session(
    id=SessionId("session"),
    company_id=CompanyId("company"),
    technician_id=TechnicianId("tess"),
    technician_name="Tess",
    customer_email="customer@example.com",
    note="Ticket 17",
    language="en",
    created_at=NOW,
    lapse_at=NOW,
    computer="FRONT-DESK",
    os="Linux",
    host_user="ana",
)
TESS = Technician(
    id=TechnicianId("tess"), company_id=CompanyId("company"), name="Tess", email="tess@example.com"
)


def happening(action: str, **fields: str) -> Happening:
    return Happening(1, NOW, SESSION.id, "technician:tess", action, fields)


def test_the_api_offers_the_events_that_there_are() -> None:
    assert set(get_args(EventName)) == set(EVENTS)


@pytest.mark.parametrize("event", END_REASONS)
def test_every_end_is_told_with_its_reason(event: Event) -> None:
    row = happening(event.value)
    assert event_of(row) == "session.ended"
    data = json.loads(body_of(row, SESSION, None))["data"]
    assert data["end_reason"] == END_REASONS[event].wire
    assert data["session"]["state"] == "ended"


def test_a_body_says_what_when_and_which_session() -> None:
    assert json.loads(body_of(happening("activated"), SESSION, TESS)) == {
        "type": "session.activated",
        "timestamp": "2026-03-01T12:00:00.000Z",
        "data": {
            "session": {"id": "session", "state": "active", "technician": {"id": "tess", "name": "Tess"}},
            "end_reason": None,
            "actor": {"id": "tess", "name": "Tess"},
        },
    }


def test_nothing_is_told_about_customer_and_computer() -> None:
    fields = {"computer": "FRONT-DESK", "kind": "deployment", "technician": "Tess"}
    for action in (
        "prepared",
        "activated",
        "attached",
        "mail_failed",
        "customer_ended",
        "removal_confirmed",
        "removal_all_but_last",
    ):
        body = body_of(happening(action, **fields), SESSION, TESS)
        for secret in ("customer@", "Ticket", "FRONT-DESK", "Linux", '"ana"', "tess@example.com"):
            assert secret not in body


def test_a_failed_mail_says_which_kind() -> None:
    row = Happening(1, NOW, None, "relay", "mail_failed", {"kind": "invitation"})
    data = json.loads(body_of(row, None, None))["data"]
    assert data == {"session": None, "end_reason": None, "actor": None, "mail": "invitation"}


def test_other_rows_are_nobodys_business() -> None:
    for action in ("signed_in", "company_changed", "webhook_added", "tried", "host_joined"):
        assert event_of(happening(action)) is None
