"""The customer at a window: a `host.customer.Customer` whose window lives in a thread of its own.

The two threads share nothing. What the session says is put into a queue and a pipe wakes Tk's loop; what the
person does comes back through Trio's token.
"""

import gc
import logging
import queue
import threading
import time
import tkinter as tk
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Final

import trio

from host.brand import Brand
from host.consent import Consent, Duration, has_files
from host.customer import Asker, Wish, clean
from host.notices import DesktopNotices
from host.texts import Texts
from host.window_platform import Waker, prepare_display
from host.window_view import Handlers, WindowView
from relay.protocol.claims import PairClaims

log = logging.getLogger(__name__)

FAREWELL_SECONDS: Final = 60.0
"""How long the last page stays if nobody closes it."""
CLOSE_TIMEOUT: Final = 2.0


class WindowUnavailable(Exception):
    """There is no display to open a window on."""


class WindowCustomer:
    """See `host.customer.Customer`; made by `open_window`."""

    shows_brand = True

    def __init__(self, texts: Texts, thread: "_WindowThread") -> None:
        self._texts = texts
        self._thread = thread
        self._code: str | None = None
        self._answer: Consent | None = None
        self._permission: Duration | None = None
        self._changes: Mapping[str, Duration] | None = None
        self._wishes: deque[Wish] = deque()
        self._chat_texts: deque[str] = deque()
        self._changed = trio.Event()
        self._wants_to_end = trio.Event()
        self._refused = trio.Event()
        self._is_dismissed = trio.Event()

    async def ask_code(self, asker: Asker, sentence: str) -> str:
        """See `host.customer.Customer`."""
        asks = self._texts.asks(asker)
        # No line break within the number.
        number = asker.phone.replace(" ", "\u00a0")
        phone = self._texts.get("phone", phone=number) if number else ""
        if self._code is None:
            self._thread.do(lambda view: view.show_code(asks, phone, sentence))
        while self._code is None:
            await self._changed.wait()
        code, self._code = self._code, None
        return code

    async def ask_allow(self, claims: PairClaims) -> Consent:
        """See `host.customer.Customer`."""
        question = self._texts.get(
            "allow",
            technician=clean(claims.technician),
            company=clean(claims.company),
            hours=self._texts.duration(claims.lifetime),
        )
        self._answer = None
        can_limit = has_files(claims.kinds)
        self._thread.do(lambda view: view.show_allow(question, claims.kinds, can_limit=can_limit))
        while self._answer is None:
            await self._changed.wait()
        return self._answer

    async def ask_permission(self, kind: str, technician: str) -> Duration:
        """See `host.customer.Customer`."""
        tool = self._texts.get(f"tool_{kind}")
        question = self._texts.get("ask_permission", technician=technician, tool=tool)
        self._permission = None
        self._thread.do(lambda view: view.show_question(question, kind))
        try:
            while self._permission is None:
                await self._changed.wait()
        finally:
            self._thread.do(lambda view: view.end_question())
        return self._permission

    async def ask_changes(self, choices: Mapping[str, Duration]) -> Mapping[str, Duration]:
        """See `host.customer.Customer`."""
        self._changes = None
        self._thread.do(lambda view: view.show_changes(choices))
        try:
            while self._changes is None:
                await self._changed.wait()
        finally:
            self._thread.do(lambda view: view.end_question())
        return self._changes or choices

    async def wait_refused(self, sentence: str) -> None:
        """See `host.customer.Customer`."""
        self._refused = trio.Event()
        self._thread.do(lambda view: view.announcement.show(sentence))
        try:
            await self._refused.wait()
        finally:
            self._thread.do(lambda view: view.announcement.hide())

    async def next_wish(self) -> Wish:
        """See `host.customer.Customer`."""
        while not self._wishes:
            await self._changed.wait()
        return self._wishes.popleft()

    async def wait_wants_to_end(self) -> None:
        """See `host.customer.Customer`."""
        await self._wants_to_end.wait()

    async def wait_gone(self) -> None:
        """See `host.customer.Customer`: a window stays."""
        await trio.sleep_forever()

    async def next_chat_text(self) -> str:
        """See `host.customer.Customer`."""
        while not self._chat_texts:
            await self._changed.wait()
        return self._chat_texts.popleft()

    async def wait_dismissed(self) -> None:
        """See `host.customer.Customer`."""
        with trio.move_on_after(FAREWELL_SECONDS):
            await self._is_dismissed.wait()

    def ask_to_end(self) -> None:
        """See `host.customer.Customer`."""
        self._wants_to_end.set()

    def show_brand(self, brand: Brand) -> None:
        """See `host.customer.Customer`."""
        self._thread.do(lambda view: view.show_brand(brand))

    def show_connecting(self) -> None:
        """See `host.customer.Customer`."""
        self._show_wait("connecting")

    def show_waiting_for_technician(self) -> None:
        """See `host.customer.Customer`."""
        self._show_wait("waiting_technician")

    def show_new_code_needed(self) -> None:
        """See `host.customer.Customer`."""
        self._show_wait("code_dead")

    def show_active(self, seconds_left: float) -> None:
        """See `host.customer.Customer`."""
        ends_at = time.monotonic() + seconds_left
        self._thread.do(lambda view: view.show_active(ends_at))

    def show_viewers(self, viewers: Mapping[str, Sequence[str]]) -> None:
        """See `host.customer.Customer`."""
        self._thread.do(lambda view: view.show_viewers(viewers))

    def show_paused(self, is_paused: bool) -> None:
        """See `host.customer.Customer`."""
        self._thread.do(lambda view: view.show_paused(is_paused))

    def show_chat(self, author: str, text: str, *, is_new: bool = True) -> None:
        """See `host.customer.Customer`."""
        self._thread.do(lambda view: view.show_chat(author, text, is_new=is_new))

    def open_chat(self) -> None:
        """See `host.customer.Customer`."""
        self._thread.do(lambda view: view.open_chat())

    def show_trouble(self, sentence: str) -> None:
        """See `host.customer.Customer`."""
        self._thread.do(lambda view: view.show_trouble(sentence))

    def show_online(self) -> None:
        """See `host.customer.Customer`."""
        self._thread.do(lambda view: view.show_trouble(""))

    def show_gone(self, sentence: str) -> None:
        """See `host.customer.Customer`."""
        self._thread.do(lambda view: view.show_final(sentence, ""))

    def show_removed(self, sentence: str, left: Sequence[str]) -> None:
        """See `host.customer.Customer`."""
        details = self._texts.get("left", names=", ".join(left)) if left else ""
        self._thread.do(lambda view: view.show_final(sentence, details))

    def _show_wait(self, key: str) -> None:
        sentence = self._texts.get(key)
        self._thread.do(lambda view: view.show_wait(sentence))

    # What the person did, in Trio's thread

    def _take_code(self, code: str) -> None:
        self._code = code
        self._wake()

    def _take_answer(self, answer: Consent) -> None:
        self._answer = answer
        self._wake()

    def _take_permission(self, permission: Duration) -> None:
        self._permission = permission
        self._wake()

    def _take_changes(self, changes: Mapping[str, Duration]) -> None:
        self._changes = changes
        self._wake()

    def _take_wish(self, wish: Wish) -> None:
        if wish not in self._wishes:
            self._wishes.append(wish)
        self._wake()

    def _take_refusal(self) -> None:
        self._refused.set()

    def _take_chat_text(self, text: str) -> None:
        self._chat_texts.append(text)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


class _WindowThread:
    """Tk's loop in a daemon thread, which the end of this program need not wait for."""

    def __init__(self, display: str, texts: Texts) -> None:
        self._display = display
        self._texts = texts
        self._work: queue.SimpleQueue[Callable[[WindowView], object] | None] = queue.SimpleQueue()
        self._waker = Waker()
        self._token = trio.lowlevel.current_trio_token()
        self._ready = trio.Event()
        self._has_failed = False
        self.ended = trio.Event()

    async def start(self, customer: WindowCustomer) -> None:
        """Returns once the window is there; raises WindowUnavailable if it cannot be."""
        threading.Thread(target=self._run, args=(customer,), name="window", daemon=True).start()
        await self._ready.wait()
        if self._has_failed:
            raise WindowUnavailable("There is no display to open a window on.")

    def do(self, work: Callable[[WindowView], object] | None) -> None:
        """Have something done in the window's thread; None closes the window."""
        self._work.put(work)
        self._waker.wake()

    def close(self) -> None:
        """To be called once the thread has ended."""
        self._waker.close()

    # The window's thread

    def _run(self, customer: WindowCustomer) -> None:
        handlers = Handlers(
            code=lambda code: self._tell(customer._take_code, code),
            allow=lambda answer: self._tell(customer._take_answer, answer),
            permission=lambda permission: self._tell(customer._take_permission, permission),
            changes=lambda changes: self._tell(customer._take_changes, changes),
            refuse=lambda: self._tell(customer._take_refusal),
            wish=lambda wish: self._tell(customer._take_wish, wish),
            end=lambda: self._tell(customer.ask_to_end),
            chat=lambda text: self._tell(customer._take_chat_text, text),
            dismiss=lambda: self._tell(customer._is_dismissed.set),
        )
        try:
            self._loop(handlers)
        except tk.TclError:
            self._has_failed = True
        gc.collect()  # whatever is left of Tk must go here, and nowhere else
        self._tell(self._ready.set)
        self._tell(self.ended.set)

    def _loop(self, handlers: Handlers) -> None:
        prepare_display()
        root = tk.Tk(screenName=self._display, className="Adhoc-host")
        notices = DesktopNotices(self._texts.get("title"))
        try:
            view = WindowView(root, self._texts, handlers, notices)
            self._waker.attach(root, lambda: self._work_off(root, view))
            root.report_callback_exception = _report
            view.tick()
            self._tell(self._ready.set)
            root.mainloop()
        finally:
            notices.close()
            root.destroy()

    def _work_off(self, root: tk.Tk, view: WindowView) -> None:
        while not self._work.empty():
            work = self._work.get()
            if work is None:
                self._waker.detach(root)
                view.close()
                root.quit()
                return
            try:
                work(view)
            except tk.TclError:
                log.exception("the window could not show something")

    def _tell(self, function: Callable[..., object], *arguments: object) -> None:
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(function, *arguments)


def _report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Instead of Tk's own, which keeps the traceback and so Tk's objects, for another thread to free."""
    log.error("the window failed", exc_info=(kind, error, trace))


@asynccontextmanager
async def open_window(texts: Texts, display: str) -> AsyncIterator[WindowCustomer]:
    """A customer at a window on an X display, for the time of the block.

    Raises:
        WindowUnavailable: on entering, if there is no such display.
    """
    thread = _WindowThread(display, texts)
    customer = WindowCustomer(texts, thread)
    try:
        await thread.start(customer)
        yield customer
    finally:
        thread.do(None)
        with trio.move_on_after(CLOSE_TIMEOUT, shield=True):
            await thread.ended.wait()
            thread.close()
