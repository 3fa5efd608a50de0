"""The composition root: opens everything, wires it, runs it, and takes it down in order.

    store (and its threads)
    └─ background nursery: deadlines, tunnel housekeeping, event-loop lag, metrics listener
       └─ front door: listeners, and a task for each connection (requests, tunnels, live feeds)

Shutdown (STYLE §8.3): stop accepting and refuse new sessions; tell feeds and tunnels why and wait for them,
`shutdown_timeout` at the most; cancel what is left; then the background, then the store. Sessions outlive all
of it, and so they do without any shutdown: whatever matters was committed before it was answered.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import anyio
import structlog
import trio

from relay.accounts import Accounts, AccountSettings
from relay.api.app import create_app
from relay.api.context import ApiContext, ApiSettings
from relay.api.events import PATH as EVENTS_PATH
from relay.api.events import EventFeed
from relay.api.feeds import Feeds
from relay.api.scrape import create_scrape_app
from relay.audit.heads import HEADS_FILE, HeadSigner
from relay.audit.log import AuditLog
from relay.audit.receipts import ReceiptPost
from relay.audit.recorder import Recorder
from relay.audit.retention import Retention
from relay.auth import Sealer, load_or_make_relay_key
from relay.broker import Broker, BrokerSettings
from relay.config import Config, ListenAddress
from relay.connections import TunnelServer, TunnelSettings
from relay.errors import ConfigError
from relay.http import FrontDoor, FrontDoorEvent, FrontDoorSettings, serve_front_door
from relay.mailing import (
    LetterPost,
    PostRoom,
    mail_receipt,
    make_post_room,
    tell_owners,
    tell_session,
)
from relay.metrics import Metrics
from relay.people import Plan, TechnicianRole
from relay.protocol.links import encode_base64url
from relay.store import Store, open_store
from relay.texts import load_translations
from relay.transport import ServerTls

STATIC_FOLDER = Path(__file__).parent / "api" / "static"
POST_TIMEOUT = 5.0
"""Seconds for mails and webhooks that are under way when the relay stops; the others wait for its return."""
LAG_INTERVAL = 0.5
"""Seconds between two looks at the event loop's lag: enough samples, and an idle relay stays idle."""
RESERVED_BESIDE_METRICS = 8
"""Descriptors that scrapes leave free for the database and the mail."""

_log: structlog.stdlib.BoundLogger = structlog.get_logger("relay.server")


@dataclass(frozen=True, kw_only=True)
class RoomSettings:
    """The rooms' own limits and deadlines, which nobody needs to set: what SECURITY says, by default.

    Attributes:
        front_door: of strangers' sockets and requests; `trusted_proxies` comes from the `Config`.
        tunnels: of hosts and viewers.
    """

    front_door: FrontDoorSettings = field(default_factory=FrontDoorSettings)
    tunnels: TunnelSettings = field(default_factory=TunnelSettings)


class Running:
    """A relay that accepts connections.

    Attributes:
        origin: what people type, links begin with, and browsers send as Origin.
        address: where it listens, with the port that the system chose if 0 was asked for.
        metrics_address: the same of the metrics listener, or None.
        sign_in_link: for the owner, made at the first run or when asked for; else None. A secret.
    """

    def __init__(
        self,
        *,
        origin: str,
        address: ListenAddress,
        metrics_address: ListenAddress | None,
        sign_in_link: str | None,
    ) -> None:
        self.origin = origin
        self.address = address
        self.metrics_address = metrics_address
        self.sign_in_link = sign_in_link
        self._stopping = trio.Event()

    def stop(self) -> None:
        """Begin the orderly shutdown; `serve` returns at its end. May be called again."""
        self._stopping.set()

    @property
    def is_stopping(self) -> bool:
        """True once `stop` was called."""
        return self._stopping.is_set()

    async def wait_stopping(self) -> None:
        """Return once `stop` was called."""
        await self._stopping.wait()


async def serve(
    config: Config,
    *,
    rooms: RoomSettings | None = None,
    make_sign_in_link: bool = False,
    task_status: trio.TaskStatus[Running] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run one relay until `Running.stop` is called or the caller cancels.

    Args:
        config: all settings that people make.
        rooms: other limits and deadlines than the rooms' own.
        make_sign_in_link: give the owner a fresh sign-in link even if this is not the first run.
        task_status: told once connections are accepted.

    Raises:
        ConfigError: something that the settings name cannot be used: the folder, a certificate, the address.

    Cancellation: connections are closed at once; sessions are kept.
    """
    rooms = rooms or RoomSettings()
    metrics = Metrics()
    tls = load_tls(config)
    async with AsyncExitStack() as stack:
        stack.enter_context(_data_folder(config.data))
        relay_key = await trio.to_thread.run_sync(load_or_make_relay_key, config.data / "relay.key")
        store = await stack.enter_async_context(open_store(config.data / "relay.db"))
        listeners = await open_listeners(config.listen)
        stack.callback(_close_all, listeners)
        metrics_listeners = await open_listeners(config.metrics_listen) if config.metrics_listen else []
        stack.callback(_close_all, metrics_listeners)
        address = _bound(listeners)
        origin = config.origin_at(address.port)
        _remember_origin(config.data, origin)

        recorder = Recorder(store, now=_now)
        signer = HeadSigner(store, relay_key, config.data / HEADS_FILE, now=_now)
        audit = AuditLog(store, relay_key.public_key(), config.data / HEADS_FILE, now=_now)
        broker = Broker(store, BrokerSettings(), now=_now, relay_key=relay_key)
        sealer = Sealer(relay_key)
        post = make_post_room(config, store, sealer, metrics, now=_now)
        accounts = Accounts(
            store,
            AccountSettings(),
            now=_now,
            sealer=sealer,
            origin=origin,
            refused=recorder.refused,
            post=LetterPost(post.outbox),
        )
        tunnels = TunnelServer(
            broker,
            metrics,
            origin=origin,
            allowed_origins=[origin],
            settings=rooms.tunnels,
            recorder=recorder,
        )
        broker.revoke = tunnels.revoke
        broker.recheck = tunnels.recheck
        broker.withdraw = tunnels.withdraw
        broker.notify = tunnels.notify
        post.outbox.changed = partial(tell_session, broker)
        post.webhooks.disabled = partial(tell_owners, post.outbox, store, now=_now)
        context = make_api_context(config, origin, store, broker, accounts, metrics, audit, post, tunnels)
        publish_statistics(metrics, broker, tunnels, context.feeds)
        metrics.watch(
            "relay_audit_broken_chains",
            "Companies whose audit log was changed; see relay audit verify.",
            "",
            lambda: {"": len(signer.broken)},
        )
        metrics.watch(
            "relay_mails_waiting",
            "Mails in the outbox that wait for a (next) try.",
            "",
            lambda: {"": post.outbox.statistics().waiting},
        )
        link = await first_run(config, accounts, origin, make_sign_in_link=make_sign_in_link)
        # What the first request would else do on the event loop, for tens of milliseconds.
        load_translations()
        anyio.get_cancelled_exc_class()  # finds and loads anyio's Trio half
        counted = {event: metrics.front_door_events_total.labels(event.value) for event in FrontDoorEvent}
        door = FrontDoor(
            create_app(context),
            upgrades={
                "/tunnel/host": tunnels.handle_host,
                "/tunnel/viewer": tunnels.handle_viewer,
                EVENTS_PATH: EventFeed(context).handle,
            },
            settings=replace(rooms.front_door, trusted_proxies=config.trusted_proxies),
            on_event=lambda event: counted[event].inc(),
        )

        async with trio.open_nursery() as background:
            await background.start(signer.run)
            await background.start(recorder.run)
            await background.start(broker.run_deadlines)
            background.start_soon(Retention(store, now=_now).run)
            await background.start(tunnels.run_housekeeping)
            await background.start(accounts.invitations.run)
            await background.start(partial(accounts.people.run_watch, context.revoke_technician))
            await background.start(post.outbox.run)
            await background.start(post.webhooks.run)
            background.start_soon(ReceiptPost(store, partial(mail_receipt, post.outbox), now=_now).run)
            background.start_soon(measure_lag, metrics)
            if metrics_listeners:
                await background.start(_serve_metrics, metrics_listeners, metrics)
            running = Running(
                origin=origin,
                address=address,
                metrics_address=_bound(metrics_listeners) if metrics_listeners else None,
                sign_in_link=link,
            )
            stop_accepting = trio.Event()
            async with trio.open_nursery() as front:
                await front.start(
                    partial(serve_front_door, listeners, door, tls=tls, stop_accepting=stop_accepting)
                )
                task_status.started(running)
                _log.info("relay_up", origin=origin, listen=str(address))
                await running.wait_stopping()
                _log.info("relay_draining", within=config.shutdown_timeout)
                # The front door ends by itself after the last connection, and at the deadline without.
                front.cancel_scope.deadline = trio.current_time() + config.shutdown_timeout
                stop_accepting.set()
                context.stopping.set()
                context.feeds.close_all()
                await tunnels.drain(config.shutdown_timeout)
            with trio.move_on_after(min(POST_TIMEOUT, config.shutdown_timeout)):
                await post.drain()
            background.cancel_scope.cancel()
    _log.info("relay_down")


def make_api_context(
    config: Config,
    origin: str,
    store: Store,
    broker: Broker,
    accounts: Accounts,
    metrics: Metrics,
    audit: AuditLog,
    post: PostRoom,
    tunnels: TunnelServer,
) -> ApiContext:
    """What the API works with, from the settings."""
    settings = ApiSettings(
        origin=origin,
        static=STATIC_FOLDER,
        downloads=config.downloads_folder,
        managed_hosts=tuple(map(str, config.managed_hosts)),
        knows_managed_hosts=config.managed_hosts_known,
        report_url=config.report_url,
    )
    return ApiContext(
        settings=settings,
        store=store,
        broker=broker,
        accounts=accounts,
        outbox=post.outbox,
        mail_servers=post.servers,
        webhooks=post.webhooks,
        metrics=metrics,
        feeds=Feeds(settings.max_feeds_per_technician),
        audit=audit,
        close_viewers_of_asker=tunnels.revoke_asker,
        close_viewers_of_technician=tunnels.revoke_technician,
    )


def load_tls(config: Config) -> ServerTls | None:
    """The listener's TLS; None for plain HTTP.

    Raises:
        ConfigError: certificate or key cannot be read, or do not belong together.
    """
    if config.tls_cert is None or config.tls_key is None:
        return None
    for path in (config.tls_cert, config.tls_key):
        try:
            path.read_bytes()
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        return ServerTls.load(config.tls_cert, config.tls_key)
    except OSError:
        raise ConfigError(
            f"{config.tls_cert} and {config.tls_key} must be a certificate and its key: PEM, no password."
        ) from None


async def open_listeners(address: ListenAddress) -> list[trio.SocketListener]:
    """Listening sockets on `address`; "localhost" may be two, of IPv4 and IPv6, on one port.

    Raises:
        ConfigError: it cannot be listened on: taken, not ours, not allowed.
    """
    try:
        listeners = await trio.open_tcp_listeners(address.port, host=address.host)
    except OSError as error:
        # trio wraps what the system said, once for each address it tried.
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        raise ConfigError(f"Cannot listen on {address}: {os.strerror(cause.errno or 0)}.") from None
    if address.port == 0:
        # Two sockets would have got two ports; one is what was meant.
        _close_all(listeners[1:])
        return listeners[:1]
    return listeners


async def first_run(
    config: Config, accounts: Accounts, origin: str, *, make_sign_in_link: bool
) -> str | None:
    """Make company and owner if there is nobody yet; a link for the owner then, or when asked for.

    There is no page for this on purpose: whoever may read this terminal owns the relay, nobody else does.
    """
    technicians = await accounts.technicians()
    if technicians:
        if not make_sign_in_link:
            return None
        known = {technician.email: technician for technician in technicians}
        owner = known.get(config.owner_email.lower(), technicians[0])
    else:
        company = await accounts.create_company(
            name=config.company,
            phone=config.company_phone,
            plan=Plan(config.company_plan),
            session_lifetime=config.session_lifetime,
            preparation_timeout=config.preparation_timeout,
        )
        owner = await accounts.create_technician(
            company.id, name=config.owner_name, email=config.owner_email, role=TechnicianRole.OWNER
        )
    token = await accounts.issue_sign_in_link(owner.id)
    return sign_in_url(origin, token)


def sign_in_url(origin: str, token: bytes) -> str:
    """Where the owner of `token` signs in; it stands in the fragment, which browsers do not send."""
    return f"{origin}/sign-in#{encode_base64url(token)}"


def publish_statistics(metrics: Metrics, broker: Broker, tunnels: TunnelServer, feeds: Feeds) -> None:
    """Let every scrape ask the rooms what is."""

    def sessions() -> Mapping[str, float]:
        return {state.value: count for state, count in broker.statistics().sessions.items()}

    def connections() -> Mapping[str, float]:
        now = tunnels.statistics()
        return {
            "host": now.hosts,
            "viewer": now.viewers,
            "handshaking": now.handshaking,
            "events": feeds.open_feeds,
        }

    metrics.watch("relay_sessions", "Open sessions, by state.", "state", sessions)
    metrics.watch("relay_connections", "WebSockets open now, by role.", "role", connections)
    metrics.watch(
        "relay_tunnels", "Sessions with somebody connected.", "", lambda: {"": tunnels.statistics().tunnels}
    )
    metrics.watch("relay_streams", "Streams open now.", "", lambda: {"": tunnels.statistics().streams})
    metrics.watch(
        "relay_queued_bytes",
        "Bytes in the relay on their way to slow peers.",
        "",
        lambda: {"": tunnels.statistics().queued_bytes},
    )


async def measure_lag(metrics: Metrics) -> None:
    """Observe how late the event loop wakes this task, until cancelled."""
    while True:
        due = trio.current_time() + LAG_INTERVAL
        await trio.sleep_until(due)
        metrics.event_loop_lag_seconds.observe(max(0.0, trio.current_time() - due))


async def _serve_metrics(
    listeners: list[trio.SocketListener],
    metrics: Metrics,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve ``/metrics`` on a listener of its own until cancelled, also while the front door drains."""
    # It may use what the front door leaves free: a relay that is full must be able to say so.
    settings = FrontDoorSettings(reserved_descriptors=RESERVED_BESIDE_METRICS)
    door = FrontDoor(create_scrape_app(metrics), settings=settings)
    await serve_front_door(listeners, door, stop_accepting=trio.Event(), task_status=task_status)


@contextmanager
def _data_folder(data: Path) -> Iterator[None]:
    """The relay's folder, made if needed, and locked: two relays on one SQLite file would fight.

    Raises:
        ConfigError: it cannot be made or written, or another relay runs on it.
    """
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(data / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"The folder {data} cannot be used: {error.strerror}.") from None
    try:
        # The kernel gives the lock back however the process ends.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise ConfigError(f"Another relay is running on the folder {data}.") from None
    try:
        yield
    finally:
        os.close(lock)


def _remember_origin(data: Path, origin: str) -> None:
    """Keep the origin for `relay.roster`, which runs in a process of its own."""
    try:
        (data / "origin").write_text(origin + "\n")
    except OSError as error:
        raise ConfigError(f"The folder {data} cannot be written: {error.strerror}.") from None


def last_origin(data: Path) -> str:
    """What the relay on this folder last ran as.

    Raises:
        ConfigError: it never ran.
    """
    try:
        return (data / "origin").read_text().strip()
    except OSError:
        raise ConfigError("The relay's address is not known; give --public-url.") from None


def _bound(listeners: list[trio.SocketListener]) -> ListenAddress:
    host, port, *_ = listeners[0].socket.getsockname()
    return ListenAddress(host, port)


def _close_all(listeners: list[trio.SocketListener]) -> None:
    for listener in listeners:
        listener.socket.close()


def _now() -> datetime:
    return datetime.now(UTC)
