"""Dashboard and chat through the real thing: processes of relay and host, the technician's command line."""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
import trio

from relay.protocol.frames import Channel
from relay.protocol.links import encode_base64url
from technician.attaching import open_tool
from technician.errors import RelayRefused
from tests.helpers.active_story import open_active_session, run_technician
from tests.helpers.desktops import HEIGHT, WIDTH, Desktop
from tests.helpers.programs import PATIENCE

pytestmark = [pytest.mark.sockets, pytest.mark.slow]


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    """The customer's desktop."""
    with Desktop() as running:
        yield running


async def test_the_command_line_shows_the_computer_and_talks_with_the_customer(
    tmp_path: Path, desktop: Desktop
) -> None:
    async with open_active_session(tmp_path, desktop) as session:
        technician = partial(run_technician, session, tmp_path / "config")
        shown = await technician("dashboard", "--json")
        assert shown.returncode == 0, shown.stderr
        told = json.loads(shown.stdout)
        assert told["system"]["memory"] == psutil.virtual_memory().total
        assert [(each["width"], each["height"]) for each in told["system"]["displays"]] == [(WIDTH, HEIGHT)]
        assert len(told["past"]["columns"]["cpu"]) == 8640
        listed = await technician("dashboard", "list", "processes", "--json")
        assert listed.returncode == 0, listed.stderr
        assert any("host" in row["command"] for row in json.loads(listed.stdout)["rows"])

        said = await technician("chat", "--begin", "--json", stdin="Good morning\nis it slow?\n")
        assert said.returncode == 0, said.stderr
        session.host.hear(r"wants to write with you")
        session.host.hear(re.escape("Good morning"))
        session.host.hear(re.escape("is it slow?"))
        session.host.type("yes, since monday")
        heard = ""
        with trio.fail_after(PATIENCE):
            while "Customer: yes, since monday" not in heard:
                heard = (await technician("chat", stdin="and?\n")).stdout
        assert heard.index("Good morning") < heard.index("since monday")


async def test_the_free_plan_has_no_dashboard_but_chat(tmp_path: Path, desktop: Desktop) -> None:
    async with open_active_session(tmp_path, desktop, "--company-plan", "free") as session:
        key, password = bytes(session.pairing_key), session.prepared.link.access_password
        with pytest.raises(RelayRefused) as refused:
            async with open_tool(session.client, session.id, Channel.DASHBOARD, key, password):
                raise AssertionError("the stream opened")
        assert refused.value.status == 409
        said = await run_technician(session, tmp_path / "config", "chat", stdin="hello\n")
        assert said.returncode == 0, said.stderr
        session.host.hear("hello")


async def test_the_receipt_tells_the_customer_what_was_changed(tmp_path: Path, desktop: Desktop) -> None:
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"x" * (1 << 20))
    async with open_active_session(tmp_path, desktop) as session:
        technician = partial(run_technician, session, tmp_path / "config")
        put = await technician("files", "put", source, target)
        assert put.returncode == 0, put.stderr
        async with trio.open_nursery() as nursery:
            victim = await nursery.start(partial(trio.run_process, ["sleep", "600"], check=False))
            ended = await technician("dashboard", "end", str(victim.pid), "--yes")
            assert ended.returncode == 0, ended.stderr
        await trio.to_thread.run_sync(session.host.interrupt)
        await trio.to_thread.run_sync(session.host.wait_removed)
        invite = encode_base64url(session.prepared.link.invite)
        async with httpx.AsyncClient(base_url=session.relay.origin) as customer:
            receipt = (await customer.get(f"/api/v1/links/{invite}/receipt")).json()
    assert receipt["removal"] == "confirmed"
    assert receipt["acts"] == [{"act": "file_written", "count": 1}, {"act": "process_ended", "count": 1}]
