"""Managed host software is found where systems keep it, and other software is not taken for it."""

from pathlib import Path

import pytest

from host.managed import KNOWN, LinuxComputer, find_managed
from relay.protocol.refusals import Trait, parse_trait


@pytest.fixture
def computer(tmp_path: Path) -> LinuxComputer:
    for folder in ("etc/systemd/system", "usr/lib/systemd/system", "etc/init.d", "opt"):
        (tmp_path / folder).mkdir(parents=True)
    return LinuxComputer(tmp_path)


def found(computer: LinuxComputer, *texts: str) -> Trait | None:
    return find_managed([parse_trait(text) for text in texts], computer)


def test_an_ordinary_computer_has_none(computer: LinuxComputer, tmp_path: Path) -> None:
    for name in ("ssh.service", "teamviewerd.service", "anydesk.service", "meshagent.timer"):
        (tmp_path / "etc/systemd/system" / name).touch()
    assert find_managed(KNOWN, computer) is None


@pytest.mark.parametrize(
    "path",
    [
        "etc/systemd/system/meshagent.service",
        "usr/lib/systemd/system/dwagent.service",
        "etc/systemd/system/connectwisecontrol-0123456789abcdef.service",
        "etc/init.d/dwagent",
        "opt/teamviewer-host",
    ],
)
def test_each_known_kind_is_found(computer: LinuxComputer, tmp_path: Path, path: str) -> None:
    (tmp_path / path).touch()
    assert find_managed(KNOWN, computer) is not None


def test_what_was_masked_cannot_run(computer: LinuxComputer, tmp_path: Path) -> None:
    (tmp_path / "usr/lib/systemd/system/acme.service").touch()
    (tmp_path / "etc/systemd/system/acme.service").symlink_to("/dev/null")
    assert found(computer, "service:acme") is None


def test_a_name_is_whole_unless_it_ends_in_a_star(computer: LinuxComputer, tmp_path: Path) -> None:
    (tmp_path / "etc/systemd/system/acme-agent-7.service").touch()
    assert found(computer, "service:acme-agent", "service:agent*") is None
    assert found(computer, "service:acme-agent-*") == Trait("service", "acme-agent-*")


def test_what_another_system_has_is_not_looked_for(computer: LinuxComputer) -> None:
    assert found(computer, "registry:HKLM\\SOFTWARE\\Acme", "file:%ProgramFiles%\\Acme") is None


def test_a_computer_without_any_of_these_folders_has_none(tmp_path: Path) -> None:
    assert find_managed(KNOWN, LinuxComputer(tmp_path / "nowhere")) is None
