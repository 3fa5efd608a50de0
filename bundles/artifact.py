"""A finished host file and its sidecar: what the relay serves, and what it and customers are told about it.

The sidecar ``NAME.json`` beside the file::

    {"target": "linux", "size": 31234567, "sha256": "…", "signer": null, "blob": {"offset": …, "size": 2304},
     "machine": "x86_64", "python": null, "version": "0.1.0", …}

`sha256` is of the file with an empty link blob, as it lies there.
"""

import hashlib
import json
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import relay
from bundles.errors import BuildError
from relay.protocol.link_blob import TAIL_BYTES, find_blob, make_empty_blob


class Target(StrEnum):
    """What a host file runs on; the values are the sidecars' and the command line's words."""

    WINDOWS = "windows"
    LINUX = "linux"
    PYTHON = "python"


FILE_NAMES: Final = {
    Target.WINDOWS: "adhoc-host.exe",
    Target.LINUX: "adhoc-host-linux",
    Target.PYTHON: "adhoc-host.pyz",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A host file in memory.

    Attributes:
        data: the whole file, with an empty blob.
        machine: as `platform.machine` tells on Linux: "x86_64", "aarch64".
        blob_size: of the region for the link.
        python: the versions that it needs; None if it brings its own.
        signer: whose name is in its signature; None if it has none.
        notes: what else the sidecar tells.
    """

    target: Target
    data: bytes = field(repr=False)
    machine: str
    blob_size: int
    python: tuple[str, ...] | None = None
    signer: str | None = None
    notes: dict[str, Any] = field(default_factory=dict)

    def sidecar(self) -> dict[str, Any]:
        """What stands in the file beside it.

        Raises:
            BuildError: a host would not find the blob, or find another one.
        """
        tail = self.data[-TAIL_BYTES:]
        at = find_blob(tail)
        if at is None or tail[at : at + self.blob_size] != make_empty_blob(self.blob_size):
            raise BuildError("The file has no place for a deployment link.")
        return {
            "target": str(self.target),
            "size": len(self.data),
            "sha256": hashlib.sha256(self.data).hexdigest(),
            "signer": self.signer,
            "blob": {"offset": len(self.data) - len(tail) + at, "size": self.blob_size},
            "machine": self.machine,
            "python": None if self.python is None else list(self.python),
            "version": relay.__version__,
            **self.notes,
        }


def write_artifact(artifact: Artifact, out: Path) -> Path:
    """Put the file and its sidecar into the folder `out`, each as a whole, the file first; return its path.

    Raises:
        BuildError: the file is not one that can be served.
        OSError: nothing can be written there.
    """
    sidecar = json.dumps(artifact.sidecar()).encode() + b"\n"
    out.mkdir(parents=True, exist_ok=True)
    path = out / FILE_NAMES[artifact.target]
    _replace(path, artifact.data, 0o755)
    _replace(path.with_name(path.name + ".json"), sidecar, 0o644)
    return path


def _replace(path: Path, data: bytes, mode: int) -> None:
    new = path.with_name(path.name + ".new")
    new.write_bytes(data)
    new.chmod(mode)
    new.replace(path)
