"""What libraries of Windows have and wine's do not: wine's own get other names, and ours come before them.

A program that loads ``ucrtbase.dll`` gets ours, which has the missing functions and hands all others on to
``own_ucrtbase.dll``, wine's own. So nothing of what is tested has to be changed for wine.

=============  ========================================  ==========================================
Library        Wine 8 has                                Who needs more
=============  ========================================  ==========================================
``ucrtbase``   complex functions that end the program    NumPy, when it is imported
``ws2_32``     no answer to ``SIO_BASE_HANDLE`` …        Trio, for each run and socket
``wtsapi32``   a ``WTSQueryUserToken`` that only fails   the engine, to start the customer's window
=============  ========================================  ==========================================
"""

import shutil
import struct
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent
WINE: Final = Path("/usr/lib/x86_64-linux-gnu/wine")
"""Where Debian puts wine's own."""
OVERRIDES: Final = "ucrtbase,ws2_32,wtsapi32=n,b"
"""What is to be taken before wine's own, if it is there."""
_REPLACED: Final = ("WSAIoctl", "WTSQueryUserToken")
_MARK: Final = b"Wine builtin DLL"
_COMPILER: Final = ("x86_64-w64-mingw32-gcc", "-O1", "-s", "-shared", "-static")

_OF_ONE: Final = frozenset({"ccos", "ccosh", "cexp", "csin", "csinh", "ctan", "ctanh"})
_OF_TWO: Final = frozenset({"cpow"})
_TO_REAL: Final = frozenset({"creal", "cimag", "carg", "cabs"})
_COMPLEX_HEAD: Final = """#include <complex.h>
typedef struct { double r, i; } D;
typedef struct { float r, i; } F;
static double complex d(D z) { return __builtin_complex(z.r, z.i); }
static D D_(double complex z) { D w = { creal(z), cimag(z) }; return w; }
static double complex f(F z) { return __builtin_complex((double)z.r, (double)z.i); }
static F F_(double complex z) { F w = { (float)creal(z), (float)cimag(z) }; return w; }
"""
"""A complex number is a structure to Microsoft's compiler, a long double is a double."""


def install(system: Path, builtins: Path) -> None:
    """Make them.

    Args:
        system: ``system32`` of a prefix.
        builtins: a new folder, which WINEDLLPATH has to name: a library with a half outside of Windows is
            looked for there.
    """
    for name in ("ucrtbase", "ws2_32", "wtsapi32"):
        data = (WINE / "x86_64-windows" / f"{name}.dll").read_bytes()
        outside = WINE / "x86_64-unix" / f"{name}.so"
        if outside.exists():
            for folder, content, ending in (("windows", data, "dll"), ("unix", outside.read_bytes(), "so")):
                place = builtins / f"x86_64-{folder}"
                place.mkdir(parents=True)
                (place / f"{_own(name)}.{ending}").write_bytes(content)
            own = data  # what is looked for first; wine then takes the one in `builtins`
        else:
            own = data.replace(_MARK, bytes(len(_MARK)), 1)  # else wine would look for it elsewhere
        (system / f"{_own(name)}.dll").write_bytes(own)
        _make(name, list(_exported(data)), system)


def _own(name: str) -> str:
    """What wine's own is called instead."""
    return f"own_{name}"


def _make(name: str, exports: Sequence[tuple[str, int]], system: Path) -> None:
    """Make the library that comes before wine's own."""
    source, listed, out = system / f"{name}.c", system / f"{name}.def", system / f"{name}.dll"
    if name == "ucrtbase":
        source.write_text(_COMPLEX_HEAD + "".join(_define(each) for each, _ in exports))
    else:
        shutil.copy(HERE / f"{name}.c", source)
    lines = [f"  {each} = {_target(name, each)} @{ordinal}\n" for each, ordinal in exports]
    listed.write_text(f"LIBRARY {name}.dll\nEXPORTS\n" + "".join(lines))
    out.unlink(missing_ok=True)
    subprocess.run(
        [*_COMPILER, "-o", str(out), str(source), str(listed), "-ladvapi32", "-luser32"], check=True
    )
    source.unlink()
    listed.unlink()


def _target(library: str, function: str) -> str:
    """What a function is handed on to."""
    is_ours = function in _REPLACED or (library == "ucrtbase" and _base(function))
    return f"shim_{function}" if is_ours else f"{_own(library)}.{function}"


def _base(name: str) -> str:
    """A complex function's name without the letter for its precision; "" for another function."""
    known = _OF_ONE | _OF_TWO | _TO_REAL
    return next((each for each in (name, name[:-1]) if each in known), "")


def _define(name: str) -> str:
    base = _base(name)
    kind, real, take = ("F", "float", "f") if name.endswith("f") else ("D", "double", "d")
    if base in _TO_REAL:
        return f"{real} shim_{name}({kind} z) {{ return ({real}){base}({take}(z)); }}\n"
    if base in _OF_TWO:
        return f"{kind} shim_{name}({kind} z, {kind} w) {{ return {kind}_({base}({take}(z), {take}(w))); }}\n"
    return f"{kind} shim_{name}({kind} z) {{ return {kind}_({base}({take}(z))); }}\n" if base else ""


def _exported(data: bytes) -> Iterator[tuple[str, int]]:
    """What a 64-bit library exports by name, with numbers (Microsoft's PE Format, "The .edata Section")."""
    head = _number(data, 0x3C)
    (sections,) = struct.unpack_from("<H", data, head + 6)
    (optional_bytes,) = struct.unpack_from("<H", data, head + 20)
    optional = head + 24
    rows = [struct.unpack_from("<4I", data, optional + optional_bytes + 40 * n + 8) for n in range(sections)]

    def offset(address: int) -> int:
        for size, start, stored, at in rows:
            if start <= address < start + max(size, stored):
                return int(address - start + at)
        raise ValueError("an address lies in no section")

    table = offset(_number(data, optional + 112))
    base, count = _number(data, table + 16), _number(data, table + 24)
    names, numbers = offset(_number(data, table + 32)), offset(_number(data, table + 36))
    for place in range(count):
        at = offset(_number(data, names + 4 * place))
        (number,) = struct.unpack_from("<H", data, numbers + 2 * place)
        yield data[at : data.index(b"\0", at)].decode(), base + number


def _number(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])
