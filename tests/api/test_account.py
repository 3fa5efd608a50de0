"""One's own account over the API: proofs, factors, browsers; and the company's identity provider."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pyotp
import pytest

from relay.api.agents import describe_agent
from relay.people import TechnicianRole
from tests.api.conftest import ORIGIN, World, assert_problem
from tests.helpers.authenticator import Authenticator
from tests.helpers.oidc_issuer import Issuer, running_issuer

PASSWORD = "correct horse battery"
PROOF = {"current_password": PASSWORD}


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """Alice, signed in; she has a password."""
    await world.accounts.set_password(world.alice.id, PASSWORD)
    async with await world.client_of(world.alice) as client:
        yield client


async def change(world: World, **company: Any) -> None:
    await world.broker.change_company(replace(world.company, **company))


def field_of(response: httpx.Response) -> str:
    assert_problem(response, 422)
    return str(response.json()["errors"][0]["field"])


async def turn_totp_on(world: World, browser: httpx.AsyncClient) -> tuple[str, list[str]]:
    """An app's secret and the recovery codes."""
    new = (await browser.post("/api/v1/me/totp", json=PROOF)).json()
    assert new["uri"].startswith("otpauth://totp/")
    assert new["secret"] in new["uri"]
    code = pyotp.TOTP(new["secret"]).at(world.clock.now())
    confirmed = await browser.post("/api/v1/me/totp/confirm", json={"code": code})
    assert confirmed.status_code == 200
    world.clock.advance(60)
    return new["secret"], confirmed.json()["recovery_codes"]


async def test_name_and_language_can_be_changed(browser: httpx.AsyncClient) -> None:
    changed = await browser.patch("/api/v1/me", json={"name": "  Alicia ", "language": "es"})
    assert changed.json()["technician"]["name"] == "Alicia"
    me = (await browser.get("/api/v1/me")).json()
    assert (me["technician"]["name"], me["technician"]["language"]) == ("Alicia", "es")
    assert field_of(await browser.patch("/api/v1/me", json={"name": " "})) == "name"
    assert field_of(await browser.patch("/api/v1/me", json={"name": "x" * 101})) == "name"
    assert field_of(await browser.patch("/api/v1/me", json={"language": "fr"})) == "language"


async def test_a_new_password_needs_the_old_and_signs_out_the_others(
    world: World, browser: httpx.AsyncClient
) -> None:
    async with await world.client_of(world.alice) as elsewhere:
        new = {"password": "long enough now"}
        assert field_of(await browser.post("/api/v1/me/password", json=new)) == "current_password"
        wrong = await browser.post("/api/v1/me/password", json=new | {"current_password": "guess"})
        assert field_of(wrong) == "current_password"
        short = await browser.post("/api/v1/me/password", json=PROOF | {"password": "short"})
        assert field_of(short) == "password"
        assert "12" in short.json()["errors"][0]["message"]
        assert (await elsewhere.get("/api/v1/me")).status_code == 200
        assert (await browser.post("/api/v1/me/password", json=PROOF | new)).status_code == 204
        assert (await browser.get("/api/v1/me")).status_code == 200
        assert (await elsewhere.get("/api/v1/me")).status_code == 401


async def test_whoever_has_no_password_proves_nothing(world: World) -> None:
    async with await world.client_of(world.alice) as client:
        first = await client.post("/api/v1/me/password", json={"password": "long enough now"})
        assert first.status_code == 204


async def test_guessing_the_password_of_an_open_browser_is_throttled(browser: httpx.AsyncClient) -> None:
    for _ in range(10):
        await browser.post("/api/v1/me/totp", json={"current_password": "guess"})
    assert_problem(await browser.post("/api/v1/me/totp", json=PROOF), 429)


async def test_an_authenticator_app_from_beginning_to_end(world: World, browser: httpx.AsyncClient) -> None:
    assert field_of(await browser.post("/api/v1/me/totp", json={})) == "current_password"
    assert_problem(await browser.post("/api/v1/me/totp/confirm", json={"code": "123456"}), 409)
    secret, codes = await turn_totp_on(world, browser)
    assert len(codes) == 10
    security = (await browser.get("/api/v1/me/security")).json()
    assert security["totp"]["is_on"] is True
    assert security["recovery_codes_left"] == 10
    assert_problem(await browser.post("/api/v1/me/totp", json=PROOF), 409)
    fresh = (await browser.post("/api/v1/me/recovery-codes", json=PROOF)).json()["recovery_codes"]
    assert set(fresh).isdisjoint(codes)
    assert field_of(await browser.post("/api/v1/me/totp/off", json={"code": "no"})) == "code"
    assert field_of(await browser.post("/api/v1/me/totp/off", json={})) == "current_password"
    code = pyotp.TOTP(secret).at(world.clock.now())
    assert (await browser.post("/api/v1/me/totp/off", json={"code": code})).status_code == 204
    security = (await browser.get("/api/v1/me/security")).json()
    assert security["totp"] == {"is_on": False, "confirmed_at": None}
    assert security["recovery_codes_left"] == 0
    assert_problem(await browser.post("/api/v1/me/recovery-codes", json=PROOF), 409)


async def test_a_wrong_code_confirms_nothing(browser: httpx.AsyncClient) -> None:
    await browser.post("/api/v1/me/totp", json=PROOF)
    assert field_of(await browser.post("/api/v1/me/totp/confirm", json={"code": "nope"})) == "code"


async def test_without_a_password_only_a_code_turns_the_app_off(world: World) -> None:
    async with await world.client_of(world.alice) as client:
        secret, _ = await turn_totp_on(world, client)
        assert field_of(await client.post("/api/v1/me/totp/off", json={})) == "code"
        code = pyotp.TOTP(secret).at(world.clock.now())
        assert (await client.post("/api/v1/me/totp/off", json={"code": code})).status_code == 204


async def test_passkeys_are_added_listed_and_removed(world: World, browser: httpx.AsyncClient) -> None:
    device = Authenticator()
    assert field_of(await browser.post("/api/v1/me/passkeys/options", json={})) == "current_password"
    begun = (await browser.post("/api/v1/me/passkeys/options", json=PROOF)).json()
    new = {
        "token": begun["token"],
        "name": "Laptop",
        "credential": device.create(begun["options"], ORIGIN),
    }
    added = await browser.post("/api/v1/me/passkeys", json=new)
    assert added.status_code == 201
    assert len(added.json()["recovery_codes"]) == 10
    assert_problem(await browser.post("/api/v1/me/passkeys", json=new), 409)
    (passkey,) = (await browser.get("/api/v1/me/security")).json()["passkeys"]
    assert (passkey["name"], passkey["used_at"]) == ("Laptop", None)
    path = f"/api/v1/me/passkeys/{passkey['id']}"
    assert field_of(await browser.request("DELETE", path, json={})) == "current_password"
    async with await world.client_of(world.mallory) as mallory:
        assert_problem(await mallory.request("DELETE", path, json={}), 404)
    assert (await browser.request("DELETE", path, json=PROOF)).status_code == 204
    assert_problem(await browser.request("DELETE", path, json=PROOF), 404)


async def test_browsers_are_listed_and_signed_out(world: World, browser: httpx.AsyncClient) -> None:
    async with await world.client_of(world.alice) as other, await world.client_of(world.alice) as third:
        listed = (await browser.get("/api/v1/me/security")).json()["browsers"]
        assert len(listed) == 3
        assert [entry["is_current"] for entry in listed].count(True) == 1
        ours = (await other.get("/api/v1/me/security")).json()["browsers"]
        (id_of_other,) = (entry["id"] for entry in ours if entry["is_current"])
        async with await world.client_of(world.mallory) as mallory:
            assert_problem(
                await mallory.request("DELETE", f"/api/v1/me/browsers/{id_of_other}", json={}), 404
            )
        gone = await browser.request("DELETE", f"/api/v1/me/browsers/{id_of_other}", json={})
        assert gone.status_code == 204
        assert (await other.get("/api/v1/me")).status_code == 401
        assert (await third.get("/api/v1/me")).status_code == 200
        assert (await browser.post("/api/v1/me/browsers/sign-out-others", json={})).status_code == 204
        assert (await third.get("/api/v1/me")).status_code == 401
        assert (await browser.get("/api/v1/me")).status_code == 200


async def test_where_a_second_factor_is_required_nothing_else_answers_first(
    world: World, browser: httpx.AsyncClient
) -> None:
    await change(world, requires_second_factor=True)
    assert (await browser.get("/api/v1/me")).json()["must_set_second_factor"] is True
    refused = await browser.get("/api/v1/sessions")
    assert_problem(refused, 403)
    assert refused.json()["code"] == "second_factor_required"
    assert (await browser.get("/api/v1/me/security")).status_code == 200
    secret, _ = await turn_totp_on(world, browser)
    assert (await browser.get("/api/v1/me")).json()["must_set_second_factor"] is False
    assert (await browser.get("/api/v1/sessions")).status_code == 200
    code = pyotp.TOTP(secret).at(world.clock.now())
    assert_problem(await browser.post("/api/v1/me/totp/off", json={"code": code}), 409)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


PROVIDER = "/api/v1/company/identity-provider"


@pytest.mark.sockets
@pytest.mark.slow
async def test_the_owner_chooses_the_identity_provider(world: World, issuer: Issuer) -> None:
    owner = await world.accounts.create_technician(
        world.company.id, name="Olga", email="olga@help.example", role=TechnicianRole.OWNER
    )
    wish = {"issuer": issuer.url, "client_id": "relay", "client_secret": "s3cret", "label": "Help Ltd"}
    async with await world.client_of(owner) as client:
        kept = await client.put(PROVIDER, json=wish)
        assert kept.json()["identity_provider"] == {
            "issuer": issuer.url,
            "client_id": "relay",
            "label": "Help Ltd",
            "has_secret": True,
            "redirect_uri": f"{ORIGIN}/api/v1/sign-in/oidc/callback",
        }
        assert field_of(await client.put(PROVIDER, json=wish | {"issuer": "http://192.0.2.1"})) == "issuer"
        assert field_of(await client.put(PROVIDER, json=wish | {"issuer": issuer.url + "/no"})) == "issuer"
        assert (await client.request("DELETE", PROVIDER, json={})).status_code == 204
    assert await world.accounts.identity_providers.of(world.company.id) is None


@pytest.mark.parametrize("role", [role for role in TechnicianRole if role is not TechnicianRole.OWNER])
async def test_nobody_but_an_owner_does(world: World, role: TechnicianRole) -> None:
    other = await world.accounts.create_technician(
        world.company.id, name="Other", email="other@help.example", role=role
    )
    wish = {"issuer": "https://login.example.com", "client_id": "relay", "label": "Help Ltd"}
    async with await world.client_of(other) as client:
        assert_problem(await client.put(PROVIDER, json=wish), 403)
        assert_problem(await client.request("DELETE", PROVIDER, json={}), 403)


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0 Safari/537.36",
            "Chrome on Windows",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) Version/18.0 Safari/605.1", "Safari on macOS"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) CriOS/140 Safari/604.1", "Chrome on iPhone"),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/140.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("python-httpx/0.28", ""),
        ("<script>Firefox/1", "Firefox"),
        ("x" * 600 + " Chrome/1", ""),
        ("", ""),
    ],
)
def test_browsers_are_described_in_words(agent: str, words: str) -> None:
    assert describe_agent(agent) == words


async def test_whoever_is_signed_out_loses_their_live_feed(world: World, browser: httpx.AsyncClient) -> None:
    cookie = await world.sign_in(world.alice)
    async with world.client(cookie) as other:
        listed = (await other.get("/api/v1/me/security")).json()["browsers"]
    (id_of_other,) = (entry["id"] for entry in listed if entry["is_current"])
    with world.context.feeds.opened(cookie, world.alice.id) as feed:
        await browser.request("DELETE", f"/api/v1/me/browsers/{id_of_other}", json={})
        assert feed.scope.cancel_called
