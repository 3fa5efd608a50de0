"""The company's log, a session's history and the customer's receipt: complete, paged, and for nobody else."""

import json

import httpx
import pytest
from sqlalchemy import update

from relay.audit.recorder import Attached, Recorder
from relay.people import Technician, TechnicianRole
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Channel
from relay.sessions import Session
from relay.store import Transaction
from relay.store.tables import technicians
from tests.api.conftest import INVITE, World, assert_problem


async def prepare(world: World) -> Session:
    return await world.broker.prepare(
        world.alice.id, invite=bytes(range(16)), customer_email="ana@example.com"
    )


async def use_tool(world: World, session: Session, seconds: float = 90) -> None:
    """Alice has Remote Control open for a while."""
    recorder = Recorder(world.context.audit.store, now=world.clock.now)
    viewer = Attached(
        connection=1,
        session_id=session.id,
        company_id=world.company.id,
        technician_id=world.alice.id,
        technician_name="Alice",
        reason="Ticket 17",
    )
    recorder.tool_opened(viewer, Channel.CONTROL)
    world.clock.advance(seconds)
    recorder.viewer_detached(viewer)
    await recorder.write()


async def end(world: World, session: Session) -> None:
    await world.broker.end(session.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=world.alice.id)


async def give_role(world: World, technician: Technician, role: TechnicianRole) -> None:
    def work(tx: Transaction) -> None:
        tx.execute(update(technicians).where(technicians.c.id == technician.id).values({"role": role.value}))

    await world.context.audit.store.write(work)


@pytest.fixture
async def auditor(world: World) -> httpx.AsyncClient:
    """Alice as an auditor, who may read and nothing else."""
    await give_role(world, world.alice, TechnicianRole.AUDITOR)
    return await world.client_of(world.alice)


async def test_the_log_is_read_newest_first_and_by_pages(world: World, auditor: httpx.AsyncClient) -> None:
    actions, cursor = [], None
    async with auditor:
        for _ in range(10):
            query = {"limit": "1"} | ({} if cursor is None else {"cursor": cursor})
            page = (await auditor.get("/api/v1/audit", params=query)).json()
            actions += [row["action"] for row in page["rows"]]
            cursor = page["next"]
            if cursor is None:
                break
    assert actions == ["signed_in", "sign_in_link", "technician_created", "company_created"]


async def test_a_row_names_who_did_it(world: World, auditor: httpx.AsyncClient) -> None:
    async with auditor:
        row = (await auditor.get("/api/v1/audit?action=signed_in")).json()["rows"][0]
    assert (row["actor"], row["actor_name"]) == (f"technician:{world.alice.id}", "Alice")
    assert row["at"] == "2025-01-01T12:00:00.000Z"
    assert row["fields"]["way"] == "link"
    assert len(bytes.fromhex(row["hash"])) == 32


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("action=signed_in", 1),
        ("action=nothing_of_the_kind", 0),
        ("actor=relay", 3),
        ("session=unknown", 0),
        ("from=2025-01-01T12:00:00Z", 4),
        ("from=2025-01-01T12:00:01Z", 0),
        ("to=2025-01-01T12:00:00Z", 0),
        ("from=0001-01-01T00:00:00%2B14:00&to=9999-12-31T23:59:59-14:00", 4),
        ("cursor=AAAAAAAAAAA", 0),
        ("cursor=__________8", 4),
        ("from=2025-01-01T13:00:00%2B01:00&to=2025-01-01T12:00:01Z", 4),
    ],
)
async def test_the_log_is_filtered(
    world: World, auditor: httpx.AsyncClient, query: str, expected: int
) -> None:
    async with auditor:
        assert len((await auditor.get(f"/api/v1/audit?{query}")).json()["rows"]) == expected


@pytest.mark.parametrize(
    "query",
    [
        "cursor=x",
        "cursor=AAAAAAAAAAB",
        "limit=0",
        "limit=201",
        "from=yesterday",
        "from=2025-01-01T12:00:00",
        "action=DROP%20TABLE",
        "actor=%00",
    ],
)
async def test_hostile_queries_are_refused(world: World, auditor: httpx.AsyncClient, query: str) -> None:
    async with auditor:
        assert_problem(await auditor.get(f"/api/v1/audit?{query}"), 422)


async def test_no_company_sees_anothers_log(world: World) -> None:
    session = await prepare(world)
    await give_role(world, world.mallory, TechnicianRole.AUDITOR)
    async with await world.client_of(world.mallory) as mallory:
        for query in ("", "/export?format=jsonl", f"?session={session.id}"):
            answer = await mallory.get(f"/api/v1/audit{query}")
            assert answer.status_code == 200
            assert world.alice.id not in answer.text
            assert session.id not in answer.text
            assert world.company.id not in answer.text
        verdict = (await mallory.get("/api/v1/audit/verify")).json()
    assert verdict["is_intact"]
    assert verdict["rows"] < 10


@pytest.mark.parametrize("path", ["audit", "audit/export", "audit/verify"])
async def test_a_technician_may_not_read_the_log(world: World, path: str) -> None:
    await give_role(world, world.alice, TechnicianRole.TECHNICIAN)
    async with await world.client_of(world.alice) as client:
        assert_problem(await client.get(f"/api/v1/{path}"), 403)
    async with world.client() as stranger:
        assert_problem(await stranger.get(f"/api/v1/{path}"), 401)


async def test_an_export_is_a_download_and_is_noted(world: World, auditor: httpx.AsyncClient) -> None:
    async with auditor:
        answer = await auditor.get("/api/v1/audit/export?format=jsonl")
        table = await auditor.get("/api/v1/audit/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.jsonl"'
    assert answer.headers["cache-control"] == "no-store"
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert rows[-1]["action"] == "audit_exported"
    assert rows[-1]["fields"] == {"format": "jsonl"}
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.startswith("number,at,actor,actor_name,action,session,fields,hash\r\n")
    assert ",Alice,signed_in," in table.text


async def test_an_edited_log_is_not_intact_and_says_where(world: World, auditor: httpx.AsyncClient) -> None:
    def edit(tx: Transaction) -> None:
        tx.exec_driver_sql("UPDATE audit SET actor = 'nobody' WHERE number = 2")

    async with auditor:
        assert (await auditor.get("/api/v1/audit/verify")).json()["problem"] is None
        await world.context.audit.store.write(edit)
        verdict = (await auditor.get("/api/v1/audit/verify")).json()
    assert (verdict["is_intact"], verdict["problem"]["id"]) == (False, 2)
    assert verdict["problem"]["sentence"] == "Row 2 was changed, or one before it was replaced."


async def test_a_history_tells_who_used_what(world: World) -> None:
    session = await prepare(world)
    await use_tool(world, session)
    async with await world.client_of(world.alice) as client:
        history = (await client.get(f"/api/v1/sessions/{session.id}/history")).json()
    [use] = history["uses"]
    assert use["technician"] == {"id": world.alice.id, "name": "Alice"}
    assert (use["tool"], use["seconds"], use["reason"]) == ("control", 90, "Ticket 17")
    assert [event["action"] for event in history["events"]] == ["prepared", "tool_opened", "tool_closed"]


async def test_a_receipt_tells_the_customer_who_when_and_why(world: World) -> None:
    session = await prepare(world)
    await use_tool(world, session)
    async with await world.client_of(world.alice) as client:
        assert_problem(await client.get(f"/api/v1/sessions/{session.id}/receipt"), 409)
        await end(world, session)
        receipt = (await client.get(f"/api/v1/sessions/{session.id}/receipt")).json()
    assert (receipt["company"], receipt["technicians"]) == ("Help Ltd", ["Alice"])
    assert (receipt["end_reason"], receipt["removal"]) == ("technician", "none")
    assert [(use["technician"], use["tool"], use["seconds"]) for use in receipt["uses"]] == [
        ("Alice", "control", 90)
    ]
    assert receipt["acts"] == []
    assert "Ticket 17" not in json.dumps(receipt)
    assert "ana@example.com" not in json.dumps(receipt)


async def test_the_link_shows_the_receipt_for_a_day(world: World) -> None:
    session = await prepare(world)
    path = f"/api/v1/links/{INVITE}/receipt"
    async with world.client() as customer:
        unknown = await customer.get(f"/api/v1/links/{'A' * 22}/receipt")
        before = await customer.get(path)
        await end(world, session)
        shown = await customer.get(path, headers={"Accept-Language": "es"})
        world.clock.advance(24 * 3600)
        after = await customer.get(path)
    assert unknown.status_code == 404
    assert unknown.content == before.content == after.content
    assert shown.json()["technicians"] == ["Alice"]
    assert shown.json()["end_sentence"] != CloseReason.ENDED_BY_TECHNICIAN.sentence
    assert session.id not in shown.text


@pytest.mark.parametrize("what", ["history", "receipt"])
async def test_anothers_session_looks_like_none(world: World, what: str) -> None:
    session = await prepare(world)
    await end(world, session)
    async with await world.client_of(world.mallory) as mallory:
        foreign = await mallory.get(f"/api/v1/sessions/{session.id}/{what}")
        unknown = await mallory.get(f"/api/v1/sessions/{'A' * 22}/{what}")
    assert_problem(foreign, 404)
    assert foreign.content == unknown.content
