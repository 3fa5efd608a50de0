"""The relay under test: the real program in a process of its own, with real sessions, tickets and pairing.

Sessions are put into its database before it starts, as many as a benchmark needs (of one technician, whose
company may have that many); from there on everything goes over the wire as it does for people: joining by
invite, pairing with CPace, tickets from the API, a handshake on every stream. Only then do random bytes take
the place of sealed records.
"""

import re
import secrets
import ssl
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

import httpx
import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from benchmarks.parts.certificates import Certificate
from benchmarks.parts.legs import Leg, open_leg
from benchmarks.parts.load import Framing
from benchmarks.parts.load import Path as LoadPath
from benchmarks.parts.machine import first_line, running
from relay.accounts import Accounts, AccountSettings
from relay.auth import digest, new_id
from relay.protocol.claims import PairClaims, PairFacts
from relay.protocol.frames import SUBPROTOCOL, Accept, Channel, Fields, Frame, Hello, Notice, Open, Welcome
from relay.protocol.lease import make_join_proof
from relay.protocol.links import decode_base64url, encode_base64url
from relay.protocol.pairing import HostHandshake, ViewerHandshake
from relay.protocol.streams import MAX_WINDOW_BYTES, stream_id
from relay.sessions import Company, Plan, Session, SessionId, Technician
from relay.store import Transaction, open_store, session_rows

COMPANY, TECHNICIAN = "Benchmarks", "Tess Technician"
ACCESS_PASSWORD = "correct horse"  # noqa: S105 - opens nothing but the session of a benchmark
SECURITY_CODE = "123456789"
LIFETIME = 3600.0
REPOSITORY = Path(__file__).parents[2]


@dataclass
class Seat:
    """One session and its host, as the host knows it.

    Attributes:
        session: its id.
        invite: joins until activation.
        key: the host's.
        credential: joins from the first join on; b"" before.
        pairing_key: after `Relay.activate`; b"" before.
    """

    session: str
    invite: bytes = field(repr=False)
    key: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate, repr=False)
    credential: bytes = field(default=b"", repr=False)
    pairing_key: bytes = field(default=b"", repr=False)
    invite_secret: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)


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
    """

    def __init__(
        self,
        pid: int,
        origin: str,
        token: bytes,
        seats: Sequence[Seat],
        tls: ssl.SSLContext | None,
        log: Path,
    ) -> None:
        self.pid = pid
        self.origin = origin
        self.port = int(origin.rpartition(":")[2])
        self.seats = list(seats)
        self.tls = tls
        self.log = log
        self._http = httpx.Client(
            base_url=origin, verify=tls or True, headers={"X-Adhoc-Csrf": "1"}, timeout=30, trust_env=False
        )
        self._post("/api/v1/sign-in/link", {"token": encode_base64url(token)})

    def close(self) -> None:
        """Forget the technician's connection."""
        self._http.close()

    # Peers

    def open_leg(self, role: str) -> Leg:
        """A WebSocket that has said nothing yet."""
        return open_leg(self.port, self.origin.partition("://")[2], f"/tunnel/{role}", SUBPROTOCOL, self.tls)

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
        leg = self.open_leg("host")
        leg.send(self.hello(seat))
        welcome = _expect(leg.receive(), Welcome)
        if isinstance(credential := welcome.fields["credential"], bytes):
            seat.credential = credential
        return leg

    def attach(self, seat: Seat, kinds: Sequence[Channel]) -> tuple[Leg, int]:
        """A viewer, admitted with a fresh ticket for `kinds`, and its number."""
        body = {"kinds": [kind.value for kind in kinds]}
        answer = self._post(f"/api/v1/sessions/{seat.session}/tickets", body)
        ticket = decode_base64url(str(answer["ticket"]), 32)
        leg = self.open_leg("viewer")
        leg.send(Hello(1, "viewer", ticket, {"program": "benchmark"}))
        number = _expect(leg.receive(), Welcome).fields["viewer"]
        if not isinstance(number, int):
            raise AssertionError("the relay numbers viewers")
        return leg, number

    def activate(self, seat: Seat) -> None:
        """Join, pair and become active; the connections are closed again."""
        facts = PairFacts(
            computer="FRONT-DESK", os="Debian", user="ana", key=seat.key.public_key().public_bytes_raw()
        )
        kinds = ["pair", "control", "files", "dashboard", "chat"]
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
                security_code=SECURITY_CODE,
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
    sessions: int, *, active: int = 0, certificate: Certificate | None = None, folder: Path | None = None
) -> Iterator[Relay]:
    """A relay with so many prepared sessions, of which so many are made active.

    Args:
        sessions: how many.
        active: how many of them join, pair and become active, one after the other.
        certificate: for TLS; None for a plain relay.
        folder: the checkout that it runs from; by default, this one.
    """
    with ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-relay-")))
        token, seats = trio.run(_prepare, data, max(sessions, active))
        log = stack.enter_context((data / "relay.log").open("wb"))
        command: list[str | Path] = [
            *(sys.executable, "-m", "relay", "up", "--data", data, "--listen", "127.0.0.1:0"),
            # The load comes from one address: what is trusted there is free of the limits for strangers.
            *("--trusted-proxies", "127.0.0.0/8", "--log-format", "json", "--shutdown-timeout", "1"),
        ]
        if certificate is not None:
            command += ["--tls-cert", certificate.certificate, "--tls-key", certificate.key]
        program = stack.enter_context(running(command, output=log, folder=folder or REPOSITORY))
        found = re.search(r"https?://\S+", first_line(program))
        if found is None:
            raise RuntimeError("the relay did not say where it is")
        tls = None if certificate is None else certificate.client_context()
        relay = Relay(program.pid, found[0], token, seats, tls, data / "relay.log")
        stack.callback(relay.close)
        for seat in relay.seats[:active]:
            relay.activate(seat)
        yield relay


async def _prepare(data: Path, count: int) -> tuple[bytes, list[Seat]]:
    """A company with a technician and `count` sessions; the token of a sign-in link, and the seats."""
    async with open_store(data / "relay.db") as store:
        accounts = Accounts(store, AccountSettings(), now=lambda: datetime.now(UTC))
        company = await accounts.create_company(
            name=COMPANY,
            plan=Plan.PREMIER,
            max_open_per_technician=count + 1,
            max_open_per_company=count + 1,
            session_lifetime=LIFETIME,
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
            customer_email="ana@customer.example",
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
