"""The company's own mail server, over the API."""

from typing import Any

import pytest

from relay.people import Technician, TechnicianRole
from tests.api.conftest import World, assert_problem
from tests.helpers.mail_servers import Receiver, smtp_server

SERVER: dict[str, Any] = {
    "host": "mail.example.com",
    "port": 587,
    "security": "starttls",
    "user": "me",
    "password": "hunter2 is secret",
    "sender": "help@example.com",
}
PATH = "/api/v1/company/mail-server"


@pytest.fixture
async def owner(world: World) -> Technician:
    return await world.accounts.create_technician(
        world.company.id, name="Olga", email="olga@help.example", role=TechnicianRole.OWNER
    )


async def test_a_mail_server_is_set_and_removed_and_never_shows_its_password(
    world: World, owner: Technician
) -> None:
    async with await world.client_of(owner) as client:
        answer = await client.put(PATH, json=SERVER)
        assert answer.status_code == 200
        expected = {name: value for name, value in SERVER.items() if name != "password"}
        assert answer.json() == {"mail_server": expected | {"has_password": True}}
        assert (await client.get("/api/v1/me")).json()["mail"] == "smtp"
        removed = await client.request("DELETE", PATH, json={})
        assert removed.status_code == 204
        assert (await client.get("/api/v1/me")).json()["mail"] == "outbox"


@pytest.mark.sockets
async def test_a_test_mail_goes_to_who_asks_through_the_companys_server(
    world: World, owner: Technician
) -> None:
    receiver = Receiver()
    with smtp_server(receiver) as port:
        plain = SERVER | {"host": "127.0.0.1", "port": port, "security": "none", "user": "", "password": None}
        async with await world.client_of(owner) as client:
            assert (await client.put(PATH, json=plain)).status_code == 200
            answer = await client.post(f"{PATH}/test", json={})
    assert answer.json()["mail"] == {"state": "sent", "detail": "The mail server has accepted the mail."}
    (envelope,) = receiver.envelopes
    assert envelope.rcpt_tos == ["olga@help.example"]
    assert envelope.mail_from == "help@example.com"


@pytest.mark.sockets
async def test_a_test_that_fails_says_why_in_the_callers_language(world: World) -> None:
    owner = await world.accounts.create_technician(
        world.company.id, name="Olga", email="olga@help.example", language="es", role=TechnicianRole.OWNER
    )
    with smtp_server(Receiver()) as port:
        pass
    dead = SERVER | {"host": "127.0.0.1", "port": port, "security": "none", "user": "", "password": None}
    async with await world.client_of(owner) as client:
        await client.put(PATH, json=dead)
        answer = await client.post(f"{PATH}/test", json={})
    assert answer.status_code == 200
    assert answer.json()["mail"]["state"] == "failed"
    assert answer.json()["mail"]["detail"] != "The mail server cannot be reached."


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"host": "mail.example.com\r\nX"}, "host"),
        ({"host": "mail example"}, "host"),
        ({"host": "http://mail.example.com"}, "host"),
        ({"host": ""}, "host"),
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"port": "25"}, "port"),
        ({"security": "ssl"}, "security"),
        ({"user": "x\r\ny"}, "user"),
        ({"user": "x" * 255}, "user"),
        ({"password": "x" * 501}, "password"),
        ({"security": "none"}, "password"),
        ({"password": None}, "password"),
        ({"sender": "help@example.com\r\nBcc: eve@example.com"}, "sender"),
        ({"sender": "Help <help@example.com>"}, "sender"),
        ({"extra": 1}, "extra"),
    ],
)
async def test_what_cannot_be_right_is_said_beside_the_field(
    world: World, owner: Technician, change: dict[str, Any], field: str
) -> None:
    async with await world.client_of(owner) as client:
        answer = await client.put(PATH, json=SERVER | change)
    assert_problem(answer, 422)
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert "hunter2" not in answer.text


async def test_only_managers_touch_the_mail_server(world: World) -> None:
    auditor = await world.accounts.create_technician(
        world.company.id, name="Aud", email="aud@help.example", role=TechnicianRole.AUDITOR
    )
    for person in (world.alice, auditor):
        async with await world.client_of(person) as client:
            assert_problem(await client.put(PATH, json=SERVER), 403)
            assert_problem(await client.request("DELETE", PATH, json={}), 403)
            assert_problem(await client.post(f"{PATH}/test", json={}), 403)


async def test_test_mails_are_limited(world: World, owner: Technician) -> None:
    async with await world.client_of(owner) as client:
        for _ in range(3):
            assert (await client.post(f"{PATH}/test", json={})).status_code == 200
        assert_problem(await client.post(f"{PATH}/test", json={}), 429)
