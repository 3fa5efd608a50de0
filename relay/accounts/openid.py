"""The relay as a client of an OpenID Connect issuer: discovery, the code flow with PKCE, the ID token.

OpenID Connect Core 1.0 §3.1 and Discovery 1.0, by Authlib and joserfc over httpx on Trio. The issuer is
chosen by a company, so every request to it is bounded: https only (http for loopback, if the relay itself
runs on loopback), no redirect is followed, nothing compressed is read, `MAX_ANSWER_BYTES` and
`REQUEST_TIMEOUT` hold for each answer. What comes back is untrusted: only RS256 and ES256 by the issuer's own
published keys count.
"""

import json
import ssl
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote_plus, urlsplit

import httpx
import trio
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc import jwt
from joserfc.jwk import KeySet

from relay.errors import Refused
from relay.texts import mark

MAX_ANSWER_BYTES: Final = 256 * 1024
"""The largest key sets of well-known issuers have 20 KiB."""
REQUEST_TIMEOUT: Final = 10.0
"""Seconds for one request to an issuer, connecting and reading included."""
ALGORITHMS: Final = ("RS256", "ES256")
CLOCK_LEEWAY: Final = 60
"""Seconds by which an issuer's clock may differ."""
MAX_URL_LENGTH: Final = 500
MAX_SUBJECT_LENGTH: Final = 255
"""OpenID Connect Core §2."""

_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

BAD_URL = mark("This must be an https address without user, query or fragment.")
NO_ANSWER = mark("The identity provider does not answer as OpenID Connect asks for.")


class IssuerFailed(Refused):
    """The issuer did not answer, or not with what it must."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """What an issuer says about itself (Discovery §3).

    Attributes:
        issuer: its name, exactly as in its tokens.
        authorization_endpoint, token_endpoint, jwks_uri: where things are.
        takes_basic: the client's secret may go into the Authorization header (RFC 6749 §2.3.1).
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    takes_basic: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """What the issuer knows this relay by. The `repr` hides the secret.

    Attributes:
        id: public.
        secret: empty for a public client.
        redirect_uri: where the issuer sends browsers back to.
    """

    id: str
    secret: str
    redirect_uri: str

    def __repr__(self) -> str:
        return f"<client {self.id}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What an ID token said, checked.

    Attributes:
        subject: whom the issuer means; never changes, never reused (Core §2).
        email: lower case; empty unless the issuer says it has verified it.
    """

    subject: str
    email: str


class OpenId:
    """Speaks to issuers.

    Args:
        allows_loopback: http to this machine is fine: the relay itself is on loopback.
    """

    def __init__(self, *, allows_loopback: bool) -> None:
        self._allows_loopback = allows_loopback
        self._tls: ssl.SSLContext | None = None

    async def discover(self, issuer: str) -> Issuer:
        """What the issuer says about itself.

        Raises:
            IssuerFailed: no, or no usable, answer.
        """
        self.check_url(issuer)
        found = await self._request("GET", get_well_known_url(issuer, external=True))
        if found.get("issuer") != issuer:  # Discovery §4.3: exactly
            raise IssuerFailed(NO_ANSWER)
        methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return Issuer(
            issuer=issuer,
            authorization_endpoint=self._url_in(found, "authorization_endpoint"),
            token_endpoint=self._url_in(found, "token_endpoint"),
            jwks_uri=self._url_in(found, "jwks_uri"),
            takes_basic=isinstance(methods, list) and "client_secret_basic" in methods,
        )

    def authorization_url(
        self, issuer: Issuer, client: Client, *, state: str, nonce: str, verifier: str
    ) -> str:
        """Where the browser goes to sign in.

        Args:
            state, nonce, verifier: 32 random bytes each, base64url (RFC 7636 §4.1 wants 43 characters).
        """
        url: str = prepare_grant_uri(
            issuer.authorization_endpoint,
            client.id,
            "code",
            client.redirect_uri,
            "openid email profile",
            state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
        )
        return url

    async def redeem(
        self, issuer: Issuer, client: Client, *, code: str, verifier: str, nonce: str, now: datetime
    ) -> Claims:
        """Whom the issuer vouches for with this code.

        Args:
            code: untrusted, from the browser.
            verifier, nonce: what was made for this sign-in.
            now: the time, for the token's.

        Raises:
            IssuerFailed: the code, the token or its signature is not right.
        """
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": client.redirect_uri,
            "code_verifier": verifier,
        }
        auth = None
        if client.secret and issuer.takes_basic:
            auth = httpx.BasicAuth(quote_plus(client.id), quote_plus(client.secret))
        else:
            form["client_id"] = client.id
            if client.secret:
                form["client_secret"] = client.secret
        answer = await self._request("POST", issuer.token_endpoint, form=form, auth=auth)
        keys = await self._request("GET", issuer.jwks_uri)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise IssuerFailed(NO_ANSWER)
        return check_id_token(token, keys, issuer=issuer.issuer, client_id=client.id, nonce=nonce, now=now)

    def check_url(self, url: str) -> str:
        """The URL, if the relay may ask there.

        Raises:
            IssuerFailed: not https, or with parts that an endpoint does not have.
        """
        try:
            parts = urlsplit(url)
            is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
            host, _ = parts.hostname, parts.port
        except ValueError:
            raise IssuerFailed(BAD_URL) from None
        is_near = parts.scheme == "http" and self._allows_loopback and host in _LOOPBACK
        is_safe = url.isascii() and url.isprintable() and " " not in url and len(url) <= MAX_URL_LENGTH
        if not (host and is_plain and is_safe and (parts.scheme == "https" or is_near)):
            raise IssuerFailed(BAD_URL)
        return url

    def _url_in(self, found: dict[str, Any], name: str) -> str:
        url = found.get(name)
        if not isinstance(url, str):
            raise IssuerFailed(NO_ANSWER)
        return self.check_url(url)

    async def _request(
        self, method: str, url: str, *, form: dict[str, str] | None = None, auth: httpx.Auth | None = None
    ) -> dict[str, Any]:
        """The JSON object that is answered with 200."""
        if self._tls is None:
            # Reading the system's certificates takes tens of milliseconds.
            self._tls = await trio.to_thread.run_sync(ssl.create_default_context)
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        body = bytearray()
        try:
            with trio.move_on_after(REQUEST_TIMEOUT) as scope:
                async with (
                    httpx.AsyncClient(verify=self._tls, follow_redirects=False, trust_env=False) as client,
                    client.stream(method, url, data=form, auth=auth, headers=headers) as response,
                ):
                    if response.status_code != 200 or "content-encoding" in response.headers:
                        raise IssuerFailed(NO_ANSWER)
                    async for chunk in response.aiter_raw():
                        body += chunk
                        if len(body) > MAX_ANSWER_BYTES:
                            # Not raised: httpx would leave its half-read generators to the collector.
                            scope.cancel()
            if scope.cancel_called:
                raise IssuerFailed(NO_ANSWER)
            found = json.loads(body)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, RecursionError) as exc:
            raise IssuerFailed(NO_ANSWER) from exc
        if not isinstance(found, dict):
            raise IssuerFailed(NO_ANSWER)
        return found


def check_id_token(
    token: str, keys: dict[str, Any], *, issuer: str, client_id: str, nonce: str, now: datetime
) -> Claims:
    """What an ID token says, if it is one of `issuer` for this client and this sign-in (Core §3.1.3.7).

    Args:
        token: JWS in compact form, untrusted.
        keys: the issuer's key set (RFC 7517 §5), untrusted.
        issuer, client_id, nonce: what it must name.
        now: the time.

    Raises:
        IssuerFailed: it is not.
    """
    try:
        decoded = jwt.decode(token, KeySet.import_key_set(keys), algorithms=list(ALGORITHMS))  # type: ignore[arg-type]
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={
                "iss": {"essential": True, "value": issuer},
                "aud": {"essential": True, "value": client_id},
            },
            params={"nonce": nonce, "client_id": client_id},
        )
        claims.validate(now=int(now.timestamp()), leeway=CLOCK_LEEWAY)
    except Exception as exc:  # a decoder of strangers' JSON, base64 and keys: it raises what it likes
        raise IssuerFailed(NO_ANSWER) from exc
    subject, email = claims["sub"], claims.get("email")
    if not subject or len(subject) > MAX_SUBJECT_LENGTH:
        raise IssuerFailed(NO_ANSWER)
    is_verified = claims.get("email_verified") is True and isinstance(email, str)
    return Claims(subject=subject, email=email.strip().lower() if is_verified else "")
