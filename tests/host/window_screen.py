"""The customer's window on a virtual desktop, for tests: hands and eyes before it."""

import subprocess
import tkinter as tk
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from tkinter import ttk
from typing import TypeVar

import trio
import trio.testing

from host.texts import Texts
from host.window import WindowCustomer, open_window
from host.window_pages import QuestionPage
from host.window_view import WindowView
from tests.helpers.xvfb import Xvfb, open_xvfb

PATIENCE = 20.0

_T = TypeVar("_T")


class Screen:
    """The window, and the hands and eyes before it."""

    def __init__(self, customer: WindowCustomer, desktop: Xvfb) -> None:
        self.customer = customer
        self.desktop = desktop

    async def type(self, text: str) -> None:
        """Type with the keyboard, into whatever has the focus."""
        await self._use("type", "--delay", "1", text)

    async def press(self, *keys: str) -> None:
        await self._use("key", "--delay", "1", *keys)

    async def click(self, words: str) -> None:
        """Click in the middle of the button that says `words`."""

        x, y = await self.find(words)
        await self._use("mousemove", str(x), str(y), "click", "1")

    async def find(self, words: str) -> tuple[int, int]:
        """The middle of the button that says `words`, on the screen."""

        def find(view: WindowView) -> tuple[int, int]:
            view._root.update()
            (button,) = (
                widget
                for widget in visible(view._root)
                if isinstance(widget, ttk.Button | ttk.Checkbutton) and widget.cget("text") == words
            )
            x, y = button.winfo_rootx(), button.winfo_rooty()
            return x + button.winfo_width() // 2, y + button.winfo_height() // 2

        return await self.look(find)

    async def read(self) -> str:
        """Everything that can be read now, the mark included."""
        return "\n".join(await self.look(texts_of))

    async def look(self, question: Callable[[WindowView], _T]) -> _T:
        """Ask the window something, after everything it was told before."""
        answers, answered = list[_T](), trio.Event()
        token = trio.lowlevel.current_trio_token()

        def answer(view: WindowView) -> None:
            answers.append(question(view))
            token.run_sync_soon(answered.set)

        self.customer._thread.do(answer)
        with trio.fail_after(PATIENCE):
            await answered.wait()
        return answers[0]

    async def _use(self, *command: str) -> None:
        # What other tasks have just asked the window for is shown first: keys go to what has the focus.
        await trio.testing.wait_all_tasks_blocked()
        await self.look(lambda view: view._root.update())
        with trio.fail_after(PATIENCE):
            await trio.run_process(
                ["xdotool", *command], env=self.desktop.environment, stdout=subprocess.DEVNULL
            )


def visible(widget: tk.Misc) -> Iterator[tk.Misc]:
    if widget.winfo_viewable():
        yield widget
    for child in widget.winfo_children():
        yield from visible(child)


def texts_of(view: WindowView) -> list[str]:
    view._root.update()
    labels = (ttk.Label, ttk.Button, tk.Label)
    return [str(widget.cget("text")) for widget in visible(view._root) if isinstance(widget, labels)]


def has_focus(view: WindowView) -> bool:
    view._root.update()
    return view._has_focus()


def title_of(view: WindowView) -> str:
    view._root.update()
    return view._root.title()


@asynccontextmanager
async def open_screen(
    language: str = "en", *, size: tuple[int, int] = (900, 700), dpi: int = 96
) -> AsyncIterator[Screen]:
    async with (
        open_xvfb(*size, dpi=dpi) as desktop,
        open_window(Texts(language), desktop.display) as customer,
    ):
        screen = Screen(customer, desktop)
        # There is no window manager that would give it the keyboard.
        await screen.look(lambda view: view._root.update())
        await screen.look(lambda view: view._root.focus_force())
        with trio.fail_after(60):
            yield screen


def page_of(name: str) -> Callable[[WindowView], QuestionPage]:
    return lambda view: vars(view)[name]


async def wait_answerable(screen: Screen, page: str) -> None:
    with trio.fail_after(PATIENCE):
        while not await screen.look(lambda view: page_of(page)(view).is_answerable):
            await trio.lowlevel.checkpoint()
