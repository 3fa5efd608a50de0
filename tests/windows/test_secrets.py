"""What the host keeps on Windows is readable on this computer alone, and its folder is no stranger's."""

import pytest

from tests.helpers.wine import Wine

pytestmark = [pytest.mark.slow, pytest.mark.windows, pytest.mark.timeout(600)]

_STATE = """
from pathlib import Path
from host.state import HostState, StateError
from relay.protocol.links import parse_deployment_link
zeros = "A" * 22
link = parse_deployment_link(f"https://help.example.com/d/{zeros}#{zeros}.open-sesame-please")
folder = Path("C:\\\\kept")
folder.mkdir()
state = HostState.fresh(link)
state.pairing_key = b"the pairing key of this session!"
state.save(folder)
"""


def test_the_state_is_sealed_on_the_disk_and_read_again(wine: Wine) -> None:
    said = wine.run(f"{_STATE}print(HostState.load(folder) == state)\n")
    assert said.split() == ["True"]
    data = (wine.drive / "kept" / "state").read_bytes()
    assert b"pairing key" not in data
    assert b"open-sesame" not in data
    changed = data[:-1] + bytes([data[-1] ^ 1])
    (wine.drive / "kept" / "state").write_bytes(changed)
    said = wine.run(
        "from pathlib import Path\n"
        "from host.state import HostState, StateError\n"
        "try:\n    HostState.load(Path('C:\\\\kept'))\nexcept StateError:\n    print('refused')\n"
    )
    assert said.split() == ["refused"]


def test_a_file_is_not_removed_through_a_link_or_while_it_is_another(wine: Wine) -> None:
    said = wine.run(
        """
import os
from pathlib import Path
from host.windows.deletion import NotOurs, opened_folder, remove_file, remove_folder, remove_tree
top = Path("C:\\\\tree")
for name in ("a/b/one", "a/two", "three"):
    (top / name).parent.mkdir(parents=True, exist_ok=True)
    (top / name).write_text(name)
found = (top / "three").stat()
with opened_folder(top) as folder:
    remove_file("three", folder, (found.st_dev, found.st_ino + 1))
    print((top / "three").exists())
    remove_file("three", folder, (found.st_dev, found.st_ino))
    print((top / "three").exists())
    try:
        remove_file("a", folder)
    except OSError as exc:
        print(type(exc).__name__)
(top / "a" / "stranger").write_text("of somebody else")
try:
    remove_tree(top, ["a/b/one", "a/two"])
except OSError:
    print(sorted(path.name for path in top.rglob("*")))
(top / "a" / "stranger").unlink()
remove_tree(top, ["a/b/one", "a/two"])
print(top.exists())
"""
    )
    assert said.splitlines()[:2] == ["True", "False"]
    assert said.splitlines()[2] in ("NotOurs", "PermissionError")
    assert said.splitlines()[3:] == ["['a', 'stranger']", "False"]


def test_one_program_at_a_time_has_the_lock(wine: Wine) -> None:
    said = wine.run(
        """
from pathlib import Path
from host.host_lock import AlreadyRunning, HostLock
base = Path("C:\\\\locked\\\\adhoc-host")
first = HostLock(base)
try:
    HostLock(base)
except AlreadyRunning:
    print("refused")
first.release(remove=False)
second = HostLock(base)
second.release(remove=True)
print(base.exists(), base.parent.exists())
"""
    )
    assert said.split() == ["refused", "False", "True"]
