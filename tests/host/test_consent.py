"""What the customer's answer leaves of what was asked for."""

import os
from pathlib import Path

import pytest

from host.consent import CannotChoose, Consent, choose_folder

KINDS = ["control", "files", "shell", "chat"]


@pytest.mark.parametrize(
    ("folders", "kinds"),
    [
        (None, KINDS),
        (("/home/ana",), ["control", "files", "chat"]),  # a shell would lead around the limit
        ((), ["control", "chat"]),
    ],
)
def test_a_limit_takes_away_what_leads_around_it(folders: tuple[str, ...] | None, kinds: list[str]) -> None:
    assert Consent(True, folders).limit_kinds(KINDS) == kinds


def test_a_folder_is_chosen_as_it_really_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert choose_folder(" ~/link/ ", ()) == (f"{tmp_path}/real",)


def test_no_chosen_folder_lies_in_another(tmp_path: Path) -> None:
    inner, beside = tmp_path / "a" / "inner", tmp_path / "ab"
    inner.mkdir(parents=True)
    beside.mkdir()
    chosen = choose_folder(str(beside), choose_folder(str(inner), ()))
    chosen = choose_folder(str(tmp_path / "a"), chosen)
    assert chosen == (str(beside), f"{tmp_path}/a")
    assert choose_folder(str(inner), chosen) == chosen


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("", "no_such_folder"),
        ("missing", "no_such_folder"),
        ("file", "no_such_folder"),
        (os.fsdecode(b"caf\xe9"), "folder_is_no_text"),
    ],
)
def test_what_is_no_folder_cannot_be_chosen(tmp_path: Path, name: str, key: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    with pytest.raises(CannotChoose) as caught:
        choose_folder(name and f"{tmp_path}/{name}", ())
    assert caught.value.key == key


def test_paths_fit_the_state(tmp_path: Path) -> None:
    chosen: tuple[str, ...] = ()
    with pytest.raises(CannotChoose) as caught:  # noqa: PT012 - one of them is too many
        for number in range(16):
            folder = tmp_path / (str(number) * 120)[:200]
            folder.mkdir()
            chosen = choose_folder(str(folder), chosen)
    assert caught.value.key == "too_many_folders"
    assert 1 < len(chosen) < 16
