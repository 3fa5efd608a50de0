"""What the program for Windows refuses, as it is built: one sentence, and nothing is installed."""

import shutil
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from socket import create_server, socket
from typing import Final

import pytest
import trio

from host.texts import Texts
from relay.protocol.link_blob import MARKER
from technician.relay_client import open_relay_client
from tests.helpers.active_story import open_active_session
from tests.helpers.certificates import make_certificate
from tests.helpers.relay_process import RelayProcess
from tests.helpers.windows_program import save, start_in_vain, temporary_files, traces
from tests.helpers.wine import Wine

pytestmark = [pytest.mark.sockets, pytest.mark.slow, pytest.mark.windows, pytest.mark.timeout(1800)]

EN: Final = Texts("en")
INVITE: Final = "d/AAECAwQFBgcICQoLDA0ODw#EBESExQVFhcYGRobHB0eHw.k7mp-w2xa-9tfe"


def refuse(wine: Wine, file: Path) -> tuple[int, str]:
    """Start it, and look that nothing has come of it; the exit code and the sentence."""
    before = wine.snapshot()
    code, said = start_in_vain(wine, file)
    assert traces(before, wine) == []
    assert temporary_files(wine) == []
    assert said.startswith("adhoc-host: ")
    assert said.count("\n") == 1
    return code, said.removeprefix("adhoc-host: ").strip()


def test_a_download_that_ends_in_the_link_is_refused(wine: Wine, program: Path) -> None:
    file = save(wine, program, f"https://relay.example/{INVITE}")
    data = file.read_bytes()
    file.write_bytes(data[: data.rfind(MARKER) + 60])
    assert refuse(wine, file) == (2, EN.get("incomplete"))


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        (b"https://relay", b"https://rel\xff\xfe", EN.get("incomplete")),
        (b"https://relay.", b"http://relay.e", "The link must begin with https."),
        (b"/d/AAECAwQF", b"/x/AAECAwQF", ""),
    ],
)
def test_a_link_that_somebody_tampered_with_is_refused(
    wine: Wine, program: Path, before: bytes, after: bytes, sentence: str
) -> None:
    file = save(wine, program, f"https://relay.example/{INVITE}")
    data = file.read_bytes()
    assert data.count(before) == 1
    file.write_bytes(data.replace(before, after))
    code, said = refuse(wine, file)
    assert code == 2
    assert said.startswith(sentence)


@contextmanager
def impostor(folder: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Somebody on this network who cannot prove to be the relay: a port, and what they were told."""
    folder.mkdir()
    context = make_certificate(folder).server_context()
    told: list[bytes] = []

    def serve(listener: socket) -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            with plain:
                try:
                    with context.wrap_socket(plain, server_side=True) as sealed:
                        told.append(sealed.recv(1000))
                except (ssl.SSLError, OSError):
                    continue

    with create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield listener.getsockname()[1], told
        listener.shutdown(2)
    thread.join(10)


def test_a_relay_that_cannot_prove_itself_is_told_nothing(wine: Wine, program: Path, tmp_path: Path) -> None:
    with impostor(tmp_path / "impostor") as (port, told):
        file = save(wine, program, f"https://127.0.0.1:{port}/{INVITE}")
        assert refuse(wine, file) == (1, EN.get("wrong_relay"))
    assert [data for data in told if data] == []


async def test_the_link_of_a_session_that_is_over_is_refused(
    wine: Wine, program: Path, tmp_path: Path
) -> None:
    relay = await trio.to_thread.run_sync(RelayProcess, tmp_path / "relay")
    try:
        async with open_relay_client(relay.origin) as client:
            await client.sign_in_by_token(relay.sign_in_link.partition("#")[2])
            prepared = await client.prepare("ana@customer.example")
            await client.end(prepared.session.id)
            file = save(wine, program, prepared.link.url())
            refused = await trio.to_thread.run_sync(partial(refuse, wine, file))
            assert refused == (1, EN.get("dead_link"))
    finally:
        with trio.move_on_after(30, shield=True):
            await trio.to_thread.run_sync(relay.stop)


async def test_the_link_of_another_computers_session_is_refused(
    wine: Wine, program: Path, tmp_path: Path
) -> None:
    async with open_active_session(tmp_path, wine.desktop) as session:
        file = save(wine, program, session.prepared.link.url())
        refused = await trio.to_thread.run_sync(partial(refuse, wine, file))
        assert refused == (1, EN.get("dead_link"))
        await session.assert_controllable()  # the one that was first
        funnel = (await session.client.session(session.id)).funnel
        assert "refused_dead_link" in [step.step for step in funnel]


def test_what_a_start_left_that_was_killed_goes_with_the_next(wine: Wine, program: Path) -> None:
    (folder,) = wine.drive.glob("users/*/Temp")
    left, other = folder / "nsq1A2B.tmp", folder / "nsx3C4D.tmp"
    for path in (left / "host/app/start.py", left / "host/python/python.exe", other / "start.py"):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
    file = save(wine, program, "not a link")
    code, _ = start_in_vain(wine, file)
    assert code == 2
    assert temporary_files(wine) == [str(other)]
    shutil.rmtree(other)
