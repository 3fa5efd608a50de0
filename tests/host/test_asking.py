"""What technicians may do and for how long, by clocks that jump; and the questions in between."""

from pathlib import Path

import pytest
import trio
import trio.testing

from host.asking import ANSWER_TIMEOUT, MAX_WAITING, QUIET_AFTER_NO, QUIET_AFTER_WITHDRAWAL, ConsentDesk
from host.consent import Duration
from host.customer import Wish
from host.deadline import Clocks
from host.permissions import HALF_HOUR_SECONDS, Permissions
from host.state import HostState
from relay.protocol.close_reasons import CloseReason
from relay.protocol.maps import encode_map
from tests.host.scripted_customer import ScriptedCustomer

KINDS = ["control", "files", "chat"]
REFUSED, PAUSED = CloseReason.NOT_ALLOWED, CloseReason.PAUSED


def make_state() -> HostState:
    return HostState(
        origin="https://relay.example",
        invite=bytes(16),
        secret=bytes(16),
        access_password="password",
        key=bytes(32),
        kinds=list(KINDS),
    )


def make_permissions(state: HostState | None = None) -> Permissions:
    clocks = Clocks(wall=trio.current_time, boot=trio.current_time, boot_id=lambda: "boot")
    return Permissions(state or make_state(), lambda: None, clocks)


class Desk:
    """A desk and the customer before it."""

    def __init__(self, **choices: Duration) -> None:
        self.customer = ScriptedCustomer()
        self.permissions = make_permissions()
        self.permissions.choose(choices)
        self.desk = ConsentDesk(self.permissions, self.customer)
        self.results: list[CloseReason | None] = []

    async def obtain(self, kind: str = "control") -> None:
        self.results.append(await self.desk.obtain(kind, "Tess"))


async def test_what_was_never_chosen_is_allowed_for_the_session() -> None:
    permissions = make_permissions()
    assert permissions.choices() == {"control": Duration.SESSION, "files": Duration.SESSION}
    assert permissions.refusal("files") is None


async def test_half_an_hour_is_over_after_half_an_hour(autojump_clock: trio.testing.MockClock) -> None:
    permissions = make_permissions()
    permissions.choose({"control": Duration.HALF_HOUR})
    began = trio.current_time()
    assert await permissions.wait_refused("control") is REFUSED
    assert HALF_HOUR_SECONDS - 1 <= trio.current_time() - began <= HALF_HOUR_SECONDS + 1
    assert permissions.choice("control") is Duration.ASK
    assert permissions.refusal("files") is None


async def test_one_use_ends_with_the_last_of_its_streams() -> None:
    permissions = make_permissions()
    permissions.choose({"files": Duration.ONCE})
    with permissions.using("files"):
        with permissions.using("files"):
            pass
        assert permissions.refusal("files") is None
    assert permissions.refusal("files") is REFUSED


async def test_pausing_stops_every_tool_at_once_and_the_chat_goes_on(
    autojump_clock: trio.testing.MockClock,
) -> None:
    permissions = make_permissions()
    stopped: list[CloseReason] = []

    async def use() -> None:
        stopped.append(await permissions.wait_refused("control"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(use)
        await trio.testing.wait_all_tasks_blocked()
        permissions.set_paused(True)
    assert stopped == [PAUSED]
    assert permissions.refusal("chat") is None
    permissions.set_paused(False)
    assert permissions.refusal("control") is None


async def test_choices_and_the_pause_survive_a_restart(tmp_path: Path) -> None:
    state = make_state()
    permissions = make_permissions(state)
    permissions.choose({"control": Duration.NEVER, "files": Duration.HALF_HOUR})
    permissions.set_paused(True)
    state.save(tmp_path)
    again = make_permissions(HostState.load(tmp_path))
    assert again.is_paused
    assert again.choices() == {"control": Duration.NEVER, "files": Duration.HALF_HOUR}


def test_a_state_from_before_there_was_a_choice_still_loads(tmp_path: Path) -> None:
    from dataclasses import asdict

    fields = asdict(make_state())
    del fields["permissions"], fields["is_paused"]
    (tmp_path / "state").write_bytes(encode_map(fields))
    state = HostState.load(tmp_path)
    assert (state.permissions, state.is_paused) == ({}, False)


async def test_a_tool_that_is_not_allowed_at_all_is_refused_without_a_question() -> None:
    desk = Desk(control=Duration.NEVER)
    await desk.obtain()
    assert (desk.results, desk.customer.permissions_asked) == ([REFUSED], [])


async def test_who_waits_for_the_same_tool_gets_the_same_answer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    desk = Desk(control=Duration.ASK)
    async with trio.open_nursery() as nursery:
        for _ in range(MAX_WAITING + 1):
            nursery.start_soon(desk.obtain)
        await desk.customer.wait_permission_asked(1)
        assert desk.desk.gate.is_closed
        await trio.testing.wait_all_tasks_blocked()
        assert desk.results == [REFUSED]  # one too many
        desk.customer.answer(Duration.SESSION)
    assert desk.results[1:] == [None] * MAX_WAITING
    assert desk.customer.permissions_asked == [("control", "Tess")]
    assert not desk.desk.gate.is_closed


@pytest.mark.parametrize("is_answered", [True, False])
async def test_after_a_no_or_none_nobody_is_asked_for_a_minute(
    autojump_clock: trio.testing.MockClock, is_answered: bool
) -> None:
    desk = Desk(control=Duration.ASK, files=Duration.ASK)
    desk.customer.permission = Duration.NEVER if is_answered else None
    began = trio.current_time()
    await desk.obtain()
    assert trio.current_time() - began == pytest.approx(0 if is_answered else ANSWER_TIMEOUT)
    await desk.obtain()
    assert desk.results == [REFUSED, REFUSED]
    assert len(desk.customer.permissions_asked) == 1
    desk.customer.permission = Duration.ONCE
    await desk.obtain("files")  # another tool may be asked about
    await trio.sleep(QUIET_AFTER_NO)
    await desk.obtain()
    assert desk.results[2:] == [None, None]


async def test_a_question_that_is_taken_back_does_not_flicker(autojump_clock: trio.testing.MockClock) -> None:
    desk = Desk(control=Duration.ASK)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.obtain)
        await desk.customer.wait_permission_asked(1)
        nursery.cancel_scope.cancel()
    assert not desk.desk.gate.is_closed
    for _ in range(20):
        await desk.obtain()
    assert len(desk.customer.permissions_asked) == 1
    await trio.sleep(QUIET_AFTER_WITHDRAWAL)
    desk.customer.permission = Duration.SESSION
    await desk.obtain()
    assert desk.results[-1] is None


async def test_what_needs_no_question_is_refused_before_any_proof() -> None:
    desk = Desk(control=Duration.ASK, files=Duration.NEVER)
    assert [desk.desk.refusal(kind) for kind in ("control", "files", "chat")] == [None, REFUSED, None]
    await desk.obtain()  # and the customer says no
    assert desk.desk.refusal("control") is REFUSED
    desk.permissions.set_paused(True)
    assert [desk.desk.refusal(kind) for kind in ("control", "files", "chat")] == [PAUSED, PAUSED, None]


async def test_the_customer_pauses_goes_on_and_changes_what_is_allowed() -> None:
    desk = Desk(files=Duration.HALF_HOUR)
    before = list(desk.permissions._state.permissions["files"])
    async with trio.open_nursery() as nursery:
        nursery.start_soon(desk.desk.obey_wishes)
        desk.customer.wish(Wish.PAUSE)
        await desk.customer.wait_shown(("paused", True))
        await desk.obtain()
        assert desk.results == [PAUSED]
        desk.customer.changes = {"control": Duration.NEVER}
        desk.customer.wish(Wish.CHANGE)
        desk.customer.wish(Wish.RESUME)
        await trio.testing.wait_all_tasks_blocked()
        assert desk.permissions.choices() == {"control": Duration.NEVER, "files": Duration.HALF_HOUR}
        assert desk.permissions._state.permissions["files"] == before
        assert not desk.permissions.is_paused
        nursery.cancel_scope.cancel()
