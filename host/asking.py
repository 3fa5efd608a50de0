"""Asking the customer what technicians may do, in the middle of a session.

One question is open at a time. While one is, no viewer's keyboard or pointer reaches the desktop: else the
technician could answer it (`host.remote_control.guarded`). After a "no", or none at all, the same tool is
refused for a while without a question, so that nobody can be worn down by questions.
"""

import contextlib
from typing import Final, assert_never

import trio

from host.consent import Duration
from host.customer import Customer, Wish
from host.permissions import Permissions
from host.remote_control.guarded import InputGate
from relay.protocol.close_reasons import CloseReason

ANSWER_TIMEOUT: Final = 60.0
"""Seconds that a technician's stream waits for the customer's answer."""
CHANGE_TIMEOUT: Final = 120.0
"""Seconds after which the customer's own page of choices closes: viewers can do nothing while it is open."""
QUIET_AFTER_NO: Final = 60.0
QUIET_AFTER_WITHDRAWAL: Final = 10.0
"""After a question whose asker went away: it must not flicker before the customer."""
MAX_WAITING: Final = 8
"""Streams that wait for an answer, of all tools and viewers."""


class ConsentDesk:
    """Lets streams in by `permissions`, asks where these do not say, and obeys the customer's wishes."""

    def __init__(self, permissions: Permissions, customer: Customer) -> None:
        self.permissions = permissions
        self.gate = InputGate()
        self._customer = customer
        self._one_question = trio.Lock()
        self._waiting = 0
        self._quiet_until: dict[str, float] = {}

    def refusal(self, kind: str) -> CloseReason | None:
        """Why a tool would be refused now without a question; None if it would not."""
        return None if self._must_ask(kind) else self.permissions.refusal(kind)

    async def obtain(self, kind: str, technician: str) -> CloseReason | None:
        """Learn whether a technician may use a tool now, from the customer if need be.

        Args:
            technician: who asks; a clean name.

        Returns:
            Why not, after at most `ANSWER_TIMEOUT`; None if they may.

        Cancellation: the question is taken back.
        """
        if not self._must_ask(kind):
            return self.permissions.refusal(kind)
        if self._waiting >= MAX_WAITING:
            return CloseReason.NOT_ALLOWED
        self._waiting += 1
        try:
            with trio.move_on_after(ANSWER_TIMEOUT) as scope:
                async with self._one_question:
                    if self._must_ask(kind):  # nobody has answered while this one waited
                        await self._ask(kind, technician)
        finally:
            self._waiting -= 1
        if scope.cancelled_caught:
            self._quieten(kind, QUIET_AFTER_NO)
        return self.permissions.refusal(kind)

    async def announce(self, sentence: str, seconds: float) -> bool:
        """Tell the customer what is about to happen; whether they let it, in this time.

        Nobody's input reaches the desktop meanwhile: it could hide what is announced.
        """
        with trio.move_on_after(ANSWER_TIMEOUT):
            async with self._one_question, self.gate.closed():
                with trio.move_on_after(seconds):
                    await self._customer.wait_refused(sentence)
                    return False
                return True
        return False  # another question was open all the time

    async def obey_wishes(self) -> None:
        """Do what the customer wants, until cancelled."""
        self.show()
        while True:
            wish = await self._customer.next_wish()
            match wish:
                case Wish.PAUSE:
                    self.permissions.set_paused(True)
                case Wish.RESUME:
                    self.permissions.set_paused(False)
                case Wish.CHANGE:
                    await self._change()
                case _:
                    assert_never(wish)
            self.show()

    def show(self) -> None:
        """Show the customer whether the session is paused."""
        self._customer.show_paused(self.permissions.is_paused)

    def _must_ask(self, kind: str) -> bool:
        return (
            self.permissions.refusal(kind) is CloseReason.NOT_ALLOWED
            and self.permissions.choice(kind) is Duration.ASK
            and trio.current_time() >= self._quiet_until.get(kind, 0)
        )

    async def _ask(self, kind: str, technician: str) -> None:
        quiet = QUIET_AFTER_WITHDRAWAL
        try:
            async with self.gate.closed():
                answer = await self._customer.ask_permission(kind, technician)
            if answer in (Duration.ASK, Duration.NEVER):
                quiet = QUIET_AFTER_NO
            else:
                quiet = 0
                self.permissions.choose({kind: answer})
        finally:
            self._quieten(kind, quiet)

    async def _change(self) -> None:
        with contextlib.suppress(trio.TooSlowError), trio.fail_after(CHANGE_TIMEOUT):
            async with self._one_question, self.gate.closed():
                before = self.permissions.choices()
                chosen = await self._customer.ask_changes(before)
                # What was not touched goes on as it is: its half hour does not begin anew.
                changed = {kind: each for kind, each in chosen.items() if each is not before.get(kind)}
                self.permissions.choose(changed)

    def _quieten(self, kind: str, seconds: float) -> None:
        self._quiet_until[kind] = trio.current_time() + seconds
