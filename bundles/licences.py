"""The licences of what a host file carries along, which travel in it.

Standard library only: PyInstaller's specification reads it, too, in an environment without this package.
"""

import re
import subprocess
import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"(licen[sc]e|copying|notice|authors)", re.IGNORECASE)
_NO_TERMS: Final = (".py", ".pyc", ".json")


def of_packages(folder: Path) -> dict[str, bytes]:
    """Of the packages that are installed in `folder`: ``NAME-VERSION/FILE`` to text."""
    found = {}
    for about in sorted(folder.glob("*.dist-info")):
        for path in sorted(about.rglob("*")):
            inner = path.relative_to(about)
            if path.is_file() and _NAME.search(inner.as_posix()) and path.suffix not in _NO_TERMS:
                found[f"{about.stem}/{inner.as_posix()}"] = path.read_bytes()
    return found


def of_python() -> dict[str, bytes]:
    """Of the Python that runs this."""
    path = Path(sysconfig.get_path("stdlib"), "LICENSE.txt")
    if path.is_file():
        return {"python/LICENSE.txt": path.read_bytes()}
    return of_libraries([str(Path(sysconfig.get_path("stdlib"), "os.py"))])


def of_libraries(paths: Iterable[str]) -> dict[str, bytes]:
    """Of the Debian packages that these files belong to; those that belong to none are passed over."""
    owners = sorted({owner for path in paths for owner in _owners(path)})
    found = {}
    for owner in owners:
        terms = Path("/usr/share/doc", owner, "copyright")
        if terms.is_file():
            found[f"{owner}/copyright"] = terms.read_bytes()
    return found


def _owners(path: str) -> set[str]:
    """Names of packages, without the architecture."""
    real = str(Path(path).resolve())
    names = {real, real.removeprefix("/usr")}  # what /lib is a link to was moved after packages were made
    for name in sorted(names):
        try:
            done = subprocess.run(  # noqa: S603 - paths of files, behind an option
                ["dpkg-query", "--search", name],  # noqa: S607 - Debian's own, where there is one
                capture_output=True,
                text=True,
                check=False,
                timeout=60,
            )
        except OSError:
            return set()
        if done.returncode == 0:
            return {
                word.split(":")[0].strip() for word in done.stdout.splitlines()[0].split(": ")[0].split(",")
            }
    return set()
