"""A computer with Windows, as far as wine is one."""

from collections.abc import Iterator

import pytest

from tests.helpers.wine import Wine, find_missing


@pytest.fixture(scope="module")
def wine() -> Iterator[Wine]:
    """A fresh one for the tests of a file."""
    missing = find_missing()
    if missing:
        pytest.skip(f"these tests need programs that are not here: {', '.join(missing)}")
    with Wine() as computer:
        yield computer
