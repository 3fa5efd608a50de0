"""What is told of disks: by themselves to smartctl, and by Linux in a made-up /sys."""

import os
from pathlib import Path

import pytest

from host.dashboard import disk_health
from host.dashboard.disk_health import DiskHealth
from host.dashboard.programs import ProgramUnavailable


class System:
    """A /sys with disks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "class" / "block").mkdir(parents=True)

    def add(self, name: str, facts: dict[str, str] | None = None, *, slaves: tuple[str, ...] = ()) -> None:
        """A disk, or a partition with the name of its disk before a slash, with what its files say."""
        block = self.folder / "devices" / name
        (block / "slaves").mkdir(parents=True)
        for path, content in (facts or {}).items():
            (block / path).parent.mkdir(parents=True, exist_ok=True)
            (block / path).write_text(f"{content}\n")
        (self.folder / "class" / "block" / block.name).symlink_to(block)
        for slave in slaves:
            (block / "slaves" / slave).symlink_to(self.folder / "devices" / slave)

    def health(self, device: str) -> tuple[object, object]:
        told = DiskHealth(self.folder).of(f"/dev/{device}")
        return told["health"], told["celsius"]


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


@pytest.fixture(autouse=True)
def nobody_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """A computer without smartctl."""
    monkeypatch.setattr("shutil.which", lambda name: None)


@pytest.fixture
def smart(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What smartctl says of each disk; what is no dict makes it fail."""
    told: dict[str, object] = {}

    def run(arguments: list[str], *, accept_failure: bool) -> object:
        said = told[arguments[-1]]
        if said is None:
            raise ProgramUnavailable("no")
        return said

    monkeypatch.setattr("shutil.which", lambda name: f"/usr/sbin/{name}")
    monkeypatch.setattr(disk_health, "run_json", run)
    return told


@pytest.mark.parametrize(
    ("facts", "health", "celsius"),
    [
        ({}, "", None),
        ({"device/state": "running"}, "", None),
        ({"device/state": "offline"}, "failing", None),
        ({"device/state": "dead"}, "failing", None),
        ({"device/hwmon3/temp1_input": "41850"}, "", 42),
        ({"device/hwmon/hwmon1/temp1_input": "-3000"}, "", -3),
        ({"device/hwmon3/temp1_input": "90850", "device/hwmon3/temp1_alarm": "1"}, "hot", 91),
        ({"device/hwmon3/temp1_input": "no number", "device/hwmon3/temp1_alarm": "0"}, "", None),
        ({"device/pre_eol_info": "0x01"}, "good", None),
        ({"device/pre_eol_info": "0x03"}, "failing", None),
        ({"device/pre_eol_info": "0x00"}, "", None),
        ({"md/degraded": "1"}, "degraded", None),
        ({"md/degraded": "0"}, "", None),
    ],
)
def test_linux_tells_what_is_wrong_and_how_warm_it_is(
    system: System, facts: dict[str, str], health: str, celsius: int | None
) -> None:
    system.add("disk", facts)
    assert system.health("disk") == (health, celsius)


def test_a_partition_is_as_well_as_its_disk(system: System) -> None:
    system.add("sda", {"device/state": "offline", "device/hwmon/hwmon0/temp1_input": "30000"})
    system.add("sda/sda1", {"partition": "1"})
    assert system.health("sda1") == ("failing", 30)


def test_an_encrypted_array_is_as_well_as_the_worst_of_its_disks(
    system: System, smart: dict[str, object]
) -> None:
    system.add("sda", {"device/hwmon/hwmon0/temp1_input": "30000"})
    system.add("sdb", {"device/hwmon/hwmon1/temp1_input": "44000"})
    system.add("md0", {"md/degraded": "0"}, slaves=("sda", "sdb"))
    system.add("dm-0", slaves=("md0",))
    smart |= {f"/dev/{name}": {"smart_status": {"passed": True}} for name in ("sda", "sdb")}
    smart |= {"/dev/md0": None, "/dev/dm-0": None}
    assert system.health("dm-0") == ("good", 44)
    smart["/dev/sdb"] = {"smart_status": {"passed": False}}
    assert system.health("dm-0") == ("failing", 44)


def test_devices_that_lie_in_each_other_are_looked_at_once(system: System) -> None:
    system.add("dm-0", slaves=("dm-1",))
    system.add("dm-1", slaves=("dm-0",))
    assert system.health("dm-0") == ("", None)


@pytest.mark.parametrize(
    "said", [None, [], {}, {"smart_status": 1}, {"smart_status": {"passed": "yes"}}, {"smart_status": {}}]
)
def test_what_smartctl_does_not_say_is_not_guessed(
    system: System, smart: dict[str, object], said: object
) -> None:
    system.add("sda", {"device/state": "running"})
    smart["/dev/sda"] = said
    assert system.health("sda") == ("", None)


def test_each_disk_is_asked_once_and_none_when_the_time_is_up(
    system: System, smart: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    now = 0.0

    def run(arguments: list[str], *, accept_failure: bool) -> object:
        nonlocal now
        asked.append(arguments[-1])
        now += disk_health.SMART_TIME / 2
        return {"smart_status": {"passed": True}}

    monkeypatch.setattr(disk_health, "run_json", run)
    for name in ("sda", "sdb", "sdc"):
        system.add(name)
        system.add(f"{name}/{name}1", {"partition": "1"})
        system.add(f"{name}/{name}2", {"partition": "2"})
    health = DiskHealth(system.folder, clock=lambda: now)
    partitions = [f"/dev/{name}{number}" for name in ("sda", "sdb", "sdc") for number in (1, 2)]
    told = [health.of(partition)["health"] for partition in partitions]
    assert told == ["good"] * 4 + ["", ""]
    assert asked == ["/dev/sda", "/dev/sdb"]


def test_what_is_no_disk_is_not_looked_at(system: System) -> None:
    health = DiskHealth(system.folder)
    for device in ("tmpfs", "server:/share", "//server/share", "", "/dev/none", os.devnull):
        assert health.of(device) == {"health": "", "celsius": None}
