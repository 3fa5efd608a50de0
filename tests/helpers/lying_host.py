"""The temporary host of a computer whose names are an attack on whoever reads them: for tests only.

python -m tests.helpers.lying_host ARGUMENTS-OF-HOST…
"""

import sys
from unittest import mock

import host.cli
from host.hello import ComputerFacts

SCRIPT = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>"
OVERRIDE = "\u202e\u2066\u200b"
"""Turns the text behind it round, isolates it, and cannot be seen."""

COMPUTER = f'"><svg onload=document.title="run">{OVERRIDE}PC'
SYSTEM = f"{SCRIPT[:80]} OS"
USER = "javascript:document.title='run'//" + "W" * 60


def learn_facts() -> ComputerFacts:
    """What this computer says it is called: as it comes, not as our own host would clean it."""
    return ComputerFacts(computer=COMPUTER, os=SYSTEM, user=USER)


if __name__ == "__main__":
    with mock.patch.object(host.cli, "learn_facts", learn_facts):
        sys.exit(host.cli.main())
