"""The customer's window on a virtual desktop, used by keyboard and pointer as a person would."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tkinter import filedialog, ttk

import pytest
import trio
import trio.testing

from host.brand import Brand, clean_png
from host.consent import CHOICES, Consent, Duration
from host.customer import Asker, Wish
from host.texts import Texts
from host.window import WindowUnavailable, open_window
from host.window_pages import digits_of
from host.window_style import ACCENT, readable_accent
from host.window_view import WindowView, _Page
from relay.protocol.claims import PairClaims
from tests.helpers.pictures import picture
from tests.host.window_screen import (
    PATIENCE,
    Screen,
    has_focus,
    open_screen,
    texts_of,
    title_of,
    visible,
    wait_answerable,
)

pytestmark = pytest.mark.slow

ASKER = Asker("Tess", "Acme", "+34 600 000 000")
CLAIMS = PairClaims(technician="Tess", company="Acme", kinds=["control"], lifetime=86_400)


async def test_a_code_is_typed_and_sent_with_enter() -> None:
    async with open_screen() as screen:

        async def type_code() -> None:
            words = await screen.read()
            assert "Tess of Acme asks to help you" in words
            assert "If a stranger called you" in words
            assert "+34\u00a0600\u00a0000\u00a0000" in words
            await screen.type("123456789")
            await screen.press("Return")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(type_code)
            assert await screen.customer.ask_code(ASKER, "") == "123456789"
        assert await screen.look(lambda view: view._code.entry.get()) == "123 456 789"


async def test_a_digit_can_be_corrected_in_the_middle() -> None:
    async with open_screen() as screen, trio.open_nursery() as nursery:
        nursery.start_soon(screen.customer.ask_code, ASKER, "")
        await screen.type("129456789")
        await screen.press("Home", "Right", "Right", "Delete")
        await screen.type("3")
        assert await screen.look(lambda view: view._code.entry.get()) == "123 456 789"
        await screen.type("0")  # a tenth digit pushes nothing out but the last
        assert await screen.look(lambda view: view._code.entry.get()) == "123 045 678"
        nursery.cancel_scope.cancel()


async def test_a_pasted_code_is_understood_and_sent_with_the_button() -> None:
    async with open_screen() as screen:

        async def paste_code() -> None:
            def paste(view: WindowView) -> None:
                view._root.clipboard_clear()
                view._root.clipboard_append("Your code: 123-456-789.")
                view._root.update()
                view._code.entry.event_generate("<<Paste>>")

            await screen.look(paste)
            await screen.click("Continue")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(paste_code)
            assert await screen.customer.ask_code(ASKER, "") == "123456789"


async def test_an_incomplete_code_cannot_be_sent() -> None:
    async with open_screen() as screen, trio.open_nursery() as nursery:
        nursery.start_soon(screen.customer.ask_code, ASKER, "That code is not right.")
        await screen.type("12345678x")
        await screen.press("Return")
        assert "That code is not right." in await screen.read()
        assert await screen.look(lambda view: view._code._continue.instate(["disabled"]))
        nursery.cancel_scope.cancel()


async def test_what_was_typed_survives_a_lost_connection() -> None:
    async with open_screen() as screen:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(screen.customer.ask_code, ASKER, "")
            await screen.type("12345678")
            nursery.cancel_scope.cancel()
        screen.customer.show_trouble("No connection.")
        assert "No connection." in await screen.read()
        screen.customer.show_online()
        assert "No connection." not in await screen.read()
        # Sent while nobody asked: the next one who asks gets it.
        await screen.press("End")
        await screen.type("9")
        await screen.press("Return")
        assert await screen.customer.ask_code(ASKER, "") == "123456789"


@pytest.mark.parametrize(("button", "is_allowed"), [("Allow", True), ("No", False)])
async def test_the_customer_allows_or_not(button: str, is_allowed: bool) -> None:
    async with open_screen() as screen:

        async def click() -> None:
            assert "Tess of Acme is confirmed" in await screen.read()
            await screen.click(button)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(click)
            assert await screen.customer.ask_allow(CLAIMS) == Consent(is_allowed)


async def test_files_may_be_limited_to_folders_that_are_picked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    picked = iter([str(tmp_path / "mine"), str(tmp_path / "none"), ()])
    monkeypatch.setattr(filedialog, "askdirectory", lambda **_: next(picked))
    claims = replace(CLAIMS, kinds=["control", "files"])
    async with open_screen() as screen:

        async def choose() -> None:
            assert "Add a folder…" not in await screen.read()
            await screen.click("Files only in folders that I choose")
            assert "the technician gets no files" in await screen.read()
            await screen.click("Add a folder…")
            assert f"Files only in: {tmp_path}/mine" in await screen.read()
            await screen.click("Add a folder…")
            assert "There is no such folder on this computer." in await screen.read()
            await screen.click("Add a folder…")  # and cancelled
            await screen.click("Allow")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(choose)
            assert await screen.customer.ask_allow(claims) == Consent(True, (f"{tmp_path}/mine",))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(screen.click, "Allow")
            assert await screen.customer.ask_allow(claims) == Consent(True)  # asked anew
        async with trio.open_nursery() as nursery:
            nursery.start_soon(screen.customer.ask_allow, CLAIMS)
            assert "Files only" not in await screen.read()
            nursery.cancel_scope.cancel()


async def test_the_folder_picker_goes_with_the_question_and_with_the_window() -> None:
    claims = replace(CLAIMS, kinds=["files"])

    def pickers(view: WindowView) -> int:
        view._root.update_idletasks()
        return str(view._root.tk.call("wm", "stackorder", ".")).count("choosedir")

    async def open_picker(screen: Screen) -> None:
        await trio.testing.wait_all_tasks_blocked()  # until the question is on its way to the window
        await screen.click("Files only in folders that I choose")
        await screen.click("Add a folder…")
        with trio.fail_after(PATIENCE):
            while not await screen.look(pickers):
                await trio.lowlevel.checkpoint()

    async with open_screen() as screen:
        for _ in range(2):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(screen.customer.ask_allow, claims)
                await open_picker(screen)
                screen.customer.show_waiting_for_technician()
                with trio.fail_after(PATIENCE):
                    while await screen.look(pickers):
                        await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(screen.customer.ask_allow, claims)
            await open_picker(screen)
            nursery.cancel_scope.cancel()
    assert screen.customer._thread.ended.is_set()


async def test_enter_pressed_once_more_allows_nothing() -> None:
    async with open_screen() as screen, trio.open_nursery() as nursery:
        nursery.start_soon(screen.customer.ask_allow, CLAIMS)
        await screen.look(texts_of)
        await screen.press("Return", "Return")
        assert "Allow" in await screen.read()
        assert screen.customer._answer is None
        nursery.cancel_scope.cancel()


async def test_an_active_session_shows_its_time_and_who_watches() -> None:
    async with open_screen() as screen:
        screen.customer.show_active(86_399)
        words = await screen.read()
        assert "Time left: 23 h 59 min" in words
        assert "Nobody is connected." in words
        screen.customer.show_viewers({"Tess": ["control", "files"]})
        words = await screen.read()
        assert "Connected now: Tess (Remote Control, File Manager)" in words
        assert "● Connected now: Tess (Remote Control, File Manager)" in words
        screen.customer.show_viewers({})
        assert "Connected now" not in await screen.read()


async def test_ending_is_asked_once_and_can_be_taken_back() -> None:
    async with open_screen() as screen:
        screen.customer.show_active(3600)
        await screen.click("End session and remove")
        assert "End the session now?" in await screen.read()
        await screen.press("Escape")
        assert "Connected for support" in "\n".join([await screen.read()])
        assert not screen.customer._wants_to_end.is_set()
        await screen.click("End session and remove")
        await screen.click("End session and remove")
        await screen.customer.wait_wants_to_end()


async def test_closing_the_window_before_the_session_asks_whether_to_end() -> None:
    async with open_screen() as screen, trio.open_nursery() as nursery:
        nursery.start_soon(screen.customer.ask_code, ASKER, "")
        await screen.look(lambda view: view._close())
        assert "End the session now?" in await screen.read()
        await screen.click("Go on with the session")
        assert "Security code" in await screen.read()
        nursery.cancel_scope.cancel()


async def test_closing_the_window_of_an_active_session_only_hides_it() -> None:
    async with open_screen() as screen:
        screen.customer.show_active(3600)
        hidden: list[bool] = []

        def close(view: WindowView) -> None:
            # There is no window manager that could do it.
            vars(view._root)["iconify"] = lambda: hidden.append(True)
            view._close()

        await screen.look(close)
        assert hidden == [True]
        assert not screen.customer._wants_to_end.is_set()


async def test_who_looks_elsewhere_is_called_to_the_chat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = tmp_path / "heard"
    program = tmp_path / "notify-send"
    program.write_text(f'#!/bin/sh\necho "$4" >> {heard}\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    async with open_screen() as screen:
        customer = screen.customer
        customer.show_active(3600)
        customer.show_chat("Tess", "from before", is_new=False)
        customer.show_chat("Tess", "while the window has the keyboard")
        assert await screen.look(lambda view: view._root.title()) == "Remote support"
        await screen.look(lambda view: view._root.withdraw())  # there is no window manager to minimise it
        with trio.fail_after(PATIENCE):
            while await screen.look(has_focus):
                await trio.lowlevel.checkpoint()
        customer.show_chat("Tess", "are <b>you</b> there?")
        customer.show_chat("", "mine")
        customer.open_chat()
        assert await screen.look(lambda view: view._root.title()) == "(2) Remote support"
        with trio.fail_after(PATIENCE):
            # Another program makes the file, and writes into it afterwards.
            while not (heard.exists() and heard.read_text()):  # noqa: ASYNC110
                await trio.sleep(0.02)
        assert heard.read_text().strip() == "are &lt;b&gt;you&lt;/b&gt; there?"
        assert await screen.look(lambda view: view._root.state()) == "normal"
        await screen.look(lambda view: view._root.focus_force())
        with trio.fail_after(PATIENCE):
            while await screen.look(title_of) != "Remote support":
                await trio.lowlevel.checkpoint()


async def test_nothing_in_the_chat_can_be_clicked() -> None:
    async with open_screen() as screen:
        screen.customer.show_active(3600)
        screen.customer.show_chat("Tess", "see https://example.com/ <a href='https://example.com'>x</a>")

        def tags(view: WindowView) -> dict[str, str]:
            text = view._active.chat._text
            return {tag: str(text.tk.call(str(text), "tag", "bind", tag)) for tag in text.tag_names()}

        assert await screen.look(tags) == {"sel": "", "author": "", "hint": ""}
        shown = await screen.look(lambda view: view._active.chat._text.get("1.0", "end-1c"))
        assert shown == "Tess: see https://example.com/ <a href='https://example.com'>x</a>"


async def test_an_empty_chat_says_what_it_is_for_until_somebody_has_written() -> None:
    def shown(view: WindowView) -> str:
        return view._active.chat._text.get("1.0", "end-1c")

    async with open_screen() as screen:
        screen.customer.show_active(3600)
        screen.customer.open_chat()
        assert (await screen.look(shown)).startswith("The technician wants to write with you.")
        screen.customer.show_chat("Tess", "hello")
        screen.customer.show_chat("", "good morning")
        assert await screen.look(shown) == "Tess: hello\nYou: good morning"


async def test_the_question_whether_to_end_stays_while_the_session_goes_on() -> None:
    async with open_screen() as screen:
        screen.customer.show_connecting()
        await screen.look(lambda view: view._close())
        screen.customer.show_waiting_for_technician()
        assert "End the session now?" in await screen.read()
        await screen.press("Escape")
        assert "Checking the code" in await screen.read()


async def test_the_last_page_says_what_was_left_and_is_closed_by_a_button() -> None:
    async with open_screen("es") as screen:
        screen.customer.show_viewers({"Tess": ["control"]})
        screen.customer.show_removed("Terminado.", ["packages"])
        words = await screen.read()
        assert "Terminado." in words
        assert "equipo se inicie: packages" in words
        assert "Tess" not in words
        await screen.click("Cerrar")
        await screen.customer.wait_dismissed()


async def test_no_display_is_an_error() -> None:
    with pytest.raises(WindowUnavailable):
        async with open_window(Texts("en"), ":987"):
            raise AssertionError("a window was opened on nothing")


def test_digits_of_any_script_count() -> None:
    assert digits_of("٠١٢ a 3-4") == "01234"


def _choose(kind: str, duration: Duration, page: str) -> Callable[[WindowView], None]:
    return lambda view: vars(view)[page].tools._rows[kind][1].current(CHOICES.index(duration))


async def _wait_read(screen: Screen, words: str) -> None:
    with trio.fail_after(PATIENCE):
        while words not in await screen.read():
            await trio.lowlevel.checkpoint()


async def test_each_tool_is_allowed_for_as_long_as_the_customer_says() -> None:
    claims = replace(CLAIMS, kinds=["control", "files", "chat"])
    async with open_screen() as screen:

        async def choose() -> None:
            await _wait_read(screen, "Remote Control")
            assert "Dashboard" not in await screen.read()
            await screen.look(_choose("files", Duration.HALF_HOUR, "_allow"))
            await screen.click("Allow")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(choose)
            consent = await screen.customer.ask_allow(claims)
        assert consent == Consent(True, None, {"files": Duration.HALF_HOUR})


@pytest.mark.parametrize(("button", "answer"), [("Allow", Duration.SESSION), ("No", Duration.NEVER)])
async def test_a_question_about_a_tool_cannot_be_answered_by_a_click_on_its_way(
    button: str, answer: Duration
) -> None:
    async with open_screen() as screen:
        screen.customer.show_active(3600)

        async def reply() -> None:
            await _wait_read(screen, "Tess asks to use this computer again: Remote Control")
            # Clicked before anybody could have read it.
            await screen.look(lambda view: view._question.hold())
            await screen.look(lambda view: [each.invoke() for each in view._question.buttons])
            await screen.press("Escape")
            assert screen.customer._permission is None
            await wait_answerable(screen, "_question")
            await screen.click(button)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(reply)
            assert await screen.customer.ask_permission("control", "Tess") is answer
        assert "Connected for support" in await screen.read()


async def test_a_question_that_is_taken_back_leaves_the_window() -> None:
    async with open_screen() as screen:
        screen.customer.show_active(3600)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(screen.customer.ask_permission, "files", "Tess")
            await _wait_read(screen, "asks to use this computer again")
            screen.customer.show_active(3600)  # a new connection does not hide the question
            assert "asks to use this computer again" in await screen.read()
            nursery.cancel_scope.cancel()
        assert "asks to use this computer again" not in await screen.read()


async def test_what_they_may_do_is_changed_and_the_session_paused() -> None:
    async with open_screen() as screen:
        customer = screen.customer
        customer.show_active(3600)
        await screen.click("What they may do…")
        assert await customer.next_wish() is Wish.CHANGE

        async def change() -> None:
            await _wait_read(screen, "What technicians may do")
            await screen.look(_choose("files", Duration.NEVER, "_changes"))
            await wait_answerable(screen, "_changes")
            await screen.click("Save")

        before = {"control": Duration.ONCE, "files": Duration.SESSION}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(change)
            assert await customer.ask_changes(before) == {**before, "files": Duration.NEVER}
        await screen.click("Pause now")
        assert await customer.next_wish() is Wish.PAUSE
        customer.show_paused(True)
        assert "Paused: nobody can see or use this computer" in await screen.read()
        await screen.click("Go on")
        assert await customer.next_wish() is Wish.RESUME


async def test_the_mark_comes_back_whatever_is_done_to_it() -> None:
    async with open_screen() as screen:
        screen.customer.show_active(3600)
        screen.customer.show_viewers({"Tess": ["control"]})

        def place(view: WindowView) -> tuple[bool, int, int]:
            view._root.update()
            window = view._mark._window
            return bool(window.winfo_viewable()), window.winfo_rootx(), window.winfo_rooty()

        before = await screen.look(place)
        assert before[0]
        await screen.look(lambda view: view._mark._window.geometry("+5000+5000"))
        await screen.look(lambda view: view._mark._window.withdraw())
        await screen.look(lambda view: view._root.withdraw())
        with trio.fail_after(PATIENCE):
            while await screen.look(place) != before:
                await trio.lowlevel.checkpoint()
        await screen._use("mousemove", str(before[1] + 5), str(before[2] + 5), "click", "1", "click", "3")
        assert await screen.look(place) == before
        screen.customer.show_viewers({})
        assert not (await screen.look(place))[0]


async def test_who_is_connected_says_since_when() -> None:
    async with open_screen() as screen:
        screen.customer.show_active(3600)
        screen.customer.show_viewers({"Tess": ["control"]})

        def pass_time(view: WindowView) -> None:
            view._since = {use: since - 125 for use, since in view._since.items()}
            view._show_since()

        await screen.look(pass_time)
        assert "Tess (Remote Control for 2 minutes)" in await screen.read()


async def test_nothing_lies_over_anything_else() -> None:
    async with open_screen() as screen:
        screen.customer.show_active(3600)
        screen.customer.show_paused(True)
        screen.customer.show_chat("Tess", "hello")

        def rows(view: WindowView) -> list[int]:
            view._root.update()
            page = view._pages[_Page.ACTIVE]
            return [int(child.grid_info()["row"]) for child in page.grid_slaves()]

        shown = await screen.look(rows)
        assert len(shown) >= 6
        assert len(set(shown)) == len(shown)


async def test_the_companys_name_and_colour_are_shown_and_a_picture_that_can_be_read() -> None:
    async with open_screen() as screen:
        screen.customer.show_brand(Brand("Acme Support", "#fefefe"))
        assert "Acme Support" in await screen.read()

        def main_colour(view: WindowView) -> str:
            return str(ttk.Style(view._root).lookup("Main.TButton", "background"))

        # White letters on it can be read, whatever the company likes.
        assert await screen.look(main_colour) == readable_accent("#fefefe") != "#fefefe"
        screen.customer.show_brand(Brand("Acme Support", "", b"no picture"))
        assert await screen.look(main_colour) == ACCENT
        logo = clean_png(picture())
        assert logo is not None
        screen.customer.show_brand(Brand("Acme Support", "#112233", logo))

        def size(view: WindowView) -> tuple[int, int]:
            image = view._brand._image
            assert image is not None
            return image.width(), image.height()

        assert await screen.look(size) == (120, 40)


async def test_every_button_has_a_letter_that_presses_it_with_alt() -> None:
    async with open_screen() as screen:
        screen.customer.show_active(3600)

        def letters(view: WindowView) -> dict[str, str]:
            view._root.update()
            buttons = [each for each in visible(view._root) if isinstance(each, ttk.Button)]
            words = [(str(each.cget("text")), int(str(each.cget("underline")))) for each in buttons]
            return {text: text[place].lower() for text, place in words}

        found = await screen.look(letters)
        assert len(found) == len(set(found.values())) == 4
        await screen.press(f"alt+{found['Pause now']}")
        assert await screen.customer.next_wish() is Wish.PAUSE
        await screen.press(f"alt+{found['Write to the technician']}")
        assert "Send" in await screen.look(letters)
        await screen.press(f"alt+{(await screen.look(letters))['End session and remove']}")
        assert "End the session now?" in await screen.read()


async def test_with_text_twice_as_large_ending_is_in_sight_and_the_rest_is_reached_by_tab() -> None:
    async with open_screen(size=(1280, 800), dpi=192) as screen:
        screen.customer.show_active(3600)
        screen.customer.show_viewers({"Tess": ["control", "files"]})
        screen.customer.show_paused(True)
        screen.customer.show_chat("Tess", "hello")
        screen.customer.show_trouble("The support service cannot be reached. " * 4)
        screen.customer.show_brand(Brand("Acme Support"))

        def bottom_of(words: str) -> Callable[[WindowView], int]:
            def find(view: WindowView) -> int:
                view._root.update()
                (button,) = (
                    each
                    for each in visible(view._root)
                    if isinstance(each, ttk.Button) and each.cget("text") == words
                )
                return button.winfo_rooty() + button.winfo_height()

            return find

        def edge_of(view: WindowView) -> int:
            view._root.update()
            return view._pane._canvas.winfo_rooty() + view._pane._canvas.winfo_height()

        edge = await screen.look(edge_of)
        assert await screen.look(lambda view: view._pane.scrolls)
        await screen.look(lambda view: view._pane.to_top())
        assert edge < await screen.look(bottom_of("End session and remove")) <= 800
        assert await screen.look(bottom_of("Send")) > edge

        def focused(view: WindowView) -> str:
            widget = view._root.focus_get()
            return str(widget.cget("text")) if isinstance(widget, ttk.Button) else ""

        for words in ("Send", "End session and remove"):
            for _ in range(8):
                await screen.press("Tab")
                if await screen.look(focused) == words:
                    break
            assert await screen.look(focused) == words
            if words == "Send":
                assert await screen.look(bottom_of("Send")) <= edge


@pytest.mark.parametrize("language", ["en", "es"])
async def test_with_text_twice_as_large_whoever_is_asked_sees_both_answers(language: str) -> None:
    claims = replace(CLAIMS, kinds=["control", "files", "dashboard", "shell"])
    async with open_screen(language, size=(1280, 800), dpi=192) as screen, trio.open_nursery() as nursery:
        nursery.start_soon(screen.customer.ask_allow, claims)
        await trio.testing.wait_all_tasks_blocked()

        def bottoms(view: WindowView) -> list[int]:
            view._root.update()
            buttons = [each for each in visible(view._root) if isinstance(each, ttk.Button)]
            return [button.winfo_rooty() + button.winfo_height() for button in buttons]

        found = await screen.look(bottoms)
        assert len(found) == 2
        assert max(found) <= 800
        screen.customer.show_gone("Over.")
        # What only other pages have below takes no room.
        (close,) = await screen.look(bottoms)
        assert (
            await screen.look(lambda view: view._root.winfo_rooty() + view._root.winfo_height()) < close + 60
        )
        nursery.cancel_scope.cancel()


async def test_with_text_twice_as_large_boxes_and_arrows_are_as_large() -> None:
    async def measure(dpi: int) -> tuple[int, int]:
        async with open_screen(size=(1280, 800), dpi=dpi) as screen:

            def look(view: WindowView) -> tuple[int, int]:
                style = ttk.Style(view._root)
                box, arrow = (
                    int(str(style.lookup(name, option)))
                    for name, option in (("TCheckbutton", "indicatorsize"), ("TCombobox", "arrowsize"))
                )
                return box, arrow

            return await screen.look(look)

    usual, large = await measure(96), await measure(192)
    assert min(usual) >= 14
    assert all(after >= 1.8 * before for before, after in zip(usual, large, strict=True))
