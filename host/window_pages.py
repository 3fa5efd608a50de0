"""The pages of the customer's window, one class each: what is on them, and what can be done there.

All widgets are made once and then filled: a widget or variable of Tk that Python's garbage collector finds in
another thread is a crash. Each page has its `frame`, and some have a `foot` with what must always be in
sight, however large the text: `host.window_view` shows and hides them.
"""

import tkinter as tk
import unicodedata
from collections.abc import Callable, Sequence
from tkinter import font, ttk
from typing import Final

from host.consent import Consent, Duration
from host.texts import Texts
from host.window_chat import ChatPane
from host.window_folders import FolderChoice
from host.window_style import CARE_LINE, DANGER, FAINT, GAP, WIDTH, WRAP, label, show_if
from host.window_tools import ToolChoices
from relay.protocol.codes import CODE_DIGITS

ANSWER_DELAY: Final = 500
"""Milliseconds for which a question cannot be answered: nobody has read it yet, and a click or key on its way
was meant for something else."""


class WaitPage:
    """Nothing to do for now."""

    def __init__(self, parent: ttk.Frame) -> None:
        self.frame = ttk.Frame(parent)
        self.label = label(self.frame, "Big.TLabel", "")
        bar = ttk.Progressbar(self.frame, mode="indeterminate", length=WIDTH - 4 * GAP)
        bar.grid(pady=GAP, sticky="ew")
        bar.start(20)


class CodePage:
    """Who asks, a warning, and the field for the code.

    Args:
        send: called with nine digits.
    """

    def __init__(self, parent: ttk.Frame, texts: Texts, send: Callable[[str], None]) -> None:
        self._send = send
        self.frame = page = ttk.Frame(parent)
        page.columnconfigure(0, weight=1)
        self._asks = label(page, "Big.TLabel", "")
        care = tk.Frame(page, background=CARE_LINE)
        care.grid(sticky="ew", pady=GAP)
        warning = ttk.Frame(care, style="Care.TFrame", padding=12)
        warning.pack(fill="both", expand=True, padx=(4, 0))
        words = "⚠  " + texts.get("warning")
        ttk.Label(warning, text=words, style="Care.TLabel", wraplength=WRAP - 40).grid(sticky="w")
        self._phone = ttk.Label(warning, style="Care.TLabel", wraplength=WRAP - 40)
        self._phone.grid(sticky="w", pady=(8, 0))
        label(page, "Title.TLabel", texts.get("ask_code"))
        label(page, "Faint.TLabel", texts.get("code_hint"))
        self._sentence = label(page, "Bad.TLabel", "")
        row = ttk.Frame(page)
        row.grid(sticky="ew", pady=(8, GAP // 2))
        row.columnconfigure(0, weight=1)
        self._is_asked = False
        self._code = tk.StringVar(page)
        digits = (font.nametofont("TkFixedFont", page).actual("family"), 24)
        self.entry = ttk.Entry(row, textvariable=self._code, font=digits, width=12, justify="center")
        self.entry.grid(row=0, column=0, sticky="ew", padx=(0, GAP // 2))
        self._continue = ttk.Button(
            row, text=texts.get("continue_button"), style="Main.TButton", command=self._submit
        )
        self._continue.grid(row=0, column=1, sticky="ns")
        self.entry.bind("<Return>", lambda _: self._submit())
        self.entry.bind("<KP_Enter>", lambda _: self._submit())
        # After the class's own bindings, within the same event: the next key finds the caret in place.
        root = page.winfo_toplevel()
        self.entry.bindtags((str(self.entry), "TEntry", "AdhocCode", str(root), "all"))
        for event in ("<Key>", "<<Paste>>", "<<Cut>>", "<<Clear>>", "<ButtonRelease-2>"):
            root.bind_class("AdhocCode", event, self._format)

    def ask(self, asks: str, phone: str, sentence: str) -> None:
        """Ask for the code; what was typed so far stays.

        Args:
            asks: who does.
            phone: where to call them, or "".
            sentence: what was wrong with the last code, or "".
        """
        self._asks.configure(text=asks)
        self._phone.configure(text=phone)
        show_if(self._phone, bool(phone))
        self._sentence.configure(text=sentence)
        show_if(self._sentence, bool(sentence))
        self._is_asked = True
        self._format()

    def _submit(self) -> None:
        digits = digits_of(self._code.get())
        if self._is_asked and len(digits) == CODE_DIGITS:
            self._is_asked = False
            self._continue.state(["disabled"])
            self._send(digits)

    def _format(self, _: object = None) -> None:
        """Keep nine digits in three groups, and the caret behind the digit it was behind."""
        typed = self._code.get()
        before = len(digits_of(typed[: self.entry.index("insert")]))
        digits = digits_of(typed)[:CODE_DIGITS]
        shown = " ".join(digits[start : start + 3] for start in range(0, len(digits), 3))
        if shown != typed:
            self._code.set(shown)
            self.entry.icursor(before + max(0, before - 1) // 3)
        is_complete = len(digits) == CODE_DIGITS and self._is_asked
        self._continue.state(["!disabled" if is_complete else "disabled"])


class AllowPage:
    """Whether they may, with which tools, for how long, and to which files.

    Args:
        below: for the page's foot.
        answer: called with what the customer said.
    """

    def __init__(
        self, parent: ttk.Frame, below: ttk.Frame, texts: Texts, answer: Callable[[Consent], None]
    ) -> None:
        self._answer = answer
        self.frame = page = ttk.Frame(parent)
        page.columnconfigure(0, weight=1)
        label(page, "Good.TLabel", "✓  " + texts.get("confirmed"))
        self._question = label(page, "Big.TLabel", "")
        label(page, "TLabel", texts.get("tools_allowed"))
        self.tools = ToolChoices(page, texts)
        self.folders = FolderChoice(page, texts)
        self.foot = row = make_foot(below)
        no = ttk.Button(row, text=texts.get("decline_button"), command=lambda: answer(Consent(False)))
        no.grid(row=0, column=1, padx=(0, GAP // 2))
        yes = ttk.Button(row, text=texts.get("allow_button"), style="Main.TButton", command=self._allow)
        yes.grid(row=0, column=2)

    def ask(self, question: str, kinds: Sequence[str], *, can_limit: bool) -> None:
        """Ask anew. `kinds`: of channels; `can_limit`: there is a File Manager."""
        self._question.configure(text=question)
        self.tools.begin(dict.fromkeys(kinds, Duration.SESSION))
        self.folders.begin(is_shown=can_limit)

    def _allow(self) -> None:
        limited = {kind: each for kind, each in self.tools.choices.items() if each is not Duration.SESSION}
        self._answer(Consent(True, self.folders.folders, limited))


class ActivePage:
    """The session as it is: time left, who is connected, chat, pause, end.

    Args:
        below: for the page's foot.
        pause, change, end: what the buttons do.
        say: called with what the customer writes.
    """

    def __init__(
        self,
        parent: ttk.Frame,
        below: ttk.Frame,
        texts: Texts,
        *,
        pause: Callable[[], None],
        change: Callable[[], None],
        end: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._texts = texts
        self.frame = page = ttk.Frame(parent)
        page.columnconfigure(0, weight=1)
        label(page, "Good.TLabel", "●  " + texts.get("active_short"))
        self._time = label(page, "Big.TLabel", "")
        self._paused = label(page, "Bad.TLabel", texts.get("paused"))
        self._viewers = label(page, "TLabel", texts.get("nobody"))
        self._viewers.configure(foreground=FAINT)
        tools = ttk.Frame(page)
        tools.grid(sticky="ew", pady=(GAP // 2, 0))
        self._pause = ttk.Button(tools, text=texts.get("pause_button"), command=pause)
        self._pause.grid(row=0, column=0, padx=(0, GAP // 2))
        ttk.Button(tools, text=texts.get("change_button"), command=change).grid(row=0, column=1)
        self.chat = ChatPane(page, texts, say)
        self.foot = row = make_foot(below)
        self._write = ttk.Button(row, text=texts.get("chat_button"), command=self._begin_writing)
        self._write.grid(row=0, column=0, sticky="w")
        ending = ttk.Button(row, text=texts.get("end_button"), style="Danger.TButton", command=end)
        ending.grid(row=0, column=1)
        # Tk gives the row of a hidden widget to the next one: nothing is hidden before all has its row.
        self._paused.grid_remove()
        self.chat.hide()

    def show_left(self, seconds: float) -> None:
        """How long the session goes on."""
        self._time.configure(text=self._texts.get("time_left", left=self._texts.clock(seconds)))

    def show_viewers(self, told: str, *, is_anybody: bool) -> None:
        """Who is connected, in words."""
        self._viewers.configure(text=told, foreground=DANGER if is_anybody else FAINT)

    def show_paused(self, is_paused: bool) -> None:
        """Whether the customer has paused the session."""
        self._pause.configure(text=self._texts.get("resume_button" if is_paused else "pause_button"))
        show_if(self._paused, is_paused)

    def open_chat(self) -> None:
        """Show the chat; the button that did so is not needed any more."""
        self.chat.show()
        self._write.grid_remove()

    def _begin_writing(self) -> None:
        self.open_chat()
        self.chat.focus()


class QuestionPage:
    """A question about tools, which cannot be answered at once: whether they may use one again, or what they
    may do at all.

    Args:
        below: for the page's foot.
        title: of the page that is always the same; "" for a question in words of its own.
        keys: of the texts of the two buttons, no and yes.
        decline, accept: what these do.
    """

    def __init__(
        self,
        parent: ttk.Frame,
        below: ttk.Frame,
        texts: Texts,
        *,
        title: str,
        keys: tuple[str, str],
        decline: Callable[[], None],
        accept: Callable[[], None],
    ) -> None:
        self._timer = ""
        self.frame = page = ttk.Frame(parent)
        page.columnconfigure(0, weight=1)
        self.words = label(page, "Title.TLabel" if title else "Big.TLabel", title)
        self.tools = ToolChoices(page, texts)
        label(page, "Faint.TLabel", texts.get("input_held"))
        self.foot = row = make_foot(below)
        no = ttk.Button(row, text=texts.get(keys[0]), command=decline)
        no.grid(row=0, column=1, padx=(0, GAP // 2))
        yes = ttk.Button(row, text=texts.get(keys[1]), style="Main.TButton", command=accept)
        yes.grid(row=0, column=2)
        self.buttons = (no, yes)

    @property
    def is_answerable(self) -> bool:
        """It has been there for long enough."""
        return not self._timer

    def hold(self) -> None:
        """Take no answer for `ANSWER_DELAY`."""
        for button in self.buttons:
            button.state(["disabled"])
        if self._timer:
            self.frame.after_cancel(self._timer)
        self._timer = self.frame.after(ANSWER_DELAY, self._release)

    def _release(self) -> None:
        self._timer = ""
        for button in self.buttons:
            button.state(["!disabled"])


class ConfirmPage:
    """Whether to end, asked once more."""

    def __init__(
        self, parent: ttk.Frame, texts: Texts, *, keep: Callable[[], None], end: Callable[[], None]
    ) -> None:
        self.frame = page = ttk.Frame(parent)
        page.columnconfigure(0, weight=1)
        label(page, "Big.TLabel", texts.get("really_end"))
        row = ttk.Frame(page)
        row.grid(sticky="e", pady=GAP)
        self.keep = ttk.Button(row, text=texts.get("keep_button"), command=keep)
        self.keep.grid(row=0, column=0, padx=(0, GAP // 2))
        ttk.Button(row, text=texts.get("end_button"), style="Danger.TButton", command=end).grid(
            row=0, column=1
        )


class FinalPage:
    """The last one: why it is over, and what is left."""

    def __init__(self, parent: ttk.Frame, texts: Texts, dismiss: Callable[[], None]) -> None:
        self.frame = page = ttk.Frame(parent)
        page.columnconfigure(0, weight=1)
        self._sentence = label(page, "Big.TLabel", "")
        self._details = label(page, "Bad.TLabel", "")
        words = texts.get("close_button")
        self.close = ttk.Button(page, text=words, style="Main.TButton", command=dismiss)
        self.close.grid(sticky="e", pady=GAP)

    def tell(self, sentence: str, details: str) -> None:
        """Say it. `details`: what could not be removed, or ""."""
        self._sentence.configure(text=sentence)
        self._details.configure(text=details)
        show_if(self._details, bool(details))


def make_foot(below: ttk.Frame) -> ttk.Frame:
    """A row for buttons at its right; it is not shown yet."""
    foot = ttk.Frame(below, padding=(GAP, 0, GAP, GAP))
    foot.columnconfigure(0, weight=1)
    foot.grid(row=0, column=0, sticky="ew")
    foot.grid_remove()
    return foot


def digits_of(text: str) -> str:
    """The digits of any script in `text`, as ASCII."""
    found = (unicodedata.decimal(character, -1) for character in text)
    return "".join(str(digit) for digit in found if digit >= 0)
