"""The company over the API: who reads and changes what, limits, and the logo."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import trio

from relay.people import Technician, TechnicianRole
from relay.protocol.links import encode_base64url
from tests.api.conftest import INVITE, World, assert_problem
from tests.api.test_images import HTML, NOT_PICTURES, SVG, png

LOGO = png(64, 32)


@pytest.fixture
async def olive(world: World) -> Technician:
    """The owner of Alice's company."""
    return await world.accounts.create_technician(
        world.company.id, name="Olive", email="olive@help.example", role=TechnicianRole.OWNER
    )


@pytest.fixture
async def owner(world: World, olive: Technician) -> AsyncIterator[httpx.AsyncClient]:
    """Her browser."""
    async with await world.client_of(olive) as client:
        yield client


def logo(image: bytes, media_type: str = "image/png") -> dict[str, str]:
    return {"media_type": media_type, "image": encode_base64url(image)}


async def test_everybody_reads_the_company(world: World, owner: httpx.AsyncClient) -> None:
    async with await world.client_of(world.alice) as alice:
        answer = (await alice.get("/api/v1/company")).json()
    assert answer["company"] == {
        "id": world.company.id,
        "name": "Help Ltd",
        "phone": "+44 20 7946 0000",
        "plan": "base",
        "has_insight": False,
        "max_open_per_technician": 1,
        "max_open_per_company": 5,
        "session_lifetime": 86400.0,
        "preparation_timeout": 3600.0,
        "colour": "",
        "requires_reason": False,
        "allows_shell": True,
        "requires_second_factor": False,
        "retention_days": 365,
        "has_logo": False,
    }
    assert (answer["mail_server"], answer["identity_provider"]) == (None, None)


async def test_an_owner_changes_everything(world: World, owner: httpx.AsyncClient) -> None:
    changes = {
        "name": "Help & Söhne",
        "phone": "",
        "plan": "premier",
        "has_insight": True,
        "max_open_per_technician": 3,
        "max_open_per_company": 30,
        "session_lifetime": 600,
        "preparation_timeout": 300,
        "colour": "#AB12ff",
        "requires_reason": True,
        "allows_shell": False,
        "retention_days": 30,
    }
    answer = await owner.patch("/api/v1/company", json=changes)
    assert answer.status_code == 200
    company = (await owner.get("/api/v1/company")).json()["company"]
    assert company == answer.json()["company"]
    assert {name: company[name] for name in changes} == changes | {"colour": "#ab12ff"}
    rows = (await owner.get("/api/v1/audit", params={"action": "company_changed"})).json()["rows"]
    assert [row["fields"] for row in rows] == [{"fields": [name for name in company if name in changes]}]
    assert rows[0]["actor_name"] == "Olive"


async def test_what_is_not_named_stays(owner: httpx.AsyncClient) -> None:
    before = (await owner.get("/api/v1/company")).json()["company"]
    for nothing in ({}, {"name": None}, {"name": before["name"]}):
        assert (await owner.patch("/api/v1/company", json=nothing)).json()["company"] == before
    rows = (await owner.get("/api/v1/audit", params={"action": "company_changed"})).json()["rows"]
    assert rows == []


async def test_changes_at_the_same_moment_do_not_undo_one_another(
    world: World, owner: httpx.AsyncClient
) -> None:
    changes: list[dict[str, Any]] = [
        {"name": "Another"},
        {"phone": "1"},
        {"colour": "#000000"},
        {"retention_days": 7},
    ]

    async def change(body: dict[str, Any]) -> None:
        assert (await owner.patch("/api/v1/company", json=body)).status_code == 200

    async with trio.open_nursery() as nursery:
        for body in changes:
            nursery.start_soon(change, body)
    company = (await owner.get("/api/v1/company")).json()["company"]
    for body in changes:
        assert company | body == company


@pytest.mark.parametrize("role", [TechnicianRole.TECHNICIAN, TechnicianRole.AUDITOR])
async def test_others_change_nothing(world: World, role: TechnicianRole) -> None:
    person = await world.accounts.create_technician(
        world.company.id, name="Otto", email="otto@help.example", role=role
    )
    async with await world.client_of(person) as client:
        assert_problem(await client.patch("/api/v1/company", json={"name": "X"}), 403)
        assert_problem(await client.put("/api/v1/company/logo", json=logo(LOGO)), 403)
        assert_problem(await client.request("DELETE", "/api/v1/company/logo", json={}), 403)


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": "   "},
        {"name": "x" * 81},
        {"name": "Help\r\nBcc: all@example.com"},
        {"name": "Help\u202eLtd"},
        {"name": "Help\u2028Ltd\u200b"},
        {"phone": "\x00"},
        {"phone": "1" * 41},
        {"plan": "gold"},
        {"has_insight": "yes"},
        {"max_open_per_technician": 0},
        {"max_open_per_technician": 1001},
        {"max_open_per_company": 1.5},
        {"session_lifetime": 599},
        {"session_lifetime": 86401},
        {"preparation_timeout": 299},
        {"colour": "red"},
        {"colour": "#12345"},
        {"colour": "#123456\n"},
        {"retention_days": 0},
        {"retention_days": 3651},
        {"is_suspended": True},
        {"id": "A" * 22},
    ],
)
async def test_bad_settings_have_a_message_beside_the_field(
    owner: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    refused = await owner.patch("/api/v1/company", json=body)
    assert_problem(refused, 422)
    assert refused.json()["errors"][0]["field"] == next(iter(body))


async def test_lower_limits_end_nothing_and_refuse_what_is_new(
    world: World, owner: httpx.AsyncClient
) -> None:
    await owner.patch("/api/v1/company", json={"max_open_per_technician": 2, "max_open_per_company": 2})
    async with await world.client_of(world.alice) as alice:
        for invite in (INVITE, "A" * 22):
            body = {"invite": invite, "customer_email": "ana@example.com"}
            assert (await alice.post("/api/v1/sessions", json=body)).status_code == 201
        await owner.patch("/api/v1/company", json={"max_open_per_technician": 1, "max_open_per_company": 1})
        states = [found["state"] for found in (await alice.get("/api/v1/sessions")).json()["sessions"]]
        assert states == ["prepared", "prepared"]
        body = {"invite": "B" * 21 + "A", "customer_email": "ana@example.com"}
        assert_problem(await alice.post("/api/v1/sessions", json=body), 409)


async def test_a_plan_without_a_tool_has_its_streams_looked_at_again(
    world: World, owner: httpx.AsyncClient
) -> None:
    rechecked: list[str] = []
    world.broker.recheck = rechecked.append
    async with await world.client_of(world.alice) as alice:
        prepared = await alice.post(
            "/api/v1/sessions", json={"invite": INVITE, "customer_email": "ana@example.com"}
        )
    await owner.patch("/api/v1/company", json={"plan": "free"})
    assert rechecked == [prepared.json()["session"]["id"]]


async def test_a_logo_comes_and_goes(world: World, owner: httpx.AsyncClient) -> None:
    assert_problem(await owner.get("/api/v1/company/logo"), 404)
    assert (await owner.put("/api/v1/company/logo", json=logo(LOGO))).status_code == 204
    assert (await owner.get("/api/v1/company")).json()["company"]["has_logo"] is True
    shown = await owner.get("/api/v1/company/logo")
    assert shown.content == LOGO
    assert shown.headers["content-type"] == "image/png"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert shown.headers["cache-control"] == "private, no-cache"
    etag = shown.headers["etag"]
    for known in (etag, f'"x", W/{etag}'):
        same = await owner.get("/api/v1/company/logo", headers={"If-None-Match": known})
        assert (same.status_code, same.content) == (304, b"")
    assert (await owner.put("/api/v1/company/logo", json=logo(png(10, 10)))).status_code == 204
    other = await owner.get("/api/v1/company/logo", headers={"If-None-Match": etag})
    assert (other.status_code, other.content) == (200, png(10, 10))
    for _ in range(2):
        assert (await owner.request("DELETE", "/api/v1/company/logo", json={})).status_code == 204
    assert_problem(await owner.get("/api/v1/company/logo"), 404)
    rows = (await owner.get("/api/v1/audit")).json()["rows"]
    assert [row["action"] for row in rows if "logo" in row["action"]] == [
        "logo_removed",
        "logo_set",
        "logo_set",
    ]


NOT_SMALL_PNGS = [*NOT_PICTURES, png(5000, 5000), LOGO + bytes(65536)]


@pytest.mark.parametrize("image", NOT_SMALL_PNGS, ids=range(len(NOT_SMALL_PNGS)))
async def test_what_is_no_small_png_is_refused(owner: httpx.AsyncClient, image: bytes) -> None:
    refused = await owner.put("/api/v1/company/logo", json=logo(image))
    assert_problem(refused, 422)
    assert refused.json()["errors"][0]["field"] == "image"
    assert (await owner.get("/api/v1/company")).json()["company"]["has_logo"] is False


@pytest.mark.parametrize("kind", ["image/jpeg", "image/webp", "image/svg+xml", "text/html", ""])
async def test_other_types_are_refused(owner: httpx.AsyncClient, kind: str) -> None:
    for image in (SVG, HTML, LOGO):
        assert_problem(await owner.put("/api/v1/company/logo", json=logo(image, kind)), 422)


@pytest.mark.parametrize("text", ["*", "A", "AAAAA", "A A", "AA=="])
async def test_what_is_no_base64url_is_refused(owner: httpx.AsyncClient, text: str) -> None:
    body = {"media_type": "image/png", "image": text}
    assert_problem(await owner.put("/api/v1/company/logo", json=body), 422)


async def test_customers_see_colour_and_logo(world: World, owner: httpx.AsyncClient) -> None:
    await owner.patch("/api/v1/company", json={"colour": "#1f5fd6"})
    await owner.put("/api/v1/company/logo", json=logo(LOGO))
    async with world.client() as customer:
        assert_problem(await customer.get(f"/api/v1/links/{INVITE}/logo"), 404)
        async with await world.client_of(world.alice) as alice:
            await alice.post("/api/v1/sessions", json={"invite": INVITE, "customer_email": "ana@example.com"})
        link = (await customer.get(f"/api/v1/links/{INVITE}")).json()
        assert (link["colour"], link["has_logo"]) == ("#1f5fd6", True)
        assert (await customer.get(f"/api/v1/links/{INVITE}/logo")).content == LOGO
        assert_problem(await customer.get("/api/v1/links/AAAA/logo"), 404)
        await owner.request("DELETE", "/api/v1/company/logo", json={})
        assert_problem(await customer.get(f"/api/v1/links/{INVITE}/logo"), 404)


async def test_companies_do_not_see_one_anothers_logo(world: World, owner: httpx.AsyncClient) -> None:
    await owner.put("/api/v1/company/logo", json=logo(LOGO))
    async with await world.client_of(world.mallory) as mallory:
        assert_problem(await mallory.get("/api/v1/company/logo"), 404)
        assert (await mallory.get("/api/v1/company")).json()["company"]["name"] == "Others"


async def test_problems_about_the_logo_are_not_kept_by_browsers(owner: httpx.AsyncClient) -> None:
    missing = await owner.get("/api/v1/company/logo")
    assert missing.headers["cache-control"] == "no-store"
    assert re.match(r"default-src 'none'; script-src", missing.headers["content-security-policy"])
