"""What is about to happen, over everything else on a real display, and the customer's no."""

import pytest
import trio

from host.texts import Texts
from host.window_view import WindowView
from tests.host.window_screen import PATIENCE, open_screen

pytestmark = pytest.mark.slow

SENTENCE = Texts("en").get("restart", technician="Tess", seconds=15)


def is_shown(view: WindowView) -> bool:
    view._root.update()
    return bool(view.announcement._window.winfo_viewable())


@pytest.mark.parametrize("way", ["button", "key"])
async def test_the_customer_says_no(way: str) -> None:
    async with open_screen() as screen:
        async with trio.open_nursery() as nursery:

            async def refuse() -> None:
                assert SENTENCE in await screen.read()
                await (screen.click("No, do not restart") if way == "button" else screen.press("Return"))

            nursery.start_soon(refuse)
            with trio.fail_after(PATIENCE):
                await screen.customer.wait_refused(SENTENCE)
        assert not await screen.look(is_shown)


async def test_it_goes_when_the_time_is_over_and_comes_again() -> None:
    async with open_screen() as screen:
        for _ in range(2):
            with trio.CancelScope() as over:
                async with trio.open_nursery() as nursery:

                    async def look(scope: trio.CancelScope = over) -> None:
                        assert await screen.look(is_shown)
                        scope.cancel()

                    nursery.start_soon(look)
                    await screen.customer.wait_refused(SENTENCE)
            assert over.cancelled_caught
            assert not await screen.look(is_shown)
