"""Every route of the API, found by walking the app: who is refused, and what every answer carries."""

import re
from collections.abc import Iterator

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from relay.api.app import OPENAPI_PATH, create_routes
from tests.api.conftest import INVITE, ORIGIN, World, assert_problem

PUBLIC = {
    ("POST", "/api/v1/sign-in"),
    ("POST", "/api/v1/sign-in/link"),
    ("POST", "/api/v1/sign-in/second"),
    ("POST", "/api/v1/sign-in/reset"),
    ("POST", "/api/v1/invitations/look"),
    ("POST", "/api/v1/invitations/accept"),
    ("POST", "/api/v1/sign-in/passkey"),
    ("POST", "/api/v1/sign-in/passkey/options"),
    ("GET", "/api/v1/sign-in/providers"),
    ("GET", "/api/v1/sign-in/oidc/{company_id}/start"),
    ("GET", "/api/v1/sign-in/oidc/callback"),
    ("GET", "/api/v1/links/{invite}"),
    ("GET", "/api/v1/links/{invite}/logo"),
    ("GET", "/api/v1/links/{invite}/receipt"),
    ("POST", "/api/v1/links/{invite}/opened"),
    ("GET", "/api/v1/links/{invite}/start"),
    ("POST", "/api/v1/links/{invite}/refused"),
    ("GET", "/d/{invite}/adhoc-host.exe"),
    ("GET", "/d/{invite}/adhoc-host-linux"),
    ("GET", "/d/{invite}/adhoc-host.pyz"),
    ("GET", "/d/{invite}"),
    ("GET", "/assets/{name}"),
    ("GET", "/session/{id}"),
    ("GET", "/session/{id}/dashboard"),
    ("GET", "/session/{id}/files"),
    ("GET", "/session/{id}/shell"),
    ("GET", "/sessions/{id}"),
    ("GET", "/sign-in"),
    ("GET", "/invite"),
    ("GET", "/reset"),
    ("GET", "/account"),
    ("GET", "/audit"),
    ("GET", "/settings"),
    ("GET", "/settings/{part}"),
    ("GET", "/"),
    ("GET", "/healthz"),
    ("GET", OPENAPI_PATH),
}
"""What strangers may ask; a new route must be put here on purpose, or it is expected to refuse them."""

BODIES = {
    "/api/v1/sessions": {"invite": INVITE, "customer_email": "ana@example.com"},
    "/api/v1/sessions/{id}/mail": {"link": f"{ORIGIN}/d/{INVITE}#{INVITE}.password"},
    "/api/v1/sessions/{id}/tickets": {"kinds": ["control"]},
    "/api/v1/sessions/{id}/shares/{technician_id}": {"access": "view"},
    "/api/v1/sessions/{id}/owner": {"technician_id": "A" * 22},
    "/api/v1/me/password": {"password": "a long enough password"},
    "/api/v1/sign-in": {"email": "alice@help.example", "password": "wrong"},
    "/api/v1/sign-in/link": {"token": "A" * 43},
}


def routes(world: World) -> Iterator[tuple[str, str]]:
    """Every method and path template that the app answers."""
    for found in iter_route_contexts(create_routes(world.context).routes):
        for method in sorted(found.methods or ()):
            yield method, str(found.path)


def filled(path: str, session: str = "AAAAAAAAAAAAAAAAAAAAAA") -> str:
    return re.sub(r"\{(\w+)\}", lambda match: session if match[1] == "id" else "A" * 22, path)


async def ask(
    client: httpx.AsyncClient, method: str, path: str, url: str, headers: dict[str, str] | None = None
) -> httpx.Response:
    if method in ("POST", "PUT", "PATCH", "DELETE"):
        return await client.request(method, url, json=BODIES.get(path, {}), headers=headers)
    return await client.request(method, url, headers=headers)


async def test_walk_finds_the_routes(world: World) -> None:
    found = set(routes(world))
    assert found >= PUBLIC
    assert ("POST", "/api/v1/sessions/{id}/end") in found
    assert len(found) > 25


async def test_strangers_are_refused_everywhere_but_at_the_public_doors(world: World) -> None:
    async with world.client() as client:
        for method, path in routes(world):
            if (method, path) not in PUBLIC and (method != "HEAD" or ("GET", path) not in PUBLIC):
                assert_problem(await ask(client, method, path, filled(path)), 401)


async def test_a_dead_cookie_is_a_strangers(world: World) -> None:
    cookie = await world.sign_in(world.alice)
    world.clock.advance(1801)
    async with world.client(cookie) as client:
        assert_problem(await client.get("/api/v1/me"), 401)


@pytest.mark.parametrize("cookie", ["", "x", "A" * 43, "A" * 5000, "é"])
async def test_nonsense_cookies_are_strangers(world: World, cookie: str) -> None:
    async with world.client() as client:
        response = await client.get("/api/v1/me", headers={b"Cookie": f"adhoc_session={cookie}".encode()})
        assert_problem(response, 401)


async def test_another_companys_sessions_look_like_none(world: World) -> None:
    async with await world.client_of(world.alice) as alice, await world.client_of(world.mallory) as mallory:
        prepared = await alice.post("/api/v1/sessions", json=BODIES["/api/v1/sessions"])
        session = prepared.json()["session"]["id"]
        for method, path in routes(world):
            if "/api/v1/sessions/{id}" in path:
                real = await ask(mallory, method, path, filled(path, session))
                none = await ask(mallory, method, path, filled(path))
                assert_problem(real, 404)
                assert real.content == none.content, path
        assert (await mallory.get("/api/v1/sessions?state=all")).json()["sessions"] == []
        assert (await alice.get(f"/api/v1/sessions/{session}")).json()["session"]["state"] == "prepared"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ORIGIN + "0"}, 403),
        ({"Origin": ORIGIN.upper()}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"X-Adhoc-Csrf": "0"}, 403),
        ({"X-Adhoc-Csrf": ""}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Host": "evil.example"}, 421),
    ],
)
async def test_requests_of_other_sites_change_nothing(
    world: World, headers: dict[str, str], status: int
) -> None:
    async with await world.client_of(world.alice) as client:
        for method, path in routes(world):
            if method not in ("GET", "HEAD"):
                assert_problem(await ask(client, method, path, filled(path), headers), status)
        assert (await client.get("/api/v1/sessions")).json()["sessions"] == []


async def test_programs_send_neither_origin_nor_fetch_metadata(world: World) -> None:
    cookie = await world.sign_in(world.alice)
    async with world.client(cookie) as client:
        del client.headers["Origin"]
        del client.headers["Sec-Fetch-Site"]
        assert (await client.post("/api/v1/sessions", json=BODIES["/api/v1/sessions"])).status_code == 201
        # A browser that hides who caused a POST is not believed.
        assert_problem(
            await client.post("/api/v1/sign-out", json={}, headers={"Sec-Fetch-Site": "none"}), 403
        )


async def test_other_sites_pages_cannot_even_read(world: World) -> None:
    async with await world.client_of(world.alice) as client:
        assert_problem(await client.get("/api/v1/me", headers={"Sec-Fetch-Site": "cross-site"}), 403)


async def test_another_name_of_the_relay_leads_to_the_right_one(world: World) -> None:
    async with world.client() as client:
        response = await client.get("/session/abc", headers={"Host": "localhost:8080"})
        assert response.status_code == 308
        assert response.headers["location"] == f"{ORIGIN}/session/abc"
        assert_problem(await client.get("/api/v1/me", headers={"Host": "localhost:8080"}), 421)
        assert (await client.get("/healthz", headers={"Host": "10.0.0.1"})).json() == {"status": "ok"}


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/api/v1/sessions/", "/api/v1/", "/setup", "/signin", "/SetupWizard.aspx/", "//", "/docs"],
)
async def test_unknown_paths_are_problems(world: World, path: str) -> None:
    async with await world.client_of(world.alice) as client:
        assert_problem(await client.get(ORIGIN + path), 404)


async def test_wrong_methods_are_problems_that_name_the_right_ones(world: World) -> None:
    async with await world.client_of(world.alice) as client:
        response = await client.delete("/api/v1/me", headers={"Content-Type": "application/json"})
        assert_problem(response, 405)
        assert response.headers["allow"] == "GET, PATCH"


async def test_every_answer_carries_the_security_headers(world: World) -> None:
    async with world.client() as client:
        for path in ("/", f"/d/{INVITE}", "/nothing", "/api/v1/me", "/healthz", "/assets/none.js"):
            headers = (await client.get(path)).headers
            policy = headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self';")
            assert "connect-src 'self' ws://127.0.0.1:8080;" in policy
            assert policy.endswith("require-trusted-types-for 'script'")
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cross-origin-opener-policy"] == "same-origin"
            assert headers["cross-origin-resource-policy"] == "same-origin"
            assert "strict-transport-security" not in headers
            assert "server" not in headers
        assert (await client.get("/api/v1/me")).headers["cache-control"] == "no-store"


async def test_requests_are_counted_by_template_and_never_by_path(world: World) -> None:
    async with await world.client_of(world.alice) as client:
        await client.get("/api/v1/sessions/some-id")
        await client.get("/some/path")
        await client.request("BREW", "/some/path")
    text = world.metrics.render().decode()
    assert 'relay_requests_total{method="GET",route="/api/v1/sessions/{id}",status="404"} 1.0' in text
    assert 'relay_requests_total{method="GET",route="none",status="404"} 1.0' in text
    assert 'method="other"' in text
    assert "some-id" not in text


async def test_a_crash_harms_only_its_request(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def crash(*arguments: object, **keywords: object) -> None:
        raise ZeroDivisionError("secret detail")

    async with await world.client_of(world.alice) as client:
        with monkeypatch.context() as patched:
            patched.setattr(world.broker, "sessions", crash)
            response = await client.get("/api/v1/sessions")
        assert_problem(response, 500)
        assert "secret detail" not in response.text
        assert response.headers["x-content-type-options"] == "nosniff"
        assert (await client.get("/api/v1/sessions")).status_code == 200
    assert 'relay_crashes_total{place="api"} 1.0' in world.metrics.render().decode()


async def test_openapi_tells_of_every_api_route_and_its_problems(world: World) -> None:
    async with world.client() as client:
        document = (await client.get(OPENAPI_PATH)).json()
    described = {
        (method.upper(), path) for path, operations in document["paths"].items() for method in operations
    }
    for found in iter_route_contexts(create_routes(world.context).routes):
        if isinstance(found.original_route, APIRoute) and str(found.path).startswith("/api/"):
            assert {(method, found.path) for method in found.methods or ()} <= described
    conflict = document["paths"]["/api/v1/sessions"]["post"]["responses"]["409"]
    assert list(conflict["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert document["components"]["schemas"]["ProblemBody"]["properties"]["limit"]
    assert document["components"]["schemas"]["FieldError"]
