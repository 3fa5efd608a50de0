"""The first code of the single file: unpacks its packages, then becomes the host.

This is `__main__.py` in the zip (see `single_file.py`), and must be understood by any Python 3 long enough
to say that it is too old. Native packages cannot be imported from a zip; what can, host.bundled and what it
needs, is imported from the zip once, so that a manifest exists before anything is unpacked.
"""

import json
import os
import platform
import sys
import zipfile
from typing import Any, Optional

ANY = "any/"
"""Prefix of files for every Python in the zip; those of one version are below its tag, as in ``cp311/``."""


def find_problem(facts: Any, version: Any, system: str, machine: str) -> Optional[str]:  # noqa: UP045 - see above
    """Why this computer cannot run the file, in one sentence; None if it can.

    Args:
        facts: the builder's, from ``bundle.json``.
        version: `sys.version_info`, or the beginning of one.
        system, machine: as `platform` tells.
    """
    if system != facts["system"]:
        return "This file is for %s." % facts["system"]  # noqa: UP031 - see above
    if machine != facts["machine"]:
        return "This file is for computers of the kind %s." % facts["machine"]  # noqa: UP031
    if "%d.%d" % version[:2] not in facts["python"]:  # noqa: UP031
        return "This file needs Python %s." % " or ".join(facts["python"])  # noqa: UP031
    return None


def main() -> int:
    """Returns the exit code."""
    archive = os.path.dirname(os.path.abspath(__file__))
    with zipfile.ZipFile(archive) as file:
        facts = json.loads(file.read("bundle.json").decode())
        problem = find_problem(facts, sys.version_info, platform.system(), platform.machine())
        if problem is not None:
            sys.stderr.write("adhoc-host: " + problem + "\n")
            return 2
        return become_host(archive, file)


def become_host(archive: str, file: zipfile.ZipFile) -> int:
    """Returns the exit code."""
    sys.dont_write_bytecode = True  # only what the manifest names is written
    sys.path[0] = os.path.join(archive, ANY.rstrip("/"))
    from pathlib import Path

    from host.bundled import run

    def unpack(installation: Any) -> None:
        unpack_members(installation, file)
        import_from(str(installation.packages))

    return run(Path(archive), sys.argv[1:], unpack)


def unpack_members(installation: Any, file: zipfile.ZipFile) -> None:
    """Unpack what this Python needs. `installation` is a `host.installation.Installation`."""
    members = {}
    for prefix in (ANY, "cp%d%d/" % sys.version_info[:2]):  # noqa: UP031
        for name in file.namelist():
            if name.startswith(prefix):
                members[name[len(prefix) :]] = name
    installation.unpack(members, lambda name: file.read(members[name]))


def import_from(folder: str) -> None:
    """Let all further imports, also those from packages imported already, find the unpacked files."""
    sys.path[0] = folder
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__path__", None)
        if path and name.split(".")[0] in ("host", "peer", "relay"):
            module.__path__ = [os.path.join(folder, *name.split("."))]


if __name__ == "__main__":
    sys.exit(main())
