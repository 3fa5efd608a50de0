"""The customer's window in Tk: what is on it. Everything here runs in the window's own thread.

All widgets are made once and then shown, hidden and filled: a widget or variable of Tk that Python's garbage
collector finds in another thread is a crash.
"""

import time
import tkinter as tk
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from tkinter import font, ttk
from typing import Final

from host.consent import Consent, Duration
from host.customer import Wish
from host.notices import Bell, DesktopNotices
from host.texts import Texts
from host.window_announcement import Announcement
from host.window_chat import ChatPane
from host.window_folders import FolderChoice
from host.window_mark import Mark
from host.window_tools import ToolChoices
from relay.protocol.codes import CODE_DIGITS

WIDTH: Final = 540
GAP: Final = 16
WRAP: Final = WIDTH - 2 * GAP - 16
NORMAL_LINE: Final = 19
"""Pixels of a line of 12 points at 96 dots an inch."""
ANSWER_DELAY: Final = 500
"""Milliseconds for which a question cannot be answered: nobody has read it yet, and a click or key on its way
was meant for something else."""
COUNTDOWN_INTERVAL: Final = 1000
"""Milliseconds between two looks at the clock."""

INK: Final = "#1d2330"
FAINT: Final = "#5a6372"
PAPER: Final = "#ffffff"
LINE: Final = "#c9ced8"
ACCENT: Final = "#1f5fd6"
ACCENT_DARK: Final = "#174aa8"
DANGER: Final = "#b3261e"
CARE_PAPER: Final = "#fff4e0"
CARE_LINE: Final = "#c77700"
GOOD: Final = "#1a7f37"


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
        self._answers_timer: str = ""
        self._viewers: dict[str, list[str]] = {}
        self._since: dict[tuple[str, str], float] = {}
        _set_style(root)
        root.title(texts.get("title"))
        root.resizable(False, False)
        root.protocol("WM_DELETE_WINDOW", self._close)
        root.bind("<FocusIn>", lambda _: self._show_unread(0))
        self._frame = ttk.Frame(root, padding=(GAP, GAP, GAP, GAP // 2), width=WIDTH)
        self._frame.grid(sticky="nsew")
        # By the text itself: not every desktop that enlarges it tells of more dots an inch.
        factor = max(1.0, font.nametofont("TkDefaultFont", root).metrics("linespace") / NORMAL_LINE)
        width = min(round(WIDTH * factor), root.winfo_screenwidth())
        self._frame.columnconfigure(0, minsize=width - 2 * GAP)
        self._pages = {
            _Page.WAIT: self._make_wait_page(),
            _Page.CODE: self._make_code_page(),
            _Page.ALLOW: self._make_allow_page(),
            _Page.ACTIVE: self._make_active_page(),
            _Page.QUESTION: self._make_question_page(),
            _Page.CHANGES: self._make_changes_page(),
            _Page.CONFIRM: self._make_confirm_page(),
            _Page.FINAL: self._make_final_page(),
        }
        self._trouble = ttk.Label(self._frame, style="Care.TLabel", wraplength=WRAP, padding=8)
        self._trouble.grid(row=1, sticky="ew", pady=(GAP // 2, 0))
        self._trouble.grid_remove()
        self.announcement = Announcement(root, texts, handlers.refuse)
        self._mark = Mark(root, background=DANGER, foreground=PAPER, click=root.deiconify)
        self._turn_to(_Page.WAIT)
        _scale_wraps(root, width / WIDTH)
        left = (root.winfo_screenwidth() - width) // 2
        # Large text needs the height; the mark is at the very top.
        top = root.winfo_screenheight() // (10 if factor < 1.5 else 16)
        root.geometry(f"+{max(0, left)}+{top}")

    # What the session says

    def show_wait(self, sentence: str) -> None:
        """Nothing to do for now; `sentence` says what is waited for."""
        self._wait_label.configure(text=sentence)
        self._turn_to(_Page.WAIT)

    def show_code(self, asks: str, phone: str, sentence: str) -> None:
        """Ask for the code. `sentence`: what was wrong with the last one, or ""."""
        self._code_asks.configure(text=asks)
        self._code_phone.configure(text=phone)
        _show_if(self._code_phone, bool(phone))
        self._code_sentence.configure(text=sentence)
        _show_if(self._code_sentence, bool(sentence))
        self._is_code_asked = True
        self._format_code()
        self._turn_to(_Page.CODE)
        self._code_entry.select_range(0, "end")

    def show_allow(self, question: str, kinds: Sequence[str], *, can_limit: bool) -> None:
        """Ask whether they may. Neither button has the focus: Enter still belongs to the code.

        Args:
            kinds: of channels that they get.
            can_limit: there is a File Manager, which may be limited to chosen folders.
        """
        self._allow_label.configure(text=question)
        self._allowed_tools.begin(dict.fromkeys(kinds, Duration.SESSION))
        self._folder_choice.begin(is_shown=can_limit)
        self._turn_to(_Page.ALLOW)

    def show_active(self, ends_at: float) -> None:
        """The session is active until `ends_at` on the monotonic clock."""
        self._ends_at = ends_at
        self._count_down()
        if self._page not in (_Page.QUESTION, _Page.CHANGES):
            self._turn_to(_Page.ACTIVE)

    def show_question(self, question: str, kind: str) -> None:
        """Ask whether they may use a tool again. Can be answered after `ANSWER_DELAY`."""
        self._question_label.configure(text=question)
        self._question_tool.begin({kind: Duration.SESSION})
        self._hold_answers(self._question_buttons)
        self._turn_to(_Page.QUESTION)
        self._call(self._texts.get("title"), question)

    def show_changes(self, choices: Mapping[str, Duration]) -> None:
        """What technicians may do, to be changed; after `ANSWER_DELAY`."""
        self._changed_tools.begin(choices)
        self._hold_answers(self._changes_buttons)
        self._turn_to(_Page.CHANGES)

    def end_question(self) -> None:
        """The question was answered, or is taken back."""
        waiting = (_Page.QUESTION, _Page.CHANGES)
        if self._page in waiting or (self._page is _Page.CONFIRM and self._page_before in waiting):
            self._turn_to(_Page.ACTIVE)

    def show_paused(self, is_paused: bool) -> None:
        """Whether the customer has paused the session."""
        self._is_paused = is_paused
        self._pause_button.configure(text=self._texts.get("resume_button" if is_paused else "pause_button"))
        _show_if(self._paused_label, is_paused)

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
        self._viewers_label.configure(text=told, foreground=DANGER if self._viewers else FAINT)

    def show_chat(self, author: str, text: str, *, is_new: bool) -> None:
        """Add a line to the chat; a technician's that `is_new` also calls the person."""
        self._chat.add(author, text)
        if author:
            self._show_chat_pane()
        if author and is_new:
            self._call(author, text)

    def open_chat(self) -> None:
        """Show the chat, and call the person to it."""
        self._show_chat_pane()
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
        """A line below every page; "" takes it away."""
        self._trouble.configure(text=sentence)
        _show_if(self._trouble, bool(sentence))

    def show_final(self, sentence: str, details: str) -> None:
        """The last page."""
        self.show_viewers({})
        self.show_trouble("")
        self._final_label.configure(text=sentence)
        self._final_details.configure(text=details)
        _show_if(self._final_details, bool(details))
        self._turn_to(_Page.FINAL)

    def close(self) -> None:
        """The window is about to go."""
        self._folder_choice.stop_picking()

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
        self._wait_label.configure(text="…")
        self._page = self._page_before = _Page.WAIT
        self._turn_to(_Page.WAIT)
        self._handlers.end()

    def _submit(self) -> None:
        digits = _digits(self._code.get())
        if self._is_code_asked and len(digits) == CODE_DIGITS:
            self._is_code_asked = False
            self._continue.state(["disabled"])
            self._handlers.code(digits)

    def _answer(self, is_allowed: bool) -> None:
        self.show_wait(self._texts.get("waiting_technician") if is_allowed else "…")
        if is_allowed:
            chosen = self._allowed_tools.choices
            limited = {kind: each for kind, each in chosen.items() if each is not Duration.SESSION}
            answer = Consent(True, self._folder_choice.folders, limited)
        else:
            answer = Consent(False)
        self._handlers.allow(answer)

    def _hold_answers(self, buttons: Sequence[ttk.Button]) -> None:
        for button in buttons:
            button.state(["disabled"])
        if self._answers_timer:
            self._root.after_cancel(self._answers_timer)
        self._answers_timer = self._root.after(ANSWER_DELAY, self._take_answers)

    def _take_answers(self) -> None:
        self._answers_timer = ""
        for button in (*self._question_buttons, *self._changes_buttons):
            button.state(["!disabled"])

    def _allow_question(self) -> None:
        (permission,) = self._question_tool.choices.values()
        self._handlers.permission(permission)

    def _decline_question(self) -> None:
        """No to a question; to the page of choices: leave all as it is."""
        if self._answers_timer:
            return
        if self._page is _Page.QUESTION:
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

    def _write(self) -> None:
        self._show_chat_pane()
        self._chat.focus()

    def _show_chat_pane(self) -> None:
        self._chat.show()
        self._chat_button.grid_remove()

    def _format_code(self, _: object = None) -> None:
        """Keep nine digits in three groups, and the caret behind the digit it was behind."""
        typed = self._code.get()
        before = len(_digits(typed[: self._code_entry.index("insert")]))
        digits = _digits(typed)[:CODE_DIGITS]
        shown = " ".join(digits[start : start + 3] for start in range(0, len(digits), 3))
        if shown != typed:
            self._code.set(shown)
            self._code_entry.icursor(before + max(0, before - 1) // 3)
        is_complete = len(digits) == CODE_DIGITS and self._is_code_asked
        self._continue.state(["!disabled" if is_complete else "disabled"])

    # Turning pages

    def _turn_to(self, page: _Page) -> None:
        if self._page is _Page.CONFIRM and page not in (_Page.CONFIRM, _Page.FINAL):
            self._page_before = page  # the question stays until it is answered
            return
        self._page = page
        if page is not _Page.ALLOW:
            self._folder_choice.stop_picking()
        for other, frame in self._pages.items():
            if other is not page:
                frame.grid_remove()
        self._pages[page].grid(row=0, sticky="nsew")
        focus = {
            _Page.CODE: self._code_entry,
            _Page.CONFIRM: self._keep_button,
            _Page.FINAL: self._close_button,
        }.get(page, self._frame)
        focus.focus_set()
        if page in (_Page.CODE, _Page.ALLOW, _Page.QUESTION, _Page.CHANGES, _Page.FINAL):
            self._root.deiconify()
            self._root.lift()

    def _count_down(self) -> None:
        if self._ends_at is None:
            return
        left = max(0.0, self._ends_at - time.monotonic())
        self._time_label.configure(text=self._texts.get("time_left", left=self._texts.clock(left)))

    def tick(self) -> None:
        """Keep the countdown and the notices going, for as long as the window is there."""
        self._count_down()
        self._notices.look()
        self._show_since()
        self._mark.keep()
        self._root.after(COUNTDOWN_INTERVAL, self.tick)

    # Making pages

    def _make_wait_page(self) -> ttk.Frame:
        page = ttk.Frame(self._frame)
        self._wait_label = _label(page, "Big.TLabel", "")
        bar = ttk.Progressbar(page, mode="indeterminate", length=WIDTH - 4 * GAP)
        bar.grid(pady=GAP, sticky="ew")
        bar.start(20)
        return page

    def _make_code_page(self) -> ttk.Frame:
        texts, page = self._texts, ttk.Frame(self._frame)
        page.columnconfigure(0, weight=1)
        self._code_asks = _label(page, "Big.TLabel", "")
        care = tk.Frame(page, background=CARE_LINE)
        care.grid(sticky="ew", pady=GAP)
        warning = ttk.Frame(care, style="Care.TFrame", padding=12)
        warning.pack(fill="both", expand=True, padx=(4, 0))
        ttk.Label(warning, text="⚠  " + texts.get("warning"), style="Care.TLabel", wraplength=WRAP - 40).grid(
            sticky="w"
        )
        self._code_phone = ttk.Label(warning, style="Care.TLabel", wraplength=WRAP - 40)
        self._code_phone.grid(sticky="w", pady=(8, 0))
        _label(page, "Title.TLabel", texts.get("ask_code"))
        _label(page, "Faint.TLabel", texts.get("code_hint"))
        self._code_sentence = _label(page, "Bad.TLabel", "")
        row = ttk.Frame(page)
        row.grid(sticky="ew", pady=(8, GAP // 2))
        row.columnconfigure(0, weight=1)
        self._is_code_asked = False
        self._code = tk.StringVar(page)
        self._code_entry = ttk.Entry(
            row, textvariable=self._code, font=("DejaVu Sans Mono", 24), width=12, justify="center"
        )
        self._code_entry.grid(row=0, column=0, sticky="ew", padx=(0, GAP // 2))
        self._continue = ttk.Button(
            row, text=texts.get("continue_button"), style="Main.TButton", command=self._submit
        )
        self._continue.grid(row=0, column=1, sticky="ns")
        self._code_entry.bind("<Return>", lambda _: self._submit())
        self._code_entry.bind("<KP_Enter>", lambda _: self._submit())
        # After the class's own bindings, within the same event: the next key finds the caret in place.
        self._code_entry.bindtags((str(self._code_entry), "TEntry", "AdhocCode", str(self._root), "all"))
        for event in ("<Key>", "<<Paste>>", "<<Cut>>", "<<Clear>>", "<ButtonRelease-2>"):
            self._root.bind_class("AdhocCode", event, self._format_code)
        return page

    def _make_allow_page(self) -> ttk.Frame:
        texts, page = self._texts, ttk.Frame(self._frame)
        page.columnconfigure(0, weight=1)
        _label(page, "Good.TLabel", "✓  " + texts.get("confirmed"))
        self._allow_label = _label(page, "Big.TLabel", "")
        _label(page, "TLabel", texts.get("tools_allowed"))
        self._allowed_tools = ToolChoices(page, texts)
        self._folder_choice = FolderChoice(page, texts)
        row = ttk.Frame(page)
        row.grid(sticky="e", pady=GAP)
        no = ttk.Button(row, text=texts.get("decline_button"), command=lambda: self._answer(False))
        no.grid(row=0, column=0, padx=(0, GAP // 2))
        ttk.Button(
            row,
            text=texts.get("allow_button"),
            style="Main.TButton",
            command=lambda: self._answer(True),
        ).grid(row=0, column=1)
        return page

    def _make_active_page(self) -> ttk.Frame:
        texts, page = self._texts, ttk.Frame(self._frame)
        page.columnconfigure(0, weight=1)
        _label(page, "Good.TLabel", "●  " + texts.get("active_short"))
        self._time_label = _label(page, "Big.TLabel", "")
        self._paused_label = _label(page, "Bad.TLabel", texts.get("paused"))
        self._viewers_label = _label(page, "TLabel", texts.get("nobody"))
        self._viewers_label.configure(foreground=FAINT)
        tools = ttk.Frame(page)
        tools.grid(sticky="ew", pady=(GAP // 2, 0))
        self._pause_button = ttk.Button(tools, text=texts.get("pause_button"), command=self._toggle_pause)
        self._pause_button.grid(row=0, column=0, padx=(0, GAP // 2))
        change = ttk.Button(
            tools, text=texts.get("change_button"), command=lambda: self._handlers.wish(Wish.CHANGE)
        )
        change.grid(row=0, column=1)
        self._chat = ChatPane(page, texts, self._handlers.chat)
        row = ttk.Frame(page)
        row.grid(sticky="ew", pady=GAP)
        row.columnconfigure(0, weight=1)
        self._chat_button = ttk.Button(row, text=texts.get("chat_button"), command=self._write)
        self._chat_button.grid(row=0, column=0, sticky="w")
        ttk.Button(
            row,
            text=texts.get("end_button"),
            style="Danger.TButton",
            command=self._ask_whether_to_end,
        ).grid(row=0, column=1)
        # Tk gives the row of a hidden widget to the next one: nothing is hidden before all has its row.
        self._paused_label.grid_remove()
        self._chat.hide()
        return page

    def _make_question_page(self) -> ttk.Frame:
        texts, page = self._texts, ttk.Frame(self._frame)
        page.columnconfigure(0, weight=1)
        self._question_label = _label(page, "Big.TLabel", "")
        self._question_tool = ToolChoices(page, texts)
        _label(page, "Faint.TLabel", texts.get("input_held"))
        self._question_buttons = self._make_answers(
            page, "decline_button", "allow_button", self._allow_question
        )
        return page

    def _make_changes_page(self) -> ttk.Frame:
        texts, page = self._texts, ttk.Frame(self._frame)
        page.columnconfigure(0, weight=1)
        _label(page, "Title.TLabel", texts.get("change_title"))
        self._changed_tools = ToolChoices(page, texts)
        _label(page, "Faint.TLabel", texts.get("input_held"))
        self._changes_buttons = self._make_answers(
            page, "back_button", "save_button", lambda: self._handlers.changes(self._changed_tools.choices)
        )
        return page

    def _make_answers(
        self, page: ttk.Frame, no_key: str, yes_key: str, accept: Callable[[], None]
    ) -> tuple[ttk.Button, ttk.Button]:
        row = ttk.Frame(page)
        row.grid(sticky="e", pady=GAP)
        no = ttk.Button(row, text=self._texts.get(no_key), command=self._decline_question)
        no.grid(row=0, column=0, padx=(0, GAP // 2))
        yes = ttk.Button(row, text=self._texts.get(yes_key), style="Main.TButton", command=accept)
        yes.grid(row=0, column=1)
        return no, yes

    def _make_confirm_page(self) -> ttk.Frame:
        texts, page = self._texts, ttk.Frame(self._frame)
        page.columnconfigure(0, weight=1)
        _label(page, "Big.TLabel", texts.get("really_end"))
        row = ttk.Frame(page)
        row.grid(sticky="e", pady=GAP)
        self._keep_button = ttk.Button(row, text=texts.get("keep_button"), command=self._keep)
        self._keep_button.grid(row=0, column=0, padx=(0, GAP // 2))
        ttk.Button(row, text=texts.get("end_button"), style="Danger.TButton", command=self._end).grid(
            row=0, column=1
        )
        self._root.bind("<Escape>", lambda _: self._escape())
        return page

    def _make_final_page(self) -> ttk.Frame:
        page = ttk.Frame(self._frame)
        page.columnconfigure(0, weight=1)
        self._final_label = _label(page, "Big.TLabel", "")
        self._final_details = _label(page, "Bad.TLabel", "")
        self._close_button = ttk.Button(
            page,
            text=self._texts.get("close_button"),
            style="Main.TButton",
            command=self._handlers.dismiss,
        )
        self._close_button.grid(sticky="e", pady=GAP)
        return page


def _label(parent: ttk.Frame, style: str, text: str) -> ttk.Label:
    label = ttk.Label(parent, text=text, style=style, wraplength=WRAP)
    label.grid(sticky="w", pady=(0, 6))
    return label


def _show_if(widget: ttk.Label, is_shown: bool) -> None:
    if is_shown:
        widget.grid()
    else:
        widget.grid_remove()


def _scale_wraps(widget: tk.Misc, factor: float) -> None:
    """Let text of a larger size run over as many words before it wraps."""
    if isinstance(widget, ttk.Label) and str(widget.cget("wraplength")):
        widget.configure(wraplength=round(int(str(widget.cget("wraplength"))) * factor))
    for child in widget.winfo_children():
        _scale_wraps(child, factor)


def _digits(text: str) -> str:
    """The digits of any script in `text`, as ASCII."""
    found = (unicodedata.decimal(character, -1) for character in text)
    return "".join(str(digit) for digit in found if digit >= 0)


def _set_style(root: tk.Tk) -> None:
    for name in ("TkDefaultFont", "TkTextFont", "TkMenuFont"):
        font.nametofont(name, root).configure(size=12)
    family = font.nametofont("TkDefaultFont", root).actual("family")
    root.configure(background=PAPER)
    style = ttk.Style(root)
    style.theme_use("clam")
    style.configure(".", background=PAPER, foreground=INK, bordercolor=LINE, focuscolor=ACCENT)
    style.configure("Big.TLabel", font=(family, 14))
    style.configure("Title.TLabel", font=(family, 14, "bold"))
    style.configure("Faint.TLabel", foreground=FAINT)
    style.configure("Bad.TLabel", foreground=DANGER)
    style.configure("Good.TLabel", foreground=GOOD, font=(family, 14, "bold"))
    style.configure("Care.TFrame", background=CARE_PAPER)
    style.configure("Care.TLabel", background=CARE_PAPER)
    style.configure("TEntry", fieldbackground=PAPER, padding=8)
    style.map("TCombobox", fieldbackground=[("readonly", PAPER)], selectbackground=[("readonly", PAPER)])
    style.map("TCombobox", selectforeground=[("readonly", INK)])
    style.configure("TCombobox", padding=4, arrowsize=16)
    style.configure("TButton", padding=(18, 10), background="#eef1f6", lightcolor=LINE, darkcolor=LINE)
    for name, colour, dark in (("Main", ACCENT, ACCENT_DARK), ("Danger", DANGER, "#8c1d17")):
        style.configure(
            f"{name}.TButton",
            background=colour,
            foreground=PAPER,
            bordercolor=colour,
            lightcolor=colour,
            darkcolor=colour,
            focuscolor=PAPER,
        )
        style.map(
            f"{name}.TButton",
            background=[("disabled", LINE), ("active", dark), ("pressed", dark)],
            bordercolor=[("disabled", LINE)],
            lightcolor=[("disabled", LINE)],
            darkcolor=[("disabled", LINE)],
        )
    style.configure("Horizontal.TProgressbar", background=ACCENT, troughcolor="#eef1f6", bordercolor=PAPER)
    root.bind_class("TButton", "<Return>", "%W invoke")
