"""What a customer sees with a link in their hands, and what a stranger sees without one."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import httpx

from relay.downloads import Target
from relay.protocol.close_reasons import CloseReason
from relay.protocol.links import encode_base64url
from relay.protocol.refusals import Refusal
from relay.sessions import Session
from tests.api.conftest import INVITE, World
from tests.helpers.host_files import HOST, publish


async def prepare(world: World, invite: int = 0) -> Session:
    secret = bytes(range(16)) if invite == 0 else invite.to_bytes(16)
    return await world.broker.prepare(world.alice.id, invite=secret, customer_email="ana@example.com")


async def test_a_link_tells_who_helps_and_nothing_about_the_customer(world: World) -> None:
    session = await prepare(world)
    async with world.client() as client:
        response = await client.get(f"/api/v1/links/{INVITE}")
    answer = response.json()
    assert abs(datetime.fromisoformat(answer.pop("now")) - datetime.now(UTC)) < timedelta(minutes=1)
    assert answer == {
        "company": "Help Ltd",
        "phone": "+44 20 7946 0000",
        "colour": "",
        "has_logo": False,
        "technician": "Alice",
        "language": "en",
        "state": "open",
        "step": "",
        "refused": None,
        "hosts": [],
        "report_url": None,
        "expires_at": "2025-01-01T13:00:00.000Z",
    }
    assert session.id not in response.text
    assert response.headers["cache-control"] == "no-store"


async def test_the_host_files_are_offered_and_delivered(world: World) -> None:
    await prepare(world)
    publish(world.context.settings.downloads, Target.WINDOWS, signer="Example\u202e IT")
    publish(world.context.settings.downloads)
    async with world.client() as client:
        windows, python = (await client.get(f"/api/v1/links/{INVITE}")).json()["hosts"]
        download = await client.get(f"/d/{INVITE}/adhoc-host.exe")
        assert (await client.get(f"/d/{INVITE}/adhoc-host.pyz")).content == HOST
        assert (await client.get(f"/d/{INVITE}/adhoc-host-linux")).status_code == 404
    assert python["python"] == ["3.11"]
    assert windows == {
        "target": "windows",
        "file": "adhoc-host.exe",
        "size": len(download.content),
        "sha256": sha256(download.content).hexdigest(),
        "signer": "Example IT",
        "machine": "x86_64",
        "python": None,
        "version": "0.1.0",
        "glibc": None,
        "window": None,
        "blob": {"offset": len(HOST) - 2304, "size": 2304},
    }
    assert download.headers["content-disposition"] == 'attachment; filename="adhoc-host.exe"'
    assert download.headers["content-type"] == "application/octet-stream"
    assert download.headers["content-length"] == str(len(HOST))


async def test_an_interrupted_download_goes_on_where_it_was(world: World) -> None:
    await prepare(world)
    path = publish(world.context.settings.downloads)
    async with world.client() as client:
        whole = await client.get(f"/d/{INVITE}/adhoc-host.pyz")
        etag = whole.headers["etag"]
        assert etag == f'"{sha256(HOST).hexdigest()}"'
        assert whole.headers["cache-control"] == "private, no-cache"

        async def ask(**headers: str) -> httpx.Response:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.get(f"/d/{INVITE}/adhoc-host.pyz", headers=named)

        rest = await ask(range="bytes=1000-", if_range=etag)
        assert (rest.status_code, rest.content) == (206, HOST[1000:])
        assert rest.headers["content-range"] == f"bytes 1000-{len(HOST) - 1}/{len(HOST)}"
        assert (await ask(if_none_match=f'W/"x", {etag}')).status_code == 304
        assert (await ask(range=f"bytes={len(HOST)}-")).status_code == 416
        for nonsense in ("bytes=0-1,3-4," + "5-6," * 500, "bytes", "lines=1-2", "bytes=x-y", "bytes=--1"):
            answer = await ask(range=nonsense)
            assert (answer.status_code, answer.content) == (200, HOST)
        publish(
            world.context.settings.downloads,
            data=b"new" + HOST,
            blob={"offset": 3 + len(HOST) - 2304, "size": 2304},
        )
        answer = await ask(range="bytes=1000-", if_range=etag)
        assert (answer.status_code, answer.content) == (200, b"new" + HOST)
        path.write_bytes(HOST)
        assert (await ask()).status_code == 404


async def test_the_page_can_follow_how_far_the_computer_has_come(world: World) -> None:
    session = await prepare(world)
    async with world.client() as client:
        for said, shown in [
            ("link_opened", ""),
            ("host_downloaded", "host_downloaded"),
            ("started", "started"),
            ("waiting_code", "waiting_code"),
            ("link_opened", "waiting_code"),
            ("wrong_code", "wrong_code"),
        ]:
            await world.broker.record_step(session.id, said)
            assert (await client.get(f"/api/v1/links/{INVITE}")).json()["step"] == shown


async def test_the_page_hears_why_the_program_did_not_begin_until_it_does(world: World) -> None:
    session = await prepare(world)
    secret = bytes(range(16))

    async def refused() -> object:
        async with world.client() as client:
            return (await client.get(f"/api/v1/links/{INVITE}")).json()["refused"]

    await world.broker.record_step(session.id, "host_downloaded")
    assert await refused() is None
    for refusal in (Refusal.CLOCK, Refusal.NO_RIGHTS):
        world.clock.advance(1)
        await world.broker.record_refusal(secret, refusal)
        assert await refused() == refusal.value
    world.clock.advance(1)
    await world.broker.record_refusal(secret, Refusal.CLOCK)
    assert await refused() == "clock"
    world.clock.advance(1)
    await world.broker.record_step(session.id, "started")
    assert await refused() is None


async def test_whatever_is_wrong_with_a_link_looks_the_same(world: World) -> None:
    publish(world.context.settings.downloads)
    ended = await prepare(world, 1)
    await world.broker.end(ended.id, CloseReason.ENDED_BY_TECHNICIAN, technician_id=world.alice.id)
    await prepare(world, 2)
    world.clock.advance(3601)  # the second one lapses
    invites = [encode_base64url(number.to_bytes(16)) for number in (1, 2, 3)]
    invites += ["short", "A" * 5000, "%00", "..%2f..%2fetc", "A" * 21 + "B"]

    async def answers(
        client: httpx.AsyncClient, invite: str
    ) -> list[tuple[int, bytes, list[tuple[str, str]]]]:
        asked = [
            await client.get(f"/api/v1/links/{invite}"),
            await client.get(f"/d/{invite}/adhoc-host.pyz"),
            await client.post(f"/api/v1/links/{invite}/opened", json={}),
        ]
        return [(answer.status_code, answer.content, sorted(answer.headers.items())) for answer in asked]

    async with world.client() as client:
        first = await answers(client, invites[0])
        assert [status for status, _, _ in first] == [404, 404, 404]
        for invite in invites[1:]:
            assert await answers(client, invite) == first, invite


async def test_reading_changes_nothing_and_the_pages_script_says_opened(world: World) -> None:
    session = await prepare(world)
    async with world.client() as client:
        await client.get(f"/d/{INVITE}")
        await client.get(f"/api/v1/links/{INVITE}")
        assert (await world.broker.session_for(world.alice.id, session.id)).funnel == ()
        for _ in range(2):
            assert (await client.post(f"/api/v1/links/{INVITE}/opened", json={})).status_code == 204
        publish(world.context.settings.downloads)
        await client.get(f"/d/{INVITE}/adhoc-host.pyz")
    steps = (await world.broker.session_for(world.alice.id, session.id)).funnel
    assert [step for step, _ in steps] == ["link_opened", "host_downloaded"]


async def test_pages_are_the_same_for_every_link(world: World) -> None:
    static = world.context.settings.static
    static.mkdir()
    (static / "deploy.html").write_text("<!doctype html><title>Help</title>")
    await prepare(world)
    async with world.client() as client:
        good, bad = await client.get(f"/d/{INVITE}"), await client.get("/d/nonsense")
    assert good.status_code == bad.status_code == 200
    assert good.content == bad.content
    assert good.headers["content-type"] == "text/html; charset=utf-8"


async def test_pages_that_are_not_built_say_how_to_build_them(world: World) -> None:
    async with world.client() as client:
        response = await client.get("/")
    assert response.status_code == 503
    assert "./dev build" in response.text


async def test_assets_come_with_their_type_for_ever_and_without_tricks(world: World) -> None:
    assets = world.context.settings.static / "assets"
    assets.mkdir(parents=True)
    (assets / "main-abc123.js").write_text("export {};")
    (assets / ".hidden.js").write_text("secret")
    (assets / "page.exe").write_text("secret")
    (assets.parent / "index.html").write_text("<!doctype html>")
    async with world.client() as client:
        response = await client.get("/assets/main-abc123.js")
        assert response.text == "export {};"
        assert response.headers["content-type"] == "text/javascript; charset=utf-8"
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert (await client.head("/assets/main-abc123.js")).status_code == 200
        for name in (
            ".hidden.js",
            "page.exe",
            "none.js",
            "..%2findex.html",
            "%2e%2e/index.html",
            "",
            "%2fetc%2fpasswd",
        ):
            assert (await client.get(f"/assets/{name}")).status_code == 404, name
        assert (await client.get("/session/abc")).headers["cache-control"] == "no-cache"
