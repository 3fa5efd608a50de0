"""The command line."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from host.arguments import parse_arguments
from host.link_question import ask_link, own_file
from host.texts import Texts
from relay.protocol.link_blob import MARKER, make_empty_blob, write_link

LINK = "https://relay.example/d/AAAAAAAAAAAAAAAAAAAAAA#AAAAAAAAAAAAAAAAAAAAAA.pass%20word"


def test_a_link_and_its_options() -> None:
    given = parse_arguments([LINK, "--terminal", "--display", ":7", "--data-home", "/x"])
    assert given.link is not None
    assert given.link.origin == "https://relay.example"
    assert given.link.access_password == "pass word"
    assert (given.is_terminal, given.display, given.data_home) == (True, ":7", Path("/x"))


def test_a_dash_reads_the_link_from_the_first_line_and_leaves_the_rest() -> None:
    reader, writer = os.pipe()
    os.write(writer, LINK.encode() + b"\n123456789\n")
    os.close(writer)
    try:
        given = parse_arguments(["-"], stdin=reader)
        assert os.read(reader, 100) == b"123456789\n"
    finally:
        os.close(reader)
    assert given.link is not None


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["http://relay.example/d/AAAAAAAAAAAAAAAAAAAAAA#AAAAAAAAAAAAAAAAAAAAAA.x"],
        [LINK, "--resume", "/x/adhoc-host/0123456789abcdef"],
        ["--resume", "/etc"],
        ["--unknown", LINK],
    ],
)
def test_what_cannot_be_used_is_one_line_and_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parse_arguments(arguments, ask=lambda texts, **_: None)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("adhoc-host: ")
    assert error.count("\n") == 1


def bundle(folder: Path, text: str | None, before: bytes = b"program") -> Path:
    """A file of ours, with a place for a link that has `text` in it."""
    file = folder / "adhoc-host"
    region = make_empty_blob()
    file.write_bytes(before + (region if text is None else write_link(region, text)))
    return file


def never(texts: Texts, **_: object) -> None:
    raise AssertionError("nobody is to be asked")


@pytest.mark.parametrize("size", [0, 10, 64 * 1024, 200_000])
def test_the_link_in_the_programs_own_file(tmp_path: Path, size: int) -> None:
    given = parse_arguments([], file=bundle(tmp_path, LINK, b"x" * size), ask=never)
    assert given.link is not None
    assert given.link.access_password == "pass word"


def test_a_link_on_the_command_line_counts_before_the_files(tmp_path: Path) -> None:
    other = LINK.replace("relay.example", "other.example")
    given = parse_arguments([LINK], file=bundle(tmp_path, other), ask=never)
    assert given.link is not None
    assert given.link.origin == "https://relay.example"


def test_who_comes_back_needs_no_link(tmp_path: Path) -> None:
    folder = tmp_path / "adhoc-host" / "0123456789abcdef"
    given = parse_arguments(["--resume", str(folder)], file=bundle(tmp_path, LINK), ask=never)
    assert (given.link, given.resume) == (None, folder)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "http://relay.example/d/AAAAAAAAAAAAAAAAAAAAAA#AAAAAAAAAAAAAAAAAAAAAA.x",
        "https://user@relay.example/d/AAAAAAAAAAAAAAAAAAAAAA#AAAAAAAAAAAAAAAAAAAAAA.x",
        "https://relay.example/d/AAAAAAAAAAAAAAAAAAAAAA",
        LINK + "\n" + LINK,
    ],
)
def test_a_file_with_something_else_than_a_link_is_refused(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parse_arguments([], file=bundle(tmp_path, text), ask=never)
    assert end.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    "data",
    [
        MARKER,
        MARKER + b"\xff\xff" + bytes(100),
        MARKER + b"\x10\x00short",
        MARKER + b"\x02\x00\xff\xfe" + bytes(100),
    ],
)
def test_a_file_that_was_cut_or_changed_is_refused(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "adhoc-host"
    file.write_bytes(b"program" + data)
    with pytest.raises(SystemExit) as end:
        parse_arguments([], file=file, ask=never)
    assert end.value.code == 2


@pytest.mark.parametrize("kind", ["empty", "none", "missing"])
def test_without_a_link_the_customer_is_asked(tmp_path: Path, kind: str) -> None:
    file = bundle(tmp_path, None)
    if kind == "none":
        file.write_bytes(b"a file of an older builder")
    elif kind == "missing":
        file.unlink()
    reader, writer = os.pipe()
    os.write(writer, b"what link?\n" + LINK.encode() + b"\nnext answer\n")
    try:
        given = parse_arguments(["--terminal"], reader, file=file)
        assert os.read(reader, 100) == b"next answer\n"
    finally:
        os.close(reader)
        os.close(writer)
    assert given.link is not None


@pytest.mark.parametrize("answers", [b"", b"no\n" * 5, b"x" * 5000])
def test_who_has_none_is_not_asked_for_ever(answers: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    reader, writer = os.pipe()
    os.write(writer, answers)
    os.close(writer)
    try:
        assert ask_link(Texts("es"), stdin=reader, is_terminal=True, display=None) is None
    finally:
        os.close(reader)
    assert "Enlace: " in capsys.readouterr().out


def test_a_program_in_a_pipe_without_display_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    reader, writer = os.pipe()
    try:
        assert ask_link(Texts("en"), stdin=reader, is_terminal=False, display=None) is None
    finally:
        os.close(reader)
        os.close(writer)


def test_a_zip_keeps_running_with_a_link_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "program.pyz"
    with file.open("wb") as opened:
        opened.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(opened, "w") as archive:
            archive.writestr("__main__.py", "import inner, sys, zipfile\nprint(inner.word)\n")
            archive.writestr("inner.py", "word = 'runs'\n")
        opened.write(write_link(make_empty_blob(), LINK))
    done = subprocess.run([sys.executable, "-I", file], capture_output=True, check=True, timeout=60)
    assert done.stdout == b"runs\n"
    monkeypatch.setattr(sys, "argv", [str(file)])
    assert own_file() == file
    assert parse_arguments([], ask=never).link is not None


def test_an_executable_that_brings_its_python_is_its_own_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert own_file() == Path(sys.executable)
