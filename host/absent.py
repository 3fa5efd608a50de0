"""Nobody before the screen: what the host shows and asks while it runs as a service, and no desktop is shown.

What is asked is answered by nobody, and whoever asks gives up after their own time; what was allowed for the
whole session stays allowed. Nothing that needs the customer's word begins in this time.
"""

from collections.abc import Mapping, Sequence
from typing import NoReturn

import trio

from host.brand import Brand
from host.consent import Consent, Duration
from host.customer import Asker, Wish
from relay.protocol.claims import PairClaims


class AbsentCustomer:
    """A `host.customer.Customer` who is not there."""

    shows_brand = False

    async def ask_code(self, asker: Asker, sentence: str) -> str:
        """Never returns."""
        return await _never()

    async def ask_allow(self, claims: PairClaims) -> Consent:
        """Never returns."""
        return await _never()

    async def ask_permission(self, kind: str, technician: str) -> Duration:
        """Never returns."""
        return await _never()

    async def ask_changes(self, choices: Mapping[str, Duration]) -> Mapping[str, Duration]:
        """Never returns."""
        return await _never()

    async def wait_refused(self, sentence: str) -> None:
        """Never returns."""
        await _never()

    async def next_wish(self) -> Wish:
        """Never returns."""
        return await _never()

    async def next_chat_text(self) -> str:
        """Never returns."""
        return await _never()

    async def wait_wants_to_end(self) -> None:
        """Never returns."""
        await _never()

    async def wait_gone(self) -> None:
        """Never returns: the customer comes back."""
        await _never()

    async def wait_dismissed(self) -> None:
        """Returns at once: nobody reads it."""
        await trio.lowlevel.checkpoint()

    def ask_to_end(self) -> None:
        """Nothing: who can send this program a signal has other means."""

    def show_brand(self, brand: Brand) -> None:
        """Nothing."""

    def show_connecting(self) -> None:
        """Nothing."""

    def show_waiting_for_technician(self) -> None:
        """Nothing."""

    def show_new_code_needed(self) -> None:
        """Nothing."""

    def show_active(self, seconds_left: float) -> None:
        """Nothing."""

    def show_viewers(self, viewers: Mapping[str, Sequence[str]]) -> None:
        """Nothing."""

    def show_paused(self, is_paused: bool) -> None:
        """Nothing."""

    def show_chat(self, author: str, text: str, *, is_new: bool = True) -> None:
        """Nothing: it is kept, and shown once somebody is there."""

    def open_chat(self) -> None:
        """Nothing."""

    def show_trouble(self, sentence: str) -> None:
        """Nothing."""

    def show_online(self) -> None:
        """Nothing."""

    def show_gone(self, sentence: str) -> None:
        """Nothing."""

    def show_removed(self, sentence: str, left: Sequence[str]) -> None:
        """Nothing."""


async def _never() -> NoReturn:
    await trio.sleep_forever()
