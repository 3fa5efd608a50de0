"""The life of peers' connections: deadlines, limits, replacement, races, crashes. Nothing ever leaks."""

import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from relay.auth import digest
from relay.broker import HostAbout, HostAdmission, ViewerAdmission
from relay.connections import TunnelSettings
from relay.errors import AuthError
from relay.people import Plan
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Channel, Close, Credit, Data, Hello, Notice, Open, Welcome, encode_data
from relay.protocol.lease import Receipt, sign_receipt
from relay.session_rules import NOTICE_BURST
from relay.sessions import Session
from relay.tunnel import MAX_VIEWERS
from tests.helpers.office import FakeHost
from tests.helpers.tunnel_house import TunnelHouse, closing, open_house, until, until_notice

SETTINGS = TunnelSettings(housekeeping_interval=0.05)
HASTY = replace(SETTINGS, hello_timeout=0.15)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[TunnelHouse]:
    async with open_house(tmp_path, SETTINGS) as it:
        yield it


@pytest.fixture
async def hasty_house(tmp_path: Path) -> AsyncIterator[TunnelHouse]:
    """One that waits for nobody's first word; a busy machine may be too slow for it."""
    async with open_house(tmp_path, HASTY) as it:
        yield it


async def activated(house: TunnelHouse) -> tuple[Session, bytes]:
    """An active session and its host's credential; nobody is connected."""
    session, credential = await house.office.activate()
    await house.office.broker.host_dropped(session.id, connection=1)
    return session, credential


# Before admission


async def test_a_peer_that_says_nothing_is_told_and_closed(hasty_house: TunnelHouse) -> None:
    far = await hasty_house.connect("viewer")
    assert await closing(far) == [CloseReason.HANDSHAKE_TIMEOUT]
    assert hasty_house.count("relay_handshake_failures_total", reason="handshake_timeout") == 1
    assert hasty_house.count("relay_teardowns_total", role="viewer", reason="handshake_timeout") == 1


async def test_a_peer_that_only_pings_is_told_and_closed(hasty_house: TunnelHouse) -> None:
    far = await hasty_house.connect("host")
    await far.pipe.send_all(far.codec.encode_ping(b"not a hello"))
    assert await closing(far) == [CloseReason.HANDSHAKE_TIMEOUT]


async def test_draining_does_not_wait_for_a_peer_that_says_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path, TunnelSettings(hello_timeout=3600)) as house:
        far = await house.connect("host")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.server.drain, 7)
            assert (await until_notice(far, "move")).fields == {"within": 7}
            assert await closing(far) == [CloseReason.GOING_AWAY]


async def test_peers_that_say_no_hello_are_counted_in_all(tmp_path: Path) -> None:
    settings = TunnelSettings(hello_timeout=3600, max_handshaking=1)
    async with open_house(tmp_path, settings) as house:
        session, credential = await activated(house)
        silent = await house.connect("viewer")
        refused = await house.ask_upgrade("viewer")
        assert refused.refused is not None
        assert refused.refused[0] == 503
        assert house.count("relay_handshake_failures_total", reason="limit") == 1
        await silent.send(await house.viewer_hello(session))
        assert isinstance(await silent.read(), Welcome)
        await house.join(credential)  # who has said HELLO holds no place any more
        wrong = await house.connect("host")
        await wrong.send(Notice("ready", {}))
        assert await closing(wrong) == [CloseReason.OUT_OF_ORDER]
        await house.join(credential)  # nor who never will


async def test_an_idle_host_keeps_nothing_of_its_hello(house: TunnelHouse) -> None:
    def alive() -> list[object]:
        return [thing for thing in gc.get_objects() if isinstance(thing, Hello | HostAdmission | HostAbout)]

    _, credential = await activated(house)
    gc.collect()
    before = alive()  # of other tests, whose failures or parameters keep them
    await house.join(credential)
    gc.collect()
    assert [thing for thing in alive() if not any(thing is known for known in before)] == []


async def test_a_field_that_is_missing_is_named_without_a_traceback(house: TunnelHouse) -> None:
    far = await house.connect("host")
    await far.send(Hello(1, "host", bytes(16), {"computer": "PC"}))
    assert await closing(far) == [CloseReason.BAD_FRAME]
    assert house.count("relay_crashes_total", place="connection") == 0


# Limits


async def test_a_host_with_too_many_notices_is_closed_and_its_viewer_is_not(house: TunnelHouse) -> None:
    session, credential = await activated(house)
    host = await house.join(credential)
    viewer, _ = await house.attach(session)
    # So many more than a burst that a slow disk, where each takes a while to be written, is no way around.
    await host.send(*[Notice("status", {"step": "started"})] * (4 * NOTICE_BURST))
    assert await closing(host) == [CloseReason.LIMIT]
    await until_notice(viewer, "host_offline")
    attempt = (await house.office.broker.session_for(session.technician_id, session.id)).attempts
    await viewer.send(Notice("paired", {"attempt": attempt, "wrapped": None}))
    returned = await house.join(credential)
    await until_notice(viewer, "host_online")
    await returned.pipe.aclose()
    await until_notice(viewer, "host_offline")


async def test_the_viewer_after_the_last_one_is_refused_by_name(house: TunnelHouse) -> None:
    session, credential = await activated(house)
    host = await house.join(credential)
    for number in range(1, MAX_VIEWERS + 1):
        assert (await house.attach(session))[1] == number
    late = await house.connect("viewer")
    await late.send(await house.viewer_hello(session))
    assert await closing(late) == [CloseReason.LIMIT]
    assert house.server.statistics().viewers == MAX_VIEWERS
    await host.pipe.aclose()


# Rights that are withdrawn


@pytest.mark.parametrize("way", ["technician", "asker", "share"])
async def test_a_right_that_is_withdrawn_closes_its_viewers_and_no_others(
    house: TunnelHouse, way: str
) -> None:
    office = house.office
    session, credential = await activated(house)
    host = await house.join(credential)
    owners, _ = await house.attach(session)
    ben = await office.accounts.create_technician(office.company.id, name="Ben", email="ben@example.com")
    await office.broker.share(office.technician.id, session.id, ben.id, "view")
    cookie = await office.accounts.sign_in_by_link(await office.accounts.issue_sign_in_link(ben.id))
    ticket = await office.broker.issue_ticket(
        ben.id, session.id, frozenset({Channel.CONTROL}), asked_by_hash=digest(cookie)
    )
    far = await house.connect("viewer")
    await far.send(Hello(1, "viewer", ticket.secret, {"program": "test"}))
    welcome = await far.read()
    assert isinstance(welcome, Welcome)
    assert welcome.fields["access"] == "view"
    told = [await until_notice(host, "attached"), await until_notice(host, "attached")]
    assert [notice.fields["access"] for notice in told] == ["full", "view"]
    match way:
        case "technician":
            house.server.revoke_technician(ben.id)
        case "asker":
            house.server.revoke_asker(digest(cookie))
        case _:
            await office.broker.unshare(office.technician.id, session.id, ben.id)
    assert await closing(far) == [CloseReason.REVOKED]
    await until_notice(host, "detached")
    assert (await office.broker.session_for(office.technician.id, session.id)).viewers == 1
    await owners.pipe.aclose()


async def test_a_viewer_whose_right_dies_while_it_is_admitted_is_not_let_in(
    house: TunnelHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, credential = await activated(house)
    await house.join(credential)
    hello = await house.viewer_hello(session)
    admit = house.office.broker.admit_viewer

    async def admit_and_revoke(ticket: bytes) -> ViewerAdmission:
        admission = await admit(ticket)
        house.server.revoke_technician(house.office.technician.id)  # finds nobody to close yet
        return admission

    monkeypatch.setattr(house.office.broker, "admit_viewer", admit_and_revoke)
    far = await house.connect("viewer")
    await far.send(hello)
    assert await closing(far) == [CloseReason.REVOKED]
    monkeypatch.undo()
    again, _ = await house.attach(session)  # a right of later on is as good as any
    await again.pipe.aclose()


# Two hosts


async def test_a_replaced_host_is_told_and_takes_nothing_with_it(house: TunnelHouse) -> None:
    session = await house.office.prepare()
    first = await house.join(house.office.invite)
    viewer, number = await house.attach(session, Channel.PAIR)
    second = await house.join(house.office.invite, FakeHost("PC-2"))
    assert await closing(first) == [CloseReason.REPLACED]
    assert (await until_notice(viewer, "host_online")).fields["computer"] == "PC-2"
    await viewer.send(Open(number << 16 | 1, Channel.PAIR, 100, {}))
    await until(second, Open(number << 16 | 1, Channel.PAIR, 100, {}))
    live = await house.office.broker.session_for(session.technician_id, session.id)
    assert (live.host_online, live.state.value) == (True, "waiting")
    assert house.server.statistics().hosts == 1


async def test_hosts_that_join_at_once_leave_one(house: TunnelHouse) -> None:
    session = await house.office.prepare()
    hosts = [await house.connect("host") for _ in range(6)]
    sending, ends = trio.open_memory_channel[list[CloseReason]](6)

    async def join(index: int) -> None:
        await hosts[index].send(house.host_hello(house.office.invite, FakeHost(f"PC-{index}")))
        assert isinstance(await hosts[index].read(), Welcome)
        await sending.send(await closing(hosts[index]))

    async with trio.open_nursery() as nursery:
        for index in range(6):
            nursery.start_soon(join, index)
        with trio.fail_after(10):
            assert [await ends.receive() for _ in range(5)] == [[CloseReason.REPLACED]] * 5
        assert house.server.statistics().hosts == 1
        live = await house.office.broker.session_for(session.technician_id, session.id)
        assert live.host_online
        nursery.cancel_scope.cancel()


# Ended sessions


async def ended(house: TunnelHouse) -> tuple[Session, bytes]:
    session, credential = await activated(house)
    await house.office.broker.end(
        session.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=house.office.technician.id
    )
    return session, credential


async def test_a_receipt_that_does_not_come_is_not_waited_for(hasty_house: TunnelHouse) -> None:
    session, credential = await ended(hasty_house)
    host = await hasty_house.join(credential)
    assert await closing(host) == [CloseReason.HANDSHAKE_TIMEOUT]
    assert hasty_house.count("relay_handshake_failures_total", reason="handshake_timeout") == 0
    assert session.id not in hasty_house.server._tunnels


async def test_a_second_receipt_is_refused_without_a_traceback(tmp_path: Path) -> None:
    async with open_house(tmp_path, TunnelSettings()) as house:
        session, credential = await ended(house)
        receipt = Receipt(session=session.id, ended_at=1, reason="technician", removed=[], left=[])
        body, signature = sign_receipt(receipt, house.office.host.key)
        hosts = [await house.join(credential), await house.join(credential)]
        for host, reason in zip(hosts, (CloseReason.NORMAL, CloseReason.REFUSED), strict=True):
            await host.send(Notice("receipt", {"body": body, "signature": signature}))
            assert await closing(host) == [reason]
        assert house.count("relay_crashes_total", place="connection") == 0


# An end that comes at the same moment


def then(
    house: TunnelHouse, monkeypatch: pytest.MonkeyPatch, method: str, act: Callable[[], Awaitable[Any]]
) -> None:
    """Let `act` happen right after the broker's `method`, before its caller goes on."""
    original = getattr(house.office.broker, method)

    async def patched(*args: Any, **kwargs: Any) -> Any:
        result = await original(*args, **kwargs)
        await act()
        return result

    monkeypatch.setattr(house.office.broker, method, patched)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("join_host", [CloseReason.REFUSED]),
        ("admit_viewer", [CloseReason.REFUSED]),
        ("viewer_attached", [CloseReason.ENDED_BY_TECHNICIAN]),
    ],
)
async def test_a_peer_that_is_admitted_as_the_session_ends_is_closed(
    house: TunnelHouse, monkeypatch: pytest.MonkeyPatch, method: str, expected: list[CloseReason]
) -> None:
    session, credential = await activated(house)
    technician = house.office.technician.id
    hello = house.host_hello(credential) if method == "join_host" else await house.viewer_hello(session)
    far = await house.connect(hello.role)

    async def end() -> None:
        await house.office.broker.end(session.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=technician)

    then(house, monkeypatch, method, end)
    await far.send(hello, Notice("paired", {"attempt": 1}))
    assert await closing(far) == expected
    assert not house.server._tunnels


async def test_an_end_closes_within_the_call(house: TunnelHouse) -> None:
    session, credential = await activated(house)
    host = await house.join(credential)
    viewer, _ = await house.attach(session)
    await house.office.broker.end(session.id, CloseReason.ENDED_BY_CUSTOMER, technician_id=None)
    assert all(peer.close_reason is CloseReason.ENDED_BY_CUSTOMER for peer in house.server._connections)
    for far in (host, viewer):
        await until(far, Notice("ended", {"reason": "customer"}))
        assert await closing(far) == [CloseReason.ENDED_BY_CUSTOMER]
    await house.everybody_left()
    assert house.count("relay_teardowns_total", role="host", reason="customer") == 1


# A plan that changes


async def test_a_smaller_plan_closes_the_tools_it_does_not_include(house: TunnelHouse) -> None:
    session, credential = await activated(house)
    host = await house.join(credential)
    viewer, number = await house.attach(session, Channel.CONTROL, Channel.FILES)
    control, files = number << 16 | 1, number << 16 | 2
    await house.open_stream(host, viewer, control, Channel.CONTROL)
    await house.open_stream(host, viewer, files, Channel.FILES)
    await house.office.broker.change_company(replace(house.office.company, plan=Plan.FREE))
    for far in (host, viewer):
        await until(far, Close(files, CloseReason.PLAN))
    await host.send(Data(control, b"goes on"))
    await until(viewer, Data(control, b"goes on"))
    await viewer.send(Open(number << 16 | 3, Channel.FILES, 1, {}))
    await until(viewer, Close(number << 16 | 3, CloseReason.PLAN))


async def test_switching_the_shell_off_closes_it_and_nothing_else(house: TunnelHouse) -> None:
    session, credential = await activated(house)
    host = await house.join(credential)
    viewer, number = await house.attach(session, Channel.CONTROL, Channel.SHELL)
    control, shell = number << 16 | 1, number << 16 | 2
    await house.open_stream(host, viewer, control, Channel.CONTROL)
    await house.open_stream(host, viewer, shell, Channel.SHELL)
    await house.office.broker.change_company(replace(house.office.company, allows_shell=False))
    for far in (host, viewer):
        await until(far, Close(shell, CloseReason.KIND_NOT_GRANTED))
    await host.send(Data(control, b"goes on"))
    await until(viewer, Data(control, b"goes on"))
    await viewer.send(Open(number << 16 | 3, Channel.SHELL, 1, {}))
    await until(viewer, Close(number << 16 | 3, CloseReason.KIND_NOT_GRANTED))


# Crashes and cancellation


async def test_a_crash_closes_one_connection_and_harms_no_other(
    house: TunnelHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, credential = await activated(house)
    host = await house.join(credential)
    viewer, number = await house.attach(session)
    other, _ = await house.attach(session)

    async def crash(*args: object, **kwargs: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(house.office.broker, "report_paired", crash)
    await other.send(Notice("paired", {"attempt": 1}))
    assert await closing(other) == [CloseReason.INTERNAL]
    assert house.count("relay_crashes_total", place="connection") == 1
    assert house.count("relay_teardowns_total", role="viewer", reason="internal") == 1
    await house.open_stream(host, viewer, number << 16 | 1, Channel.CONTROL)


MOMENTS = ["join_host", "admit_viewer", "viewer_attached", "viewer_detached", "host_dropped"]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("is_after", [False, True])
async def test_cancelling_at_any_moment_leaves_the_books_straight(
    house: TunnelHouse, monkeypatch: pytest.MonkeyPatch, moment: str, is_after: bool
) -> None:
    session, credential = await activated(house)
    is_host = moment in ("join_host", "host_dropped")
    hello = house.host_hello(credential) if is_host else await house.viewer_hello(session)
    far = await house.connect(hello.role)

    original = getattr(house.office.broker, moment)

    async def cancelled(*args: Any, **kwargs: Any) -> Any:
        if is_after:
            result = await original(*args, **kwargs)
            house.cancel(far)
            return result
        house.cancel(far)
        return await original(*args, **kwargs)

    monkeypatch.setattr(house.office.broker, moment, cancelled)
    await far.send(hello)
    if moment in ("viewer_detached", "host_dropped"):
        assert isinstance(await far.read(), Welcome)
        await far.pipe.aclose()
    await house.everybody_left()
    assert not house.server._tunnels
    live = await house.office.broker.session_for(session.technician_id, session.id)
    assert (live.host_online, live.viewers, live.state.value) == (False, 0, "active")


async def test_cancelling_connections_that_talk_leaves_nothing(house: TunnelHouse) -> None:
    session, credential = await activated(house)
    host = await house.join(credential)
    viewer, number = await house.attach(session)
    await house.open_stream(host, viewer, number << 16 | 1, Channel.CONTROL)
    house.cancel(host)
    house.cancel(viewer)
    await house.everybody_left()
    assert not house.server._tunnels


async def test_a_failing_store_does_not_let_a_viewer_stay(
    house: TunnelHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, _ = await activated(house)
    hello = await house.viewer_hello(session)

    async def fail(*args: object) -> None:
        raise AuthError("the store says no")

    monkeypatch.setattr(house.office.broker, "viewer_attached", fail)
    far = await house.connect("viewer")
    await far.send(hello)
    assert await closing(far) == [CloseReason.REFUSED]
    assert not house.server._tunnels


# Books


async def test_coming_and_going_is_audited(house: TunnelHouse) -> None:
    session, credential = await activated(house)
    host = await house.join(credential)
    viewer, _ = await house.attach(session)
    before = await house.audited(session.id)
    assert before[-3:] == ["host_returned", "admitted", "attached"]
    await viewer.pipe.aclose()
    await until_notice(host, "detached")
    await host.pipe.aclose()
    await house.everybody_left()
    assert sorted((await house.audited(session.id))[len(before) :]) == ["detached", "host_offline"]


async def test_traffic_and_connections_are_counted(house: TunnelHouse) -> None:
    session, credential = await activated(house)
    host = await house.join(credential)
    viewer, number = await house.attach(session)
    stream = number << 16 | 1
    size = len(encode_data(stream, bytes(100)))
    await house.open_stream(host, viewer, stream, Channel.CONTROL, credit=size)
    await host.send(Data(stream, bytes(100)))
    await until(viewer, Data(stream, bytes(100)))
    await viewer.send(Credit(stream, size), Data(stream, b"click"))
    await until(host, Data(stream, b"click"))
    now = house.server.statistics()
    assert (now.hosts, now.viewers, now.handshaking, now.tunnels, now.streams) == (1, 1, 0, 1, 1)
    house.server._counter.publish(house.metrics)  # as housekeeping does every second
    labels = {"channel": "control", "direction": "to_viewer"}
    assert house.count("relay_tunnel_frames_total", **labels) == 1
    assert house.count("relay_tunnel_bytes_total", **labels) == size
    assert house.count("relay_tunnel_frames_total", channel="control", direction="to_host") == 1
    assert house.count("relay_credit_stalls_total", channel="control") == 1
