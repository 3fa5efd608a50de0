"""Walks over every route of the API: as another company's owner, with real ids; and as each role.

Both tables below must name each route, so that a new one fails here until somebody has thought about it.
"""

import re
from collections.abc import Iterator

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from relay.api.app import create_routes
from relay.people import PERMISSIONS, Permission, TechnicianRole
from tests.api.conftest import INVITE, World

NOBODY = "A" * 22
BY_SECRET = (
    "/d/",
    "/api/v1/links/",
    "/api/v1/sign-in/oidc/",
    "/assets/",
    "/session/",
    "/sessions/",
    "/settings/",
)
"""Public: who has the invite has it, a company's sign-in is for strangers, pages hold no data."""

BODIES: dict[str, dict[str, object]] = {
    "/api/v1/people/{id}": {"name": "Renamed"},
    "/api/v1/webhooks/{id}": {"is_enabled": False},
    "/api/v1/sessions/{id}": {"note": "mine now"},
    "/api/v1/sessions/{id}/mail": {"link": f"http://127.0.0.1:8080/d/{INVITE}#{INVITE}.password"},
    "/api/v1/sessions/{id}/tickets": {"kinds": ["control"]},
    "/api/v1/sessions/{id}/shares/{technician_id}": {"access": "view"},
    "/api/v1/sessions/{id}/owner": {"technician_id": NOBODY},
}

NEEDS: dict[str, Permission] = {
    "GET /api/v1/sessions": Permission.READ_SESSIONS,
    "GET /api/v1/downloads": Permission.USE_SESSIONS,
    "GET /api/v1/sessions/{id}": Permission.READ_SESSIONS,
    "GET /api/v1/sessions/{id}/history": Permission.READ_SESSIONS,
    "GET /api/v1/sessions/{id}/receipt": Permission.READ_SESSIONS,
    "POST /api/v1/sessions": Permission.USE_SESSIONS,
    "PATCH /api/v1/sessions/{id}": Permission.USE_SESSIONS,
    "POST /api/v1/sessions/{id}/mail": Permission.USE_SESSIONS,
    "POST /api/v1/sessions/{id}/codes": Permission.USE_SESSIONS,
    "POST /api/v1/sessions/{id}/tickets": Permission.USE_SESSIONS,
    "GET /api/v1/sessions/{id}/pairing": Permission.USE_SESSIONS,
    "PUT /api/v1/sessions/{id}/shares/{technician_id}": Permission.USE_SESSIONS,
    "DELETE /api/v1/sessions/{id}/shares/{technician_id}": Permission.USE_SESSIONS,
    "POST /api/v1/sessions/{id}/owner": Permission.USE_SESSIONS,
    "POST /api/v1/sessions/{id}/revoke": Permission.USE_SESSIONS,
    "POST /api/v1/sessions/{id}/end": Permission.USE_SESSIONS,
    "GET /api/v1/people": Permission.READ_PEOPLE,
    "POST /api/v1/people": Permission.MANAGE_PEOPLE,
    "PATCH /api/v1/people/{id}": Permission.MANAGE_PEOPLE,
    "POST /api/v1/people/{id}/invitation": Permission.MANAGE_PEOPLE,
    "POST /api/v1/people/{id}/second-factor/reset": Permission.MANAGE_PEOPLE,
    "GET /api/v1/company": Permission.READ_PEOPLE,
    "GET /api/v1/company/logo": Permission.READ_PEOPLE,
    "PATCH /api/v1/company": Permission.MANAGE_COMPANY,
    "PUT /api/v1/company/logo": Permission.MANAGE_COMPANY,
    "DELETE /api/v1/company/logo": Permission.MANAGE_COMPANY,
    "PUT /api/v1/company/mail-server": Permission.MANAGE_COMPANY,
    "DELETE /api/v1/company/mail-server": Permission.MANAGE_COMPANY,
    "POST /api/v1/company/mail-server/test": Permission.MANAGE_COMPANY,
    "PUT /api/v1/company/identity-provider": Permission.MANAGE_COMPANY,
    "DELETE /api/v1/company/identity-provider": Permission.MANAGE_COMPANY,
    "GET /api/v1/webhooks": Permission.MANAGE_WEBHOOKS,
    "POST /api/v1/webhooks": Permission.MANAGE_WEBHOOKS,
    "PATCH /api/v1/webhooks/{id}": Permission.MANAGE_WEBHOOKS,
    "DELETE /api/v1/webhooks/{id}": Permission.MANAGE_WEBHOOKS,
    "POST /api/v1/webhooks/{id}/test": Permission.MANAGE_WEBHOOKS,
    "GET /api/v1/webhooks/{id}/deliveries": Permission.MANAGE_WEBHOOKS,
    "POST /api/v1/webhooks/{id}/deliveries/{delivery_id}/retry": Permission.MANAGE_WEBHOOKS,
    "GET /api/v1/audit": Permission.READ_AUDIT,
    "GET /api/v1/audit/export": Permission.READ_AUDIT,
    "GET /api/v1/audit/verify": Permission.READ_AUDIT,
}
"""What each route needs; those of one's own account (/me, sign-in) and of strangers are not here."""

OWN = ("/api/v1/me", "/api/v1/sign-in", "/api/v1/sign-out", "/api/v1/invitations", "/api/v1/links")


def api_routes(world: World) -> Iterator[tuple[str, str]]:
    for found in iter_route_contexts(create_routes(world.context).routes):
        for method in sorted(found.methods or ()):
            if str(found.path).startswith("/api/v1/") and method != "HEAD":
                yield method, str(found.path)


async def send(client: httpx.AsyncClient, method: str, path: str, ids: dict[str, str]) -> httpx.Response:
    url = re.sub(r"\{(\w+)\}", lambda match: ids.get(match[1], NOBODY), path)
    if method == "GET":
        return await client.get(url)
    return await client.request(method, url, json=BODIES.get(path, {}))


async def test_no_route_tells_another_companys_owner_that_something_exists(world: World) -> None:
    boss = await world.accounts.create_technician(
        world.company.id, name="Boss", email="boss@help.example", role=TechnicianRole.OWNER
    )
    others = await world.accounts.create_company(name="Rivals")
    rival = await world.accounts.create_technician(
        others.id, name="Rival", email="rival@rivals.example", role=TechnicianRole.OWNER
    )
    async with await world.client_of(boss) as ours, await world.client_of(rival) as theirs:
        prepared = await ours.post(
            "/api/v1/sessions", json={"invite": INVITE, "customer_email": "ana@example.com"}
        )
        token = await ours.post(
            "/api/v1/me/tokens", json={"name": "t", "scopes": ["sessions.read"], "days": 1}
        )
        hook = await ours.post(
            "/api/v1/webhooks", json={"url": "https://93.184.216.34/hook", "events": ["session.prepared"]}
        )
        assert hook.status_code == 201, hook.text
        security = (await ours.get("/api/v1/me/security")).json()
        real = {
            "/api/v1/sessions": prepared.json()["session"]["id"],
            "/api/v1/people": world.alice.id,
            "/api/v1/webhooks": hook.json()["webhook"]["id"],
            "/api/v1/me/tokens": token.json()["info"]["id"],
            "/api/v1/me/browsers": security["browsers"][0]["id"],
            "/api/v1/me/passkeys": world.alice.id,
        }
        walked = 0
        for method, path in api_routes(world):
            if "{" not in path or path.startswith(BY_SECRET):
                continue
            kind = next((kind for kind in real if path.startswith(kind + "/")), None)
            assert kind is not None, f"{path} has ids of a kind that this walk does not know"
            found = {"id": real[kind], "technician_id": world.alice.id}
            told = await send(theirs, method, path, found)
            none = await send(theirs, method, path, {})
            assert (told.status_code, told.content) == (none.status_code, none.content), (method, path)
            assert told.status_code in (404, 422), (method, path, told.text)
            walked += 1
        assert walked >= 20
        # And nothing of it has changed.
        session = (await ours.get(f"/api/v1/sessions/{real['/api/v1/sessions']}")).json()["session"]
        assert (session["state"], session["note"], session["shares"]) == ("prepared", "", [])
        assert [each["is_enabled"] for each in (await ours.get("/api/v1/webhooks")).json()["webhooks"]] == [
            True
        ]
        # Lists hold one's own.
        for path in (
            "/api/v1/sessions?scope=company&state=all",
            "/api/v1/people",
            "/api/v1/audit",
            "/api/v1/webhooks",
        ):
            for foreign in (*real.values(), "boss@help.example", "ana@example.com"):
                assert foreign not in (await theirs.get(path)).text, path


@pytest.mark.parametrize("role", list(TechnicianRole))
async def test_each_role_is_refused_what_it_may_not(world: World, role: TechnicianRole) -> None:
    person = await world.accounts.create_technician(
        world.company.id, name="Person", email="person@help.example", role=role
    )
    async with await world.client_of(person) as client:
        for method, path in api_routes(world):
            if path.startswith(OWN):
                continue
            needed = NEEDS.get(f"{method} {path}")
            assert needed is not None, f"{method} {path}: say in NEEDS what it takes"
            if path == "/api/v1/company/identity-provider" and role is TechnicianRole.ADMIN:
                continue  # owners only: a provider can vouch for an owner
            response = await send(client, method, path, {})
            is_refused = response.status_code == 403
            assert is_refused == (needed not in PERMISSIONS[role]), (method, path, response.text)


async def test_the_walk_is_over_real_routes(world: World) -> None:
    known = {f"{method} {path}" for method, path in api_routes(world)}
    assert set(NEEDS) <= known
