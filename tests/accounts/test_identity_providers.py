"""Signing in through a real issuer on loopback, with httpx as the browser; and every lie it could tell."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from relay.accounts import Accounts, AccountSettings, Visit, openid
from relay.accounts.openid import IssuerFailed, OpenId
from relay.auth import Sealer
from relay.errors import AuthError, LimitExceeded
from relay.protocol.hidden import SecretBytes
from relay.protocol.links import decode_base64url
from relay.store import audit_rows
from tests.helpers.office import Clock, Office, open_office
from tests.helpers.oidc_issuer import Issuer, other_key, running_issuer

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

ORIGIN = "http://127.0.0.1:8080"
VISIT = Visit(address="192.0.2.1", agent="Firefox")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer(clock: Clock) -> Iterator[Issuer]:
    with running_issuer() as running:
        running.now = lambda: clock().timestamp()
        yield running


@pytest.fixture
async def office(tmp_path: Path, clock: Clock, issuer: Issuer) -> AsyncIterator[Office]:
    """Tess's company trusts the issuer."""
    async with open_office(tmp_path / "relay.db", now=clock) as opened:
        opened.accounts = Accounts(
            opened.store,
            AccountSettings(),
            now=clock,
            sealer=Sealer(opened.relay_key),
            origin=ORIGIN,
            refused=lambda action, **about: opened.refused.append(about["reason"]),
        )
        await trust(opened, issuer)
        yield opened


async def trust(office: Office, issuer: Issuer, secret: str | None = "") -> None:
    await office.accounts.identity_providers.set(
        office.technician,
        issuer=issuer.url,
        client_id=issuer.client_id,
        client_secret=issuer.client_secret if secret == "" else secret,
        label="Help Ltd",
    )


@dataclass
class Return:
    """A browser on its way back from the issuer."""

    state: bytes
    code: str
    issuer: str | None
    binding: SecretBytes

    async def arrive(self, office: Office, **wrong: Any) -> SecretBytes:
        """The cookie it gets."""
        given = {"state": self.state, "code": self.code, "issuer": self.issuer, "binding": self.binding}
        return await office.accounts.identity_providers.finish(**(given | wrong), visit=VISIT)


async def go(office: Office) -> Return:
    """A browser that went to the issuer, where its person said yes."""
    begun = await office.accounts.identity_providers.begin(office.company.id, VISIT)
    async with httpx.AsyncClient() as browser:
        answer = await browser.get(begun.url)
    assert answer.status_code == 302
    parts = urlsplit(answer.headers["location"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{ORIGIN}/api/v1/sign-in/oidc/callback"
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return Return(decode_base64url(query["state"], 32), query["code"], query["iss"], begun.binding)


async def sign_in(office: Office) -> SecretBytes:
    return await (await go(office)).arrive(office)


async def assert_refused(office: Office) -> None:
    with pytest.raises(AuthError):
        await sign_in(office)


async def actions(office: Office) -> list[str]:
    rows = await office.store.read(lambda tx: audit_rows.of_company(tx, office.company.id))
    return [row.action for row in rows]


async def test_the_issuers_word_signs_in(office: Office) -> None:
    cookie = await sign_in(office)
    assert await office.accounts.technician_of_cookie(cookie) == (office.technician, office.company)
    (browser,) = await office.accounts.signing_in.browsers(office.technician.id)
    assert (browser.way, browser.agent) == ("oidc", "Firefox")
    assert (await actions(office))[-3:] == ["provider_set", "identity_bound", "signed_in"]


async def test_later_the_subject_counts_and_not_the_address(office: Office, issuer: Issuer) -> None:
    await sign_in(office)
    issuer.person |= {"email": "tess.married@example.com", "email_verified": False}
    known = await office.accounts.technician_of_cookie(await sign_in(office))
    assert known is not None
    assert known[0].id == office.technician.id
    # The address goes to somebody new at the issuer: they are not Tess.
    issuer.person = {"sub": "new-1", "email": "tess@example.com", "email_verified": True}
    await assert_refused(office)


@pytest.mark.parametrize(
    "person",
    [
        {"email_verified": False},
        {"email_verified": "true"},
        {"email": None},
        {"email": "nobody@example.com"},
        {"email": "other@example.com"},
    ],
)
async def test_whom_it_does_not_vouch_for_stays_out(
    office: Office, issuer: Issuer, person: dict[str, Any]
) -> None:
    elsewhere = await office.accounts.create_company(name="Elsewhere")
    await office.accounts.create_technician(elsewhere.id, name="Other", email="other@example.com")
    issuer.person |= person
    await assert_refused(office)


async def test_a_subject_bound_elsewhere_opens_nothing_here(office: Office, issuer: Issuer) -> None:
    await sign_in(office)
    others = await office.accounts.create_company(name="Others")
    boss = await office.accounts.create_technician(others.id, name="Boss", email="boss@example.com")
    other_office = replace(office, company=others, technician=boss)
    await trust(other_office, issuer)
    await assert_refused(other_office)


async def test_state_and_code_work_once(office: Office) -> None:
    back = await go(office)
    await back.arrive(office)
    with pytest.raises(AuthError):
        await back.arrive(office)
    other = await go(office)
    with pytest.raises(AuthError):
        await other.arrive(office, code=back.code)


@pytest.mark.parametrize(
    "wrong",
    [
        {"state": b"x" * 32},
        {"state": b""},
        {"binding": None},
        {"binding": b"x" * 32},
        {"code": ""},
        {"code": "made-up"},
        {"issuer": "https://other.example"},
    ],
)
async def test_what_came_back_must_be_what_was_sent(office: Office, wrong: dict[str, Any]) -> None:
    back = await go(office)
    with pytest.raises(AuthError):
        await back.arrive(office, **wrong)
    assert office.refused == ["oidc"]


async def test_it_must_come_back_within_five_minutes(office: Office, clock: Clock) -> None:
    back = await go(office)
    clock.pass_by(300)
    with pytest.raises(AuthError):
        await back.arrive(office)


def expired(claims: dict[str, Any]) -> None:
    claims["exp"] = claims["iat"] - 61


def from_the_future(claims: dict[str, Any]) -> None:
    claims["nbf"] = claims["iat"] + 3600


@pytest.mark.parametrize(
    "lie",
    [
        lambda claims: claims.update(nonce="another"),
        lambda claims: claims.pop("nonce"),
        lambda claims: claims.update(iss="https://other.example"),
        lambda claims: claims.pop("iss"),
        lambda claims: claims.update(aud="another client"),
        lambda claims: claims.update(aud=["relay", "another"]),
        lambda claims: claims.update(azp="another"),
        lambda claims: claims.pop("aud"),
        lambda claims: claims.pop("exp"),
        lambda claims: claims.pop("sub"),
        lambda claims: claims.update(sub=""),
        lambda claims: claims.update(sub="x" * 256),
        lambda claims: claims.update(sub=7),
        expired,
        from_the_future,
    ],
)
async def test_a_token_that_is_not_for_this_sign_in_is_refused(
    office: Office, issuer: Issuer, lie: Callable[[dict[str, Any]], None]
) -> None:
    issuer.lies = lie
    await assert_refused(office)


def unsigned(issuer: Issuer, claims: dict[str, Any]) -> str:
    # Written by hand: the library does not make such tokens.
    parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


def by_another_key(issuer: Issuer, claims: dict[str, Any]) -> str:
    return issuer.sign_rs256(claims, other_key())


def by_the_public_key_as_a_secret(issuer: Issuer, claims: dict[str, Any]) -> str:
    key = OctKey.import_key(issuer.key.as_pem(private=False))
    return jwt.encode({"alg": "HS256", "kid": "1"}, claims, key)


def by_another_algorithm(issuer: Issuer, claims: dict[str, Any]) -> str:
    return jwt.encode({"alg": "RS512", "kid": "1"}, claims, issuer.key, algorithms=["RS512"])


def changed_afterwards(issuer: Issuer, claims: dict[str, Any]) -> str:
    head, _, signature = issuer.sign_rs256(claims).split(".")
    _, body, _ = issuer.sign_rs256(claims | {"sub": "somebody"}).split(".")
    return f"{head}.{body}.{signature}"


@pytest.mark.parametrize(
    "forge",
    [
        unsigned,
        by_another_key,
        by_the_public_key_as_a_secret,
        by_another_algorithm,
        changed_afterwards,
        lambda issuer, claims: "no token",
        lambda issuer, claims: "",
    ],
)
async def test_a_token_that_the_issuer_did_not_sign_is_refused(
    office: Office, issuer: Issuer, forge: Callable[[Issuer, dict[str, Any]], str]
) -> None:
    issuer.sign = lambda claims: forge(issuer, claims)
    await assert_refused(office)


async def test_es256_is_as_good(office: Office, issuer: Issuer) -> None:
    key = ECKey.generate_key("P-256")
    issuer.key = key  # type: ignore[assignment]  # the issuer only publishes and signs with it
    issuer.sign = lambda claims: jwt.encode({"alg": "ES256", "kid": "1"}, claims, key)
    assert await office.accounts.technician_of_cookie(await sign_in(office)) is not None


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://other.example"},
        {"token_endpoint": "file:///etc/passwd"},
        {"token_endpoint": "http://192.0.2.1/token"},
        {"jwks_uri": "https://user@other.example/"},
        {"authorization_endpoint": None},
        {"jwks_uri": "https://other.example/\n"},
    ],
)
async def test_an_issuer_that_says_odd_things_is_not_asked(
    office: Office, issuer: Issuer, metadata: dict[str, Any]
) -> None:
    issuer.metadata = metadata
    with pytest.raises(AuthError):
        await office.accounts.identity_providers.begin(office.company.id, VISIT)
    with pytest.raises(IssuerFailed):
        await trust(office, issuer)


@pytest.mark.parametrize("path", ["elsewhere", "endless", "nothing"])
async def test_redirects_floods_and_absences_are_not_followed(
    office: Office, issuer: Issuer, path: str
) -> None:
    issuer.metadata = {"jwks_uri": f"{issuer.url}/{path}"}
    await assert_refused(office)
    assert "/jwks" not in issuer.asked


async def test_an_issuer_that_falls_silent_is_given_up(
    office: Office, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openid, "REQUEST_TIMEOUT", 0.2)
    issuer.metadata = {"jwks_uri": f"{issuer.url}/silent"}
    await assert_refused(office)


@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.com",
        "ftp://login.example.com",
        "https://login.example.com?x=1",
        "https://login.example.com#x",
        "https://me:pw@login.example.com",
        "https://",
        "https://[::1",
        "https://login.example.com/" + "x" * 500,
        "https://login.example.com/\u00e9",
        "https://login.example.com/a b",
    ],
)
async def test_only_plain_https_issuers_are_asked(url: str) -> None:
    with pytest.raises(IssuerFailed):
        await OpenId(allows_loopback=True).discover(url)


async def test_loopback_is_for_relays_on_loopback(issuer: Issuer) -> None:
    assert (await OpenId(allows_loopback=True).discover(issuer.url)).issuer == issuer.url
    with pytest.raises(IssuerFailed):
        await OpenId(allows_loopback=False).discover(issuer.url)


async def test_the_secret_stays_unless_the_issuer_changes(office: Office, issuer: Issuer) -> None:
    await trust(office, issuer, secret=None)
    await sign_in(office)
    provider = await office.accounts.identity_providers.of(office.company.id)
    assert provider is not None
    assert provider.has_secret
    with running_issuer() as other:
        await trust(office, other, secret=None)
    provider = await office.accounts.identity_providers.of(office.company.id)
    assert provider is not None
    assert not provider.has_secret


async def test_another_issuer_begins_without_knowing_anybody(office: Office, issuer: Issuer) -> None:
    await sign_in(office)
    await office.accounts.identity_providers.remove(office.technician)
    assert await office.accounts.identity_providers.of(office.company.id) is None
    with pytest.raises(AuthError):
        await office.accounts.identity_providers.begin(office.company.id, VISIT)
    await trust(office, issuer)
    issuer.person["email_verified"] = False
    await assert_refused(office)


async def test_a_provider_that_changed_meanwhile_is_not_believed(office: Office, issuer: Issuer) -> None:
    back = await go(office)
    await office.accounts.identity_providers.remove(office.technician)
    with pytest.raises(AuthError):
        await back.arrive(office)


async def test_a_suspended_company_has_no_provider(office: Office) -> None:
    back = await go(office)
    await office.broker.change_company(replace(office.company, is_suspended=True))
    with pytest.raises(AuthError):
        await back.arrive(office)
    with pytest.raises(AuthError):
        await office.accounts.identity_providers.begin(office.company.id, VISIT)
    assert await office.accounts.identity_providers.of_email("tess@example.com", VISIT) == []


async def test_the_button_is_for_those_it_is_for(office: Office) -> None:
    providers = office.accounts.identity_providers
    assert await providers.of_email("TESS@example.com ", VISIT) == [(office.company.id, "Help Ltd")]
    assert await providers.of_email("nobody@example.com", VISIT) == []
    for _ in range(28):
        await providers.of_email("nobody@example.com", VISIT)
    with pytest.raises(LimitExceeded):
        await providers.of_email("nobody@example.com", VISIT)
