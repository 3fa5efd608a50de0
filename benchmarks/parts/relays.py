"""The relay under test: the real program in a process of its own, with real sessions, tickets and pairing.

Sessions are put into its database before it starts, as many as a benchmark needs (of one technician, whose
company may have that many); from there on everything goes over the wire as it does for people: joining by
invite, pairing with CPace, tickets from the API, a handshake on every stream. Only then do random bytes take
the place of sealed records.
"""

import os
import re
import secrets
import ssl
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from itertools import cycle
from pathlib import Path
from typing import TypeVar

import httpx
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.parts.legs import Leg, open_leg
from benchmarks.parts.load import Framing
from benchmarks.parts.load import Path as LoadPath
from benchmarks.parts.machine import first_line, running
from relay.accounts import Accounts, AccountSettings
from relay.auth import Sealer, digest, load_or_make_relay_key, new_id
from relay.people import Company, Plan, Technician
from relay.protocol.claims import PairClaims, PairFacts
from relay.protocol.frames import SUBPROTOCOL, Accept, Channel, Fields, Frame, Hello, Notice, Open, Welcome
from relay.protocol.lease import make_join_proof
from relay.protocol.links import decode_base64url, encode_base64url
from relay.protocol.pairing import HostHandshake, ViewerHandshake
from relay.protocol.runs import PURE_PYTHON_VARIABLE
from relay.protocol.streams import MAX_WINDOW_BYTES, stream_id
from relay.sessions import Session, SessionId
from relay.store import Transaction, open_store, session_rows
from tests.helpers.certificates import Certificate

COMPANY, TECHNICIAN = "Benchmarks", "Tess Technician"
ACCESS_PASSWORD = "correct horse"  # noqa: S105 - opens nothing but the session of a benchmark
SECURITY_CODE = "123456789"
CUSTOMER_EMAIL = "ana@customer.example"
LIFETIME = 3600.0
DATABASE = "relay.db"
FIRST_ADDRESS = IPv4Address("10.0.0.1")
ADDRESSES = 256
"""Enough for the limit of tries for each address. Not one for each session: the relay remembers addresses, as
many as its limits say, and that would look like a leak until it had seen them all."""
REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Terms:
    """What a company's sessions are like.

    Attributes:
        room: how many may be open at once beside those that are there from the start, at least 1.
        lifetime: seconds from activation to the end.
        preparation_timeout: seconds from preparing to lapsing.
    """

    room: int = 1
    lifetime: float = LIFETIME
    preparation_timeout: float = LIFETIME


@dataclass
class Seat:
    """One session and its host, as the host knows it.

    Attributes:
        session: its id.
        invite: joins until activation.
        key: the host's.
        credential: joins from the first join on; b"" before.
        pairing_key: after `Relay.activate`; b"" before.
        address: the host's, as a proxy tells it; "" for the loopback's, which few tries of codes are granted.
    """

    session: str
    invite: bytes = field(repr=False)
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)
    credential: bytes = field(default=b"", repr=False)
    pairing_key: bytes = field(default=b"", repr=False)
    invite_secret: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)
    address: str = ""


@dataclass
class OpenStream:
    """A stream whose handshake is done, and the legs of both ends; the viewer's may carry more streams."""

    host: Leg
    viewer: Leg
    number: int
    window: int

    def to_viewer(self) -> LoadPath:
        """The path from host to viewer."""
        return LoadPath(self.host, self.viewer, Framing.UNMASKED, self.number, self.window)

    def to_host(self) -> LoadPath:
        """The path from viewer to host."""
        return LoadPath(self.viewer, self.host, Framing.UNMASKED, self.number, self.window)


class Relay:
    """A running relay and the technician who is signed in.

    Attributes:
        pid: of its process.
        port, origin: where it is.
        seats: its sessions, prepared.
        tls: what peers trust; None for a plain relay.
        log: what it has logged.
        metrics_url: where it tells its metrics.
        terms: of its company.
    """

    def __init__(
        self,
        pid: int,
        origin: str,
        token: bytes,
        seats: Sequence[Seat],
        tls: ssl.SSLContext | None,
        log: Path,
        metrics_url: str,
        terms: Terms,
    ) -> None:
        self.pid = pid
        self.origin = origin
        self.port = int(origin.rpartition(":")[2])
        self.seats = list(seats)
        self.tls = tls
        self.log = log
        self.metrics_url = metrics_url
        self.terms = terms
        self._addresses = cycle([str(FIRST_ADDRESS + number) for number in range(ADDRESSES)])
        self._http = httpx.Client(
            base_url=origin,
            verify=tls or True,
            headers={"X-Adhoc-Csrf": "1"},
            timeout=30,
            trust_env=False,
            # One connection a request: none that lingers is counted as the relay's.
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self._post("/api/v1/sign-in/link", {"token": encode_base64url(token)})

    def close(self) -> None:
        """Forget the technician's connection."""
        self._http.close()

    def metrics(self) -> dict[str, float]:
        """What `metrics_url` says: each sample by its name, labels included as they are written."""
        lines = self._http.get(self.metrics_url).raise_for_status().text.splitlines()
        samples = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        return {name: float(value) for name, _, value in samples}

    # Sessions

    def prepare(self) -> Seat:
        """A fresh session, whose host has one of `ADDRESSES` addresses."""
        invite = secrets.token_bytes(16)
        body = {"invite": encode_base64url(invite), "customer_email": CUSTOMER_EMAIL}
        session = self._post("/api/v1/sessions", body)["session"]
        if not isinstance(session, dict):
            raise AssertionError("the API answers with the session")
        return Seat(str(session["id"]), invite, address=next(self._addresses))

    def end(self, seat: Seat) -> None:
        """End it, as its technician. Ending twice is no error."""
        self._post(f"/api/v1/sessions/{seat.session}/end", {})

    # Peers

    def open_leg(self, role: str, address: str = "") -> Leg:
        """A WebSocket that has said nothing yet, of somebody at this address."""
        host = self.origin.partition("://")[2]
        return open_leg(self.port, host, f"/tunnel/{role}", SUBPROTOCOL, self.tls, address)

    def hello(self, seat: Seat) -> Hello:
        """What the seat's host says first: by invite, or by credential once it has one."""
        secret = seat.credential or seat.invite
        about: Fields = {
            "key": seat.key.public_key().public_bytes_raw(),
            "computer": "FRONT-DESK",
            "os": "Debian",
            "user": "ana",
            "program": "benchmark",
            "proof": make_join_proof(secret, self.origin, seat.key),
        }
        return Hello(1, "host", secret, about)

    def join(self, seat: Seat) -> Leg:
        """The host, admitted."""
        leg = self.open_leg("host", seat.address)
        leg.send(self.hello(seat))
        welcome = _expect(leg.receive(), Welcome)
        if isinstance(credential := welcome.fields["credential"], bytes):
            seat.credential = credential
        return leg

    def ticket(self, seat: Seat, kinds: Sequence[Channel]) -> bytes:
        """A fresh ticket for `kinds`."""
        body = {"kinds": [kind.value for kind in kinds]}
        answer = self._post(f"/api/v1/sessions/{seat.session}/tickets", body)
        return decode_base64url(str(answer["ticket"]), 32)

    def attach(self, seat: Seat, kinds: Sequence[Channel]) -> tuple[Leg, int]:
        """A viewer, admitted with a fresh ticket for `kinds`, and its number."""
        ticket = self.ticket(seat, kinds)
        leg = self.open_leg("viewer")
        leg.send(Hello(1, "viewer", ticket, {"program": "benchmark"}))
        number = _expect(leg.receive(), Welcome).fields["viewer"]
        if not isinstance(number, int):
            raise AssertionError("the relay numbers viewers")
        return leg, number

    def activate(self, seat: Seat, *, typed_code: str = SECURITY_CODE) -> None:
        """Join, pair and become active; the connections are closed again.

        Raises:
            RemoteProtocolError: the customer typed another code than the technician has.
        """
        facts = PairFacts(
            computer="FRONT-DESK", os="Debian", user="ana", key=seat.key.public_key().public_bytes_raw()
        )
        kinds = ["pair", "control", "files", "dashboard", "shell", "chat"]
        claims = PairClaims(technician=TECHNICIAN, company=COMPANY, kinds=kinds, lifetime=int(LIFETIME))
        with ExitStack() as stack:
            host = stack.enter_context(self.join(seat))
            viewer, viewer_number = self.attach(seat, [Channel.PAIR])
            stack.enter_context(viewer)
            number = stream_id(viewer_number, 1)
            asking = ViewerHandshake.for_pairing(
                origin=self.origin,
                session=seat.session,
                stream=number,
                code_number=1,
                attempt=1,
                invite_secret=seat.invite_secret,
                security_code=SECURITY_CODE,
                claims=claims,
            )
            answering = HostHandshake.for_pairing(
                origin=self.origin,
                session=seat.session,
                stream=number,
                code_number=1,
                last_attempt=0,
                invite_secret=seat.invite_secret,
                security_code=typed_code,
                facts=facts,
            )
            seat.pairing_key = _shake_hands(host, viewer, number, Channel.PAIR, asking, answering)
            host.send(Notice("ready", {}))
            host.send(Notice("paired", {"attempt": 1}))
            viewer.send(Notice("paired", {"attempt": 1, "wrapped": None}))
            host.receive_notice("active")

    @contextmanager
    def connected(
        self, seat: Seat, *channels: Channel, window: int = MAX_WINDOW_BYTES
    ) -> Iterator[list[OpenStream]]:
        """The host and one viewer, freshly connected, with a stream for each channel.

        Args:
            seat: an active one.
            channels: one stream each, from the viewer's first on.
            window: credit of each stream in both directions, bytes.
        """
        with ExitStack() as stack:
            host = stack.enter_context(self.join(seat))
            viewer, viewer_number = self.attach(seat, channels)
            stack.enter_context(viewer)
            streams = []
            for count, channel in enumerate(channels, 1):
                number = stream_id(viewer_number, count)
                asking = ViewerHandshake.for_connection(
                    channel=channel.value,
                    origin=self.origin,
                    session=seat.session,
                    stream=number,
                    pairing_key=seat.pairing_key,
                    access_password=ACCESS_PASSWORD,
                )
                answering = HostHandshake.for_connection(
                    channel=channel.value,
                    origin=self.origin,
                    session=seat.session,
                    stream=number,
                    pairing_key=seat.pairing_key,
                    access_password=ACCESS_PASSWORD,
                )
                host.spent = viewer.spent = 0
                _shake_hands(host, viewer, number, channel, asking, answering, window)
                streams.append(OpenStream(host, viewer, number, window))
            yield streams

    def _post(self, path: str, body: object) -> dict[str, object]:
        response = self._http.post(path, json=body)
        response.raise_for_status()
        answer: dict[str, object] = response.json()
        return answer


@contextmanager
def open_relay(
    sessions: int,
    *,
    active: int = 0,
    others: int = 0,
    certificate: Certificate | None = None,
    folder: Path | None = None,
    pure_python: bool = False,
    terms: Terms | None = None,
) -> Iterator[Relay]:
    """A relay with so many prepared sessions, of which so many are made active.

    Args:
        sessions: how many.
        active: how many of them join, pair and become active, one after the other.
        others: how many more sessions are open that have no seat.
        certificate: for TLS; None for a plain relay.
        folder: the checkout that it runs from; by default, this one.
        pure_python: without its compiled part.
        terms: of the company; by default, room for these sessions and one more, which last an hour.
    """
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-relay-")))
        terms = terms or Terms()
        token, seats = trio.run(_prepare, data, sessions + others, terms)
        del seats[sessions:]
        log = stack.enter_context((data / "relay.log").open("wb"))
        command: list[str | Path] = [
            *(sys.executable, "-m", "relay", "up", "--data", data, "--listen", "127.0.0.1:0"),
            # The load comes from one address: what is trusted there is free of the limits for strangers.
            *("--trusted-proxies", "127.0.0.0/8", "--log-format", "json", "--shutdown-timeout", "1"),
            *("--metrics-listen", "127.0.0.1:0"),
        ]
        if certificate is not None:
            command += ["--tls-cert", certificate.certificate, "--tls-key", certificate.key]
        environment = {**os.environ, PURE_PYTHON_VARIABLE: "1"} if pure_python else None
        program = stack.enter_context(
            running(command, output=log, folder=folder or REPOSITORY, environment=environment)
        )
        origin, metrics_url = (_address_in(first_line(program)) for _ in range(2))
        tls = None if certificate is None else certificate.client_context()
        relay = Relay(program.pid, origin, token, seats, tls, data / "relay.log", metrics_url, terms)
        stack.callback(relay.close)
        for seat in relay.seats[:active]:
            relay.activate(seat)
        yield relay


def _address_in(line: str) -> str:
    """The address that a line of the relay's names."""
    found = re.search(r"https?://\S+", line)
    if found is None:
        raise RuntimeError(f"the relay did not say where it is: {line}")
    return found[0]


async def _prepare(data: Path, count: int, terms: Terms) -> tuple[bytes, list[Seat]]:
    """A company with a technician and `count` sessions; the token of a sign-in link, and the seats."""
    async with open_store(data / DATABASE) as store:
        accounts = Accounts(
            store,
            AccountSettings(),
            now=lambda: datetime.now(UTC),
            sealer=Sealer(load_or_make_relay_key(data / "relay.key")),
            origin="http://127.0.0.1",
        )
        company = await accounts.create_company(
            name=COMPANY,
            plan=Plan.PREMIER,
            max_open_per_technician=count + terms.room,
            max_open_per_company=count + terms.room,
            session_lifetime=terms.lifetime,
            preparation_timeout=terms.preparation_timeout,
        )
        technician = await accounts.create_technician(company.id, name=TECHNICIAN, email="tess@localhost")
        invites = [secrets.token_bytes(16) for _ in range(count)]
        ids = await store.write(lambda tx: _insert_sessions(tx, company, technician, invites))
        token = await accounts.issue_sign_in_link(technician.id)
    return bytes(token), [Seat(session, invite) for session, invite in zip(ids, invites, strict=True)]


def _insert_sessions(
    tx: Transaction, company: Company, technician: Technician, invites: Sequence[bytes]
) -> list[SessionId]:
    """All of them in one transaction: preparing them one by one looks at all open ones each time."""
    now = datetime.now(UTC)
    ids = []
    for slot, invite in enumerate(invites, 1):
        session = Session(
            id=SessionId(new_id()),
            company_id=company.id,
            technician_id=technician.id,
            technician_name=technician.name,
            customer_email=CUSTOMER_EMAIL,
            note="",
            language="en",
            created_at=now,
            lapse_at=now + timedelta(seconds=LIFETIME),
            lifetime=LIFETIME,
        )
        session_rows.insert_session(
            tx, session, invite_hash=digest(invite), technician_slot=slot, company_slot=slot
        )
        ids.append(session.id)
    return ids


def _shake_hands(
    host: Leg,
    viewer: Leg,
    number: int,
    channel: Channel,
    asking: ViewerHandshake,
    answering: HostHandshake,
    window: int = MAX_WINDOW_BYTES,
) -> bytes:
    """Open a stream and prove it (docs/protocol.md §5); returns the pairing key of a `pair` stream."""
    viewer.send(Open(number, channel, window, asking.open_params()))
    answering.receive_open(_await(host, Open).params)
    host.send(Accept(number, window, answering.accept_params()))
    share = asking.receive_accept(_await(viewer, Accept).params)
    viewer.send_data(number, share)
    confirmation, _ = answering.receive_share(host.receive_data())
    host.send_data(number, confirmation)
    keys = asking.receive_confirmation(viewer.receive_data())
    return bytes(keys.pairing_key or b"")


_F = TypeVar("_F", Open, Accept, Welcome)


def _await(leg: Leg, kind: type[_F]) -> _F:
    """The next frame of this kind; everything before it is passed over."""
    while True:
        frame = leg.receive()
        if isinstance(frame, kind):
            return frame


def _expect(frame: Frame, kind: type[_F]) -> _F:
    """The frame, which must be of this kind."""
    if not isinstance(frame, kind):
        raise ConnectionError(f"the relay answered with {frame!r}")
    return frame
