"""The command line."""

import os
from pathlib import Path

import pytest

from host.arguments import parse_arguments

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
        parse_arguments(arguments)
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("adhoc-host: ")
    assert error.count("\n") == 1
