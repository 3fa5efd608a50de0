"""The host files that customers download: what of them is in the downloads folder and fit to be served.

A file is served only together with its sidecar, and only if both agree: what customers' pages show as its
SHA-256 is what they get, and the region that the page writes the link into (`relay.protocol.link_blob`) is
there and empty. Builders write the pair, file first; between the two there is a moment in which they do not
fit, which is why everything is looked at again whenever one of them changes.
"""

import hashlib
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from io import BufferedReader
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from relay.protocol.link_blob import BLOB_BYTES, TAIL_BYTES, find_blob, make_empty_blob

MAX_FACTS_BYTES: Final = 4096
MIN_BLOB_BYTES: Final = 256
"""No link of an ordinary relay is longer; a smaller region is a builder's mistake."""


class Target(StrEnum):
    """What a host file runs on; values are the words of sidecars and API."""

    WINDOWS = "windows"
    LINUX = "linux"
    PYTHON = "python"


FILE_NAMES: Final[Mapping[Target, str]] = MappingProxyType(
    {
        Target.WINDOWS: "adhoc-host.exe",
        Target.LINUX: "adhoc-host-linux",
        Target.PYTHON: "adhoc-host.pyz",
    }
)

Version = Annotated[str, Field(pattern=r"^[0-9]{1,2}\.[0-9]{1,3}$")]


class BlobPlace(BaseModel):
    """Where in the file the link is written."""

    model_config = ConfigDict(frozen=True, strict=True)

    offset: int = Field(ge=0)
    size: int = Field(ge=MIN_BLOB_BYTES, le=BLOB_BYTES)


class HostFacts(BaseModel):
    """The sidecar that a builder writes beside the file, as ``NAME.json``.

    Attributes:
        sha256: of the file as it lies there, with no link in it.
        signer: in whose name it is signed; None if it is not.
        machine: as `platform.machine` tells.
        python: the versions that it runs on; None if it brings its own.
        glibc: the oldest C library that it runs on; None if that is not known, or it needs none.
        window: whether customers see a window of it; None: as far as their computer has what it takes.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    target: Annotated[Target, Field(strict=False)]
    size: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    signer: str | None = Field(default=None, max_length=200)
    blob: BlobPlace
    machine: str = Field(pattern=r"^[A-Za-z0-9_]{1,20}$")
    python: list[Version] | None = Field(default=None, min_length=1, max_length=20)
    version: str = Field(pattern=r"^[0-9A-Za-z.+-]{1,40}$")
    glibc: Version | None = None
    window: bool | None = None


class Fault(StrEnum):
    """Why a file is not served; values are the words of the API."""

    MISSING = "missing"
    NO_FACTS = "no_facts"
    BAD_FACTS = "bad_facts"
    OTHER_FILE = "other_file"
    BAD_BLOB = "bad_blob"
    UNREADABLE = "unreadable"

    @property
    def sentence(self) -> str:
        """One for whoever runs the relay, behind the file's name."""
        return _SENTENCES[self]


_SENTENCES: Final[Mapping[Fault, str]] = {
    Fault.MISSING: "is not there",
    Fault.NO_FACTS: "has no .json beside it",
    Fault.BAD_FACTS: "has a .json that no builder of this version writes",
    Fault.OTHER_FILE: "is not the file that its .json describes, size or SHA-256 differ",
    Fault.BAD_BLOB: "has no empty place for the link where its .json says",
    Fault.UNREADABLE: "cannot be read",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """How it stands with one target's file.

    Attributes:
        facts: what can be served; None if nothing can.
        fault: why not.
    """

    target: Target
    path: Path
    facts: HostFacts | None = None
    fault: Fault | None = None


class Downloads:
    """A folder of host files; it may not exist.

    Concurrency: any thread may call; whoever comes while a file is being hashed waits for that.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._known: dict[Target, tuple[object, Download]] = {}  # under the lock

    def look(self) -> tuple[Download, ...]:
        """How it stands with each target. Blocks: some `stat`s, and after a change, reading the file once."""
        with self._lock:
            return tuple(self._look_at(target) for target in Target)

    def served(self, target: Target) -> tuple[Path, HostFacts] | None:
        """The file of `target` and what is known of it, if it may be served. Blocks."""
        with self._lock:
            found = self._look_at(target)
        return None if found.facts is None else (found.path, found.facts)

    def _look_at(self, target: Target) -> Download:
        path = self.folder / FILE_NAMES[target]
        state = (_state(path), _state(_sidecar(path)))
        known = self._known.get(target)
        if known is None or known[0] != state:
            known = self._known[target] = (state, check(target, path))
        return known[1]


def check(target: Target, path: Path) -> Download:
    """Compare `path` with its sidecar, byte for byte. Blocks."""
    try:
        facts = _read_facts(target, path)
    except _Unfit as exc:
        return Download(target=target, path=path, fault=exc.fault)
    return Download(target=target, path=path, facts=facts)


class _Unfit(Exception):
    def __init__(self, fault: Fault) -> None:
        self.fault = fault


def _read_facts(target: Target, path: Path) -> HostFacts:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise _Unfit(Fault.MISSING) from None
    except OSError as exc:
        raise _Unfit(Fault.UNREADABLE) from exc
    with file:
        try:
            with _sidecar(path).open("rb") as sidecar:
                text = sidecar.read(MAX_FACTS_BYTES + 1)
        except OSError as exc:
            raise _Unfit(Fault.NO_FACTS) from exc
        try:
            facts = HostFacts.model_validate_json(text)
        except ValidationError as exc:
            raise _Unfit(Fault.BAD_FACTS) from exc
        if len(text) > MAX_FACTS_BYTES or facts.target is not target:
            raise _Unfit(Fault.BAD_FACTS)
        try:
            _compare(file, facts)
        except OSError as exc:
            raise _Unfit(Fault.UNREADABLE) from exc
    return facts


def _compare(file: BufferedReader, facts: HostFacts) -> None:
    if os.fstat(file.fileno()).st_size != facts.size:
        raise _Unfit(Fault.OTHER_FILE)
    # Where a host will look, which is the last place with a marker.
    tail_at = max(0, facts.size - TAIL_BYTES)
    file.seek(tail_at)
    tail = file.read(TAIL_BYTES)
    at = find_blob(tail)
    if at is None or tail_at + at != facts.blob.offset:
        raise _Unfit(Fault.BAD_BLOB)
    if tail[at : at + facts.blob.size] != make_empty_blob(facts.blob.size):
        raise _Unfit(Fault.BAD_BLOB)
    file.seek(0)
    if hashlib.file_digest(file, "sha256").hexdigest() != facts.sha256:
        raise _Unfit(Fault.OTHER_FILE)


def _sidecar(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _state(path: Path) -> tuple[int, ...] | None:
    """What tells one file at `path` from another one, without reading it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns)
