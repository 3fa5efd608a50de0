"""A relay that runs out of file descriptors: it keeps whom it has, turns others away, and recovers."""

import resource
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from tests.helpers.process_house import ProcessHouse, exchange, exchanging, open_pair, open_process
from tests.helpers.relays import activate

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

RESERVED = 32
"""Of `FrontDoorSettings`: for the database, the outbox and the metrics listener."""
SPARE = 20
"""How many more the relay may have, when the test begins."""
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[ProcessHouse]:
    async with open_process(tmp_path, sessions=3) as it:
        yield it


def allow(house: ProcessHouse, descriptors: int) -> None:
    """Change the limit of the relay's process while it runs (the soft one, so that it can be raised)."""
    _, hard = resource.prlimit(house.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(house.process.pid, resource.RLIMIT_NOFILE, (descriptors, hard))


async def ask(stream: trio.SocketStream) -> bytes:
    """The status that a request on a new connection gets; b"" if the relay hung up."""
    with trio.fail_after(10):
        try:
            await stream.send_all(GET)
            return bytes(await stream.receive_some())[9:12]
        except trio.BrokenResourceError:  # closed behind its answer, before our request had come
            return b"503"


async def test_it_keeps_those_it_has_turns_others_away_and_recovers(house: ProcessHouse) -> None:
    active = await activate(house)
    async with open_pair(house, active) as sealed, exchanging(sealed, at_least=100):
        used = int(await house.sample("relay_descriptors"))
        allow(house, used + SPARE + RESERVED)
        async with AsyncExitStack() as crowd:
            answers = []
            for _ in range(2 * SPARE):
                stream = await trio.open_tcp_stream(*house.address)
                await crowd.enter_async_context(stream)
                answers.append(await ask(stream))
            # The scrape that counted them had two more open than stayed: its own socket and the folder.
            let_in = answers.count(b"200")
            assert SPARE <= let_in <= SPARE + 3
            assert answers == [b"200"] * let_in + [b"503"] * (len(answers) - let_in)
            # What needs a file still works: a row in the database, a mail in the outbox, the metrics.
            prepared = await house.relay.prepare("ben@customer.example", mail=True)
            assert prepared.mail.state == "outbox"
            refused = await house.sample("relay_front_door_events_total", event="refused_descriptors")
            assert refused == len(answers) - let_in
        await house.wait_sample("relay_descriptors", used)
        async with await trio.open_tcp_stream(*house.address) as stream:
            assert await ask(stream) == b"200"
    assert house.process.logs.count('"level": "error"') == 1
    assert house.process.logs.count("accepting connections again") == 1


async def test_it_survives_a_limit_below_what_it_has_already(house: ProcessHouse) -> None:
    active = await activate(house)
    async with open_pair(house, active) as sealed:
        allow(house, 5)
        async with await trio.open_tcp_stream(*house.address) as stream:  # as far as the kernel's backlog
            await stream.send_all(GET)
            await exchange(sealed, 500)
            await house.relay.end((await house.relay.prepare("ben@customer.example")).session.id)
            allow(house, 1024)
            assert (await stream.receive_some())[9:12] == b"200"
        await exchange(sealed, 10)
        assert await house.sample("relay_front_door_events_total", event="accept_error") >= 1
    assert house.process.logs.count('"level": "error"') == 1
    assert "Traceback" not in house.process.logs
