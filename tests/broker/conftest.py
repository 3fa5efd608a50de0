"""An office on a new database, and a clock that moves when told to."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.helpers.office import Clock, Office, open_office


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def office(tmp_path: Path, clock: Clock) -> AsyncIterator[Office]:
    async with open_office(tmp_path / "relay.db", now=clock) as opened:
        yield opened
