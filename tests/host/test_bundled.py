"""A file that brings its packages along looks first whether it is whole."""

from pathlib import Path

import pytest

from bundles.windows_entry import parse_self
from host.bundled import is_complete, run
from host.installation import Installation
from relay.protocol.link_blob import make_empty_blob, write_link

LINK = "https://relay.example/d/AAECAwQFBgcICQoLDA0ODw#EBESExQVFhcYGRobHB0eHw.k7mp-w2xa-9tfe"
PROGRAM = b"program" * 20_000


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (PROGRAM + make_empty_blob(), True),
        (PROGRAM + write_link(make_empty_blob(), LINK), True),
        (PROGRAM + write_link(make_empty_blob(993), LINK) + b"---END_BLOB---", True),
        (PROGRAM, False),
        (PROGRAM + make_empty_blob()[:10], False),
        (PROGRAM + write_link(make_empty_blob(), LINK)[:50], False),
        (PROGRAM + make_empty_blob().replace(b"\0\0", b"\xff\xff", 1), False),
        (make_empty_blob() + PROGRAM, False),
        (b"", False),
    ],
)
def test_a_file_is_whole_if_its_place_for_the_link_is(tmp_path: Path, data: bytes, expected: bool) -> None:
    file = tmp_path / "adhoc-host"
    file.write_bytes(data)
    assert is_complete(file) is expected


def test_a_file_that_was_moved_away_is_not_looked_at(tmp_path: Path) -> None:
    assert is_complete(tmp_path / "nothing")


def test_what_is_not_whole_says_so_and_installs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LC_ALL", "es_ES.UTF-8")
    file = tmp_path / "adhoc-host"
    file.write_bytes(PROGRAM)

    def unpack(installation: Installation) -> None:
        raise AssertionError("nothing is to be unpacked")

    assert run(file, [LINK], unpack) == 2
    assert capsys.readouterr().err == "adhoc-host: Este archivo no está completo. Descárguelo otra vez.\n"
    assert list(home.iterdir()) == []


def test_the_program_for_windows_is_told_where_it_is() -> None:
    assert parse_self(["--self", r"C:\Users\Ana María\adhoc-host.exe", "--terminal"]) == (
        Path(r"C:\Users\Ana María\adhoc-host.exe"),
        ["--terminal"],
    )
    for arguments in ([], ["--self"], ["https://relay.example", "--self"]):
        with pytest.raises(SystemExit):
            parse_self(arguments)
