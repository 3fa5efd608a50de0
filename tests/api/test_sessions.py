"""What technicians do with the API: prepare, mail, ticket, end; and every way to ask it wrongly."""

import json
import re
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from relay.protocol.close_reasons import CloseReason
from relay.protocol.links import encode_base64url
from tests.api.conftest import INVITE, LINK, ORIGIN, World

PREPARE = {"invite": INVITE, "customer_email": "ana@example.com"}


async def prepared(client: httpx.AsyncClient, **fields: object) -> dict[str, Any]:
    response = await client.post("/api/v1/sessions", json=PREPARE | fields)
    assert response.status_code == 201, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_a_prepared_session_is_all_there(world: World) -> None:
    async with await world.client_of(world.alice) as client:
        answer = await prepared(client, note="Printer", language="es")
        session = answer["session"]
        assert answer["mail"] == {"state": "none", "detail": ""}
        assert session["state"] == "prepared"
        assert session["technician"] == {"id": world.alice.id, "name": "Alice"}
        assert session["created_at"] == "2025-01-01T12:00:00.000Z"
        assert session["lapse_at"] == "2025-01-01T13:00:00.000Z"
        assert (session["host"], session["viewers"]) == (None, 0)
        assert (session["code"], session["tries"], session["max_tries"], session["max_codes"]) == (1, 0, 5, 3)
        assert session["tools"] == {
            "control": {"allowed": True, "reason": "not_active"},
            "files": {"allowed": True, "reason": "not_active"},
            "dashboard": {"allowed": False, "reason": "plan"},
            "shell": {"allowed": False, "reason": "plan"},
            "chat": {"allowed": True, "reason": "not_active"},
        }
        assert (await client.get("/api/v1/sessions")).json()["sessions"] == [session]
        assert (await client.get(f"/api/v1/sessions/{session['id']}")).json()["session"] == session


async def test_the_limit_is_named_and_so_is_the_session_in_the_way(world: World) -> None:
    async with await world.client_of(world.alice) as client:
        first = (await prepared(client))["session"]["id"]
        response = await client.post("/api/v1/sessions", json=PREPARE | {"invite": "B" * 21 + "A"})
    assert response.status_code == 409
    problem = response.json()
    assert (problem["limit"], problem["session"]) == ("sessions_per_technician", first)
    assert "open sessions" in problem["detail"]


async def test_an_ended_session_stays_readable_and_ends_only_once(world: World) -> None:
    revoked: list[tuple[str, CloseReason]] = []
    world.broker.revoke = lambda session, reason: revoked.append((session, reason))
    async with await world.client_of(world.alice) as client:
        session = (await prepared(client))["session"]["id"]
        for _ in range(2):
            ended = await client.post(f"/api/v1/sessions/{session}/end", json={})
            assert ended.status_code == 200
            assert ended.json()["session"]["end_reason"] == "technician"
            assert ended.json()["session"]["end_sentence"] == "The technician ended the session."
        assert (await client.get("/api/v1/sessions")).json()["sessions"] == []
        assert len((await client.get("/api/v1/sessions?state=all")).json()["sessions"]) == 1
    assert revoked == [(session, CloseReason.ENDED_BY_TECHNICIAN)]


async def test_tickets_are_for_what_the_session_and_the_plan_allow(world: World) -> None:
    async with await world.client_of(world.alice) as client:
        session = (await prepared(client))["session"]["id"]
        url = f"/api/v1/sessions/{session}/tickets"
        ticket = (await client.post(url, json={"kinds": ["pair"]})).json()
        assert re.fullmatch(r"[\w-]{43}", ticket["ticket"])
        assert ticket["url"] == "ws://127.0.0.1:8080/tunnel/viewer"
        assert ticket["expires_at"] == "2025-01-01T12:00:30.000Z"
        early = await client.post(url, json={"kinds": ["control"]})
        assert early.status_code == 409
        assert early.json()["detail"] == "The session is not active yet."
        plan = await client.post(url, json={"kinds": ["dashboard"]})
        assert plan.status_code == 409
        assert "plan" in plan.json()["detail"]
        assert (await client.post(url, json={"kinds": []})).status_code == 422
        assert (await client.post(url, json={"kinds": ["root"]})).status_code == 422


async def test_a_code_is_renewed_and_no_pairing_is_there_yet(world: World) -> None:
    async with await world.client_of(world.alice) as client:
        session = (await prepared(client))["session"]["id"]
        assert (await client.get(f"/api/v1/sessions/{session}/pairing")).json() == {"wrapped": None}
        renewed = await client.post(f"/api/v1/sessions/{session}/codes", json={})
        assert renewed.json()["session"]["code"] == 1
        await client.post(f"/api/v1/sessions/{session}/end", json={})
        late = await client.post(f"/api/v1/sessions/{session}/codes", json={})
        assert late.status_code == 409


async def test_the_link_is_mailed_and_its_secrets_stay_out_of_log_and_database(
    world: World, log_lines: list[MutableMapping[str, Any]], tmp_path: Path
) -> None:
    async with await world.client_of(world.alice) as client:
        answer = await prepared(client, link=LINK)
        assert answer["mail"]["state"] == "outbox"
        assert "outbox" in answer["mail"]["detail"]
        again = await client.post(f"/api/v1/sessions/{answer['session']['id']}/mail", json={"link": LINK})
        assert again.json()["mail"]["state"] == "outbox"
    mails = list(world.outbox.iterdir())
    assert len(mails) == 2
    secret = LINK.partition("#")[2]
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("relay.db*"))  # noqa: ASYNC240 - a test's own folder
    for part in (secret, secret.partition(".")[0], "correct horse", "correct%20horse"):
        assert part not in repr(log_lines)
        assert part.encode() not in kept
    assert INVITE not in repr(log_lines)


async def test_a_mail_that_fails_leaves_the_session_prepared(world: World) -> None:
    world.outbox.write_text("in the way")
    async with await world.client_of(world.alice) as client:
        client.headers["Accept-Language"] = "es"
        answer = await prepared(client, link=LINK)
    assert answer["session"]["state"] == "prepared"
    assert answer["mail"]["state"] == "waiting"
    assert answer["mail"]["detail"] == "The mail could not be written to the outbox folder."
    assert 'relay_mail_tries_total{outcome="put_off"} 1.0' in world.metrics.render().decode()


@pytest.mark.parametrize(
    "link",
    [
        LINK.replace(ORIGIN, "https://evil.example"),
        LINK.replace(INVITE, "B" * 21 + "A"),
        LINK.partition("#")[0],
        "javascript:alert(1)",
        LINK + "\r\nBcc: eve@example.com",
        "x" * 3000,
    ],
)
async def test_no_other_link_is_mailed(world: World, link: str) -> None:
    async with await world.client_of(world.alice) as client:
        refused = await client.post("/api/v1/sessions", json=PREPARE | {"link": link})
        assert refused.status_code == 422
        assert (await client.get("/api/v1/sessions")).json()["sessions"] == []
        session = (await prepared(client))["session"]["id"]
        assert (await client.post(f"/api/v1/sessions/{session}/mail", json={"link": link})).status_code == 422
    assert not world.outbox.exists()


async def test_mails_are_limited(world: World) -> None:
    async with await world.client_of(world.alice) as client:
        session = (await prepared(client))["session"]["id"]
        states = [
            (await client.post(f"/api/v1/sessions/{session}/mail", json={"link": LINK})).json()["mail"][
                "state"
            ]
            for _ in range(4)
        ]
    assert states == ["outbox", "outbox", "outbox", "failed"]


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"invite": "short"}, "invite"),
        ({"invite": "A" * 21 + "B"}, "invite"),
        ({"invite": None}, "invite"),
        ({"customer_email": "ana"}, "customer_email"),
        ({"customer_email": "ana@example.com, eve@example.com"}, "customer_email"),
        ({"customer_email": "ana@example.com\r\nBcc: eve@example.com"}, "customer_email"),
        ({"customer_email": "a" * 5000 + "@example.com"}, "customer_email"),
        ({"customer_email": "\ud800@example.com"}, "customer_email"),
        ({"note": "n" * 501}, "note"),
        ({"note": "a\0b"}, "note"),
        ({"note": "\udfff"}, "note"),
        ({"note": 5}, "note"),
        ({"language": "xx"}, "language"),
        ({"colour": "blue"}, "colour"),
    ],
)
async def test_wrong_fields_are_named_and_not_repeated(
    world: World, fields: dict[str, object], where: str
) -> None:
    async with await world.client_of(world.alice) as client:
        response = await client.post(
            "/api/v1/sessions",
            content=json.dumps(PREPARE | fields),
            headers={"Content-Type": "application/json"},
        )
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in response.json()["errors"]] == [where]
    assert "eve@" not in response.text
    assert "input" not in response.json()["errors"][0]


@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        (b"", {422}),
        (b"{", {400}),
        (b"\xff\xfe", {400}),
        (b"[" * 100_000, {400}),
        (b"[]", {422}),
        (b"null", {422}),
        (b'"text"', {422}),
        (b"NaN", {400, 422}),
    ],
)
async def test_bodies_that_are_no_request_are_refused(world: World, body: bytes, statuses: set[int]) -> None:
    async with await world.client_of(world.alice) as client:
        response = await client.post(
            "/api/v1/sessions", content=body, headers={"Content-Type": "application/json"}
        )
    assert response.status_code in statuses
    assert response.headers["content-type"] == "application/problem+json"


async def test_answers_speak_the_readers_language(world: World) -> None:
    async with world.client() as client:
        client.headers["Accept-Language"] = "es-ES,es;q=0.9"
        assert (await client.get("/api/v1/me")).json()["detail"] == "Inicie sesión, por favor."


class TestUnderTls:
    """The same behind https."""

    @pytest.fixture
    def origin(self) -> str:
        return "https://relay.example"

    async def test_cookie_and_headers_insist_on_tls(self, world: World) -> None:
        token = {"token": encode_base64url(await world.accounts.issue_sign_in_link(world.alice.id))}
        async with world.client() as client:
            answer = await client.post("/api/v1/sign-in/link", json=token)
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("__Host-adhoc_session=")
            assert cookie.endswith("; Path=/; SameSite=strict; Secure")
            assert "Domain" not in cookie
            assert answer.headers["strict-transport-security"].startswith("max-age=")
            assert "wss://relay.example;" in answer.headers["content-security-policy"]
            session = (await prepared(client))["session"]["id"]
            ticket = await client.post(f"/api/v1/sessions/{session}/tickets", json={"kinds": ["pair"]})
            assert ticket.json()["url"] == "wss://relay.example/tunnel/viewer"
