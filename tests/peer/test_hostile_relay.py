"""Any frames and any bytes from the relay give a `PeerError` at the peer, and nothing else."""

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from peer.errors import ConnectionFailed, PeerError
from peer.tunnel import Stream, Tunnel, open_tunnel
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import (
    Accept,
    Channel,
    Close,
    Credit,
    Data,
    Notice,
    Open,
    Role,
    Welcome,
    encode_frame,
)
from tests.helpers.scripted_relay import FIRST_STREAM, VIEWER, dialled_in_memory, hello_of

ANY_FRAME = st.one_of(
    st.binary(max_size=40),
    st.builds(Data, st.integers(1 << 16, FIRST_STREAM + 2), st.binary(max_size=300)).map(encode_frame),
    st.builds(Credit, st.integers(1 << 16, FIRST_STREAM + 2), st.integers(1, 1 << 24)).map(encode_frame),
    st.builds(
        Open,
        st.integers(FIRST_STREAM, FIRST_STREAM + 2),
        st.sampled_from(Channel),
        st.integers(1, 1 << 24),
        st.just({}),
    ).map(encode_frame),
    st.builds(Accept, st.integers(FIRST_STREAM, FIRST_STREAM + 2), st.integers(1, 1 << 24), st.just({})).map(
        encode_frame
    ),
    st.builds(Close, st.integers(0, FIRST_STREAM + 2), st.sampled_from(CloseReason)).map(encode_frame),
    st.builds(Notice, st.text(max_size=8), st.just({})).map(encode_frame),
    st.just(encode_frame(Welcome({"viewer": VIEWER}))),
)


@given(
    role=st.sampled_from(["viewer", "host"]),
    is_admitted=st.booleans(),
    messages=st.lists(ANY_FRAME, max_size=6),
    rest=st.binary(max_size=20),
)
def test_whatever_a_relay_sends_nothing_but_a_peer_error_comes_of_it(
    role: Role, is_admitted: bool, messages: list[bytes], rest: bytes
) -> None:
    async def scenario() -> None:
        with pytest.MonkeyPatch.context() as monkeypatch:
            relay = dialled_in_memory(monkeypatch)
            if is_admitted:
                await relay.send(Welcome({"viewer": VIEWER}))
            for message in messages:
                await relay.pipe.send_all(relay.codec.encode_binary(message))
            await relay.pipe.send_all(rest)
            with pytest.raises(PeerError):
                async with open_tunnel("http://relay", hello_of(role)) as tunnel:
                    await use(tunnel)

    trio.run(scenario, clock=trio.testing.MockClock(autojump_threshold=0))


async def use(tunnel: Tunnel) -> None:
    """What programs do with a tunnel; a relay that has nothing more to say ends it by its silence."""

    async def talk(stream: Stream) -> None:
        await stream.send(b"x")
        while True:
            await stream.receive()

    if tunnel.role == "viewer":
        await talk(await tunnel.open_stream(Channel.CONTROL, {}))
    async for stream in tunnel.incoming:
        await stream.accept({})
        await talk(stream)
    raise ConnectionFailed(await tunnel.wait_closed())
