"""A real relay for the technician's library, in this process."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
import trio

from relay.config import load
from relay.server import Running, serve
from technician.relay_client import RelayClient, open_relay_client, split_sign_in_link

OpenRelay = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def open_relay(tmp_path: Path) -> OpenRelay:
    """Runs a relay of its own for the time of a block; one after another share sessions and database."""

    @asynccontextmanager
    async def run(port: int = 0) -> AsyncIterator[Running]:
        config = load({"listen": f"127.0.0.1:{port}", "data": str(tmp_path / "relay")}, {}, None)
        async with trio.open_nursery() as nursery:
            running: Running = await nursery.start(serve, config)
            yield running
            running.stop()

    return run


@asynccontextmanager
async def signed_in(running: Running) -> AsyncIterator[RelayClient]:
    """A client for `running`, signed in by the link of its first run."""
    origin, token = split_sign_in_link(running.sign_in_link or "")
    assert token is not None
    async with open_relay_client(origin) as relay:
        await relay.sign_in_by_token(token)
        yield relay
