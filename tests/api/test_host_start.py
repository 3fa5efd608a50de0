"""What a host asks before it begins, and what it may say if it does not."""

from dataclasses import replace

import httpx

from relay.api.app import create_app
from relay.protocol.close_reasons import CloseReason
from relay.protocol.links import encode_base64url
from relay.protocol.refusals import Refusal
from relay.sessions import Session
from tests.api.conftest import CSRF, INVITE, World, assert_problem

START = f"/api/v1/links/{INVITE}/start"
REFUSED = f"/api/v1/links/{INVITE}/refused"


async def prepare(world: World, invite: int | None = None) -> Session:
    secret = bytes(range(16)) if invite is None else invite.to_bytes(16)
    return await world.broker.prepare(world.alice.id, invite=secret, customer_email="ana@example.com")


def program(world: World, app: object = None) -> httpx.AsyncClient:
    """No browser: no Origin, no fetch metadata."""
    transport = httpx.ASGITransport(world.app if app is None else app)  # type: ignore[arg-type]
    return httpx.AsyncClient(transport=transport, base_url=world.context.settings.origin, headers=CSRF)


async def funnel(world: World, session: Session) -> list[tuple[str, str]]:
    found = await world.broker.session_for(world.alice.id, session.id)
    return [(step, at.isoformat()) for step, at in found.funnel]


async def test_a_host_learns_the_clock_and_what_counts_as_managed(world: World) -> None:
    await prepare(world)
    settings = replace(world.context.settings, managed_hosts=("service:acme",), knows_managed_hosts=False)
    context = replace(world.context, settings=settings)
    async with program(world) as plain, program(world, create_app(context)) as client:
        default = (await plain.get(START)).json()
        answer = (await client.get(START)).json()
    assert (default["known_managed"], default["managed"]) == (True, [])
    assert answer.pop("now").endswith("Z")
    assert answer == {"state": "open", "known_managed": False, "managed": ["service:acme"]}


async def test_dead_links_are_no_links(world: World) -> None:
    session = await prepare(world)
    await world.broker.end(session.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=world.alice.id)
    async with program(world) as client:
        for invite in (INVITE, encode_base64url(bytes(16)), "short", "A" * 5000):
            assert_problem(await client.get(f"/api/v1/links/{invite}/start"), 404)


async def test_each_refusal_reaches_the_funnel_and_the_log(world: World) -> None:
    session = await prepare(world)
    async with program(world) as client, await world.client_of(world.alice) as alice:
        with world.broker.watch(world.company.id) as changes:
            for refusal in Refusal:
                assert (await client.post(REFUSED, json={"code": refusal.value})).status_code == 204
                assert changes.receive_nowait().funnel[-1][0] == refusal.step
        shown = (await alice.get(f"/api/v1/sessions/{session.id}")).json()["session"]
        history = (await alice.get(f"/api/v1/sessions/{session.id}/history")).json()
    assert [step["step"] for step in shown["funnel"]] == [refusal.step for refusal in Refusal]
    assert shown["state"] == "prepared"
    events = [event["fields"] for event in history["events"] if event["action"] == "host_refused"]
    assert events == [{"refusal": refusal.value} for refusal in Refusal]


async def test_said_again_only_its_time_is_new(world: World) -> None:
    session = await prepare(world)
    async with program(world) as client:
        await client.post(REFUSED, json={"code": "clock"})
        world.clock.advance(60)
        await client.post(REFUSED, json={"code": "managed_host"})
        world.clock.advance(60)
        await client.post(REFUSED, json={"code": "clock"})
    assert await funnel(world, session) == [
        ("refused_managed_host", "2025-01-01T12:01:00+00:00"),
        ("refused_clock", "2025-01-01T12:02:00+00:00"),
    ]


async def test_nothing_but_one_known_word_is_taken(world: World) -> None:
    session = await prepare(world)
    bodies: list[object] = [
        {},
        {"code": "anything"},
        {"code": ""},
        {"code": 1},
        {"code": ["clock"]},
        {"code": "clock", "detail": "<b>call this number</b>"},
        [],
        "clock",
    ]
    async with program(world) as client:
        for body in bodies:
            assert_problem(await client.post(REFUSED, json=body), 422)
    assert await funnel(world, session) == []


async def test_the_answer_tells_nothing_about_links(world: World) -> None:
    ended = await prepare(world, 1)
    await world.broker.end(ended.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=world.alice.id)
    await prepare(world, 2)
    async with program(world) as client:
        for number in (1, 2, 3):
            path = f"/api/v1/links/{encode_base64url(number.to_bytes(16))}/refused"
            answer = await client.post(path, json={"code": "dead_link"})
            assert (answer.status_code, answer.content) == (204, b"")


async def test_a_dead_link_that_is_tried_is_noted_for_a_day_and_nothing_else_is(world: World) -> None:
    session = await prepare(world)
    await world.broker.end(session.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=world.alice.id)
    async with program(world) as client:
        await client.post(REFUSED, json={"code": "clock"})
        assert await funnel(world, session) == []
        await client.post(REFUSED, json={"code": "dead_link"})
        first = await funnel(world, session)
        assert [step for step, _ in first] == ["refused_dead_link"]
        world.clock.advance(24 * 3600 + 1)
        await client.post(REFUSED, json={"code": "dead_link"})
        assert await funnel(world, session) == first


async def test_a_link_and_an_address_may_say_so_much_and_no_more(world: World) -> None:
    await prepare(world)
    async with program(world) as client:
        said = [(await client.post(REFUSED, json={"code": "clock"})).status_code for _ in range(11)]
        assert said == [204] * 10 + [429]
        others = [
            await client.post(
                f"/api/v1/links/{encode_base64url(number.to_bytes(16))}/refused", json={"code": "clock"}
            )
            for number in range(100, 110)
        ]
    assert [answer.status_code for answer in others] == [204] * 9 + [429]
