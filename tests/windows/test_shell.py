"""The shell on Windows, in wine, whose pseudo-console is a beginning: its programs must be led to it.

PowerShell, whose stand-in in wine does nothing, is not tried.
"""

import json
from typing import Any

import pytest

from tests.helpers.wine import Wine

pytestmark = [pytest.mark.slow, pytest.mark.windows, pytest.mark.timeout(600)]


def play(wine: Wine, scene: str) -> Any:
    """What came of a scene."""
    said = wine.run(f"from tests.windows.shell_scenes import main\nmain([{scene!r}])\n")
    return json.loads(said.splitlines()[-1])[scene]


def test_what_is_typed_at_the_pseudo_console_is_run_and_shown(wine: Wine) -> None:
    assert play(wine, "typing") == {"sum": True, "letters": True, "status": 7}


def test_a_single_command_has_its_own_output_and_exit_code(wine: Wine) -> None:
    said = play(wine, "command")
    assert said["echo one& echo two 1>&2"] == ["one\r\ntwo \r\n", 0]
    assert said["exit 3"] == ["", 3]
    assert said["echo über"] == ["über\r\n", 0]
    assert said['echo "a b" c'] == ['"a b" c\r\n', 0]
    assert said["no-such-program"][1] != 0


def test_what_the_shell_started_ends_with_it(wine: Wine) -> None:
    said = play(wine, "hang_up")
    assert said["left"] == 0
    assert said["seconds"] < 7


def test_nothing_of_our_environment_reaches_the_shell(wine: Wine) -> None:
    assert play(wine, "environment") == {"ours": [], "path": True, "home": True}


def test_a_viewer_has_shells_as_on_other_systems(wine: Wine) -> None:
    said = play(wine, "stream")
    assert said["command"][:2] == ["hello\r\n", 0]
    assert said["wrong"] == ["", None, "BAD_FRAME"]
    assert said["too many"] == ["", None, "LIMIT"]
    assert said["flood"]["size"]
    assert said["flood"]["left"] == 0
    assert said["flood"]["seconds"] < 7
    assert said["opened"] == 0
    assert said["record"] == ["shell_opened", "shell_opened"]
