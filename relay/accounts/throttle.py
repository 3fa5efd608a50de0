"""How often somebody may try to sign in, without a stranger being able to lock an honest person out.

Tries are counted by address and by account. A stranger at other addresses could use up an account's tries for
its owner; therefore a browser that has signed in before shows a *known browser's token* (a cookie that
outlives the signing-in one), and has tries of its own that nobody else can use up. The token says whose
browser it is, sealed under the relay's key; it opens nothing and is no proof of who somebody is: without the
password it only counts tries apart. (The idea: OWASP, "Slow Down Online Guessing Attacks with Device
Cookies".)

Nothing here blocks for ever: buckets refill (`AccountSettings`), and every refusal says after how many
seconds.
"""

from dataclasses import dataclass
from typing import Final

import trio

from relay.accounts.desk import Desk
from relay.auth import new_id
from relay.errors import RelayError
from relay.limits import KeyedBuckets, address_key
from relay.people import TechnicianId

KNOWN_BYTES: Final = 82
"""Of a known browser's token: two ids and a time in ASCII, sealed."""

_ID = 22
_PLACE = "known browsers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Where a sign-in comes from; all of it untrusted.

    Attributes:
        address: of the network; for throttling only, never stored.
        agent: a few words on the browser, for the list of signed-in browsers.
        known: the known browser's token that came along, or None.
    """

    address: str = ""
    agent: str = ""
    known: bytes | None = None


class Throttle:
    """Books of tries, in memory: a restart forgives them. (Tries of a half-done sign-in are in the store.)

    Args:
        desk: what all parts work with.

    Concurrency: any task; nothing awaits.
    """

    def __init__(self, desk: Desk) -> None:
        settings = desk.settings
        self._desk = desk
        self._by_address = _buckets("sign_ins_per_address", settings.tries_per_address, settings.tries_window)
        self._by_account = _buckets("sign_ins_per_account", settings.tries_per_account, settings.tries_window)
        self._by_browser = _buckets("sign_ins_per_browser", settings.tries_per_browser, settings.tries_window)
        self._starts = _buckets("starts_per_address", settings.starts_per_address, settings.tries_window)
        self._codes = _buckets("codes_per_account", settings.codes_per_account, settings.codes_window)
        self._codes_by_browser = _buckets(
            "codes_per_browser", settings.codes_per_account, settings.codes_window
        )
        self._passwords = _buckets("passwords_per_person", settings.tries_per_browser, settings.tries_window)

    def take_sign_in(self, visit: Visit, email: str, technician_id: TechnicianId | None) -> None:
        """Counts a password that is about to be tried.

        Args:
            visit: where it comes from.
            email: what was typed, normalised.
            technician_id: whose address that is; None: nobody's.

        Raises:
            LimitExceeded: with the seconds to wait.
        """
        browser = self._browser_of(visit, technician_id)
        if browser is not None:
            self._by_browser.take(browser, trio.current_time())
            return
        self._by_address.take(address_key(visit.address), trio.current_time())
        self._by_account.take(email, trio.current_time())

    def take_code(self, visit: Visit, technician_id: TechnicianId) -> None:
        """Counts a second factor that is about to be tried.

        Raises:
            LimitExceeded: with the seconds to wait.
        """
        browser = self._browser_of(visit, technician_id)
        buckets, key = (self._codes, technician_id) if browser is None else (self._codes_by_browser, browser)
        buckets.take(key, trio.current_time())

    def take_password(self, technician_id: TechnicianId) -> None:
        """Counts a current password that somebody who is signed in is about to prove themselves with.

        Raises:
            LimitExceeded: with the seconds to wait.
        """
        self._passwords.take(technician_id, trio.current_time())

    def take_start(self, visit: Visit) -> None:
        """Counts a sign-in that is begun without saying whose: each takes a row or a request of ours.

        Raises:
            LimitExceeded: with the seconds to wait.
        """
        self._starts.take(address_key(visit.address), trio.current_time())

    def make_known(self, technician_id: TechnicianId) -> bytes:
        """The token for a browser in which this technician has just signed in."""
        until = int(self._desk.now().timestamp() + self._desk.settings.known_browser_ttl)
        return self._desk.sealer.seal(f"{technician_id}{new_id()}{until:010}".encode(), place=_PLACE)

    def is_known(self, token: bytes | None, technician_id: TechnicianId) -> bool:
        """Whether the token (untrusted) is one of this technician's, so that no new one is needed."""
        return self._browser_of(Visit(known=token), technician_id) is not None

    def _browser_of(self, visit: Visit, technician_id: TechnicianId | None) -> str | None:
        """Which known browser of this technician it is; None for strangers, others and forgeries."""
        if visit.known is None or technician_id is None:
            return None
        try:
            plain = bytes(self._desk.sealer.unseal(visit.known, place=_PLACE)).decode()
        except RelayError:
            return None
        whose, browser, until = plain[:_ID], plain[_ID : 2 * _ID], int(plain[2 * _ID :])
        return browser if whose == technician_id and self._desk.now().timestamp() < until else None


def _buckets(limit: str, tries: float, window: float) -> KeyedBuckets:
    return KeyedBuckets(limit, rate_per_second=tries / window, burst=tries)
