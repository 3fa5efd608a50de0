"""The host as a single file for computers that have Python: ``adhoc-host.pyz``.

The file is a zip that Python runs: ``__main__.py`` is `bootstrap.py`; ``any/`` has our sources and what of
the packages of ``host.lock`` is the same for every Python asked for, ``cp311/`` and so on the rest;
``bundle.json`` says what it runs on; the link blob is the zip's comment, which is the end of the file.
"""

import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from bundles.artifact import Artifact, Target
from bundles.contents import install, read_packages, read_sources
from relay.protocol.link_blob import BLOB_BYTES, make_empty_blob

SHEBANG: Final = b"#!/usr/bin/env python3\n"
OLDEST_LIBC: Final = "manylinux_2_28"
"""glibc of 2018: Debian 10, Ubuntu 18.10, RHEL 8 and everything after."""

_TIME: Final = (1980, 1, 1, 0, 0, 0)
_LEVEL: Final = 6


def build_single_file(versions: Sequence[str], machine: str) -> Artifact:
    """The file for these Pythons.

    Args:
        versions: such as "3.11"; at least one.
        machine: as `platform.machine` tells, x86_64 or aarch64.

    Raises:
        BuildError: a package cannot be had.
    """
    with tempfile.TemporaryDirectory() as scratch:
        trees = {}
        for version in versions:
            folder = Path(scratch, version)
            install(folder, version=version, platform=f"{machine}-{OLDEST_LIBC}")
            trees[version] = read_packages(folder)
    facts = {"machine": machine, "python": list(versions), "system": "Linux"}
    data = pack(
        {
            "__main__.py": Path(__file__).with_name("bootstrap.py").read_bytes(),
            "bundle.json": json.dumps(facts, sort_keys=True).encode(),
            **{f"any/{name}": data for name, data in read_sources()},
            **share(trees),
        }
    )
    return Artifact(
        target=Target.PYTHON, data=data, machine=machine, blob_size=BLOB_BYTES, python=tuple(versions)
    )


def share(trees: Mapping[str, Mapping[str, bytes]]) -> dict[str, bytes]:
    """One tree of all, in which files that are the same for every version are there once."""
    first, *others = trees.values()
    shared = {name for name, data in first.items() if all(other.get(name) == data for other in others)}
    members = {f"any/{name}": first[name] for name in shared}
    for version, tree in trees.items():
        tag = "cp" + version.replace(".", "")
        members |= {f"{tag}/{name}": data for name, data in tree.items() if name not in shared}
    return members


def pack(members: Mapping[str, bytes]) -> bytes:
    """The runnable zip of these files, with an empty link blob at its end."""
    with tempfile.TemporaryFile() as file:
        file.write(SHEBANG)
        with zipfile.ZipFile(file, "w") as archive:
            archive.comment = make_empty_blob()
            for name in sorted(members):
                info = zipfile.ZipInfo(name, _TIME)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.create_system = 3  # Unix, wherever it is built
                info.external_attr = 0o644 << 16
                archive.writestr(info, members[name], compresslevel=_LEVEL)
        file.seek(0)
        return file.read()
