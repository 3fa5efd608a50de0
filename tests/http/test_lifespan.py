"""The app's start-up and shutdown."""

import pytest
import trio
from structlog.testing import capture_logs
from trio.testing import MockClock

from relay.errors import RelayError
from relay.http import Receive, Scope, Send, open_lifespan


class LifespanApp:
    """Follows the protocol, and writes down what happens."""

    def __init__(self, *, start_failure: str | None = None, is_stuck: bool = False) -> None:
        self.story: list[str] = []
        self._start_failure = start_failure
        self._is_stuck = is_stuck

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "lifespan"
        self.story.append((await receive())["type"])
        if self._start_failure is not None:
            await send({"type": "lifespan.startup.failed", "message": self._start_failure})
            raise LookupError(self._start_failure)
        scope["state"]["pool"] = "open"
        await send({"type": "lifespan.startup.complete"})
        self.story.append((await receive())["type"])
        if self._is_stuck:
            await trio.sleep_forever()
        await send({"type": "lifespan.shutdown.complete"})


async def test_app_starts_gives_its_state_and_shuts_down() -> None:
    app = LifespanApp()
    async with open_lifespan(app) as state:
        assert state == {"pool": "open"}
        assert app.story == ["lifespan.startup"]
    assert app.story == ["lifespan.startup", "lifespan.shutdown"]


async def test_app_that_refuses_to_start_says_why() -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(RelayError, match="no database")):
        async with open_lifespan(LifespanApp(start_failure="no database")):
            raise AssertionError("must not get here")


async def test_app_without_lifespan_is_fine() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"

    with capture_logs() as logs:
        async with open_lifespan(app) as state:
            assert state == {}
    assert [entry["log_level"] for entry in logs] == ["info"]


async def test_failing_shutdown_is_logged_and_ends_anyway() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "disk full"})
        raise LookupError("disk full")

    with capture_logs() as logs:
        async with open_lifespan(app):
            assert logs == []
    assert [entry["event"] for entry in logs] == [
        "the app's shutdown failed",
        "the app failed outside any request",
    ]


async def test_stuck_shutdown_is_bounded(autojump_clock: MockClock) -> None:
    async with open_lifespan(LifespanApp(is_stuck=True)):
        began = trio.current_time()
    assert trio.current_time() - began == pytest.approx(5)


async def test_shutdown_happens_although_the_server_was_cancelled() -> None:
    app = LifespanApp()
    with trio.CancelScope() as scope:
        async with open_lifespan(app):
            scope.cancel()
            await trio.sleep_forever()
    assert app.story == ["lifespan.startup", "lifespan.shutdown"]
