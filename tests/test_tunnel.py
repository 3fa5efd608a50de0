"""The tunnel's books: routing, credit, ownership, priorities, endings. No I/O: peers are recorders."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import pytest

from relay.errors import Refused
from relay.metrics import Metrics
from relay.peer_connection import PeerConnection
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import (
    MAX_STREAMS_PER_VIEWER,
    Accept,
    Channel,
    Close,
    Credit,
    Data,
    Fields,
    Frame,
    Hello,
    Notice,
    Open,
    Welcome,
    decode_frame,
    encode_frame,
)
from relay.protocol.runs import Run, take_runs
from relay.protocol.streams import Priority
from relay.protocol.websocket import WebSocketCodec
from relay.tunnel import MAX_VIEWERS, Stream, TrafficCounter, Tunnel, Viewer, closing_notice

FACTS: Fields = {"computer": "PC", "os": "Linux", "user": "ana"}
EVERYTHING = frozenset(Channel)


class Recorder:
    """A peer's connection that keeps what was queued for it, decoded."""

    def __init__(self) -> None:
        self.got: list[Frame] = []
        self.data: list[tuple[Priority, int]] = []
        self.dropped: list[int] = []
        self.closed: tuple[CloseReason, tuple[Frame, ...]] | None = None
        self.queued_bytes = 0

    def queue_frame(self, frame: Frame) -> None:
        self.queue_control(encode_frame(frame))

    def queue_control(self, message: bytes) -> None:
        self.got.append(decode_frame(message))

    def queue_data(self, priority: Priority, stream: int, frames: bytes) -> None:
        self.data.append((priority, stream))
        for message in WebSocketCodec(is_client=True, max_message_bytes=1 << 21).receive_data(frames):
            assert isinstance(message, bytes)
            self.queue_control(message)

    def queue_stream_close(self, priority: Priority, stream: int, reason: CloseReason) -> None:
        self.queue_frame(Close(stream, reason))

    def drop_stream(self, priority: Priority, stream: int) -> None:
        self.dropped.append(stream)

    def close(self, reason: CloseReason, *last_words: Frame) -> None:
        self.closed = reason, last_words

    def take(self) -> list[Frame]:
        got, self.got = self.got, []
        return got


@dataclass
class ScriptedRules:
    """Rules that allow everything but what the test names."""

    refused: dict[Channel, CloseReason] = field(default_factory=dict)
    refuse_try: CloseReason | None = None
    log: list[object] = field(default_factory=list)
    while_counting: Callable[[], None] = lambda: None

    def may_open(self, viewer: Viewer, channel: Channel) -> CloseReason | None:
        return self.refused.get(channel)

    async def count_try(self, viewer: Viewer, code: int, attempt: int) -> None:
        self.log.append(("try", code, attempt))
        self.while_counting()
        if self.refuse_try is not None:
            raise Refused("no", self.refuse_try)

    async def fail_try(self, viewer: Viewer) -> None:
        self.log.append("failed")

    def opened(self, viewer: Viewer, channel: Channel) -> None:
        self.log.append(("opened", viewer.number, channel))

    def closed(self, viewer: Viewer, channel: Channel) -> None:
        self.log.append(("closed", viewer.number, channel))

    async def receive_notice(self, viewer: Viewer | None, notice: Notice) -> None:
        self.log.append((viewer and viewer.number, notice.name))


def received(*frames: Frame) -> list[bytes | Run]:
    """What the relay's codec makes of frames that come in one read."""
    peer = WebSocketCodec(is_client=True, max_message_bytes=1 << 21)
    codec = WebSocketCodec(is_client=False, max_message_bytes=1 << 21, take_runs=take_runs)
    events = codec.receive_data(b"".join(peer.encode_binary(encode_frame(frame)) for frame in frames))
    return [event for event in events if isinstance(event, bytes | Run)]


class House:
    """A tunnel with a host and a viewer, and shorthands to let them speak."""

    def __init__(self) -> None:
        self.rules = ScriptedRules()
        self.counter = TrafficCounter()
        self.tunnel = Tunnel(self.rules, self.counter)
        self.host, self.host_peer = self._peer()
        self.tunnel.attach_host(self.host_peer, FACTS)
        self.viewer_recorder, self.viewer = self.attach()

    @staticmethod
    def _peer() -> tuple[Recorder, PeerConnection]:
        recorder = Recorder()
        return recorder, cast("PeerConnection", recorder)

    def attach(self) -> tuple[Recorder, Viewer]:
        recorder, peer = self._peer()
        viewer = self.tunnel.attach_viewer(peer, "Tess", EVERYTHING)
        self.host.take()
        return recorder, viewer

    def from_host(self, *frames: Frame) -> object:
        """As the codec gives them: DATA in runs."""
        pending: object = None
        for event in received(*frames):
            if isinstance(event, Run):
                self.tunnel.forward_from_host(event)
            else:
                pending = self.tunnel.receive_from_host(event)
        return pending

    def from_viewer(self, frame: Frame, viewer: Viewer | None = None) -> object:
        pending: object = None
        for event in received(frame):
            if isinstance(event, Run):
                self.tunnel.forward_from_viewer(viewer or self.viewer, event)
            else:
                pending = self.tunnel.receive_from_viewer(viewer or self.viewer, event)
        return pending

    def opened(
        self, channel: Channel = Channel.CONTROL, credit: int = 1000, viewer: Viewer | None = None
    ) -> int:
        viewer = viewer or self.viewer
        number = viewer.number << 16 | viewer.last_stream + 1
        self.from_viewer(Open(number, channel, credit, {}), viewer)
        self.from_host(Accept(number, credit, {}))
        for recorder in (self.host, self.viewer_recorder):
            recorder.take()
        return number


@pytest.fixture
def house() -> House:
    return House()


def reason_of(action: Callable[[], object]) -> CloseReason:
    with pytest.raises(RemoteProtocolError) as caught:
        action()
    return caught.value.close_reason


def test_a_stream_is_opened_accepted_used_and_closed(house: House) -> None:
    number = house.viewer.number << 16 | 1
    house.from_viewer(Open(number, Channel.CONTROL, 5000, {"nonce": b"n"}))
    assert house.host.take() == [Open(number, Channel.CONTROL, 5000, {"nonce": b"n"})]
    house.from_host(Accept(number, 4000, {"share": b"s"}))
    assert house.viewer_recorder.take() == [Accept(number, 4000, {"share": b"s"})]
    house.from_viewer(Data(number, b"click"))
    house.from_host(Data(number, b"picture"))
    assert house.host.take() == [Data(number, b"click")]
    assert house.viewer_recorder.take() == [Data(number, b"picture")]
    house.from_host(Close(number, CloseReason.DONE))
    assert house.viewer_recorder.take() == [Close(number, CloseReason.DONE)]
    assert house.tunnel.open_streams == 0


def test_control_travels_as_input_to_the_host_and_as_screen_to_the_viewer(house: House) -> None:
    number = house.opened()
    house.from_viewer(Data(number, b"click"))
    house.from_host(Data(number, b"picture"))
    assert house.host.data == [(Priority.INPUT, number)]
    assert house.viewer_recorder.data == [(Priority.SCREEN, number)]


def test_more_than_the_credit_closes_whoever_sent_it(house: House) -> None:
    number = house.opened(credit=100)
    house.from_host(Data(number, bytes(80)))
    house.from_viewer(Data(number, bytes(80)))
    assert reason_of(lambda: house.from_host(Data(number, bytes(80)))) is CloseReason.CREDIT_EXCEEDED
    assert reason_of(lambda: house.from_viewer(Data(number, bytes(80)))) is CloseReason.CREDIT_EXCEEDED


def test_credit_is_forwarded_and_counted_in_its_direction(house: House) -> None:
    number = house.opened(credit=100)
    house.from_host(Data(number, bytes(80)))
    house.from_viewer(Credit(number, 80))
    assert house.host.take() == [Credit(number, 80)]
    house.from_host(Data(number, bytes(80)))
    house.from_viewer(Data(number, bytes(80)))
    house.from_host(Credit(number, 80))
    house.from_viewer(Data(number, bytes(80)))
    assert [type(frame) for frame in house.viewer_recorder.take()] == [Data, Data, Credit]


def test_endless_grants_are_refused(house: House) -> None:
    number = house.opened()
    assert reason_of(lambda: house.from_viewer(Credit(number, 1 << 24))) is CloseReason.BAD_FRAME


def test_a_payload_too_large_for_its_channel_is_refused(house: House) -> None:
    number = house.opened(Channel.CONTROL, credit=1 << 20)
    too_large = Data(number, bytes(Channel.CONTROL.max_payload_bytes + 8))
    assert reason_of(lambda: house.from_viewer(too_large)) is CloseReason.TOO_LARGE
    files = house.opened(Channel.FILES, credit=1 << 20)
    house.from_viewer(Data(files, bytes(Channel.CONTROL.max_payload_bytes + 8)))
    assert len(house.host.take()) == 1


def test_data_before_accept_is_refused(house: House) -> None:
    number = house.viewer.number << 16 | 1
    house.from_viewer(Open(number, Channel.CONTROL, 1000, {}))
    assert reason_of(lambda: house.from_viewer(Data(number, b"x"))) is CloseReason.OUT_OF_ORDER
    assert reason_of(lambda: house.from_host(Data(number, b"x"))) is CloseReason.OUT_OF_ORDER


def test_a_viewer_cannot_speak_on_a_stream_of_another(house: House) -> None:
    number = house.opened()
    _, other = house.attach()
    for frame in (Data(number, b"x"), Credit(number, 1), Close(number, CloseReason.DONE)):
        assert reason_of(partial(house.from_viewer, frame, other)) is CloseReason.OUT_OF_ORDER
    with pytest.raises(RemoteProtocolError):
        house.from_viewer(Open(house.viewer.number << 16 | 9, Channel.CHAT, 1, {}), other)


def test_stream_numbers_are_never_used_again(house: House) -> None:
    number = house.opened()
    house.from_viewer(Close(number, CloseReason.DONE))
    reopen = Open(number, Channel.CONTROL, 1, {})
    assert reason_of(lambda: house.from_viewer(reopen)) is CloseReason.OUT_OF_ORDER


def test_frames_that_crossed_a_close_are_dropped(house: House) -> None:
    number = house.opened()
    house.from_viewer(Close(number, CloseReason.DONE))
    assert house.host.take() == [Close(number, CloseReason.DONE)]
    for frame in (
        Data(number, b"late"),
        Credit(number, 5),
        Close(number, CloseReason.DONE),
        Accept(number, 1, {}),
    ):
        house.from_host(frame)
    for frame in (Data(number, b"late"), Credit(number, 5), Close(number, CloseReason.DONE)):
        house.from_viewer(frame)
    assert house.viewer_recorder.take() == house.host.take() == []


def test_a_host_cannot_use_streams_that_nobody_opened(house: House) -> None:
    number = house.viewer.number << 16 | 7
    for frame in (
        Data(number, b"x"),
        Credit(number, 5),
        Close(number, CloseReason.DONE),
        Accept(number, 1, {}),
    ):
        assert reason_of(partial(house.from_host, frame)) is CloseReason.OUT_OF_ORDER


def test_a_second_accept_is_refused(house: House) -> None:
    number = house.opened()
    assert reason_of(lambda: house.from_host(Accept(number, 1, {}))) is CloseReason.OUT_OF_ORDER


def test_frames_of_the_other_role_are_refused(house: House) -> None:
    number = house.opened()
    hello = Hello(1, "host", bytes(16), {})
    of_viewers: list[Frame] = [hello, Welcome({}), Open(number + 1, Channel.CHAT, 1, {})]
    of_hosts: list[Frame] = [hello, Welcome({}), Accept(number, 1, {})]
    for frame in of_viewers:
        assert reason_of(partial(house.from_host, frame)) is CloseReason.OUT_OF_ORDER
    for frame in of_hosts:
        assert reason_of(partial(house.from_viewer, frame)) is CloseReason.OUT_OF_ORDER
    assert reason_of(lambda: house.from_host(Close(0, CloseReason.DONE))) is CloseReason.NORMAL
    assert reason_of(lambda: house.from_viewer(Close(0, CloseReason.DONE))) is CloseReason.NORMAL


def test_what_the_rules_refuse_is_closed_with_the_reason(house: House) -> None:
    house.rules.refused = {Channel.FILES: CloseReason.PLAN}
    number = house.viewer.number << 16 | 1
    house.from_viewer(Open(number, Channel.FILES, 1, {}))
    assert house.viewer_recorder.take() == [Close(number, CloseReason.PLAN)]
    assert house.host.take() == []


def test_the_stream_after_the_last_allowed_one_is_refused(house: House) -> None:
    for _ in range(MAX_STREAMS_PER_VIEWER):
        house.opened(Channel.CHAT)
    number = house.viewer.number << 16 | house.viewer.last_stream + 1
    house.from_viewer(Open(number, Channel.CHAT, 1, {}))
    assert house.viewer_recorder.take() == [Close(number, CloseReason.TOO_MANY_STREAMS)]


def test_only_one_pair_stream_is_open_in_a_session(house: House) -> None:
    house.from_viewer(Open(house.viewer.number << 16 | 1, Channel.PAIR, 1, {}))
    recorder, other = house.attach()
    number = other.number << 16 | 1
    house.from_viewer(Open(number, Channel.PAIR, 1, {}), other)
    assert recorder.take() == [Close(number, CloseReason.LIMIT)]


async def test_a_try_is_counted_before_the_accept_goes_on(house: House) -> None:
    number = house.viewer.number << 16 | 1
    house.from_viewer(Open(number, Channel.PAIR, 100, {"code": 1, "attempt": 3}))
    seen: list[Frame] = []
    house.rules.while_counting = lambda: seen.extend(house.viewer_recorder.take())
    pending = house.tunnel.receive_from_host(encode_frame(Accept(number, 100, {})))
    assert pending is not None
    await pending
    assert seen == []
    assert house.rules.log == [("try", 1, 3)]
    assert house.viewer_recorder.take() == [Accept(number, 100, {})]


async def test_a_try_that_is_refused_reaches_nobody(house: House) -> None:
    number = house.viewer.number << 16 | 1
    house.rules.refuse_try = CloseReason.TOO_MANY_TRIES
    house.from_viewer(Open(number, Channel.PAIR, 100, {"code": 1, "attempt": 6}))
    house.host.take()
    pending = house.tunnel.receive_from_host(encode_frame(Accept(number, 100, {})))
    assert pending is not None
    await pending
    assert house.viewer_recorder.take() == [Close(number, CloseReason.TOO_MANY_TRIES)]
    assert house.host.take() == [Close(number, CloseReason.TOO_MANY_TRIES)]


async def test_a_viewer_that_left_while_its_try_was_counted_is_not_written_to(house: House) -> None:
    number = house.viewer.number << 16 | 1
    house.from_viewer(Open(number, Channel.PAIR, 100, {"code": 1, "attempt": 1}))
    house.rules.while_counting = lambda: house.tunnel.detach_viewer(house.viewer)
    pending = house.tunnel.receive_from_host(encode_frame(Accept(number, 100, {})))
    assert pending is not None
    await pending
    assert house.viewer_recorder.take() == []


async def test_a_pair_stream_without_numbers_is_refused(house: House) -> None:
    number = house.viewer.number << 16 | 1
    house.from_viewer(Open(number, Channel.PAIR, 100, {"code": "1", "attempt": 1}))
    pending = house.tunnel.receive_from_host(encode_frame(Accept(number, 100, {})))
    assert pending is not None
    await pending
    assert house.viewer_recorder.take() == [Close(number, CloseReason.OUT_OF_ORDER)]
    assert house.rules.log == []


async def test_a_wrong_code_is_reported_whoever_finds_it(house: House) -> None:
    for close in (house.from_host, house.from_viewer):
        number = house.viewer.number << 16 | house.viewer.last_stream + 1
        house.from_viewer(Open(number, Channel.PAIR, 100, {"code": 1, "attempt": 1}))
        accepted = house.tunnel.receive_from_host(encode_frame(Accept(number, 100, {})))
        assert accepted is not None
        await accepted
        pending = close(Close(number, CloseReason.WRONG_CODE))
        assert pending is not None
        await pending  # type: ignore[misc]  # narrowed by the assertion only
    assert house.rules.log.count("failed") == 2


async def test_notices_go_to_the_rules_with_their_sender(house: House) -> None:
    for send, sender in ((house.from_host, None), (house.from_viewer, house.viewer.number)):
        pending = send(Notice("paired", {}))
        await pending  # type: ignore[misc]  # a notice is always awaited
        assert house.rules.log[-1] == (sender, "paired")


def test_a_lost_host_closes_its_streams_but_no_viewer(house: House) -> None:
    number = house.opened()
    assert house.tunnel.detach_host(house.host_peer)
    assert house.viewer_recorder.take() == [
        Close(number, CloseReason.HOST_OFFLINE),
        Notice("host_offline", {}),
    ]
    assert house.viewer_recorder.closed is None
    house.from_viewer(Open(number + 1, Channel.CONTROL, 1, {}))
    assert house.viewer_recorder.take() == [Close(number + 1, CloseReason.HOST_OFFLINE)]
    house.from_viewer(Data(number, b"late"))


def test_the_newest_host_connection_wins(house: House) -> None:
    number = house.opened()
    newer, newer_peer = house._peer()
    house.tunnel.attach_host(newer_peer, FACTS)
    assert house.host.closed is not None
    assert house.host.closed[0] is CloseReason.REPLACED
    assert house.viewer_recorder.take() == [
        Close(number, CloseReason.HOST_OFFLINE),
        Notice("host_online", FACTS),
    ]
    notice = Notice("attached", {"viewer": house.viewer.number, "technician": "Tess", "access": "full"})
    assert newer.take() == [notice]
    assert not house.tunnel.detach_host(house.host_peer)
    assert house.tunnel.host is newer_peer


def test_a_viewer_that_leaves_is_closed_towards_the_host(house: House) -> None:
    number = house.opened()
    house.tunnel.detach_viewer(house.viewer)
    house.tunnel.detach_viewer(house.viewer)
    assert house.host.take() == [
        Close(number, CloseReason.DETACHED),
        Notice("detached", {"viewer": house.viewer.number}),
    ]
    house.from_host(Data(number, b"late"))
    assert list(house.tunnel.peers()) == [house.host_peer]


def test_what_a_slow_viewer_has_waiting_is_forgotten_when_it_closes_the_stream(house: House) -> None:
    number = house.opened()
    house.from_viewer(Close(number, CloseReason.DONE))
    assert house.viewer_recorder.dropped == [number]


def test_a_session_has_room_for_so_many_viewers_and_reuses_their_numbers(house: House) -> None:
    others = [house.attach() for _ in range(MAX_VIEWERS - 1)]
    with pytest.raises(Refused) as caught:
        house.attach()
    assert caught.value.close_reason is CloseReason.LIMIT
    house.tunnel.detach_viewer(others[0][1])
    _, next_viewer = house.attach()
    assert next_viewer.number == MAX_VIEWERS + 1


def test_viewer_numbers_wrap_around_those_in_use(house: House) -> None:
    house.tunnel._last_viewer = 0xFFFF
    _, viewer = house.attach()
    assert viewer.number == 2  # 1 is attached


def test_ending_tells_every_peer_why(house: House) -> None:
    house.tunnel.close(CloseReason.EXPIRED, closing_notice(CloseReason.EXPIRED))
    expected = (CloseReason.EXPIRED, (Notice("ended", {"reason": "expired"}),))
    assert house.host.closed == house.viewer_recorder.closed == expected


def test_streams_that_could_not_be_opened_any_more_are_closed_for_both(house: House) -> None:
    number, other = house.opened(Channel.FILES), house.opened(Channel.CHAT)
    house.rules.refused = {Channel.FILES: CloseReason.PLAN}
    house.tunnel.close_refused_streams()
    assert house.host.take() == house.viewer_recorder.take() == [Close(number, CloseReason.PLAN)]
    house.from_viewer(Data(other, b"still open"))
    assert house.host.take() == [Data(other, b"still open")]


def test_the_last_try_of_a_code_goes_on_though_no_other_may_begin(house: House) -> None:
    number = house.viewer.number << 16 | 1
    house.from_viewer(Open(number, Channel.PAIR, 100, {"code": 1, "attempt": 5}))
    house.rules.refused = {Channel.PAIR: CloseReason.TOO_MANY_TRIES}
    house.tunnel.close_refused_streams()
    assert house.viewer_recorder.take() == []
    assert house.tunnel.open_streams == 1


def test_notices_reach_host_and_viewers(house: House) -> None:
    house.tunnel.notify_host("renewed", {"code": 2})
    house.tunnel.notify_viewers("renewed", {"code": 2})
    assert house.host.take() == house.viewer_recorder.take() == [Notice("renewed", {"code": 2})]
    house.tunnel.detach_host(house.host_peer)
    house.tunnel.notify_host("renewed", {"code": 3})
    assert house.host.take() == []


def test_an_empty_tunnel_knows_it(house: House) -> None:
    house.tunnel.detach_viewer(house.viewer)
    assert not house.tunnel.is_empty
    house.tunnel.detach_host(house.host_peer)
    assert house.tunnel.is_empty


def test_traffic_is_counted_by_channel_and_direction(house: House) -> None:
    number = house.opened(credit=60)
    house.from_host(Data(number, bytes(40)))
    house.from_viewer(Data(number, bytes(10)))
    metrics = Metrics()
    house.counter.publish(metrics)
    house.counter.publish(metrics)
    text = metrics.render().decode()
    assert 'relay_tunnel_frames_total{channel="control",direction="to_viewer"} 1.0' in text
    assert 'relay_tunnel_bytes_total{channel="control",direction="to_viewer"} 49.0' in text
    assert 'relay_tunnel_bytes_total{channel="control",direction="to_host"} 19.0' in text
    assert 'relay_credit_stalls_total{channel="control"} 1.0' in text


def test_a_stream_knows_its_priorities_per_direction(house: House) -> None:
    house.from_viewer(Open(house.viewer.number << 16 | 1, Channel.CONTROL, 1, {}))
    stream: Stream = next(iter(house.viewer.streams.values()))
    assert (stream.host_priority, stream.viewer_priority) == (Priority.INPUT, Priority.SCREEN)
