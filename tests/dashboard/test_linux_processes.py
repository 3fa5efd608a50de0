"""What is told of processes of Linux is what psutil says, at a fraction of the cost."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from host.dashboard import linux_processes
from host.dashboard.linux_processes import Descriptions, read_stat

NAME = ") R 1 ("
"""What a careless reader of /proc takes for the end of the name and what is behind it."""


@pytest.fixture
def child(tmp_path: Path) -> Iterator[psutil.Process]:
    """A process with a name that is an attack."""
    program = tmp_path / NAME
    program.symlink_to(sys.executable)
    command = [str(program), "-c", "print(flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None
        started.stdout.readline()
        yield psutil.Process(started.pid)
        started.kill()


def test_it_is_what_psutil_says(child: psutil.Process) -> None:
    stat = read_stat(child.pid)
    assert stat.name == NAME
    assert (stat.parent, stat.priority, stat.state) == (os.getpid(), os.nice(0), child.status())
    times = child.cpu_times()
    assert stat.seconds == pytest.approx(times.user + times.system, abs=0.1)
    assert stat.memory == pytest.approx(child.memory_info().rss, rel=0.2)
    found = Descriptions().describe([child])[child.pid]
    assert found == child.as_dict(["ppid", "name", "username", "cmdline", "status", "nice", "create_time"])


def test_what_has_ended_is_passed_over(child: psutil.Process) -> None:
    descriptions = Descriptions()
    assert child.pid in descriptions.describe([child])
    child.kill()
    child.wait()
    assert descriptions.describe([child]) == {}
    with pytest.raises(psutil.NoSuchProcess):
        read_stat(child.pid)


def test_what_lasts_is_asked_once_in_a_while_and_when_the_name_changes(
    child: psutil.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    as_dict = psutil.Process.as_dict

    def count(process: psutil.Process, *arguments: object, **others: object) -> object:
        nonlocal asked
        asked += 1
        return as_dict(process, *arguments, **others)  # type: ignore[arg-type]  # passed on as they come

    monkeypatch.setattr(psutil.Process, "as_dict", count)
    descriptions = Descriptions()
    looks = 3 * linux_processes.KEPT_LOOKS
    for _ in range(looks):
        assert descriptions.describe([child])[child.pid]["name"] == NAME
    assert 3 <= asked <= 5
    before = asked
    stat = read_stat(child.pid)
    renamed = linux_processes.Stat("other", stat.state, stat.parent, stat.seconds, stat.priority, stat.memory)
    monkeypatch.setattr(linux_processes, "read_stat", lambda pid: renamed)
    descriptions.describe([child])
    assert asked == before + 1
