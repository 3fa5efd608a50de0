"""The first code of the single file: unpacks its packages, then becomes the host.

This is `__main__.py` in the zip (see `single_file.py`), and must be understood by any Python 3 long enough
to say that it is too old. Native packages cannot be imported from a zip; what can, host.bundled and what it
needs, is imported from the zip once, so that a manifest exists before anything is unpacked.
"""

import contextlib
import json
import os
import platform
import re
import sys
import urllib.request
import zipfile
from typing import Any, Optional

MARKER = b"ADHOC-LINK-BLOB1"
TAIL_BYTES = 64 * 1024
"""As in relay/protocol/link_blob.py, which an old Python would not understand."""
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


def report(archive: str) -> None:
    """Tell the relay that this computer's system is in the way (docs/protocol.md §13), if there is a link."""
    text = " ".join(sys.argv[1:2])
    if not text:
        with open(archive, "rb") as file:
            file.seek(max(0, os.path.getsize(archive) - TAIL_BYTES))
            text = file.read().rpartition(MARKER)[2][2:].decode("ascii", "ignore")
    link = re.match("(https?://[^/?#@]+)/d/([A-Za-z0-9_-]{22})#", text)
    if link is None:
        return
    request = urllib.request.Request(  # noqa: S310 - of these two schemes
        "%s/api/v1/links/%s/refused" % link.groups(),  # noqa: UP031 - see above
        b'{"code": "old_system"}',
        {"Content-Type": "application/json", "X-Adhoc-Csrf": "1"},
    )
    with contextlib.suppress(OSError, ValueError):
        urllib.request.urlopen(request, timeout=4).close()  # noqa: S310


def main() -> int:
    """Returns the exit code."""
    archive = os.path.dirname(os.path.abspath(__file__))
    with zipfile.ZipFile(archive) as file:
        facts = json.loads(file.read("bundle.json").decode())
        problem = find_problem(facts, sys.version_info, platform.system(), platform.machine())
        if problem is not None:
            sys.stderr.write("adhoc-host: " + problem + "\n")
            report(archive)
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
