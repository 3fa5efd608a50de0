"""An office whose audit log can be written, edited and verified."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.helpers.audit_office import AuditOffice, open_audit_office
from tests.helpers.office import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def office(tmp_path: Path, clock: Clock) -> AsyncIterator[AuditOffice]:
    async with open_audit_office(tmp_path, clock) as opened:
        yield opened
