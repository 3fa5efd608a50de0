"""People and mailed links over the API."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import trio

from relay.accounts.letters import Posted
from relay.people import Technician, TechnicianRole
from relay.protocol.links import encode_base64url
from tests.api.conftest import World, assert_problem

PASSWORD = "correct horse battery"
NINA: dict[str, Any] = {
    "name": "Nina",
    "email": "Nina@Help.example",
    "role": "technician",
    "language": "es",
}


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


async def test_managers_see_people_whole(world: World, owner: httpx.AsyncClient) -> None:
    people = (await owner.get("/api/v1/people")).json()["people"]
    assert [person["name"] for person in people] == ["Alice", "Olive"]
    assert people[0] == {
        "id": world.alice.id,
        "name": "Alice",
        "role": "technician",
        "email": "alice@help.example",
        "language": "en",
        "has_password": False,
        "second_factor": False,
        "passkeys": 0,
        "is_disabled": False,
        "invited": True,
        "signed_in_at": None,
    }
    assert people[1]["signed_in_at"] == "2025-01-01T12:00:00.000Z"


async def test_colleagues_see_whom_they_can_let_in(
    world: World, owner: httpx.AsyncClient, olive: Technician
) -> None:
    gone = (await owner.post("/api/v1/people", json=NINA)).json()["person"]["id"]
    await owner.patch(f"/api/v1/people/{gone}", json={"is_disabled": True})
    async with await world.client_of(world.alice) as alice:
        people = (await alice.get("/api/v1/people")).json()["people"]
    assert people == [
        {"id": world.alice.id, "name": "Alice", "role": "technician"},
        {"id": olive.id, "name": "Olive", "role": "owner"},
    ]


async def test_an_invitation_from_mail_to_console(world: World, owner: httpx.AsyncClient) -> None:
    invited = await owner.post("/api/v1/people", json=NINA)
    assert invited.status_code == 201
    body = invited.json()
    assert body["mail"] == {"state": "sent", "detail": "The mail server has accepted the mail."}
    assert (body["person"]["email"], body["person"]["invited"]) == ("nina@help.example", True)
    assert world.letters.kept[0].link not in invited.text
    token = encode_base64url(world.letters.token)
    assert token not in invited.text
    async with world.client() as nina:
        look = await nina.post("/api/v1/invitations/look", json={"token": token})
        assert look.json() == {
            "company": "Help Ltd",
            "name": "Nina",
            "email": "nina@help.example",
            "language": "es",
            "purpose": "invitation",
        }
        short = await nina.post(
            "/api/v1/invitations/accept",
            json={"token": token, "password": "short"},
            headers={"Accept-Language": "es"},
        )
        assert_problem(short, 422)
        assert short.json()["errors"] == [
            {"field": "password", "message": "Una contraseña tiene de 12 a 256 caracteres."}
        ]
        accept = {"token": token, "password": PASSWORD, "name": "Nina R.", "language": "en"}
        signed_in = await nina.post("/api/v1/invitations/accept", json=accept)
        assert signed_in.json()["signed_in"]["technician"]["name"] == "Nina R."
        assert (await nina.get("/api/v1/me")).status_code == 200
        assert_problem(await nina.post("/api/v1/invitations/accept", json=accept), 404)
        assert_problem(await nina.post("/api/v1/invitations/look", json={"token": token}), 404)
    people = {person["name"]: person for person in (await owner.get("/api/v1/people")).json()["people"]}
    assert (people["Nina R."]["invited"], people["Nina R."]["has_password"]) == (False, True)
    again = await owner.post(f"/api/v1/people/{people['Nina R.']['id']}/invitation", json={})
    assert_problem(again, 409)


@pytest.mark.parametrize("state", ["waiting", "outbox", "failed"])
async def test_a_mail_that_does_not_leave_undoes_nothing(
    world: World, owner: httpx.AsyncClient, state: Any
) -> None:
    world.letters.answer = Posted(state, "")
    invited = await owner.post("/api/v1/people", json=NINA)
    assert (invited.status_code, invited.json()["mail"]["state"]) == (201, state)
    world.letters.answer = Posted("sent", "")
    again = await owner.post(f"/api/v1/people/{invited.json()['person']['id']}/invitation", json={})
    assert again.json()["mail"]["state"] == "sent"
    assert len({letter.link for letter in world.letters.kept}) == 2


async def test_an_address_that_is_taken_says_so_beside_the_field(
    world: World, owner: httpx.AsyncClient
) -> None:
    for email in ("ALICE@help.example", "mallory@others.example"):
        taken = await owner.post("/api/v1/people", json=NINA | {"email": email})
        assert_problem(taken, 409)
        assert taken.json()["errors"][0]["field"] == "email"
    assert world.letters.kept == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "Nina\r\nBcc: all@example.com"),
        ("name", "\u202eNina"),
        ("name", "x" * 101),
        ("name", "\ud800"),
        ("email", "nina@help.example\r\nBcc: all@example.com"),
        ("email", "nina@help.example, all@example.com"),
        ("email", '"<script>"@help.example'),
        ("email", "nina"),
        ("role", "root"),
        ("language", "xx"),
        ("is_owner", True),
    ],
)
async def test_hostile_people_are_not_invited(
    world: World, owner: httpx.AsyncClient, field: str, value: object
) -> None:
    content = json.dumps(NINA | {field: value})
    refused = await owner.post(
        "/api/v1/people", content=content, headers={"Content-Type": "application/json"}
    )
    assert_problem(refused, 422)
    assert refused.json()["errors"][0]["field"] == field
    assert world.letters.kept == []


async def test_markup_in_a_name_is_only_text(world: World, owner: httpx.AsyncClient) -> None:
    invited = await owner.post("/api/v1/people", json=NINA | {"name": "<img src=x onerror=alert(1)>"})
    assert invited.json()["person"]["name"] == "<img src=x onerror=alert(1)>"
    assert invited.headers["content-type"] == "application/json"


@pytest.mark.parametrize("role", [TechnicianRole.TECHNICIAN, TechnicianRole.AUDITOR])
async def test_others_change_nobody(world: World, olive: Technician, role: TechnicianRole) -> None:
    person = await world.accounts.create_technician(
        world.company.id, name="Otto", email="otto@help.example", role=role
    )
    async with await world.client_of(person) as client:
        assert_problem(await client.post("/api/v1/people", json=NINA), 403)
        for url in (f"/api/v1/people/{olive.id}", f"/api/v1/people/{world.mallory.id}"):
            assert_problem(await client.patch(url, json={"name": "X"}), 403)
            assert_problem(await client.post(f"{url}/invitation", json={}), 403)
            assert_problem(await client.post(f"{url}/second-factor/reset", json={}), 403)


async def test_admins_cannot_touch_owners(world: World, olive: Technician) -> None:
    admin = await world.accounts.create_technician(
        world.company.id, name="Adam", email="adam@help.example", role=TechnicianRole.ADMIN
    )
    async with await world.client_of(admin) as client:
        for url in (f"/api/v1/people/{olive.id}", f"/api/v1/people/{admin.id}"):
            assert_problem(await client.patch(url, json={"role": "owner"}), 403)
        assert_problem(await client.patch(f"/api/v1/people/{olive.id}", json={"is_disabled": True}), 403)
        assert_problem(await client.post(f"/api/v1/people/{olive.id}/invitation", json={}), 403)
        assert_problem(await client.post(f"/api/v1/people/{olive.id}/second-factor/reset", json={}), 403)
        assert_problem(await client.post("/api/v1/people", json=NINA | {"role": "owner"}), 403)
        assert (await client.post("/api/v1/people", json=NINA | {"role": "admin"})).status_code == 201


async def test_people_of_others_look_like_nobody(world: World, owner: httpx.AsyncClient) -> None:
    for tail, method in (("", "PATCH"), ("/invitation", "POST"), ("/second-factor/reset", "POST")):
        foreign = await owner.request(method, f"/api/v1/people/{world.mallory.id}{tail}", json={})
        nobody = await owner.request(method, f"/api/v1/people/{'A' * 22}{tail}", json={})
        assert_problem(foreign, 404)
        assert foreign.content == nobody.content


async def test_disabling_shuts_out_at_once(world: World, owner: httpx.AsyncClient) -> None:
    cookie = await world.sign_in(world.alice)
    with world.context.feeds.opened(cookie, world.alice.id) as feed:
        async with world.client(cookie) as alice:
            assert (await alice.get("/api/v1/me")).status_code == 200
            answer = await owner.patch(f"/api/v1/people/{world.alice.id}", json={"is_disabled": True})
            assert answer.json()["person"]["is_disabled"] is True
            assert_problem(await alice.get("/api/v1/me"), 401)
        assert feed.scope.cancel_called


async def test_a_lesser_role_closes_what_is_open_and_keeps_the_cookie(
    world: World, owner: httpx.AsyncClient
) -> None:
    cookie = await world.sign_in(world.alice)
    with world.context.feeds.opened(cookie, world.alice.id) as feed:
        await owner.patch(f"/api/v1/people/{world.alice.id}", json={"name": "Alicia", "role": "admin"})
        assert not feed.scope.cancel_called
        await owner.patch(f"/api/v1/people/{world.alice.id}", json={"role": "auditor"})
        assert feed.scope.cancel_called
    async with world.client(cookie) as alice:
        me = (await alice.get("/api/v1/me")).json()
        assert (me["technician"]["name"], me["technician"]["role"]) == ("Alicia", "auditor")


async def test_the_last_owner_is_told(owner: httpx.AsyncClient, olive: Technician) -> None:
    refused = await owner.patch(f"/api/v1/people/{olive.id}", json={"role": "technician"})
    assert_problem(refused, 409)
    assert refused.json()["detail"] == "A company keeps at least one owner who can sign in."


async def test_second_factors_are_reset_and_browsers_signed_out(
    world: World, owner: httpx.AsyncClient, olive: Technician
) -> None:
    async with await world.client_of(world.alice) as alice:
        reset = await owner.post(f"/api/v1/people/{world.alice.id}/second-factor/reset", json={})
        assert reset.status_code == 204
        assert_problem(await alice.get("/api/v1/me"), 401)
    assert_problem(await owner.post(f"/api/v1/people/{olive.id}/second-factor/reset", json={}), 409)


async def test_a_forgotten_password_tells_nothing(world: World) -> None:
    await world.accounts.set_password(world.alice.id, "the password before")
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: world.accounts.invitations.run(task_status=task_status))
        async with world.client() as client:
            unknown = await client.post("/api/v1/sign-in/reset", json={"email": "nobody@help.example"})
            known = await client.post("/api/v1/sign-in/reset", json={"email": "Alice@help.example"})
        assert unknown.status_code == known.status_code == 202
        assert unknown.content == known.content
        with trio.fail_after(5):
            await world.letters.wait_for(1)
        nursery.cancel_scope.cancel()
    assert [letter.to for letter in world.letters.kept] == ["alice@help.example"]
    token = encode_base64url(world.letters.token)
    old = await world.sign_in(world.alice)
    async with world.client() as client, world.client(old) as elsewhere:
        look = (await client.post("/api/v1/invitations/look", json={"token": token})).json()
        assert look["purpose"] == "reset"
        accept = {"token": token, "password": PASSWORD}
        signed_in = await client.post("/api/v1/invitations/accept", json=accept)
        assert signed_in.json()["signed_in"]["technician"]["name"] == "Alice"
        assert_problem(await elsewhere.get("/api/v1/me"), 401)
        (browser,) = (await client.get("/api/v1/me/security")).json()["browsers"]
        assert browser["way"] == "reset"


async def test_requests_for_new_passwords_are_throttled(world: World) -> None:
    async with world.client() as client:
        for _ in range(31):
            response = await client.post("/api/v1/sign-in/reset", json={"email": "nobody@help.example"})
    assert_problem(response, 429)
    assert int(response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("token", ["", "x", "A" * 42, "A" * 44, "=" * 43])
async def test_what_is_no_token_is_a_wrong_field(world: World, token: str) -> None:
    async with world.client() as client:
        for path, more in (("look", {}), ("accept", {"password": PASSWORD})):
            refused = await client.post(f"/api/v1/invitations/{path}", json={"token": token} | more)
            assert_problem(refused, 422)
            assert refused.json()["errors"][0]["field"] == "token"
