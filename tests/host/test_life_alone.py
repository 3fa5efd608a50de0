"""A host's life with a relay made of plain objects: long times, lost connections, and a relay that lies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from trio.testing import MockClock

from host import life
from host.deadline import Clocks
from host.life import HostLife
from host.preflight import Obstacle
from host.state import HostState
from host.texts import Texts
from host.tools import open_tools
from peer.errors import ConnectionFailed, NotAdmitted
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Fields, Hello, Notice
from relay.protocol.hidden import SecretBytes
from relay.protocol.lease import Lease, sign_lease
from relay.protocol.links import DeploymentLink
from relay.protocol.refusals import Refusal
from tests.host.scripted_customer import FACTS, PATIENCE, ScriptedCustomer

DAY = 86_400
NOW = 1_900_000_000
LINK = DeploymentLink(
    origin="https://relay.example", invite=bytes(16), secret=SecretBytes(bytes(16)), access_password="horse"
)


class FakeTunnel:
    """One connection, as `peer.tunnel.Tunnel` shows it to its owner."""

    def __init__(self, welcome: Fields) -> None:
        self.welcome = welcome
        self.close_reason: CloseReason | None = None
        self.said: list[Notice] = []
        self._feed, self.notices = trio.open_memory_channel[Notice](100)
        self._streams, self.incoming = trio.open_memory_channel[Any](100)
        self._closed = trio.Event()
        self._has_said = trio.Event()

    def notify(self, name: str, fields: Fields) -> None:
        self.said.append(Notice(name, fields))
        self._has_said.set()
        self._has_said = trio.Event()

    async def wait_closed(self) -> CloseReason:
        await self._closed.wait()
        assert self.close_reason is not None
        return self.close_reason

    async def wait_said(self, name: str) -> None:
        """Wait until the host has said this last."""
        while not self.said or self.said[-1].name != name:
            await self._has_said.wait()

    def hear(self, name: str, **fields: Any) -> None:
        """The relay says something."""
        self._feed.send_nowait(Notice(name, fields))

    def close(self, reason: CloseReason) -> None:
        self.close_reason = reason
        self._feed.close()
        self._streams.close()
        self._closed.set()


class FakeRelay:
    """Answers each dialling with what `answers` has next, and then with silence."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.host_key = b""
        self.answers: list[Fields | Exception] = []
        self.dialled_at: list[float] = []
        self.tunnels: list[FakeTunnel] = []
        self._joined = trio.Event()

    @asynccontextmanager
    async def open_tunnel(self, origin: str, hello: Hello, **_: object) -> AsyncIterator[FakeTunnel]:
        await trio.lowlevel.checkpoint()
        self.dialled_at.append(trio.current_time())
        answer = self.answers.pop(0) if self.answers else ConnectionFailed(CloseReason.DEAD)
        if isinstance(answer, Exception):
            raise answer
        tunnel = FakeTunnel(answer)
        self.tunnels.append(tunnel)
        self._joined.set()
        self._joined = trio.Event()
        yield tunnel

    async def wait_joined(self, count: int) -> FakeTunnel:
        """The count-th connection, once it is there and everybody has done what there was to do."""
        with trio.fail_after(PATIENCE):
            while len(self.tunnels) < count:
                await self._joined.wait()
        await trio.testing.wait_all_tasks_blocked()
        return self.tunnels[count - 1]

    def welcome(self, **fields: Any) -> Fields:
        known: Fields = {
            "session": "S",
            "state": "waiting",
            "company": "Acme",
            "technician": "Tess",
            "phone": "",
            "credential": bytes(32),
            "relay_key": self.key.public_key().public_bytes_raw(),
            "lifetime": DAY,
            "kinds": ["control"],
            "code": 1,
            "tries": 0,
            "attempts": 0,
            "expires_at": None,
            "now": NOW,
            "lease": None,
        }
        return {**known, **fields}

    def lease(self, seconds: int = DAY, *, key: Ed25519PrivateKey | None = None, session: str = "S") -> bytes:
        body = Lease(
            session=session,
            host_key=self.host_key,
            activated_at=NOW,
            expires_at=NOW + seconds,
            kinds=["control"],
        )
        return sign_lease(body, key or self.key)


class Stage:
    """A life that runs, and everybody around it."""

    def __init__(self, folder: Path) -> None:
        self.relay = FakeRelay()
        self.customer = ScriptedCustomer()
        self.state = HostState.fresh(LINK)
        self.relay.host_key = self.state.public_key
        self.ended: CloseReason | None = None
        self.obstacle: Obstacle | None = None
        self.wall_offset = float(NOW)
        self.folder = folder

    async def live(self) -> None:
        clocks = Clocks(
            wall=lambda: trio.current_time() + self.wall_offset,
            boot=trio.current_time,
            boot_id=lambda: "boot",
        )
        with open_tools(None, display=":0") as tools:
            host = HostLife(
                self.state,
                self.customer,
                FACTS,
                Texts("en"),
                save=lambda: self.state.save(self.folder),
                install=lambda: None,
                tools=tools,
                display=":0",
                clocks=clocks,
            )
            self.ended = await host.run()
            self.obstacle = host.obstacle


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage(tmp_path)
    monkeypatch.setattr(life, "open_tunnel", stage.relay.open_tunnel)
    return stage


@pytest.mark.slow
async def test_an_active_session_ends_after_24_hours_though_the_relay_is_gone(
    autojump_clock: MockClock, stage: Stage
) -> None:
    relay = stage.relay
    relay.answers = [relay.welcome()]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.live)
        tunnel = await relay.wait_joined(1)
        start = trio.current_time()
        tunnel.hear("active", expires_at=NOW + DAY, lease=relay.lease())
        await stage.customer.wait_shown("active")
        tunnel.close(CloseReason.DEAD)
    assert stage.ended is CloseReason.EXPIRED
    assert trio.current_time() - start == pytest.approx(DAY, abs=2)
    gaps = [after - before for before, after in zip(relay.dialled_at, relay.dialled_at[1:], strict=False)]
    assert max(gaps) <= 60
    assert len(gaps) > DAY / 60


@pytest.mark.slow
async def test_a_restart_does_not_win_any_time(autojump_clock: MockClock, stage: Stage) -> None:
    relay = stage.relay
    relay.answers = [relay.welcome(lease=relay.lease(), state="active")]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.live)
        await relay.wait_joined(1)
        start = trio.current_time()
        await trio.sleep(DAY / 2)
        nursery.cancel_scope.cancel()
    stage.state = HostState.load(stage.folder)
    relay.answers = [relay.welcome(lease=relay.lease(), state="active", now=NOW)]  # a clock that went back
    await stage.live()
    assert stage.ended is CloseReason.EXPIRED
    assert trio.current_time() - start == pytest.approx(DAY, abs=6)


async def test_the_relay_can_only_shorten_what_is_left(autojump_clock: MockClock, stage: Stage) -> None:
    relay = stage.relay
    relay.answers = [
        relay.welcome(lease=relay.lease(3600), state="active"),
        relay.welcome(lease=relay.lease(DAY), state="active"),
        relay.welcome(lease=relay.lease(3600), state="active", now=NOW + 3000),
    ]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.live)
        start = trio.current_time()
        (await relay.wait_joined(1)).close(CloseReason.GOING_AWAY)
        (await relay.wait_joined(2)).close(CloseReason.GOING_AWAY)
        await relay.wait_joined(3)
    assert stage.ended is CloseReason.EXPIRED
    assert trio.current_time() - start == pytest.approx(600, abs=10)


@pytest.mark.parametrize("kind", ["too long", "forged", "other session", "garbage"])
async def test_a_lease_that_cannot_be_believed_activates_nothing(
    autojump_clock: MockClock, stage: Stage, kind: str
) -> None:
    relay = stage.relay
    lease = {
        "too long": relay.lease(DAY + 1),
        "forged": relay.lease(key=Ed25519PrivateKey.generate()),
        "other session": relay.lease(session="T"),
        "garbage": b"garbage",
    }[kind]
    relay.answers = [relay.welcome(), relay.welcome()]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.live)
        (await relay.wait_joined(1)).hear("active", expires_at=NOW, lease=lease)
        await relay.wait_joined(2)  # it dropped the connection and dialled again
        assert stage.state.lease == b""
        nursery.cancel_scope.cancel()


async def test_the_first_relays_key_is_kept(autojump_clock: MockClock, stage: Stage) -> None:
    relay = stage.relay
    other = Ed25519PrivateKey.generate()
    stage.state.pairing_key = bytes(32)
    relay.answers = [
        relay.welcome(),
        relay.welcome(relay_key=other.public_key().public_bytes_raw(), lease=relay.lease(key=other)),
        relay.welcome(),
    ]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.live)
        (await relay.wait_joined(1)).close(CloseReason.DEAD)
        await relay.wait_joined(3)
        assert stage.state.lease == b""
        assert Texts("en").get("wrong_relay") in stage.customer.troubles
        nursery.cancel_scope.cancel()


async def test_another_relay_before_anything_is_paired_ends_it(
    autojump_clock: MockClock, stage: Stage
) -> None:
    relay = stage.relay
    other = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    relay.answers = [relay.welcome(), relay.welcome(relay_key=other)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.live)
        (await relay.wait_joined(1)).close(CloseReason.DEAD)
    assert stage.ended is CloseReason.REFUSED
    assert stage.obstacle == Obstacle(Refusal.WRONG_RELAY, Texts("en").get("wrong_relay"))


@pytest.mark.parametrize(("minutes", "word"), [(6, "6 minutes fast"), (-180, "3 hours slow")])
async def test_a_clock_that_is_far_off_ends_it_before_anything_is_asked(
    autojump_clock: MockClock, stage: Stage, minutes: int, word: str
) -> None:
    stage.wall_offset = NOW + minutes * 60
    stage.relay.answers = [stage.relay.welcome()]
    await stage.live()
    assert stage.ended is CloseReason.REFUSED
    assert stage.obstacle is not None
    assert stage.obstacle.refusal is Refusal.CLOCK
    assert word in stage.obstacle.sentence


async def test_a_clock_that_is_off_a_little_or_after_pairing_does_not_matter(
    autojump_clock: MockClock, stage: Stage
) -> None:
    stage.wall_offset = NOW + 299
    stage.relay.answers = [stage.relay.welcome(), stage.relay.welcome()]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.live)
        tunnel = await stage.relay.wait_joined(1)
        stage.state.pairing_key = bytes(32)
        stage.wall_offset = NOW + 9000
        tunnel.close(CloseReason.DEAD)
        await stage.relay.wait_joined(2)
        assert stage.ended is None
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("reason", [CloseReason.REFUSED, CloseReason.BAD_VERSION, CloseReason.REVOKED])
async def test_only_the_relays_own_word_ends_a_life(
    autojump_clock: MockClock, stage: Stage, reason: CloseReason
) -> None:
    """A hotel's network that answers in the relay's place must not cost the session."""
    relay = stage.relay
    relay.answers = [*(ConnectionFailed(reason) for _ in range(20)), NotAdmitted(reason)]
    await stage.live()
    assert stage.ended is CloseReason.REFUSED
    assert len(relay.dialled_at) == 21
    assert "trouble" in stage.customer.shown


@pytest.mark.parametrize("reason", [reason for reason in CloseReason if reason.ends_session])
async def test_each_ending_that_the_relay_tells_ends_the_life(
    autojump_clock: MockClock, stage: Stage, reason: CloseReason
) -> None:
    stage.relay.answers = [stage.relay.welcome()]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.live)
        (await stage.relay.wait_joined(1)).hear("ended", reason=reason.wire)
    assert stage.ended is reason


async def test_a_session_that_ended_while_the_host_was_away_ends_the_life(
    autojump_clock: MockClock, stage: Stage
) -> None:
    stage.relay.answers = [stage.relay.welcome(state="ended")]
    await stage.live()
    assert stage.ended is CloseReason.REFUSED


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("active", {}),
        ("active", {"lease": "text"}),
        ("renewed", {"code": 4}),
        ("attached", {"viewer": -1, "technician": "x"}),
        ("ended", {"reason": 7}),
        ("move", {"within": "soon"}),
    ],
)
async def test_a_notice_that_is_not_as_agreed_costs_the_connection_only(
    autojump_clock: MockClock, stage: Stage, name: str, fields: dict[str, Any]
) -> None:
    relay = stage.relay
    relay.answers = [relay.welcome(), relay.welcome()]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.live)
        (await relay.wait_joined(1)).hear(name, **fields)
        await relay.wait_joined(2)
        nursery.cancel_scope.cancel()


async def test_a_welcome_that_is_not_as_agreed_costs_the_connection_only(
    autojump_clock: MockClock, stage: Stage
) -> None:
    relay = stage.relay
    relay.answers = [relay.welcome(code=0), {}, relay.welcome(relay_key=b"short"), relay.welcome()]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.live)
        await relay.wait_joined(4)
        nursery.cancel_scope.cancel()


async def test_a_notice_of_a_newer_relay_is_passed_over(autojump_clock: MockClock, stage: Stage) -> None:
    relay = stage.relay
    relay.answers = [relay.welcome()]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.live)
        tunnel = await relay.wait_joined(1)
        tunnel.hear("weather", sunny=True)
        await trio.testing.wait_all_tasks_blocked()
        assert relay.tunnels == [tunnel]
        nursery.cancel_scope.cancel()


async def test_a_relay_that_drains_gets_its_host_back_within_the_time_it_named(
    autojump_clock: MockClock, stage: Stage
) -> None:
    relay = stage.relay
    relay.answers = [relay.welcome(), relay.welcome()]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.live)
        tunnel = await relay.wait_joined(1)
        start = trio.current_time()
        tunnel.hear("move", within=600)
        await trio.testing.wait_all_tasks_blocked()
        tunnel.close(CloseReason.GOING_AWAY)
        await relay.wait_joined(2)
        assert 0 < trio.current_time() - start <= 600
        nursery.cancel_scope.cancel()


async def test_a_pairing_that_the_relay_may_not_have_heard_of_is_reported_again(
    autojump_clock: MockClock, stage: Stage
) -> None:
    relay, state = stage.relay, stage.state
    state.pairing_key, state.attempts, state.paired_attempt = b"p" * 32, 2, 2
    relay.answers = [relay.welcome(attempts=2, tries=2)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.live)
        tunnel = await relay.wait_joined(1)
        await tunnel.wait_said("paired")
        assert [notice.name for notice in tunnel.said][-2:] == ["ready", "paired"]
        assert tunnel.said[-1].fields == {"attempt": 2}
        assert stage.customer.sentences == []
        nursery.cancel_scope.cancel()


async def test_a_pairing_that_a_later_try_has_overtaken_is_done_again(
    autojump_clock: MockClock, stage: Stage
) -> None:
    relay, state = stage.relay, stage.state
    state.pairing_key, state.attempts, state.paired_attempt = b"p" * 32, 2, 2
    relay.answers = [relay.welcome(attempts=3, tries=3)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.live)
        tunnel = await relay.wait_joined(1)
        await stage.customer.wait_asked(1)
        assert "paired" not in [notice.name for notice in tunnel.said]
        nursery.cancel_scope.cancel()


@pytest.mark.slow
async def test_nobody_pairs_for_a_day_and_the_host_gives_up(autojump_clock: MockClock, stage: Stage) -> None:
    stage.relay.answers = [stage.relay.welcome()]
    start = trio.current_time()
    await stage.live()
    assert stage.ended is CloseReason.LAPSED
    assert trio.current_time() - start == pytest.approx(DAY, abs=6)


async def test_the_customer_ends_with_no_relay_in_reach(autojump_clock: MockClock, stage: Stage) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.live)
        await stage.customer.wait_shown("trouble")
        stage.customer.ask_to_end()
    assert stage.ended is CloseReason.ENDED_BY_CUSTOMER


async def test_a_relay_that_does_not_answer_the_customers_end_is_not_waited_for(
    autojump_clock: MockClock, stage: Stage
) -> None:
    stage.relay.answers = [stage.relay.welcome()]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.live)
        tunnel = await stage.relay.wait_joined(1)
        start = trio.current_time()
        stage.customer.ask_to_end()
    assert stage.ended is CloseReason.ENDED_BY_CUSTOMER
    assert trio.current_time() - start <= 3
    assert tunnel.said[-1].name == "ending"


async def test_who_asks_is_shown_clean(autojump_clock: MockClock, stage: Stage) -> None:
    stage.relay.answers = [
        stage.relay.welcome(technician="T\x1b[31mess\u202e", company="A\ncme", phone="1" * 200)
    ]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.live)
        await stage.customer.wait_asked(1)
        asker = stage.customer.asker
        assert asker is not None
        assert (asker.technician, asker.company, len(asker.phone)) == ("T[31mess", "A cme", 80)
        nursery.cancel_scope.cancel()
