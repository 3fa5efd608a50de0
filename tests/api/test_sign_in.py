"""Signing in over the API: every way, each half, and that a refusal tells nothing."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pyotp
import pytest

from relay.protocol.links import encode_base64url
from tests.api.conftest import ORIGIN, World, assert_problem
from tests.helpers.authenticator import Authenticator
from tests.helpers.oidc_issuer import Issuer, running_issuer

PASSWORD = "correct horse battery"
ALICE = {"email": "alice@help.example", "password": PASSWORD}
FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of Alice's, who has a password; nobody is signed in."""
    await world.accounts.set_password(world.alice.id, PASSWORD)
    async with world.client() as client:
        yield client


async def set_up_totp(world: World) -> str:
    """Alice's authenticator app; its secret."""
    factors = world.accounts.second_factors
    new = await factors.begin_totp(world.alice, world.company)
    await factors.confirm_totp(world.alice, pyotp.TOTP(new.secret).at(world.clock.now()), cookie=b"")
    world.clock.advance(60)
    return new.secret


async def second(browser: httpx.AsyncClient, token: str, code: str, way: str = "totp") -> httpx.Response:
    return await browser.post("/api/v1/sign-in/second", json={"token": token, "way": way, "code": code})


async def test_sign_in_with_a_password_and_out(world: World, browser: httpx.AsyncClient) -> None:
    answer = await browser.post("/api/v1/sign-in", json=ALICE | {"email": "Alice@Help.example"})
    assert answer.status_code == 200
    body = answer.json()
    assert body["challenge"] is None
    assert body["signed_in"]["technician"]["name"] == "Alice"
    assert body["signed_in"]["permissions"] == [
        "account.manage",
        "people.read",
        "sessions.read",
        "sessions.use",
    ]
    cookie, known = answer.headers.get_list("set-cookie")
    assert re.fullmatch(r"adhoc_session=[\w-]{43}; HttpOnly; Max-Age=43200; Path=/; SameSite=strict", cookie)
    assert re.fullmatch(r"adhoc_known=[\w-]{110}; HttpOnly; Max-Age=15552000; Path=/; SameSite=strict", known)
    me = (await browser.get("/api/v1/me")).json()
    assert me["company"]["name"] == "Help Ltd"
    assert me["technician"]["has_password"] is True
    assert (me["mail"], me["origin"], me["must_set_second_factor"]) == ("outbox", ORIGIN, False)
    assert me["now"].endswith("Z")
    gone = await browser.post("/api/v1/sign-out", json={})
    assert gone.status_code == 204
    assert 'adhoc_session=""; HttpOnly; Max-Age=0' in gone.headers["set-cookie"]
    browser.cookies.set("adhoc_session", re.findall(r"=([\w-]{43});", cookie)[0])
    assert (await browser.get("/api/v1/me")).status_code == 401


async def test_a_known_browser_stays_known(browser: httpx.AsyncClient) -> None:
    await browser.post("/api/v1/sign-in", json=ALICE)
    again = await browser.post("/api/v1/sign-in", json=ALICE)
    assert len(again.headers.get_list("set-cookie")) == 1


async def test_a_stranger_cannot_lock_alice_out_of_her_browser(
    world: World, browser: httpx.AsyncClient
) -> None:
    await browser.post("/api/v1/sign-in", json=ALICE)
    async with world.client() as stranger:
        for _ in range(11):
            refused = await stranger.post("/api/v1/sign-in", json=ALICE | {"password": "guess"})
        assert refused.status_code == 429
        assert (await stranger.post("/api/v1/sign-in", json=ALICE)).status_code == 429
    # The same address, the same account; but her own browser.
    assert (await browser.post("/api/v1/sign-in", json=ALICE)).status_code == 200


async def test_unknown_people_and_wrong_passwords_get_the_same_answer(browser: httpx.AsyncClient) -> None:
    wrong = await browser.post("/api/v1/sign-in", json=ALICE | {"password": "x"})
    unknown = await browser.post("/api/v1/sign-in", json={"email": "nobody@help.example", "password": "x"})
    assert wrong.status_code == unknown.status_code == 401
    assert wrong.content == unknown.content
    assert "set-cookie" not in wrong.headers


async def test_too_many_passwords_are_throttled(world: World) -> None:
    async with world.client() as client:
        for _ in range(11):
            response = await client.post("/api/v1/sign-in", json={"email": "a@b.example", "password": "x"})
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) >= 1
    assert response.json()["limit"] == "sign_ins_per_address"
    text = world.metrics.render().decode()
    assert 'relay_sign_ins_total{outcome="refused",way="password"} 10.0' in text
    assert 'relay_sign_ins_total{outcome="throttled",way="password"} 1.0' in text


async def test_a_sign_in_link_works_once_and_replaces_the_old_cookie(world: World) -> None:
    old = await world.sign_in(world.alice)
    token = {"token": encode_base64url(await world.accounts.issue_sign_in_link(world.alice.id))}
    async with world.client(old) as client:
        assert (await client.post("/api/v1/sign-in/link", json=token)).status_code == 200
        assert (await client.post("/api/v1/sign-in/link", json=token)).status_code == 401
    async with world.client(old) as client:
        assert (await client.get("/api/v1/me")).status_code == 401


async def test_the_second_half_of_a_sign_in(world: World, browser: httpx.AsyncClient) -> None:
    secret = await set_up_totp(world)
    half = await browser.post("/api/v1/sign-in", json=ALICE)
    assert half.json()["signed_in"] is None
    assert half.json()["challenge"]["ways"] == ["totp", "recovery"]
    assert "set-cookie" not in half.headers
    assert (await browser.get("/api/v1/me")).status_code == 401
    token = half.json()["challenge"]["token"]
    assert_problem(await second(browser, token, "000"), 401)
    code = pyotp.TOTP(secret).at(world.clock.now())
    whole = await second(browser, token, code)
    assert whole.json()["signed_in"]["technician"]["has_second_factor"] is True
    assert (await browser.get("/api/v1/me")).status_code == 200
    assert_problem(await second(browser, token, code), 401)


async def test_a_passkey_signs_in_alone(world: World, browser: httpx.AsyncClient) -> None:
    device = Authenticator()
    passkeys = world.accounts.passkeys
    token, options = await passkeys.begin_registering(world.alice, world.company)
    await passkeys.register(world.alice, token, "Laptop", device.create(options, ORIGIN), cookie=b"")
    begun = (await browser.post("/api/v1/sign-in/passkey/options", json={})).json()
    answer = {"token": begun["token"], "credential": device.get(begun["options"], ORIGIN)}
    signed_in = await browser.post("/api/v1/sign-in/passkey", json=answer)
    assert signed_in.json()["signed_in"]["technician"]["name"] == "Alice"
    assert (await browser.get("/api/v1/me")).status_code == 200
    assert_problem(await browser.post("/api/v1/sign-in/passkey", json=answer), 401)
    half = (await browser.post("/api/v1/sign-in", json=ALICE)).json()["challenge"]
    assert half["ways"] == ["passkey", "recovery"]
    begun = (await browser.post("/api/v1/sign-in/passkey/options", json={"token": half["token"]})).json()
    assert len(begun["options"]["allowCredentials"]) == 1
    answer = {"token": begun["token"], "credential": device.get(begun["options"], ORIGIN)}
    assert (await browser.post("/api/v1/sign-in/passkey", json=answer)).status_code == 200


async def test_a_credential_has_a_largest_size(browser: httpx.AsyncClient) -> None:
    answer = {"token": "A" * 43, "credential": {"id": "x" * 17_000}}
    refused = await browser.post("/api/v1/sign-in/passkey", json=answer)
    assert_problem(refused, 422)
    assert refused.json()["errors"][0]["field"] == "credential"


@pytest.fixture
def issuer(world: World) -> Iterator[Issuer]:
    with running_issuer() as running:
        running.now = lambda: world.clock.now().timestamp()
        running.person |= {"email": "alice@help.example"}
        yield running


async def trust(world: World, issuer: Issuer) -> None:
    await world.accounts.identity_providers.set(
        world.alice,
        issuer=issuer.url,
        client_id=issuer.client_id,
        client_secret=issuer.client_secret,
        label="Help Ltd",
    )


async def go(browser: httpx.AsyncClient, world: World) -> str:
    """Goes to the issuer and comes back as far as the callback's address."""
    start = await browser.get(f"/api/v1/sign-in/oidc/{world.company.id}/start")
    assert start.status_code == 303
    binding = start.headers["set-cookie"]
    assert re.fullmatch(r"adhoc_oidc=[\w-]{43}; HttpOnly; Max-Age=300; Path=/; SameSite=lax", binding)
    async with httpx.AsyncClient() as away:
        said_yes = await away.get(start.headers["location"])
    return str(said_yes.headers["location"])


FROM_ELSEWHERE = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


@pytest.mark.sockets
@pytest.mark.slow
async def test_through_the_identity_provider(
    world: World, browser: httpx.AsyncClient, issuer: Issuer
) -> None:
    await trust(world, issuer)
    found = await browser.get("/api/v1/sign-in/providers", params={"email": "alice@help.example"})
    assert found.json() == {"providers": [{"id": world.company.id, "label": "Help Ltd"}]}
    nobody = await browser.get("/api/v1/sign-in/providers", params={"email": "nobody@help.example"})
    assert nobody.json() == {"providers": []}
    browser.headers.update(FIREFOX)
    back = await go(browser, world)
    arrived = await browser.get(back, headers=FROM_ELSEWHERE)
    assert (arrived.status_code, arrived.headers["location"]) == (303, "/")
    me = (await browser.get("/api/v1/me")).json()
    assert me["technician"]["name"] == "Alice"
    (signed_in,) = (await browser.get("/api/v1/me/security")).json()["browsers"]
    assert (signed_in["agent"], signed_in["way"]) == ("Firefox on Linux", "oidc")
    again = await browser.get(back, headers=FROM_ELSEWHERE)
    assert (again.status_code, again.headers["location"]) == (303, "/sign-in#error=oidc")


@pytest.mark.sockets
@pytest.mark.slow
async def test_a_return_in_another_browser_is_refused(
    world: World, browser: httpx.AsyncClient, issuer: Issuer
) -> None:
    await trust(world, issuer)
    back = await go(browser, world)
    async with world.client() as other:
        arrived = await other.get(back, headers=FROM_ELSEWHERE)
        assert arrived.headers["location"] == "/sign-in#error=oidc"
        assert (await other.get("/api/v1/me")).status_code == 401


@pytest.mark.parametrize(
    "query", [{}, {"state": "x", "code": "y"}, {"state": "A" * 43, "code": "y"}, {"error": "access_denied"}]
)
async def test_returns_from_nowhere_end_at_the_sign_in_page(
    browser: httpx.AsyncClient, query: dict[str, Any]
) -> None:
    arrived = await browser.get("/api/v1/sign-in/oidc/callback", params=query, headers=FROM_ELSEWHERE)
    assert (arrived.status_code, arrived.headers["location"]) == (303, "/sign-in#error=oidc")


@pytest.mark.parametrize(
    "headers",
    [
        FROM_ELSEWHERE | {"Sec-Fetch-Mode": "cors"},
        FROM_ELSEWHERE | {"Sec-Fetch-Dest": "iframe"},
        FROM_ELSEWHERE | {"Sec-Fetch-Dest": "image"},
    ],
)
async def test_only_whole_pages_come_back(browser: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert_problem(await browser.get("/api/v1/sign-in/oidc/callback", headers=headers), 403)


async def test_other_routes_are_not_reached_from_elsewhere(browser: httpx.AsyncClient) -> None:
    assert_problem(await browser.get("/api/v1/me", headers=FROM_ELSEWHERE), 403)


async def test_a_company_without_a_provider_sends_back_to_the_page(
    world: World, browser: httpx.AsyncClient
) -> None:
    for company in (world.company.id, "nobody"):
        start = await browser.get(f"/api/v1/sign-in/oidc/{company}/start")
        assert (start.status_code, start.headers["location"]) == (303, "/sign-in#error=oidc")
