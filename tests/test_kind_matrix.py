"""Who may open what: every kind a viewer was let in for against every kind it tries, at relay and host."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import trio

from host.asking import ConsentDesk
from host.channels import AttachedViewer, Channels, FailureThrottle
from host.permissions import Permissions
from host.restart import Restarts
from host.state import HostState
from host.texts import Texts
from host.tools import open_tools
from peer.errors import StreamClosed
from peer.tunnel import Stream
from relay.connections import TunnelSettings
from relay.errors import Refused
from relay.people import Plan
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Channel, Close, Fields, Open
from tests.helpers.tunnel_house import TunnelHouse, open_house, until
from tests.host.scripted_customer import ScriptedCustomer

TOOLS: list[Channel] = [channel for channel in Channel if channel is not Channel.PAIR]
PAIRS = [(granted, wanted) for granted in TOOLS for wanted in Channel]

ALWAYS: set[Channel] = {Channel.CONTROL, Channel.CHAT}
PLANS: dict[tuple[Plan, bool], set[Channel]] = {
    (Plan.FREE, False): ALWAYS,
    (Plan.FREE, True): ALWAYS,
    (Plan.BASE, False): ALWAYS | {Channel.FILES},
    (Plan.BASE, True): set(TOOLS),
    (Plan.PLUS, False): set(TOOLS),
    (Plan.PREMIER, False): set(TOOLS),
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[TunnelHouse]:
    async with open_house(tmp_path, TunnelSettings()) as it:
        yield it


@pytest.mark.parametrize("granted", TOOLS)
async def test_the_relay_opens_what_the_ticket_was_for_and_nothing_else(
    house: TunnelHouse, granted: Channel
) -> None:
    session, credential = await house.office.activate()
    host = await house.join(credential)
    viewer, number = await house.attach(session, granted)
    for count, wanted in enumerate(Channel, 1):
        opening = Open(number << 16 | count, wanted, 1000, {})
        await viewer.send(opening)
        if wanted is granted:
            await until(host, opening)
        else:
            await until(viewer, Close(opening.stream, CloseReason.KIND_NOT_GRANTED))


@pytest.mark.parametrize(("plan", "has_insight"), PLANS)
async def test_the_relay_opens_what_the_plan_has_and_nothing_else(
    house: TunnelHouse, plan: Plan, has_insight: bool
) -> None:
    office, had = house.office, PLANS[plan, has_insight]
    session, credential = await office.activate()
    host = await house.join(credential)
    viewer, number = await house.attach(session, *TOOLS)
    await office.broker.change_company(replace(office.company, plan=plan, has_insight=has_insight))
    for count, wanted in enumerate(TOOLS, 1):
        opening = Open(number << 16 | count, wanted, 1000, {})
        await viewer.send(opening)
        if wanted in had:
            await until(host, opening)
            await office.broker.issue_ticket(office.technician.id, session.id, frozenset({wanted}))
        else:
            await until(viewer, Close(opening.stream, CloseReason.PLAN))
            with pytest.raises(Refused) as refused:
                await office.broker.issue_ticket(office.technician.id, session.id, frozenset({wanted}))
            assert refused.value.close_reason is CloseReason.PLAN


async def test_a_company_without_shells_refuses_the_ticket_too(house: TunnelHouse) -> None:
    office = house.office
    session, _ = await office.activate()
    await office.broker.host_dropped(session.id, connection=1)
    await office.broker.change_company(replace(office.company, allows_shell=False))
    for kinds in ({Channel.SHELL}, set(TOOLS)):
        with pytest.raises(Refused) as refused:
            await office.broker.issue_ticket(office.technician.id, session.id, frozenset(kinds))
        assert refused.value.close_reason is CloseReason.KIND_NOT_GRANTED
    await office.broker.issue_ticket(office.technician.id, session.id, frozenset(TOOLS) - {Channel.SHELL})


class OfferedStream:
    """A stream as a relay that lies may hand it to the host."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.number = 1 << 16 | 1
        self.params: Fields = {"nonce": bytes(16), "claims": b"\x80"}
        self.is_accepted = False
        self.close_reason: CloseReason | None = None

    async def accept(self, params: Fields) -> None:
        await trio.lowlevel.checkpoint()
        self.is_accepted = True
        raise StreamClosed(CloseReason.DETACHED)

    def close(self, reason: CloseReason = CloseReason.DONE) -> None:
        self.close_reason = self.close_reason or reason


async def offer(granted: list[Channel], wanted: Channel, *, is_view_only: bool = False) -> OfferedStream:
    """What becomes of a stream on a host whose customer allowed `granted`."""
    state = HostState(
        origin="https://relay.example",
        invite=bytes(16),
        secret=bytes(16),
        access_password="password",
        key=bytes(32),
        session="session",
        pairing_key=bytes(32),
        kinds=[kind.value for kind in granted],
    )
    stream, customer = OfferedStream(wanted), ScriptedCustomer([])
    with open_tools(None, display="") as tools:
        channels = Channels(
            state,
            customer,
            FailureThrottle(),
            tools,
            ConsentDesk(Permissions(state, lambda: None), customer),
            Restarts(record=tools.record, way=lambda: "", restart=lambda mode: None),
            Texts("en"),
            display="",
            computer="FRONT-DESK",
            viewers={1: AttachedViewer("Anna", is_view_only)},
            on_first_picture=lambda: None,
        )
        await channels.serve(cast("Stream", stream))
    return stream


@pytest.mark.parametrize(("granted", "wanted"), PAIRS)
async def test_the_host_serves_what_the_customer_allowed_and_nothing_else(
    granted: Channel, wanted: Channel
) -> None:
    stream = await offer([granted], wanted)
    assert stream.is_accepted is (wanted is granted)
    if wanted is Channel.PAIR:
        assert stream.close_reason is CloseReason.UNAVAILABLE
    elif wanted is not granted:
        assert stream.close_reason is CloseReason.KIND_NOT_GRANTED


@pytest.mark.parametrize("wanted", TOOLS)
async def test_who_may_only_watch_has_the_screen_and_nothing_else(wanted: Channel) -> None:
    stream = await offer(TOOLS, wanted, is_view_only=True)
    assert stream.is_accepted is (wanted is Channel.CONTROL)
