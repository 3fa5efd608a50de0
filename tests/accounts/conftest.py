"""An office, its clock, and hashing that costs nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.accounts import desk
from tests.helpers.office import Clock, Office, open_office


@pytest.fixture
def clock() -> Clock:
    """The office's clock."""
    return Clock()


@pytest.fixture
async def office(tmp_path: Path, clock: Clock) -> AsyncIterator[Office]:
    """One company with one technician, Tess."""
    async with open_office(tmp_path / "relay.db", now=clock) as opened:
        yield opened


@pytest.fixture
def quick_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashing that costs nothing, for tests that are about something else."""
    monkeypatch.setattr(desk, "hash_password", lambda password: f"hash of {password}")
    monkeypatch.setattr(desk, "verify_password", lambda stored, password: stored == f"hash of {password}")
