"""A computer with Windows, as far as wine is one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundles.stories import build_host
from tests.helpers.wine import Wine, find_missing


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that customers download, with its sidecar, as an operator builds it."""
    if shutil.which("makensis") is None:
        pytest.skip("makensis is not here")
    out = tmp_path_factory.mktemp("downloads")
    build_host("windows", out)
    return out / "adhoc-host.exe"


@pytest.fixture(scope="module")
def wine() -> Iterator[Wine]:
    """A fresh one for the tests of a file."""
    missing = find_missing()
    if missing:
        pytest.skip(f"these tests need programs that are not here: {', '.join(missing)}")
    with Wine() as computer:
        yield computer
