"""The customer's window in Tk: which page it shows, and when; what is on the pages is in `host.window_pages`.

Everything here runs in the window's own thread.
"""

import time
import tkinter as tk
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from tkinter import ttk
from typing import Final

from host.brand import Brand
from host.consent import Consent, Duration
from host.customer import Wish
from host.notices import Bell, DesktopNotices
from host.texts import Texts
from host.window_announcement import Announcement
from host.window_brand import BrandHead
from host.window_keys import Letters
from host.window_mark import Mark
from host.window_pages import ActivePage, AllowPage, CodePage, ConfirmPage, FinalPage, QuestionPage, WaitPage
from host.window_scroll import ScrollPane
from host.window_style import (
    DANGER,
    GAP,
    PAPER,
    WIDTH,
    WRAP,
    scale_wraps,
    set_style,
    show_if,
    text_factor,
)

COUNTDOWN_INTERVAL: Final = 1000
"""Milliseconds between two looks at the clock."""


@dataclass(frozen=True, slots=True)
class Handlers:
    """What the person did. Called in the window's thread."""

    code: Callable[[str], None]
    allow: Callable[[Consent], None]
    permission: Callable[[Duration], None]
    changes: Callable[[Mapping[str, Duration]], None]
    wish: Callable[[Wish], None]
    refuse: Callable[[], None]
    end: Callable[[], None]
    chat: Callable[[str], None]
    dismiss: Callable[[], None]


class _Page(Enum):
    WAIT = auto()
    CODE = auto()
    ALLOW = auto()
    ACTIVE = auto()
    QUESTION = auto()
    CHANGES = auto()
    CONFIRM = auto()
    FINAL = auto()


class WindowView:
    """One window whose pages follow the session, and the mark that somebody sees the screen.

    Args:
        root: the window, empty.
        notices: call a person who has another window before them.

    Attributes:
        announcement: of what is about to happen to the computer.
    """

    def __init__(self, root: tk.Tk, texts: Texts, handlers: Handlers, notices: DesktopNotices) -> None:
        self._root = root
        self._texts = texts
        self._handlers = handlers
        self._notices = notices
        self._bell = Bell(root.bell)
        self._unread = 0
        self._page = _Page.WAIT
        self._page_before = _Page.WAIT
        self._ends_at: float | None = None
        self._is_paused = False
        self._viewers: dict[str, list[str]] = {}
        self._since: dict[tuple[str, str], float] = {}
        set_style(root)
        root.title(texts.get("title"))
        root.resizable(False, False)
        root.protocol("WM_DELETE_WINDOW", self._close)
        root.bind("<FocusIn>", lambda _: self._show_unread(0))
        root.bind("<Escape>", lambda _: self._escape())
        self._letters = Letters(root)
        self._pane = ScrollPane(root)
        self._frame = ttk.Frame(self._pane.inside, padding=(GAP, GAP, GAP, GAP // 2), width=WIDTH)
        self._frame.grid(sticky="nsew")
        factor = text_factor(root)
        width = min(round(WIDTH * factor), root.winfo_screenwidth())
        self._frame.columnconfigure(0, minsize=width - 2 * GAP)
        # Whatever appears or goes changes this size, and with it who has which letter.
        self._frame.bind("<Configure>", lambda _: self._letters.assign())
        self._brand = BrandHead(self._frame)
        self._make_pages()
        self._trouble = ttk.Label(self._frame, style="Care.TLabel", wraplength=WRAP, padding=8)
        self._trouble.grid(row=1, sticky="ew", pady=(0, GAP // 2))
        self._trouble.grid_remove()
        self.announcement = Announcement(root, texts, handlers.refuse)
        self._mark = Mark(root, background=DANGER, foreground=PAPER, click=root.deiconify)
        self._turn_to(_Page.WAIT)
        scale_wraps(root, width / WIDTH)
        left = (root.winfo_screenwidth() - width) // 2
        # Large text needs the height; the mark is at the very top.
        top = root.winfo_screenheight() // (10 if factor < 1.5 else 16)
        root.geometry(f"+{max(0, left)}+{top}")

    def _make_pages(self) -> None:
        texts, handlers, frame, below = self._texts, self._handlers, self._frame, self._pane.below
        self._wait = WaitPage(frame)
        self._code = CodePage(frame, texts, handlers.code)
        self._allow = AllowPage(frame, below, texts, self._answer)
        self._active = ActivePage(
            frame,
            below,
            texts,
            pause=self._toggle_pause,
            change=lambda: handlers.wish(Wish.CHANGE),
            end=self._ask_whether_to_end,
            say=handlers.chat,
        )
        self._question = QuestionPage(
            frame,
            below,
            texts,
            title="",
            keys=("decline_button", "allow_button"),
            decline=self._decline_question,
            accept=self._allow_question,
        )
        self._changes = QuestionPage(
            frame,
            below,
            texts,
            title=texts.get("change_title"),
            keys=("back_button", "save_button"),
            decline=self._decline_question,
            accept=lambda: handlers.changes(self._changes.tools.choices),
        )
        self._confirm = ConfirmPage(frame, texts, keep=self._keep, end=self._end)
        self._final = FinalPage(frame, texts, handlers.dismiss)
        self._pages = {
            _Page.WAIT: self._wait.frame,
            _Page.CODE: self._code.frame,
            _Page.ALLOW: self._allow.frame,
            _Page.ACTIVE: self._active.frame,
            _Page.QUESTION: self._question.frame,
            _Page.CHANGES: self._changes.frame,
            _Page.CONFIRM: self._confirm.frame,
            _Page.FINAL: self._final.frame,
        }
        self._feet = {
            _Page.ALLOW: self._allow.foot,
            _Page.ACTIVE: self._active.foot,
            _Page.QUESTION: self._question.foot,
            _Page.CHANGES: self._changes.foot,
        }

    # What the session says

    def show_brand(self, brand: Brand) -> None:
        """Whose technicians these are, at the head of every page."""
        self._brand.show(brand)

    def show_wait(self, sentence: str) -> None:
        """Nothing to do for now; `sentence` says what is waited for."""
        self._wait.label.configure(text=sentence)
        self._turn_to(_Page.WAIT)

    def show_code(self, asks: str, phone: str, sentence: str) -> None:
        """Ask for the code. `sentence`: what was wrong with the last one, or ""."""
        self._code.ask(asks, phone, sentence)
        self._turn_to(_Page.CODE)
        self._code.entry.select_range(0, "end")

    def show_allow(self, question: str, kinds: Sequence[str], *, can_limit: bool) -> None:
        """Ask whether they may. Neither button has the focus: Enter still belongs to the code.

        Args:
            kinds: of channels that they get.
            can_limit: there is a File Manager, which may be limited to chosen folders.
        """
        self._allow.ask(question, kinds, can_limit=can_limit)
        self._turn_to(_Page.ALLOW)

    def show_active(self, ends_at: float) -> None:
        """The session is active until `ends_at` on the monotonic clock."""
        self._ends_at = ends_at
        self._count_down()
        if self._page not in (_Page.QUESTION, _Page.CHANGES):
            self._turn_to(_Page.ACTIVE)

    def show_question(self, question: str, kind: str) -> None:
        """Ask whether they may use a tool again. Can be answered after `ANSWER_DELAY`."""
        self._question.words.configure(text=question)
        self._question.tools.begin({kind: Duration.SESSION})
        self._question.hold()
        self._turn_to(_Page.QUESTION)
        self._call(self._texts.get("title"), question)

    def show_changes(self, choices: Mapping[str, Duration]) -> None:
        """What technicians may do, to be changed; after `ANSWER_DELAY`."""
        self._changes.tools.begin(choices)
        self._changes.hold()
        self._turn_to(_Page.CHANGES)

    def end_question(self) -> None:
        """The question was answered, or is taken back."""
        waiting = (_Page.QUESTION, _Page.CHANGES)
        if self._page in waiting or (self._page is _Page.CONFIRM and self._page_before in waiting):
            self._turn_to(_Page.ACTIVE)

    def show_paused(self, is_paused: bool) -> None:
        """Whether the customer has paused the session."""
        self._is_paused = is_paused
        self._active.show_paused(is_paused)
        self._letters.assign()

    def show_viewers(self, viewers: Mapping[str, Sequence[str]]) -> None:
        """Who is connected, and with which tools; the mark is there for as long as anybody is."""
        self._viewers = {name: list(kinds) for name, kinds in viewers.items()}
        uses = [(name, kind) for name, kinds in viewers.items() for kind in kinds]
        self._since = {use: self._since.get(use, time.monotonic()) for use in uses}
        self._show_since()
        self._mark.show(f"● {self._texts.viewers(viewers)}" if viewers else "")

    def _show_since(self) -> None:
        minutes = {use: int((time.monotonic() - since) // 60) for use, since in self._since.items()}
        told = self._texts.viewers(self._viewers, minutes)
        self._active.show_viewers(told, is_anybody=bool(self._viewers))

    def show_chat(self, author: str, text: str, *, is_new: bool) -> None:
        """Add a line to the chat; a technician's that `is_new` also calls the person."""
        self._active.chat.add(author, text)
        if author:
            self._active.open_chat()
        if author and is_new:
            self._call(author, text)

    def open_chat(self) -> None:
        """Show the chat, and call the person to it."""
        self._active.open_chat()
        self._call(self._texts.get("title"), self._texts.get("chat_calls"))

    def _call(self, summary: str, text: str) -> None:
        """Bring the window up; for whoever looks at another one, notify them and count it in the title."""
        if not self._has_focus():
            self._show_unread(self._unread + 1)
            self._notices.tell(summary, text)
        if self._page in (_Page.ACTIVE, _Page.QUESTION):
            self._root.deiconify()
            self._root.lift()
        self._bell.ring()

    def _has_focus(self) -> bool:
        try:
            return self._root.focus_displayof() is not None
        except KeyError:  # a widget of Tk's own, such as the folder picker's
            return True

    def _show_unread(self, count: int) -> None:
        self._unread = count
        title = self._texts.get("title")
        self._root.title(f"({count}) {title}" if count else title)

    def show_trouble(self, sentence: str) -> None:
        """A line above every page, where no scrolling hides it; "" takes it away."""
        self._trouble.configure(text=sentence)
        show_if(self._trouble, bool(sentence))

    def show_final(self, sentence: str, details: str) -> None:
        """The last page."""
        self.show_viewers({})
        self.show_trouble("")
        self._final.tell(sentence, details)
        self._turn_to(_Page.FINAL)

    def close(self) -> None:
        """The window is about to go."""
        self._allow.folders.stop_picking()

    # What the person does

    def _close(self) -> None:
        """The window's own button."""
        if self._page is _Page.FINAL:
            self._handlers.dismiss()
        elif self._page is _Page.ACTIVE:
            self._root.iconify()
        elif self._page in (_Page.QUESTION, _Page.CHANGES):
            self._decline_question()
        elif self._page is not _Page.CONFIRM:
            self._ask_whether_to_end()

    def _ask_whether_to_end(self) -> None:
        self._page_before = self._page
        self._turn_to(_Page.CONFIRM)

    def _keep(self) -> None:
        self._page = self._page_before
        self._turn_to(self._page)

    def _end(self) -> None:
        self._wait.label.configure(text="…")
        self._page = self._page_before = _Page.WAIT
        self._turn_to(_Page.WAIT)
        self._handlers.end()

    def _answer(self, answer: Consent) -> None:
        self.show_wait(self._texts.get("waiting_technician") if answer.is_allowed else "…")
        self._handlers.allow(answer)

    def _allow_question(self) -> None:
        (permission,) = self._question.tools.choices.values()
        self._handlers.permission(permission)

    def _decline_question(self) -> None:
        """No to a question; to the page of choices: leave all as it is."""
        is_question = self._page is _Page.QUESTION
        if not (self._question if is_question else self._changes).is_answerable:
            return
        if is_question:
            self._handlers.permission(Duration.NEVER)
        else:
            self._handlers.changes({})

    def _toggle_pause(self) -> None:
        self._handlers.wish(Wish.RESUME if self._is_paused else Wish.PAUSE)

    def _escape(self) -> None:
        if self._page is _Page.CONFIRM:
            self._keep()
        elif self._page in (_Page.QUESTION, _Page.CHANGES):
            self._decline_question()

    # Turning pages

    def _turn_to(self, page: _Page) -> None:
        if self._page is _Page.CONFIRM and page not in (_Page.CONFIRM, _Page.FINAL):
            self._page_before = page  # the question stays until it is answered
            return
        self._page = page
        if page is not _Page.ALLOW:
            self._allow.folders.stop_picking()
        for other, frame in self._pages.items():
            if other is not page:
                frame.grid_remove()
        for other, foot in self._feet.items():
            show_if(foot, other is page)
        show_if(self._pane.below, page in self._feet)  # an empty one would keep its height
        self._pages[page].grid(row=2, sticky="nsew")
        self._pane.fit()
        self._pane.to_top()
        self._letters.assign()
        focus = {
            _Page.CODE: self._code.entry,
            _Page.CONFIRM: self._confirm.keep,
            _Page.FINAL: self._final.close,
        }.get(page, self._frame)
        focus.focus_set()
        if page in (_Page.CODE, _Page.ALLOW, _Page.QUESTION, _Page.CHANGES, _Page.FINAL):
            self._root.deiconify()
            self._root.lift()

    def _count_down(self) -> None:
        if self._ends_at is not None:
            self._active.show_left(max(0.0, self._ends_at - time.monotonic()))

    def tick(self) -> None:
        """Keep the countdown and the notices going, for as long as the window is there."""
        self._count_down()
        self._notices.look()
        self._show_since()
        self._mark.keep()
        self._root.after(COUNTDOWN_INTERVAL, self.tick)
