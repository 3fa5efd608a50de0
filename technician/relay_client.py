"""The relay's HTTP API, as a technician's program uses it.

One `RelayClient` is one signed-in technician at one relay. It makes the secrets of a session (invite, invite
secret, access password, security code) on the technician's computer, as the console does in the browser: the
relay learns the invite only, unless it is asked to mail the link.
"""

import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from relay.protocol.codes import new_security_code, normalise_access_password, propose_access_password
from relay.protocol.frames import Channel
from relay.protocol.hidden import SecretBytes
from relay.protocol.links import (
    INVITE_BYTES,
    SECRET_BYTES,
    DeploymentLink,
    LinkError,
    encode_base64url,
    parse_origin,
)
from technician.errors import RelayRefused, RelayUnreachable, TechnicianError
from technician.models import (
    Answer,
    Challenge,
    Me,
    PreparedAnswer,
    PreparedSession,
    Problem,
    Session,
    SessionAnswer,
    SessionsAnswer,
    SignInAnswer,
    Ticket,
    WrappedAnswer,
)

REQUEST_TIMEOUT = 30.0  # seconds; signing in waits for a password hash that may stand in a queue

AnAnswer = TypeVar("AnAnswer", bound=Answer)


def split_sign_in_link(text: str) -> tuple[str, str | None]:
    """The relay's origin and the token of a sign-in link ``ORIGIN/sign-in#TOKEN``; the token may be missing.

    Raises:
        TechnicianError: it is no address of a relay.
    """
    address, _, token = text.strip().partition("#")
    origin = address.rstrip("/").removesuffix("/sign-in")
    try:
        return parse_origin(origin), token or None
    except LinkError as exc:
        raise TechnicianError(
            "This is not the address of a relay, such as https://relay.example or its sign-in link."
        ) from exc


@asynccontextmanager
async def open_relay_client(origin: str, *, cookie: str | None = None) -> AsyncIterator["RelayClient"]:
    """A client for the relay at `origin`; its connections are closed at the end.

    Args:
        origin: as browsers spell it; see `split_sign_in_link`.
        cookie: of an earlier sign-in (`RelayClient.cookie`).
    """
    async with httpx.AsyncClient(base_url=origin, timeout=REQUEST_TIMEOUT) as http:
        yield RelayClient(origin, http, cookie=cookie)


class RelayClient:
    """The API of the relay at `origin`.

    Every method raises `RelayUnreachable` when no relay answers, `RelayRefused` when it says no.

    Concurrency: methods may be called from several tasks at once.
    """

    def __init__(self, origin: str, http: httpx.AsyncClient, *, cookie: str | None = None) -> None:
        self.origin = origin
        self.cookie = cookie
        """``NAME=VALUE`` of the signed-in technician, a secret; None when nobody is signed in."""
        self._http = http

    # -- who --

    async def sign_in(self, email: str, password: str) -> Challenge | None:
        """Signs in by password; from here on the other methods work, unless a second factor is asked for."""
        return await self._sign_in("/api/v1/sign-in", {"email": email, "password": password})

    async def sign_in_by_token(self, token: str) -> Challenge | None:
        """Signs in by the token of a sign-in link, which works once; as `sign_in`."""
        return await self._sign_in("/api/v1/sign-in/link", {"token": token})

    async def finish_sign_in(self, challenge: Challenge, code: str) -> None:
        """Shows a second factor: six digits are the authenticator app's, all else a recovery code."""
        way = "totp" if code.replace(" ", "").isdigit() else "recovery"
        await self._sign_in("/api/v1/sign-in/second", {"token": challenge.token, "way": way, "code": code})

    async def sign_out(self) -> None:
        """Ends the sign-in at the relay; the cookie is worthless afterwards."""
        await self._request("POST", "/api/v1/sign-out", {})
        self.cookie = None

    async def me(self) -> Me:
        """Who is signed in."""
        return await self._get(Me, "/api/v1/me")

    # -- sessions --

    async def sessions(self, *, include_ended: bool = False) -> list[Session]:
        """The technician's own sessions and those they were let into, newest first."""
        path = f"/api/v1/sessions?limit=200&state={'all' if include_ended else 'open'}"
        page = await self._get(SessionsAnswer, path)
        found = page.sessions
        while page.next is not None:
            page = await self._get(SessionsAnswer, f"{path}&cursor={quote(page.next, safe='')}")
            found += page.sessions
        return found

    async def session(self, session_id: str) -> Session:
        """One session."""
        return (await self._get(SessionAnswer, f"/api/v1/sessions/{session_id}")).session

    async def prepare(
        self,
        customer_email: str,
        *,
        access_password: str | None = None,
        note: str = "",
        language: str = "en",
        mail: bool = False,
    ) -> PreparedSession:
        """Prepares a session.

        Args:
            customer_email: whom it is for.
            access_password: None proposes one.
            note: for the technician alone.
            language: of the mail and the customer's page: ``en`` or ``es``.
            mail: have the relay mail the link, which shows it the link once.

        Raises:
            CodeError: the access password cannot be one.
            TechnicianError: the relay goes by another name than the one it was reached under, so that links
                would lead elsewhere.
        """
        password = propose_access_password() if access_password is None else access_password
        password = normalise_access_password(password)
        origin = (await self.me()).origin
        if origin != self.origin:
            raise TechnicianError(f"This relay calls itself {origin}; sign in there.")
        link = DeploymentLink(
            origin=self.origin,
            invite=secrets.token_bytes(INVITE_BYTES),
            secret=SecretBytes(secrets.token_bytes(SECRET_BYTES)),
            access_password=password,
        )
        body = {
            "invite": encode_base64url(link.invite),
            "customer_email": customer_email,
            "note": note,
            "language": language,
        }
        if mail:
            body["link"] = link.url()
        answer = await self._post(PreparedAnswer, "/api/v1/sessions", body)
        return PreparedSession(
            session=answer.session, mail=answer.mail, link=link, security_code=new_security_code()
        )

    async def renew_code(self, session_id: str) -> Session:
        """Tells the relay that a new security code is current; its digits are the caller's to make."""
        return (await self._post(SessionAnswer, f"/api/v1/sessions/{session_id}/codes", {})).session

    async def ticket(self, session_id: str, kinds: Iterable[Channel]) -> Ticket:
        """The right to attach a viewer that may open streams of `kinds`."""
        body = {"kinds": [kind.value for kind in kinds]}
        return await self._post(Ticket, f"/api/v1/sessions/{session_id}/tickets", body)

    async def wrapped_key(self, session_id: str) -> bytes | None:
        """The pairing key as the relay keeps it, under the access password (`relay.protocol.wrapping`)."""
        return (await self._get(WrappedAnswer, f"/api/v1/sessions/{session_id}/pairing")).wrapped

    async def end(self, session_id: str) -> Session:
        """Ends a session for good; ending it again changes nothing."""
        return (await self._post(SessionAnswer, f"/api/v1/sessions/{session_id}/end", {})).session

    # -- requests --

    async def _sign_in(self, path: str, body: dict[str, str]) -> Challenge | None:
        response = await self._request("POST", path, body)
        challenge = self._read(SignInAnswer, response).challenge
        if challenge is not None:
            return challenge
        for name, value in response.cookies.items():
            if name.endswith("adhoc_session"):
                self.cookie = f"{name}={value}"
                return None
        raise RelayUnreachable(f"What answers at {self.origin} is not a relay.")

    async def _get(self, kind: type[AnAnswer], path: str) -> AnAnswer:
        return self._read(kind, await self._request("GET", path))

    async def _post(self, kind: type[AnAnswer], path: str, body: dict[str, Any]) -> AnAnswer:
        return self._read(kind, await self._request("POST", path, body))

    async def _request(self, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["X-Adhoc-Csrf"] = "1"
        if self.cookie is not None:
            headers["Cookie"] = self.cookie
        try:
            response = await self._http.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as exc:
            raise RelayUnreachable(f"The relay at {self.origin} does not answer.") from exc
        # The cookie is ours to keep: the library's jar would send a second one beside it.
        self._http.cookies.clear()
        if response.is_success:
            return response
        raise self._refusal(response)

    def _refusal(self, response: httpx.Response) -> TechnicianError:
        if response.headers.get("content-type", "").partition(";")[0] != "application/problem+json":
            return RelayUnreachable(f"What answers at {self.origin} is not a relay.")
        problem = self._read(Problem, response)
        sentence = (
            problem.detail or problem.title or f"The relay answered with status {response.status_code}."
        )
        return RelayRefused(
            sentence, status=response.status_code, limit=problem.limit, session=problem.session
        )

    def _read(self, kind: type[AnAnswer], response: httpx.Response) -> AnAnswer:
        try:
            return kind.model_validate_json(response.content)
        except ValidationError as exc:
            raise RelayUnreachable(f"The relay at {self.origin} answered in a way not understood.") from exc
