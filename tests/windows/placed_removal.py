"""Puts a session that has ended onto a computer in wine, and starts its service: ``placed_removal FACTS``.

FACTS is JSON: the session's folder, the removal's phase, and what a farewell has. The program is there.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import json
from pathlib import Path

from host.farewell import Farewell
from host.host_lock import HostLock
from host.installation import Installation
from host.layout import data_folder
from host.manifest import Entry
from host.windows.program import MODULE, OPTIONS
from host.windows.service_manager import create_service, start_service
from host.windows.supervisor import service_name


def main() -> None:
    told = json.loads(sys.argv[1])
    folder, phase = data_folder() / told.pop("folder"), told.pop("phase")
    packages = folder / "packages"
    lock = HostLock(folder.parent)
    installation = Installation.create(folder, lock.made_folders)
    names = tuple(path.relative_to(packages).as_posix() for path in packages.rglob("*") if path.is_file())
    installation._note(Entry(role="packages", kind="tree", path=str(packages), files=names))
    download = Path("C:\\adhoc-host.exe")
    download.write_bytes(b"MZ")
    installation.note_download(download)
    for name in ("state", "record"):
        (folder / name).write_bytes(b"secret")
    service = service_name(folder)
    installation.note_service(service)
    python = packages / "python" / "pythonw.exe"
    words = (*OPTIONS, "-m", MODULE, "service", service, str(folder), "en")
    create_service(service, [python, *words])
    for name in ("credential", "key"):
        told[name] = bytes.fromhex(told[name])
    Farewell(**told, ended_at=1_900_000_000, acts={}).save(folder)
    installation._set_phase(phase)
    lock.release(remove=False)
    start_service(service)
    print("begun", flush=True)


if __name__ == "__main__":
    main()
