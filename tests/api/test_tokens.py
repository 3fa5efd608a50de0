"""API tokens: who may make them, what they open, and that nothing outlives them."""

import httpx
import pytest

from relay.accounts.api_tokens import PREFIX, read_token, write_token
from relay.people import TechnicianRole
from tests.api.conftest import INVITE, ORIGIN, World, assert_problem

READ = {"name": "Ticket system", "scopes": ["sessions.read"], "days": 30}
USE = {"name": "Ticket system", "scopes": ["sessions.read", "sessions.use"], "days": 30}
PREPARE = {"invite": INVITE, "customer_email": "ana@example.com"}


async def made(client: httpx.AsyncClient, body: dict[str, object]) -> tuple[str, str]:
    response = await client.post("/api/v1/me/tokens", json=body)
    assert response.status_code == 201, response.text
    answer = response.json()
    return answer["token"], answer["info"]["id"]


def bearer(world: World, token: str) -> httpx.AsyncClient:
    """A program: no cookie, no Origin, no CSRF header."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(world.app),
        base_url=ORIGIN,
        headers={"Authorization": f"Bearer {token}"},
    )


async def test_a_program_prepares_a_session_with_a_token_alone(world: World) -> None:
    async with await world.client_of(world.alice) as alice:
        token, _ = await made(alice, USE)
        assert token.startswith(PREFIX)
        assert token not in (await alice.get("/api/v1/me/tokens")).text
    async with bearer(world, token) as program:
        response = await program.post("/api/v1/sessions", json=PREPARE)
        assert response.status_code == 201, response.text
        (session,) = (await program.get("/api/v1/sessions")).json()["sessions"]
        assert session["technician"]["id"] == world.alice.id
        assert (await program.get("/api/v1/me")).json()["permissions"] == ["sessions.read", "sessions.use"]


async def test_a_token_does_what_it_is_for_and_never_what_only_a_person_may(world: World) -> None:
    async with await world.client_of(world.alice) as alice:
        token, _ = await made(alice, READ)
    async with bearer(world, token) as program:
        assert_problem(await program.post("/api/v1/sessions", json=PREPARE), 403)
        assert_problem(await program.get("/api/v1/me/security"), 403)
        assert_problem(await program.get("/api/v1/me/tokens"), 403)
        assert_problem(await program.post("/api/v1/me/tokens", json=READ), 403)
        assert_problem(await program.post("/api/v1/me/password", json={"password": "a new long one"}), 403)
        assert_problem(await program.post("/api/v1/sign-out", json={}), 403)


@pytest.mark.parametrize(
    "scopes", [["account.manage"], ["sessions.read", "account.manage"], ["everything"], []]
)
async def test_no_token_is_for_more_than_it_can_be(world: World, scopes: list[str]) -> None:
    async with await world.client_of(world.alice) as alice:
        assert_problem(await alice.post("/api/v1/me/tokens", json=READ | {"scopes": scopes}), 422)


async def test_nobody_makes_a_token_for_what_they_may_not_do_themselves(world: World) -> None:
    auditor = await world.accounts.create_technician(
        world.company.id, name="Audrey", email="audrey@help.example", role=TechnicianRole.AUDITOR
    )
    async with await world.client_of(auditor) as client:
        response = await client.post("/api/v1/me/tokens", json=USE)
        assert_problem(response, 422)
        assert response.json()["errors"][0]["field"] == "scopes"


async def test_a_revoked_or_expired_token_is_worth_nothing(world: World) -> None:
    closed: list[bytes] = []
    object.__setattr__(world.context, "close_viewers_of_asker", closed.append)
    async with await world.client_of(world.alice) as alice:
        revoked, token_id = await made(alice, READ)
        expiring, _ = await made(alice, READ | {"days": 1})
        gone = await alice.request("DELETE", f"/api/v1/me/tokens/{token_id}", json={})
        assert gone.status_code == 204
        assert len(closed) == 1
        assert_problem(await alice.request("DELETE", f"/api/v1/me/tokens/{token_id}", json={}), 404)
    world.clock.advance(86401)
    for token in (revoked, expiring):
        async with bearer(world, token) as program:
            response = await program.get("/api/v1/sessions")
            assert_problem(response, 401)
            assert response.headers["www-authenticate"].startswith("Bearer")


async def test_somebody_elses_token_cannot_be_revoked(world: World) -> None:
    async with await world.client_of(world.alice) as alice, await world.client_of(world.mallory) as mallory:
        _, token_id = await made(alice, READ)
        assert_problem(await mallory.request("DELETE", f"/api/v1/me/tokens/{token_id}", json={}), 404)
        assert len((await alice.get("/api/v1/me/tokens")).json()["tokens"]) == 1


async def test_there_is_an_end_to_tokens(world: World) -> None:
    async with await world.client_of(world.alice) as alice:
        for _ in range(20):
            await made(alice, READ)
        assert_problem(await alice.post("/api/v1/me/tokens", json=READ), 409)


async def test_who_shows_a_token_is_nobody_else(world: World) -> None:
    cookie = await world.sign_in(world.mallory)
    async with await world.client_of(world.alice) as alice:
        token, _ = await made(alice, READ)
    async with world.client(cookie) as client:
        headers = {"Authorization": f"Bearer {token}"}
        assert (await client.get("/api/v1/me", headers=headers)).json()["technician"]["name"] == "Alice"
        mistyped = token[:-1] + ("A" if token[-1] != "A" else "B")
        for worthless in (f"Bearer {mistyped}", "Bearer", "Basic YTpi", f"Bearer {token} x"):
            response = await client.get("/api/v1/me", headers={"Authorization": worthless})
            assert_problem(response, 401)


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
async def test_other_sites_pages_do_not_use_tokens_either(world: World, headers: dict[str, str]) -> None:
    async with await world.client_of(world.alice) as alice:
        token, _ = await made(alice, USE)
    async with bearer(world, token) as program:
        assert_problem(await program.post("/api/v1/sessions", json=PREPARE, headers=headers), 403)


def test_a_token_tells_typing_mistakes_from_itself() -> None:
    token = write_token(b"s" * 32)
    assert read_token(token) == b"s" * 32
    for place in range(len(token)):
        other = "A" if token[place] != "A" else "B"
        assert read_token(token[:place] + other + token[place + 1 :]) is None
    assert read_token(token + "A") is None
    assert read_token("") is None
