"""The host's program is one that Windows' Python can load."""

import pytest

from tests.helpers.wine import Wine

pytestmark = [pytest.mark.slow, pytest.mark.windows, pytest.mark.timeout(600)]


def test_the_host_is_imported_with_all_its_tools(wine: Wine) -> None:
    said = wine.run(
        "import sys, tkinter, host.cli, host.window, host.windows.desktop\n"
        "print(sys.platform, *sorted(m for m in sys.modules if m.startswith('host.windows.')))\n"
    )
    assert said.split()[0] == "win32"
    assert "host.windows.deletion" in said.split()
    assert "host.windows.input" in said.split()


def test_the_clock_since_boot_goes_on(wine: Wine) -> None:
    before, after = wine.run(
        "import time\n"
        "from host.deadline import COMPUTER_CLOCKS as clocks\n"
        "print(clocks.boot()); time.sleep(0.1); print(clocks.boot())\n"
    ).split()
    assert 0.05 < float(after) - float(before) < 30
