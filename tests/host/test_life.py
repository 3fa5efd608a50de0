"""A host's life against a real relay and the technician's own library, over sockets on 127.0.0.1."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import trio

from host import channels, pairing
from host.hello import make_hello
from host.life import HostLife
from host.receipt import hand_in_receipt
from host.remote_control import Desktop, DesktopUnavailable
from host.state import HostState
from host.texts import Texts
from host.tools import open_tools
from peer.errors import StreamClosed
from relay.protocol.close_reasons import CloseReason
from relay.protocol.hidden import SecretBytes
from relay.protocol.lease import Receipt
from technician.errors import PairingFailed, TechnicianError
from technician.models import PreparedSession
from technician.pairing import PairingEvents, pair
from technician.relay_client import RelayClient
from technician.remote_control import open_control
from tests.helpers.relays import CUSTOMER, House, open_relay
from tests.host.scripted_customer import FACTS, ScriptedCustomer

pytestmark = [pytest.mark.sockets, pytest.mark.slow]

WRONG = "000000000"
PATIENCE = 30.0


@dataclass
class Computer:
    """The customer's computer: a host's life on it, and what it keeps."""

    folder: Path
    prepared: PreparedSession
    customer: ScriptedCustomer
    state: HostState
    installs: int = 0
    ended: CloseReason | None = None

    async def live(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> CloseReason:
        with open_tools(self.folder, display=":987") as tools:
            life = HostLife(
                self.state,
                self.customer,
                FACTS,
                Texts("en"),
                save=lambda: self.state.save(self.folder),
                install=self._install,
                tools=tools,
                display=":987",
            )
            task_status.started()
            self.ended = await life.run()
        return self.ended

    def restart(self, customer: ScriptedCustomer) -> "Computer":
        """The same computer after its program was killed: what it knows is what it saved."""
        return replace(self, customer=customer, state=HostState.load(self.folder))

    def _install(self) -> None:
        self.installs += 1


@dataclass
class Technician:
    """The technician's side of a pairing: what was shown, read out and kept."""

    relay: RelayClient
    prepared: PreparedSession
    customer: ScriptedCustomer
    said: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    keys: list[SecretBytes] = field(default_factory=list)
    reads_out: bool = True

    async def pair(self) -> None:
        events = PairingEvents(say=self.said.append, show_code=self._show, store=self.keys.append)
        prepared = self.prepared
        session = await pair(self.relay, prepared.session.id, prepared.link, prepared.security_code, events)
        assert session.state == "active"

    def _show(self, code: str) -> None:
        self.codes.append(code)
        if self.reads_out:
            self.customer.say_code(code)


@pytest.fixture
def _no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifteen tries without the waits between them."""
    monkeypatch.setattr(pairing, "WAITS", (0, 0, 0, 0, 0))


async def prepare(house: House, folder: Path, codes: list[str] | None = None) -> tuple[Computer, Technician]:
    """Both sides of a prepared session. The customer types `codes`, by default the right one."""
    prepared = await house.relay.prepare(CUSTOMER)
    customer = ScriptedCustomer([prepared.security_code] if codes is None else codes)
    os.makedirs(folder)
    state = HostState.fresh(prepared.link)
    state.save(folder)
    return Computer(folder, prepared, customer, state), Technician(house.relay, prepared, customer)


@asynccontextmanager
async def open_house(tmp_path: Path, **settings: Any) -> AsyncIterator[House]:
    with trio.fail_after(PATIENCE):
        async with open_relay(tmp_path / "relay", **settings) as house:
            yield house


async def test_the_right_code_makes_the_session_active_and_the_technician_ends_it(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, trio.open_nursery() as nursery:
        computer, technician = await prepare(house, tmp_path / "host")
        await nursery.start(computer.live)
        await technician.pair()
        await computer.customer.wait_shown("active")
        asker, claims = computer.customer.asker, computer.customer.claims
        assert asker is not None
        assert claims is not None
        assert (asker.technician, asker.company) == (claims.technician, claims.company)
        seconds_left = dict(item for item in computer.customer.shown if isinstance(item, tuple))["active"]
        assert isinstance(seconds_left, float)
        assert 86_395 < seconds_left <= 86_400
        assert computer.installs == 1
        assert HostState.load(computer.folder).pairing_key == technician.keys[0]
        session = await house.relay.session(computer.prepared.session.id)
        assert session.host is not None
        assert (session.host.computer, session.host.user) == ("RECEPTION", "ana")
        await house.relay.end(session.id)
    assert computer.ended is CloseReason.ENDED_BY_TECHNICIAN


async def test_a_wrong_code_says_the_tries_left_and_waits_before_the_next(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, trio.open_nursery() as nursery:
        computer, technician = await prepare(house, tmp_path / "host", [WRONG, WRONG])
        computer.customer.say_code(computer.prepared.security_code)
        start = trio.current_time()
        await nursery.start(computer.live)
        await technician.pair()
        assert trio.current_time() - start >= 3  # 1 s after the first wrong code, 2 s after the second
        assert computer.customer.sentences == [
            "",
            "That code is not right. Tries left: 4.",
            "That code is not right. Tries left: 3.",
        ]
        nursery.cancel_scope.cancel()


@pytest.mark.usefixtures("_no_waits")
async def test_after_five_wrong_codes_only_a_new_code_works(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, trio.open_nursery() as nursery:
        computer, technician = await prepare(house, tmp_path / "host", [WRONG] * 5)
        await nursery.start(computer.live)
        await technician.pair()
        assert len(technician.codes) == 1
        assert computer.customer.shown.count("new_code_needed") == 1
        assert computer.customer.sentences[-1] == "The technician has a new code for you."
        assert computer.state.attempts == 6
        nursery.cancel_scope.cancel()


@pytest.mark.usefixtures("_no_waits")
async def test_fifteen_wrong_codes_end_the_session(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, trio.open_nursery() as nursery:
        computer, technician = await prepare(house, tmp_path / "host", [WRONG] * 15)
        technician.reads_out = False
        await nursery.start(computer.live)
        with pytest.raises(PairingFailed, match="Too many wrong"):
            await technician.pair()
    assert computer.ended is CloseReason.GUESSES
    assert len(technician.codes) == 2
    assert technician.keys == []


@pytest.mark.usefixtures("_no_waits")
async def test_counts_survive_both_sides_being_killed(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        computer, technician = await prepare(house, tmp_path / "host", [WRONG, WRONG])
        async with trio.open_nursery() as nursery:
            await nursery.start(computer.live)
            nursery.start_soon(technician.pair)
            await computer.customer.wait_asked(3)
            nursery.cancel_scope.cancel()
        port = int(house.origin.rpartition(":")[2])
    async with open_house(tmp_path, port=port) as house, trio.open_nursery() as nursery:
        customer = ScriptedCustomer([WRONG, computer.prepared.security_code])
        computer = computer.restart(customer)
        technician = Technician(house.relay, computer.prepared, customer)
        await nursery.start(computer.live)
        await technician.pair()
        assert customer.sentences == ["", "That code is not right. Tries left: 2."]
        nursery.cancel_scope.cancel()


async def test_a_customer_who_does_not_allow_ends_the_session(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, trio.open_nursery() as nursery:
        computer, technician = await prepare(house, tmp_path / "host")
        computer.customer.allows = False
        await nursery.start(computer.live)
        with pytest.raises(TechnicianError):
            await technician.pair()
        session = await house.relay.session(computer.prepared.session.id)
        assert (session.state, session.end_reason) == ("ended", "customer")
    assert computer.ended is CloseReason.ENDED_BY_CUSTOMER
    assert computer.state.pairing_key == b""
    assert technician.keys == []


@pytest.mark.parametrize(("folders", "has_files"), [((), False), (("/srv",), True), (None, True)])
async def test_files_are_what_the_customer_leaves_of_them(
    tmp_path: Path, folders: tuple[str, ...] | None, has_files: bool
) -> None:
    async with open_house(tmp_path) as house, trio.open_nursery() as nursery:
        computer, technician = await prepare(house, tmp_path / "host")
        computer.customer.folders = folders
        await nursery.start(computer.live)
        await technician.pair()
        await computer.customer.wait_shown("active")
        assert ("files" in computer.state.kinds) is has_files
        assert "control" in computer.state.kinds
        assert computer.state.folders == (None if folders is None else list(folders))
        nursery.cancel_scope.cancel()


async def test_the_question_is_taken_back_when_the_technician_leaves(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, trio.open_nursery() as nursery:
        computer, technician = await prepare(house, tmp_path / "host")
        customer = computer.customer
        customer.may_answer = trio.Event()
        await nursery.start(computer.live)
        async with trio.open_nursery() as leaving:
            leaving.start_soon(technician.pair)
            await customer.asked_to_allow.wait()
            leaving.cancel_scope.cancel()
        await customer.wait_asked(2)
        assert customer.sentences[1] == "The technician did not answer. Please enter the code once more."
        customer.may_answer.set()
        customer.say_code(computer.prepared.security_code)
        await technician.pair()
        nursery.cancel_scope.cancel()


async def test_a_code_typed_before_the_technician_is_there_is_kept(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, trio.open_nursery() as nursery:
        computer, technician = await prepare(house, tmp_path / "host")
        await nursery.start(computer.live)
        await computer.customer.wait_shown("waiting")
        await technician.pair()
        assert computer.customer.sentences == [""]
        nursery.cancel_scope.cancel()


async def test_the_customer_ends_the_session_and_the_receipt_confirms_the_removal(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, trio.open_nursery() as nursery:
        computer, technician = await prepare(house, tmp_path / "host")
        await nursery.start(computer.live)
        await technician.pair()
        computer.customer.ask_to_end()
        with trio.fail_after(PATIENCE):
            while computer.ended is None:  # noqa: ASYNC110 - a plain result, looked at between tasks
                await trio.sleep(0.01)
        session = await house.relay.session(computer.prepared.session.id)
        assert (session.end_reason, session.removal) == ("customer", "pending")
        assert await hand_in(computer)
        session = await house.relay.session(session.id)
        assert session.removal == "confirmed"
        assert not await hand_in(computer)  # the credential is dead


async def hand_in(computer: Computer) -> bool:
    reason = computer.ended or CloseReason.ENDED_BY_CUSTOMER
    receipt = Receipt(
        session=computer.state.session, ended_at=1_900_000_000, reason=reason.wire, removed=["state"], left=[]
    )
    return await hand_in_receipt(
        computer.state, make_hello(computer.state, FACTS), receipt, delays=(0.0, 0.2)
    )


async def test_an_end_that_the_relay_did_not_hear_of_is_told_with_the_receipt(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        computer, technician = await prepare(house, tmp_path / "host")
        async with trio.open_nursery() as nursery:
            await nursery.start(computer.live)
            await technician.pair()
            await computer.customer.wait_shown("active")
            nursery.cancel_scope.cancel()
        assert await hand_in(computer)
        session = await house.relay.session(computer.prepared.session.id)
        assert (session.state, session.end_reason, session.removal) == ("ended", "customer", "confirmed")


async def test_a_second_computer_with_the_same_link_replaces_the_first(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, trio.open_nursery() as nursery:
        first, technician = await prepare(house, tmp_path / "host", [])
        await nursery.start(first.live)
        await first.customer.wait_asked(1)
        second = replace(
            first,
            folder=tmp_path / "second",
            customer=ScriptedCustomer([first.prepared.security_code]),
            state=HostState.fresh(first.prepared.link),
        )
        second.folder.mkdir()
        await nursery.start(second.live)
        await technician.pair()
        assert first.ended is CloseReason.REPLACED
        session = await house.relay.session(first.prepared.session.id)
        assert len(session.warnings) == 1
        nursery.cancel_scope.cancel()


async def test_a_dead_link_ends_the_life_at_once(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        computer, _ = await prepare(house, tmp_path / "host")
        await house.relay.end(computer.prepared.session.id)
        assert await computer.live() is CloseReason.REFUSED


async def test_a_host_comes_back_from_its_state_and_is_used_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def open_no_desktop(display: str) -> AsyncIterator[Desktop]:
        raise DesktopUnavailable("There is no display.")
        yield

    monkeypatch.setattr(channels, "open_desktop", open_no_desktop)
    async with open_house(tmp_path) as house:
        computer, technician = await prepare(house, tmp_path / "host")
        async with trio.open_nursery() as nursery:
            await nursery.start(computer.live)
            await technician.pair()
            await computer.customer.wait_shown("active")
            nursery.cancel_scope.cancel()
        customer = ScriptedCustomer()
        computer = computer.restart(customer)
        session = computer.prepared.session.id
        async with trio.open_nursery() as nursery:
            await nursery.start(computer.live)
            await customer.wait_shown("active")
            assert customer.sentences == []
            password = computer.prepared.link.access_password
            with pytest.raises(StreamClosed) as closed:
                async with open_control(house.relay, session, technician.keys[0], "wrong horse"):
                    raise AssertionError("the stream opened")
            assert closed.value.close_reason is CloseReason.WRONG_PASSWORD
            async with open_control(house.relay, session, technician.keys[0], password) as stream:
                await customer.wait_shown(
                    ("viewers", {(await house.relay.me()).technician.name: ["control"]})
                )
                with pytest.raises(StreamClosed) as closed:
                    await stream.receive()
            assert closed.value.close_reason is CloseReason.UNAVAILABLE
            await customer.wait_shown(("viewers", {}))
            nursery.cancel_scope.cancel()


async def test_a_short_session_ends_by_its_lease_with_no_relay_in_reach(tmp_path: Path) -> None:
    async with open_house(tmp_path, session_lifetime=4.0) as house:
        computer, technician = await prepare(house, tmp_path / "host")
        async with trio.open_nursery() as nursery:
            await nursery.start(computer.live)
            await technician.pair()
            await computer.customer.wait_shown("active")
            nursery.cancel_scope.cancel()
    # The relay is gone for good. The program is started again, as after a restart of the computer.
    computer = computer.restart(ScriptedCustomer())
    with trio.fail_after(10):
        assert await computer.live() is CloseReason.EXPIRED
    assert "trouble" in computer.customer.shown
