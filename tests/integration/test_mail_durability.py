"""A relay that is killed between taking a mail over and handing it on: the next one sends it."""

import re
from pathlib import Path

import pytest
import trio

from tests.helpers.mail_servers import Receiver, scripted_server, smtp_server
from tests.helpers.process_house import open_process
from tests.helpers.relays import CUSTOMER

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

GREETING = (b"220 hello\r\n", b"250 fine\r\n", b"250 sender\r\n", b"250 recipient\r\n", b"354 go on\r\n")


async def test_a_mail_outlives_a_killed_relay_and_nothing_of_it_stays(tmp_path: Path) -> None:
    receiver = Receiver()
    async with scripted_server(*GREETING) as hanging:
        port = hanging.port
        options = ["--smtp-url", f"smtp://127.0.0.1:{port}", "--mail-from", "relay@help.example"]
        async with open_process(tmp_path, *options, "--smtp-timeout", "4") as house:
            # Answered while the first try still hangs.
            prepared = await house.relay.prepare(CUSTOMER, mail=True)
            assert hanging.visits == 1
            assert not hanging.is_left.is_set()
            secrets: dict[str, str | bytes] = {
                "invite secret": bytes(prepared.link.secret),
                "access password": prepared.link.access_password,
            }
            assert await trio.to_thread.run_sync(house.process.find_kept, secrets) == []
            await trio.to_thread.run_sync(house.process.kill)
            await hanging.close()
            with smtp_server(receiver, port=port):
                await trio.to_thread.run_sync(house.process.start_again)
                await trio.to_thread.run_sync(receiver.wait_for, 1, 60)
                await house.wait_sample("relay_mails_total", 1, state="sent")
            assert await trio.to_thread.run_sync(house.process.find_kept, secrets) == []
    (message,) = receiver.messages
    body = message.get_body(("plain",))
    assert body is not None
    assert prepared.link.url() in body.get_content()
    assert re.fullmatch(r"<[0-9a-f]{32}@help\.example>", message["Message-ID"])
