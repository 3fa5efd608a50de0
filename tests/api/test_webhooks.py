"""Webhooks over the API."""

from typing import Any

import httpx
import pytest

from relay.people import Technician, TechnicianRole
from tests.api.conftest import INVITE, World, assert_problem
from tests.helpers.webhook_receiver import webhook_receiver

PATH = "/api/v1/webhooks"
HOOK: dict[str, Any] = {"url": "https://hooks.example.com/x", "events": ["session.prepared"]}


@pytest.fixture
async def owner(world: World) -> Technician:
    return await world.accounts.create_technician(
        world.company.id, name="Olga", email="olga@help.example", role=TechnicianRole.OWNER
    )


async def add(client: httpx.AsyncClient, **changes: object) -> dict[str, Any]:
    answer = await client.post(PATH, json=HOOK | changes)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_webhook_is_added_listed_changed_and_removed(world: World, owner: Technician) -> None:
    async with await world.client_of(owner) as client:
        added = await add(client)
        assert added["secret"].startswith("whsec_")
        webhook = added["webhook"]
        assert webhook["url"] == HOOK["url"]
        assert webhook["last"] is None
        assert (await client.get(PATH)).json() == {"webhooks": [webhook]}
        url = f"{PATH}/{webhook['id']}"
        changed = await client.patch(
            url, json={"events": ["mail.failed", "mail.failed"], "is_enabled": False}
        )
        assert changed.json()["webhook"] == webhook | {"events": ["mail.failed"], "is_enabled": False}
        assert (await client.request("DELETE", url, json={})).status_code == 204
        assert (await client.get(PATH)).json() == {"webhooks": []}
        assert_problem(await client.request("DELETE", url, json={}), 404)


async def test_the_secret_is_shown_once(world: World, owner: Technician) -> None:
    async with await world.client_of(owner) as client:
        added = await add(client)
        secret = added["secret"].removeprefix("whsec_")
        for path in (PATH, "/api/v1/audit", f"{PATH}/{added['webhook']['id']}/deliveries"):
            assert secret not in (await client.get(path)).text


@pytest.mark.sockets
async def test_what_happens_arrives_and_is_listed(world: World, owner: Technician) -> None:
    async with webhook_receiver() as receiver, await world.client_of(owner) as client:
        added = await add(client, url=receiver.url)
        async with await world.client_of(world.alice) as alice:
            prepared = await alice.post(
                "/api/v1/sessions", json={"invite": INVITE, "customer_email": "ana@example.com"}
            )
        await receiver.wait_for(1)
        assert receiver.received[0].is_signed_with(added["secret"])
        assert prepared.json()["session"]["id"] in receiver.received[0].body
        assert "ana@example.com" not in receiver.received[0].body
        path = f"{PATH}/{added['webhook']['id']}"
        tested = (await client.post(f"{path}/test", json={})).json()["delivery"]
        assert (tested["state"], tested["event"], tested["last_status"]) == ("delivered", "webhook.test", 204)
        page = (await client.get(f"{path}/deliveries?limit=1")).json()
        rest = (await client.get(f"{path}/deliveries?limit=1&cursor={page['next']}")).json()
        events = [row["event"] for row in page["deliveries"] + rest["deliveries"]]
        assert sorted(events) == ["session.prepared", "webhook.test"]
        assert rest["next"] is None
        assert (await client.get(PATH)).json()["webhooks"][0]["last"]["state"] == "delivered"


@pytest.mark.sockets
async def test_a_failed_delivery_is_sent_again_by_hand(world: World, owner: Technician) -> None:
    async with webhook_receiver() as receiver, await world.client_of(owner) as client:
        receiver.statuses = [500]
        path = f"{PATH}/{(await add(client, url=receiver.url))['webhook']['id']}"
        failed = (await client.post(f"{path}/test", json={})).json()["delivery"]
        assert (failed["state"], failed["due_at"]) == ("failed", None)
        assert failed["detail"] == "The receiver did not accept it."
        again = (await client.post(f"{path}/deliveries/{failed['id']}/retry", json={})).json()["delivery"]
        assert (again["id"], again["state"]) == (failed["id"], "delivered")
        assert_problem(await client.post(f"{path}/deliveries/{'A' * 22}/retry", json={}), 404)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "http://hooks.example.com/"}, "url"),
        ({"url": "https://user:pw@hooks.example.com/"}, "url"),
        ({"url": "https://hooks.example.com/\r\nX: y"}, "url"),
        ({"url": "https://hooks.example.com/" + "x" * 500}, "url"),
        ({"url": ""}, "url"),
        ({"events": []}, "events"),
        ({"events": ["session.prepared"] * 17}, "events"),
        ({"events": ["session.opened"]}, "events.0"),
        ({"secret": "mine"}, "secret"),
    ],
)
async def test_what_cannot_be_right_is_said_beside_the_field(
    world: World, owner: Technician, change: dict[str, Any], field: str
) -> None:
    async with await world.client_of(owner) as client:
        answer = await client.post(PATH, json=HOOK | change)
        assert_problem(answer, 422)
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        if field == "url":
            webhook = (await add(client))["webhook"]
            assert_problem(await client.patch(f"{PATH}/{webhook['id']}", json=change), 422)


async def test_the_sixth_is_refused_by_the_limits_name(world: World, owner: Technician) -> None:
    async with await world.client_of(owner) as client:
        for _ in range(5):
            await add(client)
        answer = await client.post(PATH, json=HOOK)
        assert_problem(answer, 409)
        assert answer.json()["limit"] == "webhooks_per_company"


async def test_only_those_who_may_touch_webhooks(world: World, owner: Technician) -> None:
    async with await world.client_of(owner) as client:
        webhook = (await add(client))["webhook"]
    auditor = await world.accounts.create_technician(
        world.company.id, name="Aud", email="aud@help.example", role=TechnicianRole.AUDITOR
    )
    for person in (world.alice, auditor):
        async with await world.client_of(person) as client:
            assert_problem(await client.get(PATH), 403)
            assert_problem(await client.post(PATH, json=HOOK), 403)
            assert_problem(await client.post(f"{PATH}/{webhook['id']}/test", json={}), 403)


async def test_another_companys_webhook_looks_like_none(world: World, owner: Technician) -> None:
    async with await world.client_of(owner) as client:
        webhook = (await add(client))["webhook"]["id"]
    eve = await world.accounts.create_technician(
        world.mallory.company_id, name="Eve", email="eve@others.example", role=TechnicianRole.OWNER
    )
    async with await world.client_of(eve) as client:
        assert (await client.get(PATH)).json() == {"webhooks": []}
        for method, tail, body in (
            ("PATCH", "", {"is_enabled": False}),
            ("DELETE", "", {}),
            ("POST", "/test", {}),
            ("GET", "/deliveries", None),
            ("POST", f"/deliveries/{'A' * 22}/retry", {}),
        ):
            real = await client.request(method, f"{PATH}/{webhook}{tail}", json=body)
            none = await client.request(method, f"{PATH}/{'A' * 22}{tail}", json=body)
            assert_problem(real, 404)
            assert real.content == none.content
