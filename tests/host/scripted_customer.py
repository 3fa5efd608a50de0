"""A customer who does what the test says, and remembers what the host showed."""

from collections.abc import Iterable, Mapping, Sequence

import trio

from host.brand import Brand
from host.consent import Consent, Duration
from host.customer import Asker, Wish
from host.hello import ComputerFacts
from relay.protocol.claims import PairClaims

PATIENCE = 100_000.0
"""Longer than a session, for clocks that jump; tests with a real clock have their own."""

FACTS = ComputerFacts(computer="RECEPTION", os="Test OS", user="ana")


class ScriptedCustomer:
    """A `host.customer.Customer`.

    Args:
        codes: what is typed, one at a time; `say_code` adds to them.
        allows: the answer to the question.
        folders: that files are limited to.

    Attributes:
        shown: what the host showed, in order: "trouble", "online", ("viewers", …) and so on.
        sentences: what was said together with each question for the code.
        permission: the answer about a tool; None never answers.
        permissions_asked: kind and technician of each such question.
        changes: what the customer chooses on the page of choices.
        troubles: the sentences of what was shown as "trouble".
        asker: who asked, as shown last.
    """

    def __init__(
        self, codes: Iterable[str] = (), *, allows: bool = True, folders: tuple[str, ...] | None = None
    ) -> None:
        self.allows = allows
        self.folders = folders
        self.shown: list[str | tuple[str, object]] = []
        self.troubles: list[str] = []
        self.says_no = False
        self.sentences: list[str] = []
        self.asker: Asker | None = None
        self.claims: PairClaims | None = None
        self.asked_to_allow = trio.Event()
        self.may_answer = trio.Event()
        self.may_answer.set()
        self._codes = list(codes)
        self._chat_texts: list[str] = []
        self.permission: Duration | None = None
        self.permissions_asked: list[tuple[str, str]] = []
        self.changes: dict[str, Duration] = {}
        self._wishes: list[Wish] = []
        self._changed = trio.Event()
        self._wants_to_end = trio.Event()

    def say_code(self, code: str) -> None:
        """The technician reads out a code."""
        self._codes.append(code)
        self._wake()

    def wish(self, wish: Wish) -> None:
        """Press a button."""
        self._wishes.append(wish)
        self._wake()

    async def ask_permission(self, kind: str, technician: str) -> Duration:
        self.permissions_asked.append((kind, technician))
        self._wake()
        while self.permission is None:
            await self._changed.wait()
        return self.permission

    async def wait_refused(self, sentence: str) -> None:
        self._show(("announced", sentence))
        while not self.says_no:
            await self._changed.wait()

    def say_no(self) -> None:
        """To what is announced, now and later."""
        self.says_no = True
        self._wake()

    def answer(self, permission: Duration) -> None:
        """Answer the question about a tool, and those that follow."""
        self.permission = permission
        self._wake()

    async def wait_permission_asked(self, count: int) -> None:
        """Wait until so many such questions were asked."""
        with trio.fail_after(PATIENCE):
            while len(self.permissions_asked) < count:
                await self._changed.wait()

    async def ask_changes(self, choices: Mapping[str, Duration]) -> Mapping[str, Duration]:
        return {**choices, **self.changes}

    async def next_wish(self) -> Wish:
        while not self._wishes:
            await self._changed.wait()
        return self._wishes.pop(0)

    def show_paused(self, is_paused: bool) -> None:
        self._show(("paused", is_paused))

    def write(self, text: str) -> None:
        """The customer writes into the chat."""
        self._chat_texts.append(text)
        self._wake()

    async def wait_shown(self, wanted: object) -> None:
        """Wait until `wanted` was shown, by name or with its argument."""
        with trio.fail_after(PATIENCE):
            while not any(wanted == item or wanted == item[0] for item in self.shown):
                await self._changed.wait()

    async def wait_asked(self, count: int) -> None:
        """Wait until the code was asked for so many times."""
        with trio.fail_after(PATIENCE):
            while len(self.sentences) < count:
                await self._changed.wait()

    async def ask_code(self, asker: Asker, sentence: str) -> str:
        self.asker = asker
        self.sentences.append(sentence)
        self._wake()
        while not self._codes:
            await self._changed.wait()
        return self._codes.pop(0)

    async def ask_allow(self, claims: PairClaims) -> Consent:
        self.claims = claims
        self.asked_to_allow.set()
        await self.may_answer.wait()
        return Consent(self.allows, self.folders)

    async def wait_wants_to_end(self) -> None:
        await self._wants_to_end.wait()

    async def wait_gone(self) -> None:
        await trio.sleep_forever()

    async def next_chat_text(self) -> str:
        while not self._chat_texts:
            await self._changed.wait()
        return self._chat_texts.pop(0)

    async def wait_dismissed(self) -> None:
        return

    def ask_to_end(self) -> None:
        self._wants_to_end.set()

    shows_brand = False

    def show_brand(self, brand: Brand) -> None:
        raise AssertionError("not asked for")

    def show_connecting(self) -> None:
        self._show("connecting")

    def show_waiting_for_technician(self) -> None:
        self._show("waiting")

    def show_new_code_needed(self) -> None:
        self._show("new_code_needed")

    def show_active(self, seconds_left: float) -> None:
        self._show(("active", seconds_left))

    def show_viewers(self, viewers: Mapping[str, Sequence[str]]) -> None:
        self._show(("viewers", viewers))

    def show_chat(self, author: str, text: str, *, is_new: bool = True) -> None:
        self._show(("chat", (author, text)))

    def open_chat(self) -> None:
        self._show("open_chat")

    def show_trouble(self, sentence: str) -> None:
        self.troubles.append(sentence)
        self._show("trouble")

    def show_online(self) -> None:
        self._show("online")

    def show_gone(self, sentence: str) -> None:
        self._show(("gone", sentence))

    def show_removed(self, sentence: str, left: Sequence[str]) -> None:
        self._show(("removed", sentence))

    def _show(self, item: str | tuple[str, object]) -> None:
        self.shown.append(item)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
