"""What becomes of sessions, well and badly: the lives that the soak lets many of them lead at once.

A life is a function of a relay and a source of chance. It prepares a session of its own, plays host and
viewer as the real programs behave, or as they should not, and raises `Unexpected` (or whatever broke) if the
relay did anything but what it should. When it returns, its session has ended.
"""

import random
import secrets
import socket
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress

from benchmarks.parts.legs import Leg, dial
from benchmarks.parts.load import make_load
from benchmarks.parts.relays import OpenStream, Relay, Seat
from relay.protocol.frames import Channel, Close, Credit, Data, Hello, Notice, encode_data, encode_frame
from relay.protocol.pairing import WrongSecret
from relay.protocol.streams import INITIAL_WINDOW_BYTES, stream_id

FILES_BYTES = 48 * 1024
STALLED_BYTES = 1024 * 1024
KERNEL_BYTES = 64 * 1024
"""What the kernel keeps for a viewer that reads nothing; the rest of `STALLED_BYTES` waits in the relay."""
STALL_SECONDS = 30.0
"""Until a viewer that reads nothing must have been closed; the relay's deadline is 10 s."""
SILENCE_SECONDS = 15.0
"""Until somebody who says nothing must have been closed; the relay's deadlines are 5 and 10 s."""
MARGIN_SECONDS = 10.0
BAD_REASONS = ("bad_websocket", "text_message", "too_large", "bad_frame", "out_of_order", "credit_exceeded")

Life = Callable[[Relay, random.Random], None]


class Unexpected(Exception):
    """The relay did something else than it should."""


def is_visited(relay: Relay, chance: random.Random) -> None:
    """Paired, used a few times with both ends coming and going, ended by the technician."""
    with _session(relay) as seat:
        relay.activate(seat)
        for _ in range(chance.randint(1, 3)):
            with _connected(relay, seat) as (control, files):
                _exchange(control, files, chance)
        with ExitStack() as stack:
            host = stack.enter_context(relay.join(seat))
            viewer = stack.enter_context(relay.attach(seat, [Channel.CONTROL])[0])
            relay.end(seat)
            _expect_end(host, ["technician"], MARGIN_SECONDS)
            _expect_end(viewer, ["technician"], MARGIN_SECONDS)


def is_ended_by_customer(relay: Relay, chance: random.Random) -> None:
    """The customer has had enough in the middle of things."""
    with _session(relay) as seat:
        relay.activate(seat)
        with _connected(relay, seat) as (control, files):
            _exchange(control, files, chance)
            control.host.send(Notice("ending", {}))
            _expect_end(control.host, ["customer"], MARGIN_SECONDS)
            _expect_end(control.viewer, ["customer"], MARGIN_SECONDS)


def expires(relay: Relay, chance: random.Random) -> None:
    """Both ends stay until the session's time is over."""
    with _session(relay) as seat:
        relay.activate(seat)
        with _connected(relay, seat) as (control, _):
            _expect_end(control.viewer, ["expired"], relay.terms.lifetime + MARGIN_SECONDS)
            _expect_end(control.host, ["expired"], MARGIN_SECONDS)


def lapses(relay: Relay, chance: random.Random) -> None:
    """The host is there and nobody tells the code."""
    with _session(relay) as seat, relay.join(seat) as host:
        _expect_end(host, ["lapsed"], relay.terms.preparation_timeout + MARGIN_SECONDS)


def breaks_off(relay: Relay, chance: random.Random) -> None:
    """Both ends vanish in mid-transfer and come back, as after a power cut."""
    with _session(relay) as seat:
        relay.activate(seat)
        for _ in range(chance.randint(2, 4)):
            with _connected(relay, seat) as (_, files):
                _fill(files)


def stalls(relay: Relay, chance: random.Random) -> None:
    """The viewer grants credit and reads nothing; the host must not be harmed."""
    with _session(relay) as seat:
        relay.activate(seat)
        with relay.connected(seat, Channel.FILES, window=STALLED_BYTES) as (files,):
            files.viewer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
            _fill(files)
            for frame in _frames(files.host, STALL_SECONDS):
                if isinstance(frame, Notice) and frame.name == "detached":
                    return
            raise Unexpected("a viewer that reads nothing was not closed")


def types_wrong_code(relay: Relay, chance: random.Random) -> None:
    """The customer types another code."""
    with _session(relay) as seat:
        try:
            relay.activate(seat, typed_code=f"{chance.randrange(10**8):09}")
        except WrongSecret:
            return
        raise Unexpected("a wrong code paired")


def shows_wrong_tickets(relay: Relay, chance: random.Random) -> None:
    """Tickets and invites that are made up, or spent."""
    with _session(relay) as seat, ExitStack() as stack:
        stack.enter_context(relay.join(seat))
        ticket = relay.ticket(seat, [Channel.PAIR])
        viewer = stack.enter_context(relay.open_leg("viewer"))
        viewer.send(Hello(1, "viewer", ticket, {"program": "benchmark"}))
        viewer.receive()
        for secret in (ticket, secrets.token_bytes(32)):
            with relay.open_leg("viewer") as other:
                other.send(Hello(1, "viewer", secret, {"program": "benchmark"}))
                _expect_end(other, ["refused"], MARGIN_SECONDS)
        with relay.open_leg("host") as other:
            other.send(relay.hello(Seat(seat.session, secrets.token_bytes(16))))
            _expect_end(other, ["refused"], MARGIN_SECONDS)


def sends_bad_frames(relay: Relay, chance: random.Random) -> None:
    """Whatever a broken or hostile host may send."""
    whole = Leg.encoded(encode_data(stream_id(1, 1), b"nobody opened this"))
    bad = [
        b"\x81\x85" + bytes(4) + b"hello",  # text
        b"\x82\x03\x93\x03\x01",  # not masked
        b"\x82\xff" + (1 << 40).to_bytes(8) + bytes(4),  # a terabyte
        b"\xf2\x80" + bytes(4),  # reserved bits
        Leg.encoded(b"\xc1"),  # no msgpack
        Leg.encoded(b"\x93" * 2000),  # a depth bomb
        Leg.encoded(b"\x92\x63\x00"),  # an unknown kind
        Leg.encoded(encode_frame(Hello(1, "host", bytes(32), {}))),  # at the wrong time
        whole + chance.randbytes(2000),
    ]
    with _session(relay) as seat:
        for data in chance.sample(bad, 3):
            with relay.join(seat) as host:
                host.sock.sendall(data)
                _expect_end(host, BAD_REASONS, MARGIN_SECONDS)


def is_replaced(relay: Relay, chance: random.Random) -> None:
    """The link is opened on another computer; the newest host wins."""
    with _session(relay) as seat, relay.join(seat) as first:
        again = Seat(seat.session, seat.invite)
        with relay.join(again):
            _expect_end(first, ["replaced"], MARGIN_SECONDS)


def says_nothing(relay: Relay, chance: random.Random) -> None:
    """One connects and is silent, one upgrades and is silent."""
    with Leg(dial(relay.port, relay.tls)) as mute, relay.open_leg("host") as host:
        _expect_end(host, ["handshake_timeout"], SILENCE_SECONDS)
        mute.set_patience(SILENCE_SECONDS)
        with suppress(ConnectionResetError):
            while mute.sock.recv(4096):  # an answer in HTTP may come before the end
                pass


LIVES: dict[Life, int] = {
    is_visited: 6,
    is_ended_by_customer: 3,
    breaks_off: 3,
    types_wrong_code: 2,
    shows_wrong_tickets: 2,
    sends_bad_frames: 3,
    is_replaced: 2,
    says_nothing: 1,
    lapses: 1,
    expires: 1,
    stalls: 1,
}
"""All of them, and how often each is led by the number of all."""


@contextmanager
def _session(relay: Relay) -> Iterator[Seat]:
    """A fresh session, ended at the end."""
    seat = relay.prepare()
    try:
        yield seat
    finally:
        relay.end(seat)


@contextmanager
def _connected(relay: Relay, seat: Seat) -> Iterator[list[OpenStream]]:
    """Host and viewer with a control and a files stream."""
    channels = Channel.CONTROL, Channel.FILES
    with relay.connected(seat, *channels, window=INITIAL_WINDOW_BYTES) as streams:
        yield streams


def _exchange(control: OpenStream, files: OpenStream, chance: random.Random) -> None:
    """Something both ways; what comes out must be what went in."""
    for _ in range(3):
        _carry(files.host, files.viewer, files.number, chance.randbytes(FILES_BYTES))
    files.viewer.send(Credit(files.number, 3 * FILES_BYTES))
    for _ in range(10):
        _carry(control.viewer, control.host, control.number, chance.randbytes(64))
        _carry(control.host, control.viewer, control.number, chance.randbytes(2000))


def _carry(source: Leg, sink: Leg, stream: int, payload: bytes) -> None:
    source.send_data(stream, payload)
    for frame in _frames(sink, MARGIN_SECONDS):
        if isinstance(frame, Data):
            if frame != Data(stream, payload):
                raise Unexpected("something else came out than went in")
            return
    raise Unexpected("something that was sent did not come out")


def _fill(files: OpenStream) -> None:
    """Send from the host as much as the stream's window holds."""
    load = make_load(FILES_BYTES, files.number, files.window)
    with suppress(BlockingIOError):  # the relay may have stopped reading, for a moment
        for _ in range((files.window - files.host.spent) // (load.message_bytes * load.frames)):
            files.host.sock.sendall(load.batch)


def _expect_end(leg: Leg, reasons: Collection[str], within: float) -> None:
    """The connection's end, for one of these reasons.

    Raises:
        Unexpected: it did not end, or for another reason.
    """
    said = ""
    try:
        for frame in _frames(leg, within):
            if isinstance(frame, Close) and frame.stream == 0:
                said = frame.reason.wire
    except ConnectionError:
        if said not in reasons:
            raise Unexpected(f"ended with {said!r} instead of {', '.join(reasons)}") from None
        return
    raise Unexpected(f"not closed within {within:g} s" + (f", though told {said!r}" if said else ""))


def _frames(leg: Leg, within: float) -> Iterator[object]:
    """What comes, for so many seconds.

    Raises:
        ConnectionError: the connection ended.
    """
    deadline = time.monotonic() + within
    while (left := deadline - time.monotonic()) > 0:
        leg.set_patience(left)
        try:
            yield leg.receive()
        except BlockingIOError:
            return


def warm_up(relay: Relay, chance: random.Random) -> None:
    """Whatever a relay makes once and keeps: done before anything is counted."""
    for life in (is_visited, types_wrong_code, shows_wrong_tickets, sends_bad_frames, is_replaced):
        life(relay, chance)
