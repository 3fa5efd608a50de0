"""Signing in through a company's identity provider (OpenID Connect).

A company names one issuer. Its people go there and come back with a code; the relay redeems it itself. Who
they are is the pair (issuer, subject), bound at the first sign-in to the technician *of that company* whose
address the issuer says it has verified. From then on the address decides nothing: an address that was given
to somebody else at the issuer opens nothing here, and a company's issuer can vouch for nobody of another
company.

The provider stands for both factors: whoever chooses it trusts it with every account of the company, the
owner's included. That is why only an owner may choose it.

A sign-in under way is a challenge whose token is the ``state``, bound to the browser that began it by a
short-lived cookie (RFC 6749 §10.12), and taken once.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from relay.accounts.challenges import PROVIDER, Challenges, Opened
from relay.accounts.desk import Desk, actor, audit, may_work, normalise_email, working_technician
from relay.accounts.openid import Claims, Client, Issuer, IssuerFailed, OpenId
from relay.accounts.signing_in import SigningIn
from relay.accounts.throttle import Throttle, Visit
from relay.auth import digest, is_same, new_secret
from relay.errors import AuthError
from relay.people import Company, CompanyId, Technician
from relay.protocol.hidden import SecretBytes
from relay.protocol.links import encode_base64url
from relay.store import Transaction, account_rows, identity_rows
from relay.store.identity_rows import IdentityProviderRow
from relay.texts import mark

CALLBACK_PATH = "/api/v1/sign-in/oidc/callback"

NOT_VOUCHED = mark("The identity provider could not sign you in here.")

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProvider:
    """A company's identity provider, without its secret.

    Attributes:
        issuer: URL, exactly as its tokens name it.
        client_id: what it knows this relay by.
        label: what the sign-in page's button says.
        has_secret: False for a public client.
        redirect_uri: what must be registered there.
    """

    issuer: str
    client_id: str
    label: str
    has_secret: bool
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that goes on at the issuer.

    Attributes:
        url: where the browser goes.
        binding: 32 bytes for a cookie of that browser.
    """

    url: str
    binding: SecretBytes


class IdentityProviders:
    """Identity providers of companies, and signing in through them.

    Args:
        desk: what all parts work with.
        throttle: books of tries.
        challenges: sign-ins under way.
        signing_in: makes the cookies.
    """

    def __init__(self, desk: Desk, throttle: Throttle, challenges: Challenges, signing_in: SigningIn) -> None:
        self._desk = desk
        self._throttle = throttle
        self._challenges = challenges
        self._signing_in = signing_in
        self._openid = OpenId(allows_loopback=urlsplit(desk.origin).hostname in _LOOPBACK)

    # A company's setting

    async def of(self, company_id: CompanyId) -> IdentityProvider | None:
        """The company's identity provider, or None."""
        row = await self._desk.store.read(lambda tx: identity_rows.provider_of(tx, company_id))
        if row is None:
            return None
        return IdentityProvider(
            issuer=row.issuer,
            client_id=row.client_id,
            label=row.label,
            has_secret=self._client(row).secret != "",
            redirect_uri=self._redirect_uri,
        )

    async def set(
        self, owner: Technician, *, issuer: str, client_id: str, client_secret: str | None, label: str
    ) -> None:
        """Chooses who vouches for a company's people. Another issuer begins without knowing anybody.

        Args:
            owner: who decides; the caller has checked that they may.
            issuer: its URL, untrusted; it is asked who it is before anything is kept.
            client_id, client_secret, label: untrusted. No secret keeps the one that is there for this issuer.

        Raises:
            IssuerFailed: the issuer does not answer as it must; nothing was changed.
        """
        await self._openid.discover(issuer)
        now, company_id = self._desk.now(), owner.company_id

        def work(tx: Transaction) -> None:
            old = identity_rows.provider_of(tx, company_id)
            is_same_issuer = old is not None and old.issuer == issuer
            secret = client_secret or ""
            if client_secret is None and old is not None and is_same_issuer:
                secret = self._client(old).secret
            row = IdentityProviderRow(
                company_id=company_id,
                issuer=issuer,
                client_id=client_id,
                sealed_client_secret=self._desk.sealer.seal(secret.encode(), place=_place(company_id)),
                label=label,
            )
            identity_rows.save_provider(tx, row)
            if not is_same_issuer:
                identity_rows.remove_identities(tx, company_id)
            audit(tx, now, company_id, by=actor(owner.id), action="provider_set", issuer=issuer)

        await self._desk.store.write(work)

    async def remove(self, owner: Technician) -> None:
        """From now on nobody vouches for the company's people. None being there is no error."""
        now, company_id = self._desk.now(), owner.company_id

        def work(tx: Transaction) -> None:
            identity_rows.remove_identities(tx, company_id)
            if identity_rows.remove_provider(tx, company_id):
                audit(tx, now, company_id, by=actor(owner.id), action="provider_removed")

        await self._desk.store.write(work)

    # Signing in

    async def of_email(self, email: str, visit: Visit) -> list[tuple[CompanyId, str]]:
        """Company and label of the providers through which the person with this address may sign in.

        Raises:
            LimitExceeded: too many questions from this address.
        """
        self._throttle.take_start(visit)

        def look(tx: Transaction) -> list[tuple[CompanyId, str]]:
            found = account_rows.technician_by_email(tx, normalise_email(email))
            company = None if found is None else may_work(tx, found[0])
            row = None if company is None else identity_rows.provider_of(tx, company.id)
            return [] if row is None else [(row.company_id, row.label)]

        return await self._desk.store.read(look)

    async def begin(self, company_id: CompanyId, visit: Visit) -> Begun:
        """Where somebody of this company goes to sign in.

        Args:
            company_id: untrusted.
            visit: where it comes from.

        Raises:
            AuthError: no such company, or it has no provider, or that does not answer.
            LimitExceeded: too many from this address.
        """
        self._throttle.take_start(visit)
        row = await self._desk.store.read(lambda tx: _provider_of_working(tx, company_id))
        if row is None:
            raise AuthError(NOT_VOUCHED)
        try:
            issuer = await self._openid.discover(row.issuer)
        except IssuerFailed as exc:
            raise AuthError(NOT_VOUCHED) from exc
        binding, nonce, verifier = new_secret(), new_secret(), new_secret()
        now = self._desk.now()
        data = {
            "issuer": issuer.issuer,
            "authorization_endpoint": issuer.authorization_endpoint,
            "token_endpoint": issuer.token_endpoint,
            "jwks_uri": issuer.jwks_uri,
            "takes_basic": json.dumps(issuer.takes_basic),
            "binding": digest(binding).hex(),
            "nonce": encode_base64url(nonce),
            "verifier": encode_base64url(verifier),
        }
        state = await self._desk.store.write(
            lambda tx: self._challenges.make(tx, now, PROVIDER, data, company_id=company_id)
        )
        url = self._openid.authorization_url(
            issuer,
            self._client(row),
            state=encode_base64url(state),
            nonce=data["nonce"],
            verifier=data["verifier"],
        )
        return Begun(url, binding)

    async def finish(
        self, *, state: bytes, binding: bytes | None, code: str, issuer: str | None, visit: Visit
    ) -> SecretBytes:
        """A cookie for whom the issuer vouches for.

        Args:
            state: untrusted, what the issuer sent the browser back with.
            binding: untrusted, the cookie of the browser that came back.
            code: untrusted.
            issuer: untrusted, who says to have sent it (RFC 9207), or None.
            visit: where it comes from.

        Raises:
            AuthError: anything is not right; all looks the same.
        """
        now = self._desk.now()
        opened = await self._desk.store.write(lambda tx: self._challenges.take(tx, now, PROVIDER, state))
        if opened is None or opened.company_id is None or binding is None:
            raise self._refusal(None)
        company_id, data = opened.company_id, opened.data
        row = await self._desk.store.read(lambda tx: _provider_of_working(tx, company_id))
        is_ours = is_same(digest(binding), bytes.fromhex(data["binding"]))
        if not is_ours or row is None or row.issuer != data["issuer"] or issuer not in (None, row.issuer):
            raise self._refusal(company_id)
        try:
            claims = await self._openid.redeem(
                _issuer(opened),
                self._client(row),
                code=code,
                verifier=data["verifier"],
                nonce=data["nonce"],
                now=now,
            )
        except IssuerFailed as exc:
            raise self._refusal(company_id) from exc
        cookie = await self._desk.store.write(lambda tx: self._admit(tx, now, row, claims, visit))
        if cookie is None:
            raise self._refusal(company_id)
        return cookie

    def _admit(
        self, tx: Transaction, now: datetime, row: IdentityProviderRow, claims: Claims, visit: Visit
    ) -> SecretBytes | None:
        bound = identity_rows.technician_of_identity(tx, issuer=row.issuer, subject=claims.subject)
        technician = working_technician(tx, bound) if bound else self._bind(tx, now, row, claims)
        if technician is None or technician.company_id != row.company_id:
            return None
        return self._signing_in.admit(tx, now, technician, way="oidc", agent=visit.agent)

    def _bind(
        self, tx: Transaction, now: datetime, row: IdentityProviderRow, claims: Claims
    ) -> Technician | None:
        """Whom a subject that nobody knows yet is, by the address that the issuer has verified."""
        found = account_rows.technician_by_email(tx, claims.email) if claims.email else None
        if found is None or found[0].company_id != row.company_id or may_work(tx, found[0]) is None:
            return None
        technician = found[0]
        # Somebody who is bound already has another subject: their address changed hands at the issuer.
        if identity_rows.has_identity(tx, technician.id, issuer=row.issuer):
            return None
        identity_rows.add_identity(
            tx, issuer=row.issuer, subject=claims.subject, technician_id=technician.id, now=now
        )
        audit(tx, now, row.company_id, by=actor(technician.id), action="identity_bound", issuer=row.issuer)
        return technician

    @property
    def _redirect_uri(self) -> str:
        return self._desk.origin + CALLBACK_PATH

    def _client(self, row: IdentityProviderRow) -> Client:
        secret = self._desk.sealer.unseal(row.sealed_client_secret, place=_place(row.company_id))
        return Client(id=row.client_id, secret=bytes(secret).decode(), redirect_uri=self._redirect_uri)

    def _refusal(self, company_id: CompanyId | None) -> AuthError:
        self._desk.refused("sign_in_refused", company_id=company_id, reason="oidc")
        return AuthError(NOT_VOUCHED)


def _provider_of_working(tx: Transaction, company_id: CompanyId) -> IdentityProviderRow | None:
    company: Company | None = account_rows.company_by_id(tx, company_id)
    is_closed = company is None or company.is_suspended
    return None if is_closed else identity_rows.provider_of(tx, company_id)


def _issuer(opened: Opened) -> Issuer:
    data = opened.data
    return Issuer(
        issuer=data["issuer"],
        authorization_endpoint=data["authorization_endpoint"],
        token_endpoint=data["token_endpoint"],
        jwks_uri=data["jwks_uri"],
        takes_basic=json.loads(data["takes_basic"]) is True,
    )


def _place(company_id: CompanyId) -> str:
    return f"identity_providers.sealed_client_secret:{company_id}"
