"""The pairing with the technician's page, as the customer sees it: a code is typed, tried, and allowed.

A *try* is one `pair` stream that the technician's page opened and that waits here until a code was typed
(docs/protocol.md §5). Accepting it is what the relay counts as a try; checking the page's tag is what this
host counts by itself. The two differ where a try is lost on the way: no guess was made then, and the same
typed code is tried with the next stream.
"""

import contextlib
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

import trio

from host.consent import Consent
from host.customer import Asker, Customer
from host.hello import ComputerFacts
from host.permissions import Permissions
from host.state import HostState
from host.texts import Texts
from peer.errors import StreamClosed
from peer.sealed import SealedStream, accept_sealed
from peer.tunnel import Stream, Tunnel
from relay.protocol.claims import PairClaims, PairFacts, pack_answer, unpack_stored
from relay.protocol.close_reasons import CloseReason
from relay.protocol.codes import MAX_TRIES_PER_CODE, WAITS
from relay.protocol.errors import ProtocolError
from relay.protocol.frames import Channel
from relay.protocol.hidden import SecretBytes
from relay.protocol.pairing import HostHandshake, check_open_params

PROOF_TIMEOUT: Final = 30.0
"""Seconds for the technician's page to answer within a try."""


class _Outcome(Enum):
    """What became of one try."""

    PAIRED = auto()
    DECLINED = auto()
    WRONG_CODE = auto()
    REFUSED = auto()  # by the relay, before anything was guessed: tries come too fast
    LOST = auto()  # before anything was guessed
    ABANDONED = auto()  # the code was right, but the technician's page went away


class Pairing:
    """Pairs one session. Lives longer than a connection, so that nothing typed is lost with one.

    Args:
        state: its counts, pairing key and paired attempt are kept up to date and saved through `save`.
        permissions: get what the customer chose.
        save: makes `state` durable. Called without a checkpoint around it; a few milliseconds.
        install: makes the program come back after a reboot; blocks, called in a thread, may be called again.

    Concurrency: `run` by one task at a time, the others by the connection's tasks.
    """

    def __init__(
        self,
        state: HostState,
        customer: Customer,
        facts: ComputerFacts,
        texts: Texts,
        permissions: Permissions,
        *,
        save: Callable[[], None],
        install: Callable[[], None],
    ) -> None:
        # Never changed.
        self._state = state
        self._customer = customer
        self._facts = facts
        self._texts = texts
        self._permissions = permissions
        self._save = save
        self._install = install
        # Changed without a checkpoint in between.
        self._code_number = 1
        self._tries = 0
        self._relay_attempts = 0
        self._typed: str | None = None
        self._next_try_at = -float("inf")
        self._streams: list[Stream] = []
        self._changed = trio.Event()

    # What the connection's tasks learn

    def take_counts(self, *, code_number: int, tries: int, attempts: int) -> None:
        """The relay's counts, as a connection begins. This host's own never go back."""
        self._set_code_number(code_number)
        self._tries = tries
        self._relay_attempts = attempts
        self._state.attempts = max(self._state.attempts, attempts)
        self._streams.clear()

    def take_renewed(self, code_number: int) -> None:
        """A new security code is current."""
        if code_number > self._code_number:
            self._set_code_number(code_number)
            self._tries = 0
        self._wake()

    def take_stream(self, stream: Stream) -> None:
        """The technician's page opened a `pair` stream."""
        self._streams.append(stream)
        self._wake()

    # The conversation

    async def run(self, tunnel: Tunnel, asker: Asker) -> None:
        """Pair over this connection, for as long as it lives and the session is not active.

        Returns:
            If the customer does not allow it, and only then.

        Cancellation: what was typed and not tried yet is tried by the next run.
        """
        sentence = ""
        if self._state.pairing_key and self._state.paired_attempt == self._relay_attempts:
            # Paired just before a connection was lost: the relay may not have heard of it.
            await self._report_paired(tunnel)
            await self._next_stream()  # only if the technician's page begins anew
        while True:
            if self._tries >= MAX_TRIES_PER_CODE:
                await self._wait_for_new_code()
                sentence = self._texts.get("new_code")
            if self._typed is None:
                self._typed = await self._customer.ask_code(asker, sentence)
            self._customer.show_waiting_for_technician()
            stream = await self._next_stream()
            if self._typed is None:  # a new code became current meanwhile
                sentence = self._texts.get("new_code")
                continue
            match await self._try_code(stream, self._typed):
                case _Outcome.PAIRED:
                    self._typed = None
                    await self._report_paired(tunnel)
                    await self._next_stream()
                    sentence = self._texts.get("try_again")
                case _Outcome.DECLINED:
                    return
                case _Outcome.WRONG_CODE:
                    self._typed = None
                    sentence = self._texts.wrong_code(MAX_TRIES_PER_CODE - self._tries)
                case _Outcome.REFUSED:
                    self._typed = None
                    sentence = self._texts.get("too_many_tries")
                case _Outcome.ABANDONED:
                    self._typed = None
                    sentence = self._texts.get("try_again")
                case _Outcome.LOST:
                    pass

    async def _wait_for_new_code(self) -> None:
        self._customer.show_new_code_needed()
        dead = self._code_number
        while self._code_number == dead:
            await self._changed.wait()

    async def _next_stream(self) -> Stream:
        """The newest stream that is open and for the next try; it stays where it is until tried."""
        while True:
            self._streams = [stream for stream in self._streams if self._is_next_try(stream)]
            if self._streams:
                return self._streams[-1]
            await self._changed.wait()

    def _is_next_try(self, stream: Stream) -> bool:
        """Closes what is not, so that the technician's page opens another one."""
        if stream.close_reason is None:
            try:
                opening = check_open_params(Channel.PAIR.value, stream.params)
            except ProtocolError as exc:
                stream.close(exc.close_reason)
            else:
                if opening["code"] == self._code_number and opening["attempt"] > self._state.attempts:
                    return True
                stream.close(CloseReason.DETACHED)
        return False

    # One try

    async def _try_code(self, stream: Stream, code: str) -> _Outcome:
        await trio.sleep_until(self._next_try_at)
        state, facts = self._state, self._facts
        handshake = HostHandshake.for_pairing(
            origin=state.origin,
            session=state.session,
            stream=stream.number,
            code_number=self._code_number,
            last_attempt=state.attempts,
            invite_secret=state.secret,
            security_code=code,
            facts=PairFacts(computer=facts.computer, os=facts.os, user=facts.user, key=state.public_key),
        )
        try:
            with trio.fail_after(PROOF_TIMEOUT):
                sealed, keys = await accept_sealed(stream, handshake)
        except (StreamClosed, trio.TooSlowError) as exc:
            return self._learn_from_failure(handshake, exc)
        self._count_guess(handshake.attempt)
        if keys.pairing_key is None:
            raise AssertionError("pairing yields a pairing key")
        return await self._conclude(sealed, handshake, keys.pairing_key)

    def _learn_from_failure(
        self, handshake: HostHandshake, failure: StreamClosed | trio.TooSlowError
    ) -> _Outcome:
        if isinstance(failure.__cause__, ProtocolError) and handshake.attempt > self._state.attempts:
            # The page's tag, or what stood in its place, was looked at: that was a guess.
            self._count_guess(handshake.attempt)
            return _Outcome.WRONG_CODE
        if isinstance(failure, StreamClosed) and failure.close_reason in (
            CloseReason.TOO_MANY_TRIES,
            CloseReason.LIMIT,
        ):
            return _Outcome.REFUSED
        return _Outcome.LOST

    def _count_guess(self, attempt: int) -> None:
        self._tries += 1
        self._state.attempts = attempt
        self._next_try_at = trio.current_time() + WAITS[self._tries % MAX_TRIES_PER_CODE]
        self._save()

    async def _conclude(
        self, sealed: SealedStream, handshake: HostHandshake, pairing_key: SecretBytes
    ) -> _Outcome:
        """Ask the customer, now that both sides have proven that they know the code."""
        try:
            claims = PairClaims.unpack(handshake.claims)
            consent = await self._ask_allow(sealed, claims)
            if consent is None:
                return _Outcome.ABANDONED
            await sealed.send(pack_answer(is_allowed=consent.is_allowed))
            if not consent.is_allowed:
                sealed.close(CloseReason.DECLINED)
                return _Outcome.DECLINED
            with trio.fail_after(PROOF_TIMEOUT):
                unpack_stored(await sealed.receive())
        except (StreamClosed, ProtocolError, trio.TooSlowError):
            return _Outcome.ABANDONED
        finally:
            sealed.close(CloseReason.DONE)
        self._state.pairing_key = bytes(pairing_key)
        self._state.kinds = consent.limit_kinds(claims.kinds)
        self._state.folders = None if consent.folders is None else list(consent.folders)
        self._state.paired_attempt = self._relay_attempts = handshake.attempt
        self._permissions.choose(consent.durations)  # and saves all of it
        return _Outcome.PAIRED

    async def _ask_allow(self, sealed: SealedStream, claims: PairClaims) -> Consent | None:
        """The customer's answer; None if the technician's page went away before it."""
        answer: Consent | None = None

        async def watch() -> None:
            with contextlib.suppress(StreamClosed):
                await sealed.receive()
            # Gone, or speaking out of turn.
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            answer = await self._customer.ask_allow(claims)
            nursery.cancel_scope.cancel()
        return answer

    async def _report_paired(self, tunnel: Tunnel) -> None:
        self._customer.show_waiting_for_technician()
        await trio.to_thread.run_sync(self._install)
        tunnel.notify("ready", {})
        tunnel.notify("paired", {"attempt": self._state.paired_attempt})

    def _set_code_number(self, number: int) -> None:
        if number != self._code_number:
            self._code_number = number
            self._typed = None  # it was read out for the last one

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()
