"""A shell through the real thing: processes of relay and host, the technician's command line."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import trio

from tests.helpers.active_story import open_active_session, run_technician
from tests.helpers.desktops import Desktop

pytestmark = [pytest.mark.sockets, pytest.mark.slow]


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    """The customer's desktop."""
    with Desktop() as running:
        yield running


async def test_a_command_runs_on_the_customers_computer(tmp_path: Path, desktop: Desktop) -> None:
    async with open_active_session(tmp_path, desktop) as session:
        technician = partial(run_technician, session, tmp_path / "config")
        done = await technician("shell", "--command", "pwd; exit 7")
        assert (done.returncode, done.stdout) == (7, f"{session.host.home}\n"), done.stderr
        long = await technician("shell", "--command", "head -c 2000000 /dev/zero | tr '\\0' x")
        assert (long.returncode, len(long.stdout)) == (0, 2_000_000), long.stderr
        asked = await technician("shell")
        assert (asked.returncode, "needs a terminal" in asked.stderr) == (2, True)
        record = await technician("dashboard", "list", "record", "--json")
        assert record.stdout.count("shell_opened") == 2


async def test_the_free_plan_has_no_shell(tmp_path: Path, desktop: Desktop) -> None:
    async with open_active_session(tmp_path, desktop, "--company-plan", "free") as session:
        done = await run_technician(session, tmp_path / "config", "shell", "--command", "id")
        assert (done.returncode, done.stdout) == (1, "")
        assert "plan" in done.stderr


async def test_the_customer_pauses_and_goes_on(tmp_path: Path, desktop: Desktop) -> None:
    async with open_active_session(tmp_path, desktop) as session:
        technician = partial(run_technician, session, tmp_path / "config")

        def say(line: str, answer: str) -> None:
            session.host.type(line)
            session.host.hear(answer)

        await trio.to_thread.run_sync(say, "pause", "Paused: nobody can see or use")
        refused = await technician("shell", "--command", "id")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "The customer has paused the session." in refused.stderr
        await trio.to_thread.run_sync(say, "resume", "Going on")
        assert (await technician("shell", "--command", "true")).returncode == 0
