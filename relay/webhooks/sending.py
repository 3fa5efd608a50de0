"""One try of one delivery: a bounded POST to an address that was judged.

A company's people choose where the relay posts to, from inside the operator's network. So: https (http only
to this machine, where the operator allows private destinations); the name is resolved here, and the
connection goes to an address that may be reached (`relay.destinations`), while certificate and ``Host`` are
still the name's; no redirect is followed, no proxy asked, no cookie kept; `TIMEOUT` holds for all of it; and
the answer's body is not read at all. Its status is all that is kept: nobody can use the relay to read other
people's pages.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final
from urllib.parse import urlsplit

import httpx
import trio

from relay.destinations import FORBIDDEN, LOOPBACK_NAMES, Forbidden, may_be_public, resolve
from relay.errors import Refused
from relay.texts import mark

TIMEOUT: Final = 10.0
"""Seconds for one try: name, connection, request and the answer's head."""
MAX_ADDRESSES: Final = 3
"""Of a name, tried one after the other."""
MAX_URL_LENGTH: Final = 500
MAX_LOOKUPS: Final = 8
"""Threads that wait for the system's resolver at the same time."""

BAD_URL = mark("This must be an https address without user and fragment, in plain letters.")
NOT_ACCEPTED = mark("The receiver did not accept it.")
NOT_REACHED = mark("The receiver cannot be reached.")
NOT_IN_TIME = mark("The receiver did not answer in time.")
NOT_TRUSTED = mark("The receiver's certificate cannot be trusted.")
DELIVERED = mark("The receiver has accepted it.")
UNWANTED = mark("The receiver wants no more of them.")

HTTP_GONE: Final = 410


class BadUrl(Refused):
    """The relay posts nothing there. `str(error)` says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a try.

    Attributes:
        status: HTTP's, or None if there was no answer.
        detail: a sentence, English source text.
    """

    status: int | None
    detail: str

    @property
    def is_accepted(self) -> bool:
        """The receiver has it."""
        return self.status is not None and 200 <= self.status < 300


class Sender:
    """Posts deliveries.

    Args:
        allows_private: receivers may be in private networks and on this machine.
        tls: how receivers' certificates are checked; default: the system's authorities.
    """

    def __init__(self, *, allows_private: bool, tls: ssl.SSLContext | None = None) -> None:
        self._allows_private = allows_private
        self._tls = tls
        self._lookups = trio.CapacityLimiter(MAX_LOOKUPS)

    def check_url(self, url: str) -> str:
        """`url`, if the relay may post there as far as the text tells.

        Raises:
            BadUrl: it may not.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            raise BadUrl(BAD_URL) from None
        is_near = host in LOOPBACK_NAMES and self._allows_private
        is_plain = not (parts.username or parts.password or "#" in url or "@" in parts.netloc or port == 0)
        is_safe = url.isascii() and url.isprintable() and " " not in url and len(url) <= MAX_URL_LENGTH
        if not (
            host
            and is_plain
            and is_safe
            and (parts.scheme == "https" or (parts.scheme == "http" and is_near))
        ):
            raise BadUrl(BAD_URL)
        if not self._allows_private and not may_be_public(host):
            raise BadUrl(FORBIDDEN)
        return url

    async def post(self, url: str, headers: Mapping[str, str], body: str) -> Answer:
        """Tries once.

        Args:
            url: as it is stored; checked again, since the settings may have changed.
            headers: of the signature.
            body: JSON.

        Cancellation: the receiver may or may not have it.
        """
        answer = Answer(None, NOT_IN_TIME)
        with trio.move_on_after(TIMEOUT):
            try:
                answer = await self._post(self.check_url(url), headers, body)
            except (BadUrl, Forbidden) as error:
                answer = Answer(None, str(error))
            except httpx.TimeoutException:
                answer = Answer(None, NOT_IN_TIME)
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                answer = Answer(None, NOT_TRUSTED if _is_about_trust(error) else NOT_REACHED)
        return answer

    async def _post(self, url: str, headers: Mapping[str, str], body: str) -> Answer:
        if self._tls is None:
            # Reading the system's certificates takes tens of milliseconds.
            self._tls = await trio.to_thread.run_sync(ssl.create_default_context)
        named = httpx.URL(url)
        port = named.port or {"http": 80, "https": 443}[named.scheme]
        look_up = partial(resolve, named.host, port, allows_private=self._allows_private)
        addresses = await trio.to_thread.run_sync(look_up, limiter=self._lookups, abandon_on_cancel=True)
        all_headers = {
            "Host": named.netloc.decode("ascii"),
            "Content-Type": "application/json",
            "User-Agent": "adhoc-relay-webhooks/1",
            "Accept-Encoding": "identity",
            **headers,
        }
        async with httpx.AsyncClient(
            verify=self._tls, follow_redirects=False, trust_env=False, timeout=TIMEOUT
        ) as client:
            for address in addresses[: MAX_ADDRESSES - 1]:
                try:
                    return await self._ask(client, named, address, all_headers, body)
                except httpx.ConnectError as error:
                    if _is_about_trust(error) or address == addresses[-1]:
                        raise
            return await self._ask(client, named, addresses[-1], all_headers, body)

    async def _ask(
        self, client: httpx.AsyncClient, named: httpx.URL, address: str, headers: Mapping[str, str], body: str
    ) -> Answer:
        """The answer of the receiver at one address; TLS is for its name."""
        async with client.stream(
            "POST",
            named.copy_with(host=address),
            headers=headers,
            content=body.encode(),
            extensions={"sni_hostname": named.host},
        ) as response:
            accepted = 200 <= response.status_code < 300
            refused = UNWANTED if response.status_code == HTTP_GONE else NOT_ACCEPTED
            return Answer(response.status_code, DELIVERED if accepted else refused)


def _is_about_trust(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False
