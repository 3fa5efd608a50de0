"""The Dashboard on Windows, in wine, which has no event log and tells of no tasks and no disk's health."""

import json
from typing import Any

import pytest

from tests.helpers.wine import Wine

pytestmark = [pytest.mark.slow, pytest.mark.windows, pytest.mark.timeout(600)]


def play(wine: Wine, scene: str) -> Any:
    """What came of a scene."""
    said = wine.run(f"from tests.windows.dashboard_scenes import main\nmain([{scene!r}])\n")
    return json.loads(said.splitlines()[-1])[scene]


def test_the_computer_says_what_it_is(wine: Wine) -> None:
    said = play(wine, "system")
    assert "Windows" in said["os"]
    assert said["kernel"].startswith("Windows NT 10.0.")
    assert said["machine"] == "AMD64"
    assert said["computer"]
    assert said["processor"]["name"]
    assert said["processor"]["threads"] >= 1
    assert said["memory"] > 1 << 28
    assert said["booted_at"] < said["now"]
    drive = next(disk for disk in said["disks"] if disk["path"] == "C:\\")
    assert 0 < drive["used"] < drive["total"]
    assert said["displays"][0]["width"] >= 640
    assert "127.0.0.1" in [address for each in said["adapters"] for address in each["addresses"]]
    assert said["users"][0]["name"]


def test_what_is_set_up_is_listed(wine: Wine) -> None:
    said = play(wine, "lists")
    assert [row for row in said["software"] if row["name"] in ("Editor", "A part")] == [
        {"name": "Editor", "version": "3.1", "size": 5120, "summary": "Example"}
    ]
    startup = {row["name"]: row for row in said["startup"]}
    assert startup["Helper"]["command"] == "C:\\helper.exe /quiet"
    assert startup["Helper"]["is_enabled"]
    assert not startup["Off"]["is_enabled"]
    services = {row["name"]: row for row in said["services"]}
    assert services["Spooler"] == {
        "name": "Spooler",
        "description": "Print Spooler",
        "state": "inactive",
        "detail": "stopped",
        "start": "manual",
    }
    assert "active" in {row["state"] for row in said["services"]}
    variables = {row["name"] for row in said["environment"]}
    assert "SYSTEMROOT" in {name.upper() for name in variables}
    assert isinstance(said["ports"], list)
    assert said["schedule"] == "unavailable"


def test_processes_are_listed_and_ended_with_their_tree(wine: Wine) -> None:
    said = play(wine, "processes")
    assert said["mine"]["name"] == "cmd.exe"
    assert said["mine"]["command"].startswith("cmd.exe /c ping")
    assert said["mine"]["user"]
    assert said["mine"]["memory"] > 0
    assert all(said[name] for name in ("parent", "cpu", "memory"))
    assert said["priority"] == {"name": "cmd.exe", "priority": 10}
    assert said["ended"] == {"name": "cmd.exe", "ended": 2, "left": 0}
    assert [said[name] for name in ("nonsense", "another", "own", "gone")] == [
        *("bad_value", "missing", "own", "missing")
    ]
    assert said["record"] == ["priority_changed", "process_ended"]


def test_services_start_stop_and_restart(wine: Wine) -> None:
    said = play(wine, "services")
    assert said["spooler"] == [
        ["start", {}, "active"],
        ["stop", {}, "inactive"],
        ["restart", {}, "active"],
        ["stop", {}, "inactive"],
    ]
    assert {said["wrong name"], said["bad name"], said["bad action"]} == {"bad_value"}


def test_the_load_comes_each_second(wine: Wine) -> None:
    said = play(wine, "watching")
    assert 0 <= said["cpu"] <= 100
    assert said["memory"]["used"] < said["memory"]["total"]
    assert said["top"][0]["name"]
    assert len(said["top"]) <= 10


def test_an_event_log_that_is_not_there_is_told(wine: Wine) -> None:
    assert play(wine, "events") == ["unavailable", "bad_value", "bad_value"]


def test_before_and_after_are_compared(wine: Wine) -> None:
    said = play(wine, "changes")
    # Wine does not tell of scheduled tasks: what cannot be read is not compared.
    assert set(said["counts"]) == {"software", "services", "startup", "ports", "disks"}
