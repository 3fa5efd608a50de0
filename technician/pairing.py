"""Pairing a session with its host (docs/protocol.md §5): from the security code to the active session.

Theory. A *try* is one `pair` stream: opened as soon as a host is online, accepted by the host when the
customer has typed the code. A wrong code closes it and the next try begins; five use the code up and a new
one is shown, twice. The relay counts (durably), and the host; this program only reads the numbers, from
WELCOME and from the notices `tries`, because a try may be lost with a connection.

The connection may be lost at any point. Before the pairing key is stored, the next connection begins another
try; after that, it only repeats the report `paired`, until the relay says that the session is active.

Tasks: one connection at a time, with one task that tries (`_try_until_paired`) beside one that follows the
relay's notices (`_follow_notices`), which says when the connection has served its purpose.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import trio

from peer.backoff import Backoff
from peer.errors import ConnectionFailed, StreamClosed
from peer.sealed import SealedStream, open_sealed
from peer.tunnel import Tunnel
from relay.protocol.claims import PairClaims, PairFacts, pack_stored, unpack_answer
from relay.protocol.close_reasons import CloseReason
from relay.protocol.codes import MAX_TRIES_PER_CODE, new_security_code
from relay.protocol.errors import ProtocolError
from relay.protocol.frames import Channel, FieldReader, Fields, Notice
from relay.protocol.hidden import SecretBytes
from relay.protocol.links import DeploymentLink
from relay.protocol.pairing import ViewerHandshake
from relay.protocol.wrapping import wrap_pairing_key
from technician.attaching import attach
from technician.errors import PairingFailed, RelayRefused, RelayUnreachable, TechnicianError
from technician.models import Session
from technician.relay_client import RelayClient

MAX_RETURN_DELAY: Final = 10.0
"""Seconds between two tries to reach the relay at most: two people are on the phone, waiting."""


@dataclass(frozen=True, kw_only=True)
class PairingEvents:
    """What the person hears of a pairing. Each is called from the task that pairs and must not wait.

    Attributes:
        say: one sentence; texts that the host claims about itself are in it as they came.
        show_code: this security code is current from now on (called for new ones only).
        store: keep the pairing key; the host is told that it is kept once this returns.
    """

    say: Callable[[str], None]
    show_code: Callable[[str], None]
    store: Callable[[SecretBytes], None]


async def pair(
    relay: RelayClient, session: str, link: DeploymentLink, security_code: str, events: PairingEvents
) -> Session:
    """Pairs a prepared session with the host that joins it, and waits until the session is active.

    Waits for as long as the session lasts: for the host to join, and for the customer to type and to allow.

    Args:
        session: the session's id.
        link: its deployment link.
        security_code: the current one, 9 digits.

    Returns:
        The active session.

    Raises:
        PairingFailed: the customer declined, the codes are used up, or the session ended.
        RelayRefused, RelayUnreachable: the API said no, or nothing.
        CodeError: the link's access password cannot be one.
    """
    return await _Pairing(relay, session, link, security_code, events).run()


class _Pairing:
    def __init__(
        self,
        relay: RelayClient,
        session: str,
        link: DeploymentLink,
        security_code: str,
        events: PairingEvents,
    ) -> None:
        # Never changed.
        self._relay = relay
        self._session = session
        self._link = link
        self._events = events
        # Changed by the task that tries.
        self._code = security_code
        self._stored: Fields | None = None  # the notice `paired`, once the key is stored
        self._failure: TechnicianError | None = None
        # Changed by the task that follows the notices.
        self._code_number = 0
        self._tries = 0
        self._attempts = 0
        self._is_host_online = False
        self._is_active = False
        self._changed = trio.Event()

    async def run(self) -> Session:
        me = await self._relay.me()
        session = await self._relay.session(self._session)
        self._claims = PairClaims(
            technician=me.technician.name,
            company=me.company.name,
            kinds=sorted(name for name, tool in session.tools.items() if tool.allowed),
            lifetime=round(me.company.session_lifetime),
        )
        backoff = Backoff(last_bound=MAX_RETURN_DELAY)
        while not self._is_active:
            try:
                async with attach(self._relay, self._session, [Channel.PAIR]) as tunnel:
                    backoff.reset()
                    await self._use(tunnel)
            except (ConnectionFailed, RelayUnreachable) as exc:
                if isinstance(exc, ConnectionFailed) and not exc.close_reason.may_return:
                    raise PairingFailed(str(exc)) from exc
                await trio.sleep(backoff.next_delay())
            except RelayRefused:
                # The last report may have made it active while the connection broke: then no ticket is given.
                if self._stored is None:
                    raise
                break
        paired = await self._relay.session(self._session)
        if paired.state != "active":
            raise PairingFailed(paired.end_sentence or "The session could not be paired.")
        return paired

    async def _use(self, tunnel: Tunnel) -> None:
        self._is_host_online = False
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow_notices, tunnel, nursery.cancel_scope)
            nursery.start_soon(self._try_until_paired, tunnel, nursery.cancel_scope)
        if self._failure is not None:
            raise self._failure
        if not self._is_active:
            raise ConnectionFailed(tunnel.close_reason or CloseReason.DEAD)

    # -- what the relay says --

    async def _follow_notices(self, tunnel: Tunnel, scope: trio.CancelScope) -> None:
        """Cancels `scope` when the session is active or ended, or the connection is lost."""
        try:
            self._read_counts(tunnel.welcome)
            self._set_host(tunnel.welcome if tunnel.welcome.get("host_online") is True else None)
            async for notice in tunnel.notices:
                self._take_notice(notice)
                if self._is_active or self._failure is not None:
                    break
        except ProtocolError as exc:
            self._failure = PairingFailed(f"The relay sent what it may not: {exc}")
        scope.cancel()

    def _take_notice(self, notice: Notice) -> None:
        match notice.name:
            case "host_online":
                self._set_host(notice.fields)
            case "host_offline":
                self._set_host(None)
                self._events.say("The computer is offline; waiting for it to come back.")
            case "tries" | "renewed":
                self._read_counts(notice.fields)
            case "active":
                self._is_active = True
            case "ended":
                self._failure = PairingFailed(CloseReason.from_wire(notice.fields.get("reason")).sentence)

    def _read_counts(self, fields: Fields) -> None:
        reader = FieldReader(fields)
        self._code_number = reader.number("code", at_least=1)
        if "tries" in fields:
            self._tries, self._attempts = reader.number("tries"), reader.number("attempts")
        else:
            self._tries = 0

    def _set_host(self, about: Fields | None) -> None:
        self._is_host_online = about is not None
        if about is not None:
            reader = FieldReader({name: value or "" for name, value in about.items()})
            computer, user = reader.text("computer"), reader.text("user")
            self._events.say(
                f"The computer {computer} (user {user}) is there; its customer is asked for the code."
            )
        self._changed.set()
        self._changed = trio.Event()

    # -- trying --

    async def _try_until_paired(self, tunnel: Tunnel, scope: trio.CancelScope) -> None:
        try:
            while self._stored is None:
                while not self._is_host_online:
                    await self._changed.wait()
                await self._try(tunnel)
            tunnel.notify("paired", self._stored)
        except ProtocolError as exc:
            self._failure = PairingFailed(f"The computer sent what it may not: {exc}")
            scope.cancel()
        except TechnicianError as exc:
            self._failure = exc
            scope.cancel()

    async def _try(self, tunnel: Tunnel) -> None:
        attempt = self._attempts + 1
        handshake = ViewerHandshake.for_pairing(
            origin=self._relay.origin,
            session=self._session,
            stream=tunnel.next_stream_id(),
            code_number=self._code_number,
            attempt=attempt,
            invite_secret=self._link.secret,
            security_code=self._code,
            claims=self._claims,
        )
        try:
            stream, keys = await open_sealed(tunnel, Channel.PAIR, handshake)
            if keys.pairing_key is None:
                raise AssertionError("a pairing yields a pairing key")
            await self._conclude(stream, PairFacts.unpack(handshake.facts), keys.pairing_key, attempt)
        except StreamClosed as exc:
            await self._learn_from(exc.close_reason)

    async def _learn_from(self, reason: CloseReason) -> None:
        """Decides what an unfinished try means: returns for another, raises for the end."""
        match reason:
            case CloseReason.WRONG_CODE:
                left = MAX_TRIES_PER_CODE - self._tries
                if left > 0:
                    self._events.say(f"The customer typed another code. Tries left: {left}.")
                else:
                    await self._renew_code()
            case CloseReason.TOO_MANY_TRIES:
                await self._renew_code()
            case CloseReason.HOST_OFFLINE | CloseReason.DETACHED | CloseReason.NOT_ACTIVE:
                # The notice about it is on its way; a pause keeps a confused relay from being hammered.
                await trio.sleep(1.0)
            case _ if reason.may_return:
                # Of the connection: `_follow_notices` sees its end too.
                await trio.sleep_forever()
            case _:
                raise PairingFailed(reason.sentence)

    async def _renew_code(self) -> None:
        used_up = self._code_number
        session = await self._relay.renew_code(self._session)
        if session.state == "ended":
            raise PairingFailed(CloseReason.GUESSES.sentence)
        if session.code == used_up:
            # Refused for another limit (tries from one address): the same code is still good.
            await trio.sleep(MAX_RETURN_DELAY)
            return
        self._code_number, self._tries = session.code, session.tries
        self._code = new_security_code()
        self._events.say("This code was tried too often; here is a new one.")
        self._events.show_code(self._code)

    async def _conclude(
        self, stream: SealedStream, facts: PairFacts, pairing_key: SecretBytes, attempt: int
    ) -> None:
        self._events.say(f"The code is right. Waiting for the customer at {facts.computer} to allow it.")
        if not unpack_answer(await stream.receive()):
            raise PairingFailed(CloseReason.DECLINED.sentence)
        wrapped = await trio.to_thread.run_sync(
            wrap_pairing_key, pairing_key, self._link.access_password, self._session
        )
        self._events.store(pairing_key)
        await stream.send(pack_stored())
        stream.close(CloseReason.DONE)
        self._stored = {"attempt": attempt, "wrapped": wrapped}
