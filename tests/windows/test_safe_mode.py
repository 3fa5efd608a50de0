"""Safe mode with network, with a boot loader that only listens: wine has none."""

import pytest

from tests.helpers.wine import Wine

pytestmark = [pytest.mark.slow, pytest.mark.windows, pytest.mark.timeout(600)]

_LISTED = r"Control\\SafeBoot\\Network\\adhoc-host-0123456789abcdef]"


def test_the_service_is_listed_for_safe_mode_and_no_more(wine: Wine) -> None:
    said = wine.run(
        """
from host.windows import safe_mode
safe_mode.enter("adhoc-host-0123456789abcdef", lambda words: print(*words))
"""
    )
    assert said.split() == ["/set", "{current}", "safeboot", "network"]
    assert any(name.endswith(_LISTED) for name in wine.snapshot())
    said = wine.run(
        """
from host.windows import safe_mode
for _ in range(2):
    safe_mode.leave("adhoc-host-0123456789abcdef", lambda words: print(*words))
"""
    )
    assert said.split() == ["/deletevalue", "{current}", "safeboot"] * 2
    assert not any("adhoc-host" in name for name in wine.snapshot())


def test_without_a_boot_loader_nothing_is_changed(wine: Wine) -> None:
    said = wine.run(
        """
from host.windows import safe_mode
try:
    safe_mode.enter("adhoc-host-0123456789abcdef")
except OSError:
    print("refused")
"""
    )
    assert said.split() == ["refused"]
    assert not any("adhoc-host" in name for name in wine.snapshot())


def test_a_trait_of_managed_software_is_found_where_it_is(wine: Wine) -> None:
    said = wine.run(
        r"""
import winreg
from pathlib import Path
from host.managed import find_managed
from relay.protocol.refusals import parse_traits
traits = parse_traits((
    "service:Managed Agent (*",
    r"file:%ProgramData%\Managed\agent.exe",
    r"registry:HKLM\SOFTWARE\Managed\V5"
))
print(find_managed(traits))
services = r"SYSTEM\CurrentControlSet\Services"
disabled, driver = ("Managed Agent (17)", 0x10, 4), ("Managed Agent (18)", 1, 2)
agent = ("managed agent (19)", 0x10, 2)
for name, kind, start in (disabled, driver, agent):
    with winreg.CreateKey(winreg.HKEY_LOCAL_MACHINE, rf"{services}\{name}") as key:
        winreg.SetValueEx(key, "Type", 0, winreg.REG_DWORD, kind)
        winreg.SetValueEx(key, "Start", 0, winreg.REG_DWORD, start)
    print(find_managed(traits))
folder = Path("C:/ProgramData/Managed")
folder.mkdir()
(folder / "agent.exe").write_bytes(b"")
print(find_managed(traits[1:]).kind)
winreg.CreateKey(winreg.HKEY_LOCAL_MACHINE, r"SOFTWARE\Managed\V5").Close()
print(find_managed(traits[2:]).kind)
"""
    )
    lines = said.splitlines()
    assert lines[:3] == ["None"] * 3
    assert "Managed Agent (*" in lines[3]
    assert lines[4:] == ["file", "registry"]
