"""The host's life: join, security code, active, end.

Tasks, all in the nursery of `HostLife.run`; the first reason to end cancels the rest:

    run ── _stay_connected ── one connection at a time ── _hear_notices
        │                                             ├── _take_streams ── one task a stream (host.channels)
        │                                             └── _pair (host.pairing), until active
        ├── keep_history, _carry_chat     what the tools keep (host.tools)
        ├── _obey_wishes          pause, and what technicians may do (host.asking)
        ├── _obey_deadline        the lease, with no relay in reach; before it, the patience for a pairing
        └── _obey_customer        "End session and remove"

What ends a life is a `CloseReason`. Losing the connection is none: the host dials again, for as long as the
session lives. After the end nothing of the session is served any more; the caller removes the installation
and then hands in the receipt (`host.receipt`).
"""

import ssl
from collections.abc import Callable
from typing import Final

import trio

from host.asking import ConsentDesk
from host.channels import AttachedViewer, Channels, FailureThrottle
from host.customer import Asker, Customer, clean
from host.dashboard import keep_history
from host.deadline import COMPUTER_CLOCKS, Clocks, Deadline, wait_over
from host.hello import ComputerFacts, make_hello
from host.pairing import Pairing
from host.permissions import Permissions
from host.preflight import Obstacle, clock_sentence, is_clock_wrong
from host.restart import Mode, Restarts, Way, restart_computer
from host.state import HostState
from host.texts import Texts
from host.tools import Tools
from peer.backoff import Backoff
from peer.errors import ConnectionFailed, NotAdmitted
from peer.tunnel import Tunnel, open_tunnel
from relay.protocol.close_reasons import CloseReason
from relay.protocol.codes import MAX_ATTEMPTS, MAX_CODES, MAX_TRIES_PER_CODE
from relay.protocol.errors import ProtocolError, RemoteProtocolError
from relay.protocol.frames import Channel, FieldReader, Notice
from relay.protocol.lease import verify_lease
from relay.protocol.refusals import Refusal

GOODBYE_TIMEOUT: Final = 3.0
"""Seconds the relay gets to confirm that the customer ended the session."""
MAX_LEASE_SECONDS: Final = 24 * 3600
"""The product's promise (DESIGN §2), which the host keeps by itself."""
MAX_PREPARATION_SECONDS: Final = 24 * 3600
"""More than any relay's; the host does not wait longer for a pairing, with a relay in reach or without."""

_DEAD_ENDS: Final = frozenset({CloseReason.REFUSED, CloseReason.BAD_VERSION, CloseReason.REVOKED})
"""The relay knows no such session any more: it ended while this computer was away."""


class HostLife:
    """One session on this computer, from joining to its end.

    Args:
        state: what is known; kept up to date and saved through `save`.
        save: makes `state` durable.
        install: makes the program come back after a reboot; called in a thread before the host reports ready.
        tools: what the tools keep of this session.
        display: the X display to offer.
        ssl_context: for a relay at https; by default the system's trust store.
        clocks: what the deadline is measured by.
        way_back: when the program comes back after a restart of the computer.
        restart: restarts it.
    """

    def __init__(
        self,
        state: HostState,
        customer: Customer,
        facts: ComputerFacts,
        texts: Texts,
        *,
        save: Callable[[], None],
        install: Callable[[], None],
        tools: Tools,
        display: str,
        ssl_context: ssl.SSLContext | None = None,
        clocks: Clocks = COMPUTER_CLOCKS,
        way_back: Callable[[], Way] = lambda: "",
        restart: Callable[[Mode], None] = restart_computer,
    ) -> None:
        # Never changed.
        self._state = state
        self._customer = customer
        self._facts = facts
        self._texts = texts
        self._save = save
        self._tools = tools
        self._display = display
        self._ssl_context = ssl_context
        self._clocks = clocks
        permissions = Permissions(state, save, clocks)
        self._desk = ConsentDesk(permissions, customer)
        self._pairing = Pairing(state, customer, facts, texts, permissions, save=save, install=install)
        self._restarts = Restarts(record=tools.record, way=way_back, restart=restart)
        self._throttle = FailureThrottle()
        self._backoff = Backoff()
        # Changed by the connection's tasks, without a checkpoint in between.
        self._tunnel: Tunnel | None = None
        self._asker = Asker("", "", "")
        self._viewers: dict[int, AttachedViewer] = {}
        self._return_within: float | None = None
        self._trouble = "trouble"
        self._end_reason: CloseReason | None = None
        self._obstacle: Obstacle | None = None
        self._pairing_scope = trio.CancelScope()
        self._active = trio.Event()

    async def run(self) -> CloseReason:
        """Live until the session ends.

        Returns:
            Why it ended.

        Cancellation: the session goes on; the host is merely offline, and may be run again from its state.
        """
        self._customer.show_connecting()
        async with trio.open_nursery() as self._nursery:
            self._nursery.start_soon(self._obey_customer)
            self._nursery.start_soon(self._obey_deadline)
            self._nursery.start_soon(keep_history, self._tools.dashboard.history)
            self._nursery.start_soon(self._carry_chat)
            self._nursery.start_soon(self._obey_wishes)
            await self._stay_connected()
        if self._end_reason is None:
            raise AssertionError("a life ends with a reason")
        return self._end_reason

    @property
    def is_active(self) -> bool:
        """True from activation on."""
        return bool(self._state.lease)

    @property
    def obstacle(self) -> Obstacle | None:
        """Why the session could not begin on this computer, if that ended it."""
        return self._obstacle

    # Reasons to end

    def _end(self, reason: CloseReason) -> None:
        if self._end_reason is None:
            self._end_reason = reason
            self._nursery.cancel_scope.cancel()

    def _refuse(self, refusal: Refusal, sentence: str) -> None:
        self._obstacle = Obstacle(refusal, sentence)
        self._end(CloseReason.REFUSED)

    async def _obey_deadline(self) -> None:
        preparation = Deadline.after(MAX_PREPARATION_SECONDS, self._clocks)
        await wait_over(lambda: self._deadline() if self.is_active else preparation, self._clocks)
        self._end(CloseReason.EXPIRED if self.is_active else CloseReason.LAPSED)

    async def _obey_customer(self) -> None:
        await self._customer.wait_wants_to_end()
        await self._end_by_customer()

    async def _end_by_customer(self) -> None:
        if self._tunnel is not None:
            self._tunnel.notify("ending", {})
            with trio.move_on_after(GOODBYE_TIMEOUT):
                await self._tunnel.wait_closed()
        self._end(CloseReason.ENDED_BY_CUSTOMER)

    # Connecting

    async def _stay_connected(self) -> None:
        while True:
            reason = await self._connect_once()
            self._tunnel = None
            if reason.ends_session or reason in (CloseReason.REPLACED, CloseReason.REFUSED):
                self._end(reason)
                return
            self._customer.show_trouble(self._texts.get(self._trouble))
            self._trouble = "trouble"
            within, self._return_within = self._return_within, None
            await trio.sleep(
                self._backoff.next_delay() if within is None else self._backoff.spread_over(within)
            )

    async def _connect_once(self) -> CloseReason:
        hello = make_hello(self._state, self._facts)
        try:
            async with open_tunnel(self._state.origin, hello, ssl_context=self._ssl_context) as tunnel:
                if tunnel.welcome.get("state") == "ended":
                    reason = CloseReason.REFUSED
                else:
                    self._take_welcome(tunnel)
                    await self._serve(tunnel)
                    reason = tunnel.close_reason or CloseReason.DEAD
        except NotAdmitted as exc:
            reason = exc.close_reason
        except (ConnectionFailed, ProtocolError) as exc:
            reason = CloseReason.DEAD  # by something on the way, perhaps: no word of the relay's
            is_wrong = isinstance(exc, ConnectionFailed) and exc.is_untrusted
            self._trouble = "wrong_relay" if is_wrong else "trouble"
        return CloseReason.REFUSED if reason in _DEAD_ENDS else reason

    def _take_welcome(self, tunnel: Tunnel) -> None:
        """Raises RemoteProtocolError, ConnectionFailed; unless for the lease, nothing was changed then."""
        welcome, state = FieldReader(tunnel.welcome), self._state
        session = welcome.text("session")
        credential = welcome.optional_binary("credential", max_length=64)
        relay_key = welcome.binary("relay_key", length=32)
        asker = Asker(*(clean(welcome.text(name)) for name in ("technician", "company", "phone")))
        code_number = welcome.number("code", at_least=1, at_most=MAX_CODES)
        tries = welcome.number("tries", at_most=MAX_TRIES_PER_CODE)
        attempts = welcome.number("attempts", at_most=MAX_ATTEMPTS)
        lease, now = welcome.optional_binary("lease"), welcome.number("now")
        has_begun = bool(state.pairing_key or state.lease or lease)
        if state.relay_key not in (b"", relay_key):
            # Who signs the leases is somebody else than before, whatever its certificate says.
            if not has_begun:
                self._refuse(Refusal.WRONG_RELAY, self._texts.get("wrong_relay"))
            raise ConnectionFailed(CloseReason.REFUSED, "This is another relay.", is_untrusted=True)
        skew = self._clocks.wall() - now
        if not has_begun and is_clock_wrong(skew):
            self._refuse(Refusal.CLOCK, clock_sentence(self._texts, skew))
        self._asker, self._viewers = asker, {}
        state.session = session
        state.credential = credential or state.credential
        # The first relay that this host joined at is the one whose leases it believes.
        state.relay_key = relay_key
        self._pairing.take_counts(code_number=code_number, tries=tries, attempts=attempts)
        self._save()
        if lease is not None:
            self._take_lease(lease, now)

    async def _serve(self, tunnel: Tunnel) -> None:
        """Until the connection ends, or the relay breaks the protocol."""
        self._tunnel = tunnel
        self._backoff.reset()
        self._customer.show_online()
        _say(tunnel, "started")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._take_streams, tunnel)
            if self.is_active:
                self._show_active()
            else:
                nursery.start_soon(self._pair, tunnel)
            await self._hear_notices(tunnel)
            nursery.cancel_scope.cancel()

    # What the relay says

    async def _hear_notices(self, tunnel: Tunnel) -> None:
        async for notice in tunnel.notices:
            try:
                self._take_notice(notice)
            except ProtocolError:
                return

    def _take_notice(self, notice: Notice) -> None:
        fields = FieldReader(notice.fields)
        match notice.name:
            case "active":
                self._take_lease(fields.binary("lease"), None)
                self._show_active()
            case "renewed":
                self._pairing.take_renewed(fields.number("code", at_least=1, at_most=MAX_CODES))
            case "attached":
                # A relay from before there was a choice let everybody do everything.
                access = fields.text("access", max_length=16) if "access" in notice.fields else "full"
                viewer = AttachedViewer(fields.text("technician"), is_view_only=access != "full")
                self._viewers[fields.number("viewer")] = viewer
                self._nursery.start_soon(self._tools.keep_baseline)
            case "detached":
                self._viewers.pop(fields.number("viewer"), None)
            case "move":
                self._return_within = fields.number("within", at_most=3600)
            case "ended":
                reason = CloseReason.from_wire(fields.text("reason"))
                self._end(reason if reason.ends_session else CloseReason.REFUSED)
            case _:
                pass  # a newer relay may have more to tell

    def _take_lease(self, data: bytes, now: int | None) -> None:
        """Believe the relay's lease: the first one, and later only that there is less time left.

        Args:
            data: the lease as it came.
            now: the relay's clock, if it said so; at activation it is the lease's own beginning.

        Raises:
            RemoteProtocolError: it is not for this host and session, or too long.
        """
        state = self._state
        lease = verify_lease(
            data, relay_key=state.relay_key, host_key=state.public_key, session=state.session
        )
        if lease.expires_at - lease.activated_at > MAX_LEASE_SECONDS:
            raise RemoteProtocolError("The lease is longer than a session may live.")
        left = lease.expires_at - (lease.activated_at if now is None else max(now, lease.activated_at))
        deadline = Deadline.after(left, self._clocks)
        is_first = not state.lease
        if is_first or left < self._deadline().remaining(self._clocks) - 1:
            state.lease = data
            # Whole seconds, and none of them too many.
            state.wall_deadline, state.boot_deadline = int(deadline.wall), int(deadline.boot)
            state.boot_id = deadline.boot_id
            self._save()
        if is_first:
            self._pairing_scope.cancel()

    def _deadline(self) -> Deadline:
        state = self._state
        return Deadline(state.wall_deadline, state.boot_deadline, state.boot_id)

    def _show_active(self) -> None:
        self._active.set()
        self._customer.show_active(self._deadline().remaining(self._clocks))

    # Tools

    async def _carry_chat(self) -> None:
        """Between the customer and the chat's streams, once the session is active."""
        room, customer = self._tools.chat, self._customer
        await self._active.wait()
        for line in room.lines:
            customer.show_chat(clean(line.author), line.text, is_new=False)
        room.on_line = lambda line: customer.show_chat(clean(line.author), line.text)
        room.on_begin = customer.open_chat
        while True:
            room.say("", await customer.next_chat_text())

    async def _obey_wishes(self) -> None:
        await self._active.wait()
        await self._desk.obey_wishes()

    # Streams

    async def _take_streams(self, tunnel: Tunnel) -> None:
        channels = Channels(
            self._state,
            self._customer,
            self._throttle,
            self._tools,
            self._desk,
            self._restarts,
            self._texts,
            display=self._display,
            computer=self._facts.computer,
            viewers=self._viewers,
            on_first_picture=lambda: _say(tunnel, "first_picture"),
        )
        async with trio.open_nursery() as nursery:
            async for stream in tunnel.incoming:
                if self.is_active:
                    nursery.start_soon(channels.serve, stream)
                elif stream.channel is Channel.PAIR:
                    self._pairing.take_stream(stream)
                else:
                    stream.close(CloseReason.NOT_ACTIVE)
            # The connection is gone: nobody can see the screen any more.
            nursery.cancel_scope.cancel()

    async def _pair(self, tunnel: Tunnel) -> None:
        _say(tunnel, "waiting_code")
        with trio.CancelScope() as self._pairing_scope:
            await self._pairing.run(tunnel, self._asker)
            await self._end_by_customer()


def _say(tunnel: Tunnel, step: str) -> None:
    tunnel.notify("status", {"step": step})
