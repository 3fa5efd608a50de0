"""The life story of one peer's connection: upgrade, HELLO, admission, tunnel, ending.

`TunnelServer` is what the front door hands upgrades to. It holds a `Tunnel` for each session that has anybody
connected, and nothing that matters after a crash: who may join, and what happened, is the broker's.

Tasks. Each connection runs in the front door's task for it: `_serve` is that task's outermost barrier, so an
error in one connection is logged once, counted and closed as INTERNAL, and harms nobody else.
`run_housekeeping` is one task for all connections: health once a second, counters published.

Ending a session (`revoke`) is synchronous: every connection of it is told and stops receiving before the
call returns.
"""

from collections import Counter
from collections.abc import Awaitable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

import structlog
import trio

from relay.audit.recorder import Recorder
from relay.broker import Broker, HostAbout, HostAdmission, ViewerAdmission
from relay.errors import LimitExceeded, Refused, RelayError, SessionUnavailable
from relay.limits import Cap, KeyedBuckets
from relay.metrics import Metrics
from relay.peer_connection import PeerConnection, PeerSettings, Relaying
from relay.people import TechnicianId
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import ProtocolError, RemoteProtocolError
from relay.protocol.frames import (
    MAX_MESSAGE_BYTES,
    PROTOCOL_VERSION,
    SUBPROTOCOL,
    FieldReader,
    Fields,
    Hello,
    Notice,
    Role,
    Welcome,
    decode_frame,
)
from relay.protocol.runs import Run, take_runs
from relay.protocol.upgrade import UpgradeError, check_server_request, server_response
from relay.protocol.websocket import WebSocketCodec
from relay.session_rules import SessionRules
from relay.sessions import Session, SessionId, SessionState, granted_kinds
from relay.transport import Transport, open_first_looks
from relay.tunnel import TrafficCounter, Tunnel, Viewer, closing_notice
from relay.withdrawn import Withdrawn

log = structlog.get_logger(__name__)

NO_ORIGINS: Final[frozenset[str]] = frozenset()
CLEANUP_TIMEOUT: Final = 5.0
"""Seconds that the store gets to note that somebody left, while everything else is cancelled."""


class Upgrade(Protocol):
    """What the front door hands over: a request for a WebSocket, not answered yet (`relay.http`)."""

    @property
    def headers(self) -> Sequence[tuple[bytes, bytes]]:
        """Names in lower case, values as sent."""

    @property
    def client(self) -> tuple[str, int]:
        """Address and port of the peer."""

    @property
    def transport(self) -> Transport:
        """The connection; closed by the front door at the latest when the handler returns."""

    async def refuse(self, status: int, sentence: str) -> None:
        """Answer with an error instead of 101."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelSettings:
    """Limits and deadlines of tunnels; durations in seconds."""

    hello_timeout: float = 5.0
    """From the upgrade to HELLO (SECURITY): a peer has it ready before it dials."""
    max_handshaking: int = 512
    """Connections that have not said HELLO, in all (SECURITY); above it an upgrade is answered 503."""
    housekeeping_interval: float = 1.0
    """How often every connection's health is looked at."""
    tries_per_address: float = 20.0
    """Tries of security codes from one address within `tries_window`: an honest customer's three codes of
    five tries fit, and a stranger behind many links gains 20 guesses in 10⁹ each ten minutes."""
    tries_window: float = 600.0
    notices_per_second: float = 5.0
    """From the host of a session, and from all its viewers, after a burst (`relay.session_rules`); a host
    sends a handful in its life."""
    peer: PeerSettings = field(default_factory=PeerSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class TunnelServerStatistics:
    """A moment of all tunnels. Connections count until their sockets are closed."""

    hosts: int
    viewers: int
    handshaking: int
    tunnels: int
    streams: int
    queued_bytes: int


class TunnelServer:
    """Admits hosts and viewers and keeps the tunnels of all sessions.

    Args:
        broker: decides; its `revoke`, `recheck`, `withdraw` and `notify` must be set to this object's.
        origin: the relay's public origin, as in deployment links; part of what a host signs.
        allowed_origins: exact values of the Origin header from which browsers may open viewers.
        recorder: writes down who used which tool, and what was refused.
    """

    def __init__(
        self,
        broker: Broker,
        metrics: Metrics,
        *,
        origin: str,
        allowed_origins: Collection[str],
        settings: TunnelSettings,
        recorder: Recorder,
    ) -> None:
        # Never changed.
        self._broker = broker
        self._metrics = metrics
        self._recorder = recorder
        self._origin = origin
        self._allowed_origins = frozenset(allowed_origins)
        self._settings = settings
        self._counter = TrafficCounter()
        # Changed without a checkpoint in between.
        self._tunnels: dict[SessionId, tuple[Tunnel, SessionRules]] = {}
        self._connections: set[PeerConnection] = set()
        self._last_number = 0
        self._an_end = trio.Event()
        self._is_draining = False
        self._withdrawn = Withdrawn()
        self._relaying: Relaying | None = None
        self._handshaking = Cap("max_handshaking", settings.max_handshaking)
        self._tries = KeyedBuckets(
            "tries_per_address",
            rate_per_second=settings.tries_per_address / settings.tries_window,
            burst=settings.tries_per_address,
        )

    # What the front door calls

    def handle_host(self, upgrade: Upgrade) -> Awaitable[None]:
        """Serve ``/tunnel/host``. A browser has no business here: any Origin is refused."""
        return self._serve(upgrade, "host", NO_ORIGINS)

    def handle_viewer(self, upgrade: Upgrade) -> Awaitable[None]:
        """Serve ``/tunnel/viewer``. Programs send no Origin; browsers must send one of ours."""
        return self._serve(upgrade, "viewer", self._allowed_origins)

    # What the broker and the server call

    def revoke(self, session_id: SessionId, reason: CloseReason) -> None:
        """Close every connection of a session that ended, telling each why."""
        known = self._tunnels.pop(session_id, None)
        if known is not None:
            known[0].close(reason, closing_notice(reason))

    def recheck(self, session_id: SessionId) -> None:
        """Close the open streams of a session that its company does not allow any more."""
        known = self._tunnels.get(session_id)
        if known is not None:
            known[0].close_refused_streams()

    def withdraw(self, session_id: SessionId, technician_id: TechnicianId) -> None:
        """Close a technician's viewers of a session, in which they may do less than before, or nothing."""
        self._withdrawn.add((session_id, technician_id), trio.current_time())
        known = self._tunnels.get(session_id)
        if known is not None:
            tunnel, rules = known
            tunnel.close_viewers(partial(rules.is_of_technician, technician_id), CloseReason.REVOKED)

    def revoke_technician(self, technician_id: TechnicianId) -> None:
        """Close all viewers of a technician: they are disabled, or may do less than before."""
        self._withdrawn.add(technician_id, trio.current_time())
        for tunnel, rules in self._tunnels.values():
            tunnel.close_viewers(partial(rules.is_of_technician, technician_id), CloseReason.REVOKED)

    def revoke_asker(self, asked_by_hash: bytes) -> None:
        """Close the viewers behind whose tickets a cookie or API token was that is dead now (its SHA-256)."""
        self._withdrawn.add(asked_by_hash, trio.current_time())
        for tunnel, rules in self._tunnels.values():
            tunnel.close_viewers(partial(rules.is_of_asker, asked_by_hash), CloseReason.REVOKED)

    def notify(self, session_id: SessionId, role: Role, name: str, fields: Fields) -> None:
        """Send a NOTICE to the host or to every viewer of a session."""
        known = self._tunnels.get(session_id)
        if known is None:
            return
        tunnel = known[0]
        if role == "host":
            tunnel.notify_host(name, fields)
        else:
            tunnel.notify_viewers(name, fields)

    async def drain(self, within: float) -> None:
        """Refuse new peers, tell all to come back at a random time `within` seconds, close, wait for it."""
        self._is_draining = True
        for peer in list(self._connections):
            peer.close(CloseReason.GOING_AWAY, Notice("move", {"within": max(1, round(within))}))
        while self._connections:
            await self._an_end.wait()

    async def run_housekeeping(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look after every connection's senders and health, and publish the counters, until cancelled.

        Connections are served only while this runs.
        """
        with open_first_looks():
            async with trio.open_nursery() as senders:
                self._relaying = Relaying(senders)
                task_status.started()
                while True:
                    await trio.sleep(self._settings.housekeeping_interval)
                    now = trio.current_time()
                    for peer in [peer for peer in self._connections if peer.next_check <= now]:
                        peer.check_health(now)
                    self._counter.publish(self._metrics)

    def statistics(self) -> TunnelServerStatistics:
        """Counts as of now."""
        roles = Counter(peer.role for peer in self._connections)
        return TunnelServerStatistics(
            hosts=roles["host"],
            viewers=roles["viewer"],
            handshaking=roles[None],
            tunnels=len(self._tunnels),
            streams=sum(tunnel.open_streams for tunnel, _ in self._tunnels.values()),
            queued_bytes=sum(peer.queued_bytes for peer in self._connections),
        )

    # One connection. Thousands of hosts wait for hours, each with the frames of these coroutines down to
    # `PeerConnection.run`: so there are few of them, and none keeps what only the admission needed.

    async def _serve(self, upgrade: Upgrade, role: Role, origins: frozenset[str]) -> None:
        """The connection's barrier: whatever happens inside ends as a close reason."""
        key = await self._check_upgrade(upgrade, origins)
        if key is None:
            return
        peer = self._register(upgrade.transport)
        refusal: CloseReason | None = None
        try:
            try:
                try:
                    hello = await self._shake_hands(peer, role, key)
                    serve = self._serve_host if role == "host" else self._serve_viewer
                    serving = serve(peer, hello, upgrade.client[0])
                    del upgrade, key, hello, serve
                    reason = await serving
                except (ProtocolError, RelayError) as exc:
                    reason = refusal = exc.close_reason
                    event = "peer not admitted" if peer.role is None else "connection refused"
                    if peer.role is None and isinstance(exc, Refused):
                        action = "join_refused" if role == "host" else "attach_refused"
                        self._recorder.refused(action, reason=refusal.wire)
                    log.info(event, role=role, reason=reason.wire, why=str(exc))
            except* Exception:
                reason = refusal = CloseReason.INTERNAL
                self._metrics.crashes_total.labels("connection").inc()
                log.exception("connection failed", role=role)
            if refusal is not None:
                if peer.role is None:
                    self._metrics.handshake_failures_total.labels(refusal.wire).inc()
                await peer.refuse(refusal)
            self._metrics.teardowns_total.labels(role, reason.wire).inc()
            log.info("connection closed", role=role, reason=reason.wire)
        finally:
            self._unregister(peer)

    async def _check_upgrade(self, upgrade: Upgrade, origins: frozenset[str]) -> bytes | None:
        """The key to answer with, and one of the places of those who have not said HELLO; None if refused."""
        try:
            self._check_origin(upgrade, origins)
            key = check_server_request(upgrade.headers, b"GET", SUBPROTOCOL)
        except UpgradeError as exc:
            self._metrics.handshake_failures_total.labels(exc.close_reason.wire).inc()
            await upgrade.refuse(exc.status, str(exc))
            return None
        if self._is_draining:
            await upgrade.refuse(503, "The relay is restarting; try again in a moment.")
            return None
        try:
            self._handshaking.acquire()
        except LimitExceeded as exc:
            self._metrics.handshake_failures_total.labels(exc.close_reason.wire).inc()
            await upgrade.refuse(503, str(exc))
            return None
        return key

    async def _shake_hands(self, peer: PeerConnection, role: Role, key: bytes) -> Hello:
        """Agree to the upgrade and take the peer's HELLO; gives its place back."""
        try:
            deadline = trio.current_time() + self._settings.hello_timeout
            message = await peer.receive_first(server_response(key, SUBPROTOCOL), deadline=deadline)
            frame = decode_frame(message)
            if not isinstance(frame, Hello):
                raise RemoteProtocolError("the first frame must be HELLO", CloseReason.OUT_OF_ORDER)
            if frame.version != PROTOCOL_VERSION:
                raise RemoteProtocolError("unknown protocol version", CloseReason.BAD_VERSION)
            if frame.role != role:
                raise RemoteProtocolError("this door is for the other role", CloseReason.OUT_OF_ORDER)
            return frame
        except trio.TooSlowError as exc:
            raise RemoteProtocolError("no HELLO in time", CloseReason.HANDSHAKE_TIMEOUT) from exc
        finally:
            self._handshaking.release()

    async def _serve_host(self, peer: PeerConnection, hello: Hello, address: str) -> CloseReason:
        session_id, tunnel = await self._admit_host(peer, hello, address)
        del hello
        if tunnel is None:
            return await self._serve_last_words(peer, session_id)
        try:
            return await peer.run(tunnel.receive_from_host, tunnel.forward_from_host)
        finally:
            was_current = tunnel.detach_host(peer)
            self._forget_if_empty(session_id, tunnel)
            if was_current:
                with trio.move_on_after(CLEANUP_TIMEOUT, shield=True):
                    await self._broker.host_dropped(session_id, connection=peer.number)

    async def _admit_host(
        self, peer: PeerConnection, hello: Hello, address: str
    ) -> tuple[SessionId, Tunnel | None]:
        """The session and its tunnel, with the host attached and welcome; no tunnel if the session ended."""
        fields = FieldReader(hello.about)
        about = HostAbout(
            key=fields.binary("key", length=32),
            computer=fields.text("computer", max_length=128),
            os=fields.text("os", max_length=128),
            user=fields.text("user", max_length=128),
            program=fields.text("program", max_length=64),
            proof=fields.binary("proof", length=64),
        )
        admission = await self._broker.join_host(
            hello.secret, about, origin=self._origin, connection=peer.number
        )
        # No checkpoint from here until `_serve_host` runs the peer: else the session could end meanwhile.
        session = admission.session
        structlog.contextvars.bind_contextvars(session=session.id)
        if session.state is SessionState.ENDED:
            peer.role = "host"
            peer.queue_frame(Welcome(self._host_welcome(admission)))
            return session.id, None
        self._check_not_ended(session.id)
        peer.role = "host"
        peer.queue_frame(Welcome(self._host_welcome(admission)))
        tunnel, rules = self._tunnel(session.id)
        rules.host_address = address
        tunnel.attach_host(peer, {"computer": about.computer, "os": about.os, "user": about.user})
        log.info("host attached", program="".join(filter(str.isprintable, about.program)))
        return session.id, tunnel

    async def _serve_last_words(self, peer: PeerConnection, session_id: SessionId) -> CloseReason:
        """A host of an ended session may only hand in its removal receipt."""

        def refuse_data(run: Run) -> None:
            raise RemoteProtocolError("only a receipt is taken here", CloseReason.OUT_OF_ORDER)

        def receive(message: bytes) -> Awaitable[None]:
            frame = decode_frame(message)
            if not isinstance(frame, Notice) or frame.name != "receipt":
                raise RemoteProtocolError("only a receipt is taken here", CloseReason.OUT_OF_ORDER)
            fields = FieldReader(frame.fields)
            return record(fields.binary("body"), fields.binary("signature", length=64))

        async def record(body: bytes, signature: bytes) -> None:
            try:
                await self._broker.record_receipt(session_id, body, signature)
            except Refused as exc:  # there is one already, from another connection
                raise RemoteProtocolError(str(exc), exc.close_reason) from exc
            peer.close(CloseReason.NORMAL)

        with trio.move_on_after(self._settings.hello_timeout):
            return await peer.run(receive, refuse_data)
        raise RemoteProtocolError("no receipt in time", CloseReason.HANDSHAKE_TIMEOUT)

    async def _serve_viewer(self, peer: PeerConnection, hello: Hello, address: str) -> CloseReason:
        admission, tunnel, rules, viewer = await self._admit_viewer(peer, hello)
        del hello
        try:
            await self._broker.viewer_attached(viewer.number, admission)
            return await peer.run(
                partial(tunnel.receive_from_viewer, viewer), partial(tunnel.forward_from_viewer, viewer)
            )
        finally:
            tunnel.detach_viewer(viewer)
            rules.forget_viewer(viewer)
            self._forget_if_empty(admission.session.id, tunnel)
            with trio.move_on_after(CLEANUP_TIMEOUT, shield=True):
                await self._broker.viewer_detached(viewer.number, admission)

    async def _admit_viewer(
        self, peer: PeerConnection, hello: Hello
    ) -> tuple[ViewerAdmission, Tunnel, SessionRules, Viewer]:
        """The admission, and the tunnel with the viewer attached and welcome."""
        began = trio.current_time()
        admission = await self._broker.admit_viewer(hello.secret)
        # No checkpoint from here until `_serve_viewer` has the viewer in its care.
        session = admission.session
        structlog.contextvars.bind_contextvars(session=session.id)
        self._check_not_ended(session.id)
        self._withdrawn.check(admission, since=began)
        tunnel, rules = self._tunnel(session.id)
        viewer = tunnel.attach_viewer(peer, admission.technician_name, admission.kinds, admission.access)
        rules.know_viewer(viewer, admission)
        peer.role = "viewer"
        peer.queue_frame(Welcome(self._viewer_welcome(admission, viewer, tunnel)))
        log.info("viewer attached", viewer=viewer.number)
        return admission, tunnel, rules, viewer

    def _check_not_ended(self, session_id: SessionId) -> None:
        """A session may end between the commit that admits a peer and the peer's turn here: `revoke` then
        found nobody to close. No checkpoint from this check until the peer is attached."""
        reason = self._broker.check_over(session_id)
        if reason is not None:
            raise SessionUnavailable(reason.sentence, reason)

    def _host_welcome(self, admission: HostAdmission) -> Fields:
        session, company = admission.session, admission.company
        return {
            "session": session.id,
            "state": session.state.value,
            "company": company.name,
            "technician": admission.technician_name,
            "phone": company.phone,
            "credential": admission.credential,
            "relay_key": admission.relay_public_key,
            "lifetime": round(session.lifetime),
            "kinds": granted_kinds(company),
            "code": session.code,
            "tries": session.tries,
            "attempts": session.attempts,
            "expires_at": _unix(session),
            "now": round(self._broker.now().timestamp()),
            "lease": admission.lease,
        }

    def _viewer_welcome(self, admission: ViewerAdmission, viewer: Viewer, tunnel: Tunnel) -> Fields:
        session = admission.session
        return {
            "session": session.id,
            "state": session.state.value,
            "viewer": viewer.number,
            "host_online": tunnel.host is not None,
            "kinds": sorted(kind.value for kind in admission.kinds),
            "access": admission.access,
            "computer": session.computer,
            "os": session.os,
            "user": session.host_user,
            "code": session.code,
            "tries": session.tries,
            "attempts": session.attempts,
            "expires_at": _unix(session),
            "now": round(self._broker.now().timestamp()),
        }

    # Books

    def _register(self, transport: Transport) -> PeerConnection:
        self._last_number += 1
        if self._relaying is None:
            raise AssertionError("connections are served while run_housekeeping runs")
        codec = WebSocketCodec(is_client=False, max_message_bytes=MAX_MESSAGE_BYTES, take_runs=take_runs)
        peer = PeerConnection(
            transport,
            codec,
            number=self._last_number,
            settings=self._settings.peer,
            relaying=self._relaying,
        )
        self._connections.add(peer)
        # Bound for good: the task ends with the connection.
        structlog.contextvars.bind_contextvars(connection=peer.number)
        return peer

    def _unregister(self, peer: PeerConnection) -> None:
        self._connections.discard(peer)
        self._an_end.set()
        self._an_end = trio.Event()

    def _check_origin(self, upgrade: Upgrade, allowed: frozenset[str]) -> None:
        origins = [value.decode("latin-1") for name, value in upgrade.headers if name.lower() == b"origin"]
        if origins and (len(origins) > 1 or origins[0] not in allowed):
            raise UpgradeError("This page may not connect here.", 403, CloseReason.REFUSED)

    def _tunnel(self, session_id: SessionId) -> tuple[Tunnel, SessionRules]:
        known = self._tunnels.get(session_id)
        if known is None:
            rules = SessionRules(
                session_id,
                self._broker,
                self._metrics,
                self._recorder,
                self._tries,
                notices_per_second=self._settings.notices_per_second,
            )
            known = self._tunnels[session_id] = Tunnel(rules, self._counter), rules
        return known

    def _forget_if_empty(self, session_id: SessionId, tunnel: Tunnel) -> None:
        known = self._tunnels.get(session_id)
        if known is not None and known[0] is tunnel and tunnel.is_empty:
            del self._tunnels[session_id]


def _unix(session: Session) -> int | None:
    return None if session.expires_at is None else round(session.expires_at.timestamp())
