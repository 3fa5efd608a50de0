"""The rules of a session's life: the table, and what any order of events keeps true."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from relay import sessions as rules
from relay.errors import Refused, SessionUnavailable
from relay.people import Company, CompanyId, Plan, TechnicianId
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Channel
from relay.sessions import Event, Session, SessionId, SessionState

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)

# DESIGN §2, written down a second time: state, events, next state.
TABLE = """
prepared  host_joined                                                            waiting
waiting   host_dropped                                                           prepared
waiting   activated                                                              active
prepared  lapsed guessed_out technician_ended customer_ended company_suspended   ended
waiting   lapsed guessed_out technician_ended customer_ended company_suspended   ended
active    expired technician_ended customer_ended company_suspended              ended
ended     removal_confirmed removal_all_but_last                                 ended
"""
ALLOWED = {
    (words[0], event): words[-1]
    for words in (line.split() for line in TABLE.strip().splitlines())
    for event in words[1:-1]
}


def make_session(**fields: Any) -> Session:
    known: dict[str, Any] = {
        "id": SessionId("s"),
        "company_id": CompanyId("c"),
        "technician_id": TechnicianId("t"),
        "technician_name": "Tess",
        "customer_email": "customer@example.com",
        "note": "",
        "language": "en",
        "created_at": NOW,
        "lapse_at": NOW + HOUR,
    }
    return Session(**known | fields)


def make_company(**fields: Any) -> Company:
    known: dict[str, Any] = {"id": CompanyId("c"), "name": "Company"}
    return Company(**known | fields)


def make_active(**fields: Any) -> Session:
    known: dict[str, Any] = {
        "state": SessionState.ACTIVE,
        "activated_at": NOW,
        "expires_at": NOW + 24 * HOUR,
        "host_key": b"k" * 32,
    }
    return make_session(**known | fields)


@pytest.mark.parametrize("state", SessionState)
@pytest.mark.parametrize("event", Event)
def test_table_allows_what_the_design_says_and_nothing_else(state: SessionState, event: Event) -> None:
    expected = ALLOWED.get((state.value, event.value))
    if expected is None:
        with pytest.raises(SessionUnavailable):
            rules.next_state(state, event)
    else:
        assert rules.next_state(state, event) is SessionState(expected)


def test_what_is_stored_restores_the_session_without_its_live_fields() -> None:
    session = make_active(funnel=(("active", NOW),), warnings=("one",), computer="FRONT-DESK")
    live = replace(session, host_online=True, viewers=2)
    stored = [getattr(live, name) for name in rules.STORED_FIELDS]
    assert rules.restored(stored) == session
    assert set(Session.__dataclass_fields__) - set(rules.STORED_FIELDS) == {
        "shares",
        "host_online",
        "viewers",
    }
    with pytest.raises(ValueError, match="shorter"):
        rules.restored(stored[1:])


def test_altered_is_replace_and_leaves_the_session_as_it_was() -> None:
    session = make_session()
    changes: dict[str, Any] = {
        "computer": "PC",
        "tries": 3,
        "warnings": ("one",),
        "state": SessionState.ACTIVE,
    }
    before = replace(session)
    assert rules.altered(session, **changes) == replace(session, **changes)
    assert rules.altered(session) == session == before
    with pytest.raises(KeyError):
        rules.altered(session, no_such_field=1)


def test_each_ending_has_its_own_close_reason() -> None:
    assert {reason.wire for reason in rules.END_REASONS.values()} == {
        "lapsed",
        "guesses",
        "technician",
        "customer",
        "suspended",
        "expired",
    }
    assert all(rules.END_REASONS[event] is reason for reason, event in rules.ENDING_EVENTS.items())
    assert all(reason.ends_session for reason in rules.ENDING_EVENTS)


def test_lifetime_counts_from_activation() -> None:
    waiting = make_session(
        state=SessionState.WAITING,
        lifetime=3600.0,
        attempts=2,
        paired_host_attempt=2,
        paired_viewer_attempt=2,
        host_ready=True,
    )
    active = rules.advance(waiting, Event.ACTIVATED, NOW + 2 * HOUR)
    assert active.state is SessionState.ACTIVE
    assert (active.activated_at, active.expires_at) == (NOW + 2 * HOUR, NOW + 3 * HOUR)
    assert active.funnel == (("active", NOW + 2 * HOUR),)


@pytest.mark.parametrize(
    "missing",
    [
        {"host_ready": False},
        {"paired_host_attempt": 0},
        {"paired_viewer_attempt": 1},
        {"attempts": 3},
        {"attempts": 0, "paired_host_attempt": 0, "paired_viewer_attempt": 0},
    ],
)
def test_session_is_not_activated_before_both_sides_paired_at_the_last_try_and_the_host_is_ready(
    missing: dict[str, Any],
) -> None:
    paired: dict[str, Any] = {
        "attempts": 2,
        "paired_host_attempt": 2,
        "paired_viewer_attempt": 2,
        "host_ready": True,
    }
    with pytest.raises(SessionUnavailable):
        rules.advance(make_session(state=SessionState.WAITING, **paired | missing), Event.ACTIVATED, NOW)


def test_a_dropped_host_must_say_again_that_it_is_ready_but_stays_paired() -> None:
    waiting = make_session(state=SessionState.WAITING, attempts=1, paired_host_attempt=1, host_ready=True)
    dropped = rules.advance(waiting, Event.HOST_DROPPED, NOW)
    assert (dropped.state, dropped.host_ready, dropped.paired_host_attempt) == (
        SessionState.PREPARED,
        False,
        1,
    )


@pytest.mark.parametrize(("host_key", "removal"), [(None, "none"), (b"k" * 32, "pending")])
def test_removal_is_pending_only_if_there_was_a_host(host_key: bytes | None, removal: str) -> None:
    ended = rules.advance(make_session(host_key=host_key), Event.TECHNICIAN_ENDED, NOW)
    assert (ended.removal, ended.end_reason, ended.ended_at) == (
        removal,
        CloseReason.ENDED_BY_TECHNICIAN,
        NOW,
    )


def test_receipt_confirms_the_removal_and_changes_nothing_else() -> None:
    ended = rules.advance(make_active(), Event.EXPIRED, NOW + 24 * HOUR)
    confirmed = rules.advance(ended, Event.REMOVAL_CONFIRMED, NOW + 25 * HOUR)
    assert confirmed == replace(ended, removal="confirmed")
    nearly = rules.advance(ended, Event.REMOVAL_ALL_BUT_LAST, NOW + 25 * HOUR)
    assert nearly == replace(ended, removal="all_but_last")


@pytest.mark.parametrize(
    ("session", "at", "event"),
    [
        (make_session(), NOW + HOUR - timedelta(microseconds=1), None),
        (make_session(), NOW + HOUR, Event.LAPSED),
        (make_session(state=SessionState.WAITING), NOW + HOUR, Event.LAPSED),
        (make_active(), NOW + 24 * HOUR - timedelta(microseconds=1), None),
        (make_active(), NOW + 24 * HOUR, Event.EXPIRED),
        (make_session(state=SessionState.ENDED, ended_at=NOW), NOW + 100 * HOUR, None),
    ],
)
def test_the_clock_ends_a_session_exactly_at_its_deadline(
    session: Session, at: datetime, event: Event | None
) -> None:
    assert rules.due(session, at) is event


def test_a_second_computer_takes_the_session_over_with_a_warning_and_pairing_starts_again() -> None:
    session = make_session(
        host_key=b"a" * 32, computer="ONE", host_ready=True, paired_host_attempt=1, paired_viewer_attempt=1
    )
    replaced, is_other = rules.host_replaced(session, key=b"b" * 32, computer="TWO", os="Linux", user="me")
    assert is_other
    assert (replaced.host_key, replaced.computer, replaced.os, replaced.host_user) == (
        b"b" * 32,
        "TWO",
        "Linux",
        "me",
    )
    assert not replaced.host_ready
    assert replaced.paired_host_attempt == replaced.paired_viewer_attempt == 0
    assert replaced.warnings == ("A second computer opened the link: TWO (before: ONE).",)


@pytest.mark.parametrize("before", [None, b"b" * 32])
def test_the_first_computer_and_the_same_one_again_cause_no_warning(before: bytes | None) -> None:
    replaced, is_other = rules.host_replaced(
        make_session(host_key=before), key=b"b" * 32, computer="TWO", os="", user=""
    )
    assert not is_other
    assert replaced.warnings == ()


def test_warnings_are_bounded() -> None:
    session = make_session()
    for number in range(rules.MAX_WARNINGS + 5):
        session = rules.warn(session, str(number))
    assert session.warnings == tuple(str(number) for number in range(rules.MAX_WARNINGS))


@pytest.mark.parametrize(("code", "attempt"), [(1, 0), (1, 2), (2, 1), (0, 1)])
def test_a_try_out_of_order_is_not_counted(code: int, attempt: int) -> None:
    with pytest.raises(Refused) as caught:
        rules.count_try(make_session(), code=code, attempt=attempt)
    assert caught.value.close_reason is CloseReason.OUT_OF_ORDER


def test_fifteen_tries_are_granted_and_never_one_more() -> None:
    session = make_session()
    for code in (1, 2, 3):
        for number in range(1, 6):
            session = rules.count_try(session, code=code, attempt=(code - 1) * 5 + number)
            session = rules.fail_try(session, NOW)
            assert rules.is_guessed_out(session) is (code == 3 and number == 5)
        with pytest.raises(Refused) as caught:
            rules.count_try(session, code=code, attempt=session.attempts + 1)
        assert caught.value.close_reason is CloseReason.TOO_MANY_TRIES
        if code < 3:
            session = rules.renew_code(session)
            assert (session.code, session.tries) == (code + 1, 0)
    with pytest.raises(Refused) as caught:
        rules.renew_code(session)
    assert caught.value.close_reason is CloseReason.GUESSES


def test_renewing_a_live_code_gains_no_tries() -> None:
    session = rules.count_try(make_session(), code=1, attempt=1)
    assert rules.renew_code(session) == session


def test_a_wrong_try_is_recorded_once_though_both_sides_report_it() -> None:
    session = rules.count_try(make_session(), code=1, attempt=1)
    once = rules.fail_try(session, NOW)
    assert once.funnel == (("wrong_code", NOW),)
    assert rules.fail_try(once, NOW + HOUR) is once
    twice = rules.fail_try(rules.count_try(once, code=1, attempt=2), NOW + HOUR)
    assert [step for step, _ in twice.funnel] == ["wrong_code", "wrong_code"]


def test_nothing_failed_before_the_first_try() -> None:
    session = make_session()
    assert rules.fail_try(session, NOW) is session


@pytest.mark.parametrize("attempt", [-1, 0, 1, 3])
def test_only_the_last_try_can_pair(attempt: int) -> None:
    with pytest.raises(Refused) as caught:
        rules.report_paired(make_session(attempts=2), role="host", attempt=attempt)
    assert caught.value.close_reason is CloseReason.OUT_OF_ORDER


def test_a_try_that_was_found_wrong_cannot_pair() -> None:
    with pytest.raises(Refused):
        rules.report_paired(make_session(attempts=2, failed_attempt=2), role="viewer", attempt=2)


@pytest.mark.parametrize("state", [SessionState.ACTIVE, SessionState.ENDED])
def test_pairing_is_over_once_active(state: SessionState) -> None:
    session = make_session(state=state, attempts=1)
    with pytest.raises(SessionUnavailable):
        rules.count_try(session, code=1, attempt=2)
    with pytest.raises(SessionUnavailable):
        rules.report_paired(session, role="host", attempt=1)
    with pytest.raises(SessionUnavailable):
        rules.renew_code(session)


def test_the_first_time_of_a_funnel_step_is_kept() -> None:
    session = rules.record_step(make_session(), "link_opened", NOW)
    assert rules.record_step(session, "link_opened", NOW + HOUR) is session


def test_an_unknown_funnel_step_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no funnel step"):
        rules.record_step(make_session(), "dance", NOW)


@pytest.mark.parametrize(
    ("session", "reason"),
    [
        (make_session(), None),
        (make_session(state=SessionState.WAITING), None),
        (make_session(lapse_at=NOW), CloseReason.LAPSED),
        (
            make_session(state=SessionState.ENDED, ended_at=NOW, end_reason=CloseReason.GUESSES),
            CloseReason.GUESSES,
        ),
    ],
)
def test_nobody_stays_in_a_session_that_is_over(session: Session, reason: CloseReason | None) -> None:
    assert rules.over(session, make_company(), NOW) is reason
    assert rules.over(session, make_company(is_suspended=True), NOW) is CloseReason.SUSPENDED


@pytest.mark.parametrize(
    ("plan", "has_insight", "tools"),
    [
        (Plan.FREE, False, "control chat"),
        (Plan.FREE, True, "control chat"),
        (Plan.BASE, False, "control files chat"),
        (Plan.BASE, True, "control files dashboard shell chat"),
        (Plan.PLUS, False, "control files dashboard shell chat"),
        (Plan.PREMIER, False, "control files dashboard shell chat"),
    ],
)
def test_plans_decide_the_tools(plan: Plan, has_insight: bool, tools: str) -> None:
    company = make_company(plan=plan, has_insight=has_insight)
    assert rules.granted_kinds(company) == tools.split()
    for channel, reason in rules.tools_of(company).items():
        assert reason is (None if channel.value in tools.split() else CloseReason.PLAN)
        assert rules.check_kind(make_active(), company, channel, NOW) is reason


@pytest.mark.parametrize(
    ("plan", "reason"), [(Plan.BASE, CloseReason.PLAN), (Plan.PREMIER, CloseReason.KIND_NOT_GRANTED)]
)
def test_a_company_that_switched_the_shell_off_has_only_the_rest(plan: Plan, reason: CloseReason) -> None:
    with_shell = make_company(plan=plan)
    without = make_company(plan=plan, allows_shell=False)
    assert set(rules.granted_kinds(without)) == set(rules.granted_kinds(with_shell)) - {"shell"}
    assert rules.check_kind(make_active(), without, Channel.SHELL, NOW) is reason


@pytest.mark.parametrize(
    ("session", "channel", "reason"),
    [
        (make_session(), Channel.PAIR, None),
        (make_session(state=SessionState.WAITING), Channel.PAIR, None),
        (make_active(), Channel.PAIR, CloseReason.OUT_OF_ORDER),
        (make_session(), Channel.CONTROL, CloseReason.NOT_ACTIVE),
        (make_session(state=SessionState.WAITING), Channel.CHAT, CloseReason.NOT_ACTIVE),
        (make_session(), Channel.FILES, CloseReason.PLAN),
        (make_active(), Channel.CONTROL, None),
        (make_active(expires_at=NOW), Channel.CONTROL, CloseReason.EXPIRED),
        (make_session(lapse_at=NOW), Channel.PAIR, CloseReason.LAPSED),
        (
            rules.advance(make_active(), Event.CUSTOMER_ENDED, NOW),
            Channel.CONTROL,
            CloseReason.ENDED_BY_CUSTOMER,
        ),
    ],
)
def test_state_decides_the_channels(session: Session, channel: Channel, reason: CloseReason | None) -> None:
    assert rules.check_kind(session, make_company(), channel, NOW) is reason


def test_a_suspended_company_opens_nothing() -> None:
    company = make_company(is_suspended=True)
    assert rules.check_kind(make_active(), company, Channel.CONTROL, NOW) is CloseReason.SUSPENDED


@pytest.mark.parametrize(
    ("session", "kinds", "reason"),
    [
        (make_session(), {Channel.PAIR}, None),
        (make_session(), {Channel.CONTROL}, CloseReason.KIND_NOT_GRANTED),
        (make_session(tries=5), {Channel.PAIR}, CloseReason.TOO_MANY_TRIES),
        (make_active(tries=5), {Channel.PAIR}, CloseReason.OUT_OF_ORDER),
    ],
)
def test_a_pair_stream_needs_the_ticket_and_a_living_code(
    session: Session, kinds: set[Channel], reason: CloseReason | None
) -> None:
    found = rules.check_stream(session, make_company(), Channel.PAIR, frozenset(kinds), NOW)
    assert found is reason


class AnyLife(RuleBasedStateMachine):
    """Any events in any order, refused or not, at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.session = make_session()
        self.ended: Session | None = None

    def _try(self, step: Any, *arguments: Any, **keywords: Any) -> None:
        before = self.session
        try:
            self.session = step(before, *arguments, **keywords)
        except Refused:
            assert self.session is before

    @rule(event=st.sampled_from(Event))
    def something_happens(self, event: Event) -> None:
        self._try(rules.advance, event, self.now)

    @rule(seconds=st.floats(0, 30 * 3600))
    def time_passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        event = rules.due(self.session, self.now)
        if event is not None:
            self.session = rules.advance(self.session, event, self.now)  # what is due is always allowed
            assert rules.due(self.session, self.now) is None

    @rule(code=st.integers(0, 4), skip=st.integers(-1, 2))
    def any_try(self, code: int, skip: int) -> None:
        self._try(rules.count_try, code=code, attempt=self.session.attempts + skip)

    @rule()
    def next_try(self) -> None:
        self._try(rules.count_try, code=self.session.code, attempt=self.session.attempts + 1)

    @rule()
    def try_fails(self) -> None:
        self.session = rules.fail_try(self.session, self.now)

    @rule()
    def code_is_renewed(self) -> None:
        self._try(rules.renew_code)

    @precondition(lambda self: self.session.state is SessionState.WAITING)
    @rule()
    def host_is_ready(self) -> None:
        self.session = replace(self.session, host_ready=True)

    @rule(role=st.sampled_from(["host", "viewer"]), back=st.integers(0, 2))
    def side_paired(self, role: Literal["host", "viewer"], back: int) -> None:
        self._try(rules.report_paired, role=role, attempt=self.session.attempts - back)

    @precondition(lambda self: self.session.state in (SessionState.PREPARED, SessionState.WAITING))
    @rule(key=st.sampled_from([b"a" * 32, b"b" * 32]))
    def host_is_replaced(self, key: bytes) -> None:
        self.session, _ = rules.host_replaced(self.session, key=key, computer="PC", os="", user="")

    @invariant()
    def times_fit_the_state(self) -> None:
        session = self.session
        assert (session.ended_at is not None) == (session.state is SessionState.ENDED)
        assert (session.end_reason is not None) == (session.state is SessionState.ENDED)
        assert (session.activated_at is None) == (session.expires_at is None)
        if session.state is SessionState.ACTIVE:
            assert session.activated_at is not None
            assert session.expires_at == session.activated_at + timedelta(seconds=session.lifetime)
            assert session.is_paired
        if session.state in (SessionState.PREPARED, SessionState.WAITING):
            assert session.activated_at is None
        if session.activated_at is None:
            assert session.end_reason is not CloseReason.EXPIRED

    @invariant()
    def tries_are_bounded_and_add_up(self) -> None:
        session = self.session
        assert 1 <= session.code <= 3
        assert 0 <= session.tries <= 5
        assert session.attempts == 5 * (session.code - 1) + session.tries
        assert session.failed_attempt <= session.attempts
        assert max(session.paired_host_attempt, session.paired_viewer_attempt) <= session.attempts

    @invariant()
    def ended_is_for_good(self) -> None:
        if self.ended is not None:
            assert self.session.state is SessionState.ENDED
            assert self.session.end_reason is self.ended.end_reason
            assert self.session.ended_at == self.ended.ended_at
        elif self.session.state is SessionState.ENDED:
            self.ended = self.session

    @invariant()
    def removal_belongs_to_the_end(self) -> None:
        if self.session.state.is_open:
            assert self.session.removal == "none"

    @invariant()
    def streams_open_only_in_their_state(self) -> None:
        company = make_company(plan=Plan.PREMIER)
        state = self.session.state
        may_pair = rules.check_kind(self.session, company, Channel.PAIR, self.now) is None
        may_control = rules.check_kind(self.session, company, Channel.CONTROL, self.now) is None
        assert may_pair == (state in (SessionState.PREPARED, SessionState.WAITING))
        assert may_control == (state is SessionState.ACTIVE)


TestAnyLife = AnyLife.TestCase
