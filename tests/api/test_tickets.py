"""Which tools the API gives a ticket for: every tool against every plan, and against what somebody may do.

The same table holds when a stream is opened and on the host (`tests/test_kind_matrix.py`).
"""

from dataclasses import replace

import httpx
import pytest

from relay.people import Plan, TechnicianRole
from relay.protocol.frames import Channel
from relay.protocol.links import decode_base64url
from relay.sessions import SessionId
from tests.api.conftest import INVITE, ORIGIN, World
from tests.helpers.office import FakeHost
from tests.test_kind_matrix import PLANS, TOOLS


async def active_session(world: World) -> SessionId:
    """Alice's, with a computer that is paired."""
    invite = decode_base64url(INVITE, 16)
    session = await world.broker.prepare(world.alice.id, invite=invite, customer_email="ana@example.com")
    about = FakeHost().about(invite, origin=ORIGIN)
    await world.broker.join_host(invite, about, origin=ORIGIN, connection=1)
    await world.broker.report_ready(session.id)
    await world.broker.count_try(session.id, code=session.code, attempt=1)
    for role in ("host", "viewer"):
        await world.broker.report_paired(session.id, role=role, attempt=1, wrapped=None)
    return session.id


async def ask(client: httpx.AsyncClient, session: SessionId, *kinds: Channel) -> httpx.Response:
    return await client.post(f"/api/v1/sessions/{session}/tickets", json={"kinds": list(kinds)})


@pytest.mark.parametrize(("plan", "has_insight"), PLANS)
async def test_a_ticket_is_for_what_the_plan_has_and_nothing_else(
    world: World, plan: Plan, has_insight: bool
) -> None:
    session = await active_session(world)
    await world.broker.change_company(replace(world.company, plan=plan, has_insight=has_insight))
    async with await world.client_of(world.alice) as client:
        for tool in TOOLS:
            answer = await ask(client, session, tool)
            if tool in PLANS[plan, has_insight]:
                assert answer.status_code in (200, 201), (tool, answer.text)
                continue
            assert (answer.status_code, "ticket" in answer.json()) == (409, False), tool
            assert "plan" in answer.json()["detail"]
            # Not smuggled in beside one that is allowed, either.
            assert (await ask(client, session, Channel.CONTROL, tool)).status_code == 409
        told = (await client.get(f"/api/v1/sessions/{session}")).json()["session"]["tools"]
    assert {Channel(tool) for tool, each in told.items() if each["allowed"]} == PLANS[plan, has_insight]


async def test_a_company_without_shells_gets_no_ticket_for_one(world: World) -> None:
    session = await active_session(world)
    await world.broker.change_company(replace(world.company, plan=Plan.PREMIER, allows_shell=False))
    async with await world.client_of(world.alice) as client:
        statuses = {tool: (await ask(client, session, tool)).is_success for tool in TOOLS}
    assert statuses == {tool: tool is not Channel.SHELL for tool in TOOLS}


async def test_who_may_only_watch_gets_a_ticket_for_the_screen_and_nothing_else(world: World) -> None:
    session = await active_session(world)
    await world.broker.change_company(replace(world.company, plan=Plan.PREMIER))
    ben = await world.accounts.create_technician(
        world.company.id, name="Ben", email="ben@help.example", role=TechnicianRole.TECHNICIAN
    )
    await world.broker.share(world.alice.id, session, ben.id, "view")
    async with await world.client_of(ben) as client:
        statuses = {tool: (await ask(client, session, tool)).is_success for tool in TOOLS}
        assert not (await ask(client, session, *TOOLS)).is_success
    assert statuses == {tool: tool is Channel.CONTROL for tool in TOOLS}


@pytest.mark.parametrize("tool", list(Channel))
async def test_a_stranger_gets_a_ticket_for_nothing(world: World, tool: Channel) -> None:
    session = await active_session(world)
    async with await world.client_of(world.mallory) as client:
        assert (await ask(client, session, tool)).status_code == 404


@pytest.mark.parametrize("tool", TOOLS)
async def test_no_tool_has_a_ticket_before_the_session_is_active(world: World, tool: Channel) -> None:
    await world.broker.change_company(replace(world.company, plan=Plan.PREMIER))
    session = await world.broker.prepare(
        world.alice.id, invite=decode_base64url(INVITE, 16), customer_email="ana@example.com"
    )
    async with await world.client_of(world.alice) as client:
        answer = await ask(client, session.id, tool)
    assert (answer.status_code, answer.json()["detail"]) == (409, "The session is not active yet.")
