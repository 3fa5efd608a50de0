"""One build: which targets, from what, signed by whom, into which folder."""

import platform
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bundles.artifact import Artifact, Target, write_artifact
from bundles.errors import BuildError
from bundles.linux import build_executable
from bundles.signing import Signing
from bundles.single_file import build_single_file
from bundles.windows import build_installer


def running_python() -> str:
    """The version of the Python that runs this, such as "3.11"."""
    return "{}.{}".format(*sys.version_info[:2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person may choose.

    Attributes:
        out: folder for the files.
        pythons: versions that the single file for Python runs on.
        python_zip: CPython's embeddable edition for Windows; None: what the package index has of it.
        tk_zip: a whole CPython for Windows, for its Tk; None: likewise.
        trusted: SHA-256 of such archives that are not known here.
        signing: in whose name the file for Windows is signed; None: it is not.
    """

    out: Path
    python_zip: Path | None = None
    tk_zip: Path | None = None
    trusted: Sequence[str] = ()
    signing: Signing | None = None
    pythons: Sequence[str] = field(default_factory=lambda: (running_python(),))


def build(targets: Sequence[Target], options: Options, say: Callable[[str], None]) -> None:
    """Build these host files.

    Args:
        say: told each file that is there now.

    Raises:
        BuildError: one cannot be built; those before it are there.
        OSError: nothing can be written into the folder.
    """
    for target in targets:
        artifact = _build_one(target, options)
        path = write_artifact(artifact, options.out)
        say(f"{path}: {len(artifact.data) / 1e6:.1f} MB")


def _build_one(target: Target, options: Options) -> Artifact:
    match target:
        case Target.PYTHON:
            versions = sorted(set(options.pythons), key=_version)
            return build_single_file(versions, platform.machine())
        case Target.LINUX:
            return build_executable()
        case Target.WINDOWS:
            return build_installer(options.python_zip, options.tk_zip, options.trusted, options.signing)


def _version(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split("."))
    except ValueError as exc:
        raise BuildError(f"“{text}” is no version of Python such as 3.11.") from exc
