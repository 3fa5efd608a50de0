"""Companies' own mail servers: whose password is kept, for what, and how."""

from typing import Any

import pytest
import trio

from relay.destinations import Forbidden
from relay.errors import RelayError
from relay.mail import MailServers, PasswordNeeded
from relay.mail.servers import MailServerFacts
from tests.helpers.audit_office import COMPANY, OTHERS, TESS
from tests.mail.conftest import PostOffice

GIVEN: dict[str, Any] = {
    "host": "mail.example.com",
    "port": 587,
    "security": "starttls",
    "user": "me",
    "password": "hunter2 is secret",
    "sender": "help@example.com",
}


async def test_a_server_is_shown_without_its_password(post_office: PostOffice) -> None:
    servers = post_office.servers()
    facts = await servers.set(TESS, **GIVEN)
    assert facts == MailServerFacts(
        host="mail.example.com",
        port=587,
        security="starttls",
        user="me",
        has_password=True,
        sender="help@example.com",
    )
    assert await servers.of(COMPANY.id) == facts
    assert await servers.of(OTHERS.id) is None
    assert await post_office.actions() == ["mail_server_set"]


async def test_its_password_is_encrypted(post_office: PostOffice) -> None:
    await post_office.servers().set(TESS, **GIVEN)
    files = sorted(post_office.folder.glob("relay.db*"))
    content = await trio.to_thread.run_sync(lambda: b"".join(path.read_bytes() for path in files))
    assert b"hunter2" not in content
    assert "hunter2" not in repr(await post_office.office.rows(COMPANY))


async def test_the_password_is_kept_for_the_same_server(post_office: PostOffice) -> None:
    servers = post_office.servers()
    await servers.set(TESS, **GIVEN)
    facts = await servers.set(TESS, **GIVEN | {"password": None, "sender": "other@example.com"})
    assert facts.has_password
    found = await post_office.store.read(lambda tx: servers.read(tx, COMPANY.id))
    assert found is not None
    assert found[0].password == "hunter2 is secret"


@pytest.mark.parametrize(
    "change", [{"host": "evil.example"}, {"port": 25}, {"security": "tls"}, {"user": "you"}]
)
async def test_nobody_has_the_password_sent_elsewhere(
    post_office: PostOffice, change: dict[str, Any]
) -> None:
    servers = post_office.servers()
    await servers.set(TESS, **GIVEN)
    with pytest.raises(PasswordNeeded, match="again"):
        await servers.set(TESS, **GIVEN | {"password": None} | change)
    facts = await servers.of(COMPANY.id)
    assert facts is not None
    assert facts.host == "mail.example.com"


async def test_a_password_never_travels_in_the_clear(post_office: PostOffice) -> None:
    with pytest.raises(PasswordNeeded, match="unprotected"):
        await post_office.servers().set(TESS, **GIVEN | {"security": "none"})


async def test_without_a_user_no_password_is_kept(post_office: PostOffice) -> None:
    facts = await post_office.servers().set(TESS, **GIVEN | {"user": ""})
    assert not facts.has_password


@pytest.mark.parametrize("host", ["localhost", "10.0.0.1", "169.254.169.254", "::1"])
async def test_private_servers_are_refused_where_the_operator_does_not_allow_them(
    post_office: PostOffice, host: str
) -> None:
    with pytest.raises(Forbidden):
        await post_office.servers(allows_private=False).set(TESS, **GIVEN | {"host": host})


async def test_a_server_is_forgotten(post_office: PostOffice) -> None:
    servers = post_office.servers()
    await servers.set(TESS, **GIVEN)
    await servers.remove(TESS)
    await servers.remove(TESS)
    assert await servers.of(COMPANY.id) is None
    assert await post_office.actions() == ["mail_server_set", "mail_server_removed"]


async def test_another_relays_key_cannot_read_it(post_office: PostOffice) -> None:
    await post_office.servers().set(TESS, **GIVEN)
    await post_office.office.run_sql("UPDATE company_mail_servers SET company_id = 'others'")
    servers: MailServers = post_office.servers()
    with pytest.raises(RelayError, match="key file"):
        await servers.of(OTHERS.id)
