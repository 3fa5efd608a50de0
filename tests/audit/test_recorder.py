"""Who used which tool: written soon, counted once, closed honestly, and bounded whatever strangers do."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
import trio
from trio.testing import MockClock

from relay.audit.recorder import MAX_KINDS, Recorder
from relay.protocol.frames import Channel
from relay.store import StoreUnavailable, Transaction, audit_rows, use_rows
from relay.store.use_rows import Use
from tests.helpers.audit_office import COMPANY, AuditOffice, attached


@pytest.fixture
async def recorder(office: AuditOffice) -> Recorder:
    await office.add_session("s")
    return Recorder(office.store, now=office.clock)


async def uses_of(office: AuditOffice, session: str = "s") -> list[Use]:
    def work(tx: Transaction) -> list[Use]:
        return use_rows.of_session(tx, attached(session).session_id)

    return await office.store.read(work)


async def said(office: AuditOffice) -> list[tuple[str, object]]:
    """Actions and tools of the rows about tools."""
    rows = await office.rows()
    return [(row.action, row.fields["tool"]) for row in rows if row.action.startswith("tool_")]


async def test_a_tool_that_is_open_is_written_without_an_end(office: AuditOffice, recorder: Recorder) -> None:
    recorder.tool_opened(attached("s", reason="Ticket 17"), Channel.CONTROL)
    await recorder.write()
    [use] = await uses_of(office)
    assert (use.technician_name, use.tool, use.access, use.reason) == ("Tess", "control", "full", "Ticket 17")
    assert (use.began_at, use.ended_at, use.seconds) == (office.clock(), None, None)


async def test_a_tool_that_was_closed_has_its_duration(office: AuditOffice, recorder: Recorder) -> None:
    recorder.tool_opened(attached("s"), Channel.CONTROL)
    await recorder.write()
    office.clock.pass_by(90.5)
    recorder.tool_closed(attached("s"), Channel.CONTROL)
    await recorder.write()
    [use] = await uses_of(office)
    assert use.seconds == 90.5
    office.clock.pass_by(10)
    await recorder.write()
    [row] = [row for row in await office.rows() if row.action == "tool_closed"]
    assert row.actor == "technician:tess"
    assert row.fields == {"technician": "Tess", "tool": "control", "access": "full", "seconds": 90.5}


async def test_several_streams_of_a_tool_are_one_use(office: AuditOffice, recorder: Recorder) -> None:
    for _ in range(3):
        recorder.tool_opened(attached("s"), Channel.FILES)
    for _ in range(2):
        recorder.tool_closed(attached("s"), Channel.FILES)
    await recorder.write()
    assert [use.ended_at for use in await uses_of(office)] == [None]


async def test_a_stream_that_is_opened_again_at_once_goes_on(office: AuditOffice, recorder: Recorder) -> None:
    for _ in range(100):
        recorder.tool_opened(attached("s"), Channel.CONTROL)
        recorder.tool_closed(attached("s"), Channel.CONTROL)
        await recorder.write()
    recorder.tool_opened(attached("s"), Channel.CONTROL)
    await recorder.write()
    assert [use.ended_at for use in await uses_of(office)] == [None]
    assert await said(office) == [("tool_opened", "control")]


async def test_a_tool_that_is_opened_later_is_another_use(office: AuditOffice, recorder: Recorder) -> None:
    for _ in range(2):
        recorder.tool_opened(attached("s"), Channel.CONTROL)
        recorder.tool_closed(attached("s"), Channel.CONTROL)
        office.clock.pass_by(5)
    await recorder.write()
    assert len(await uses_of(office)) == 2


async def test_a_viewer_that_is_gone_has_no_tool_open(office: AuditOffice, recorder: Recorder) -> None:
    for tool in (Channel.CONTROL, Channel.FILES):
        recorder.tool_opened(attached("s", connection=1), tool)
        recorder.tool_opened(attached("s", connection=2), tool)
    await recorder.write()
    office.clock.pass_by(3)
    recorder.viewer_detached(attached("s", connection=1))
    recorder.tool_closed(attached("s", connection=1), Channel.CONTROL)
    await recorder.write()
    assert sorted(use.seconds or 0 for use in await uses_of(office)) == [0, 0, 3, 3]


async def test_what_the_store_did_not_take_is_written_later(
    office: AuditOffice, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder.tool_opened(attached("s"), Channel.CONTROL)

    def fail(*_: object, **__: object) -> None:
        raise StoreUnavailable("no disk")

    with monkeypatch.context() as patched:
        patched.setattr(audit_rows, "add_all", fail)
        with pytest.raises(StoreUnavailable):
            await recorder.write()
    await recorder.write()
    assert [use.tool for use in await uses_of(office)] == ["control"]
    assert await said(office) == [("tool_opened", "control")]


@asynccontextmanager
async def running(recorder: Recorder) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        await nursery.start(recorder.run)
        yield
        nursery.cancel_scope.cancel()


async def test_what_is_open_when_the_relay_stops_ends_then(office: AuditOffice, recorder: Recorder) -> None:
    async with running(recorder):
        recorder.tool_opened(attached("s"), Channel.CONTROL)
        office.clock.pass_by(7)
    [use] = await uses_of(office)
    assert (use.seconds, use.is_estimated) == (7, False)


async def test_what_a_killed_relay_left_open_ends_at_its_last_sign_of_life(
    office: AuditOffice, recorder: Recorder
) -> None:
    recorder.tool_opened(attached("s"), Channel.CONTROL)
    await recorder.write()
    seen_at = office.clock()
    office.clock.pass_by(3600)
    async with running(Recorder(office.store, now=office.clock)):
        [use] = await uses_of(office)
    assert (use.ended_at, use.is_estimated) == (seen_at, True)
    assert (await office.rows())[-1].fields["estimated"] is True


async def test_notes_are_written_soon_by_themselves(
    office: AuditOffice, recorder: Recorder, mock_clock: MockClock
) -> None:
    mock_clock.rate = 1000
    async with running(recorder):
        recorder.tool_opened(attached("s"), Channel.CONTROL)
        uses: Sequence[Use] = []
        with trio.fail_after(1000):
            while not uses:
                uses = await uses_of(office)
    assert len(uses) == 1


async def refusals(office: AuditOffice) -> list[object]:
    def work(tx: Transaction) -> list[object]:
        rows = audit_rows.next_rows(
            tx, "", audit_rows.AuditQuery(action="join_refused"), after=0, up_to=10_000, limit=10_000
        )
        return [row.row.fields for row in rows]

    return await office.store.read(work)


async def test_a_refusal_is_written_at_once_and_more_of_them_together(
    office: AuditOffice, recorder: Recorder
) -> None:
    recorder.refused("join_refused", reason="refused")
    await recorder.write()
    for _ in range(1000):
        recorder.refused("join_refused", reason="refused")
        await recorder.write()
    assert await refusals(office) == [{"count": 1, "reason": "refused"}]
    office.clock.pass_by(60)
    await recorder.write()
    assert (await refusals(office))[1:] == [{"count": 1000, "reason": "refused", "seconds": 60.0}]


async def test_kinds_of_refusals_are_bounded(office: AuditOffice, recorder: Recorder) -> None:
    for number in range(3 * MAX_KINDS):
        recorder.refused("join_refused", reason=f"{number}")
    await recorder.write()
    found = await refusals(office)
    assert len(found) == MAX_KINDS + 1
    assert sum(fields["count"] for fields in found if isinstance(fields, dict)) == 3 * MAX_KINDS


async def test_a_refusal_of_somebody_known_is_in_their_companys_log(
    office: AuditOffice, recorder: Recorder
) -> None:
    recorder.refused(
        "open_refused",
        company_id=COMPANY.id,
        session_id=attached("s").session_id,
        actor="technician:tess",
        reason="plan",
    )
    await recorder.write()
    row = (await office.rows())[-1]
    assert (row.actor, row.action, row.session_id, row.fields) == (
        "technician:tess",
        "open_refused",
        "s",
        {"count": 1, "reason": "plan"},
    )
    assert row.at - office.clock() == timedelta(0)
