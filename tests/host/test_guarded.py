"""Input that is held back while the customer is asked."""

from typing import cast

from host.remote_control.desktop import Desktop
from host.remote_control.errors import DesktopUnavailable
from host.remote_control.guarded import InputGate


class NotedDesktop:
    """Writes down what reaches it."""

    def __init__(self, *, is_gone: bool = False) -> None:
        self.noted: list[object] = []
        self._is_gone = is_gone

    async def press_key(self, keysym: int, scancode: int | None, is_down: bool) -> None:
        self.noted.append((keysym, is_down))

    async def pointer(self, x: int, y: int, buttons: int) -> None:
        self.noted.append((x, y, buttons))

    async def set_clipboard(self, text: str) -> None:
        self.noted.append(text)

    async def release_all(self) -> None:
        if self._is_gone:
            raise DesktopUnavailable("gone")
        self.noted.append("released")


async def use(desktop: Desktop) -> None:
    await desktop.press_key(97, None, True)
    await desktop.pointer(1, 2, 1)
    await desktop.set_clipboard("text")


async def test_while_the_gate_is_closed_nothing_reaches_the_desktop_and_nothing_stays_pressed() -> None:
    gate, desktop, gone = InputGate(), NotedDesktop(), NotedDesktop(is_gone=True)
    with gate.guard(cast("Desktop", gone)), gate.guard(cast("Desktop", desktop)) as guarded:
        async with gate.closed():
            async with gate.closed():
                await use(guarded)
            await use(guarded)
        assert desktop.noted == ["released", "released"]
        await use(guarded)
        assert desktop.noted[2:] == [(97, True), (1, 2, 1), "text"]
    async with gate.closed():
        assert gate.is_closed
    assert "released" not in desktop.noted[2:]
