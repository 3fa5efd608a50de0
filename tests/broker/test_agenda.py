"""The heap of deadlines tells the same as looking at every session."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from relay.broker.agenda import SPARE_ENTRIES, Agenda
from relay.people import CompanyId, TechnicianId
from relay.sessions import Session, SessionId, SessionState, deadline, due

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def at(second: int) -> datetime:
    return START + timedelta(seconds=second)


def make_session(number: int, state: SessionState, second: int) -> Session:
    """A session whose deadline, if it has one, is at this second."""
    session = Session(
        id=SessionId(f"s{number}"),
        company_id=CompanyId("c"),
        technician_id=TechnicianId("t"),
        technician_name="Tess",
        customer_email="customer@example.com",
        note="",
        language="en",
        created_at=START,
        lapse_at=at(second),
        state=state,
    )
    return replace(session, expires_at=at(second)) if state is SessionState.ACTIVE else session


CHANGES = st.builds(make_session, st.integers(0, 5), st.sampled_from(list(SessionState)), st.integers(0, 20))


@given(st.lists(st.tuples(CHANGES, st.integers(0, 25))))
def test_it_answers_as_a_scan_of_all_sessions_would(steps: list[tuple[Session, int]]) -> None:
    agenda, sessions = Agenda(), dict[SessionId, Session]()
    for session, second in steps:
        agenda.put(session)
        sessions[session.id] = session
        deadlines = [when for when in map(deadline, sessions.values()) if when is not None]
        assert agenda.next() == min(deadlines, default=None)
        overdue = {one.id for one in sessions.values() if due(one, at(second)) is not None}
        assert sorted(agenda.due(at(second))) == sorted(overdue)
        assert len(agenda) == len(deadlines)


def test_the_longest_overdue_comes_first() -> None:
    agenda = Agenda()
    for number, second in enumerate((5, 1, 3)):
        agenda.put(make_session(number, SessionState.WAITING, second))
    assert agenda.due(at(4)) == ["s1", "s2"]
    assert agenda.due(at(4)) == ["s1", "s2"]  # they stay until they ended


def test_what_is_out_of_date_does_not_pile_up() -> None:
    agenda = Agenda()
    for second in range(10_000):
        agenda.put(make_session(1, SessionState.PREPARED, 20_000 - second))
        agenda.put(make_session(2 + second, SessionState.PREPARED, 20_000))
        agenda.put(make_session(2 + second, SessionState.ENDED, 0))
    assert len(agenda) == 1
    assert agenda.entries <= 2 + SPARE_ENTRIES
