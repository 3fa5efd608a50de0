"""Complex functions for NumPy in wine, whose C library names them and stops when they are called.

NumPy's extension is changed, in the test environment alone, to import mathematics from a DLL of this name,
which hands the real functions on and has the complex ones of its own.
"""

import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

LIBRARY: Final = "adhoc-test-crt-math-shim-0.dll"
"""As long as the name that it replaces."""
_REPLACED: Final = "api-ms-win-crt-math-l1-1-0.dll"
_COMPILER: Final = ("x86_64-w64-mingw32-gcc", "-O1", "-s", "-shared", "-static")

_OF_ONE: Final = frozenset({"ccos", "ccosh", "cexp", "csin", "csinh", "ctan", "ctanh"})
_OF_TWO: Final = frozenset({"cpow"})
_TO_REAL: Final = frozenset({"creal", "cimag", "carg", "cabs"})
_HEAD: Final = """#include <complex.h>
typedef struct { double r, i; } D;
typedef struct { float r, i; } F;
static double complex d(D z) { return __builtin_complex(z.r, z.i); }
static D D_(double complex z) { D w = { creal(z), cimag(z) }; return w; }
static double complex f(F z) { return __builtin_complex((double)z.r, (double)z.i); }
static F F_(double complex z) { F w = { (float)creal(z), (float)cimag(z) }; return w; }
"""
"""A complex number is a structure to Microsoft's compiler, a long double is a double."""


def repair(extension: Path, folder: Path) -> None:
    """Make the DLL for NumPy's `extension` in `folder`, and have the extension import it."""
    data = extension.read_bytes()
    names = list(_imported(data, _REPLACED))
    source, exports = folder / "complex.c", folder / "complex.def"
    source.write_text(_HEAD + "".join(_define(name) for name in names))
    exports.write_text(f"LIBRARY {LIBRARY}\nEXPORTS\n" + "".join(_export(name) for name in names))
    subprocess.run([*_COMPILER, "-o", str(folder / LIBRARY), str(source), str(exports)], check=True)
    source.unlink()
    exports.unlink()
    extension.unlink()  # it may be a link into a cache of wheels
    extension.write_bytes(data.replace(_REPLACED.encode() + b"\0", LIBRARY.encode() + b"\0"))


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


def _export(name: str) -> str:
    return f"  {name} = shim_{name}\n" if _base(name) else f"  {name} = ucrtbase.{name}\n"


def _imported(data: bytes, library: str) -> Iterator[str]:
    """What a 64-bit PE file imports from a DLL by name (Microsoft's PE Format, "The .idata Section")."""
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

    def text(at: int) -> str:
        return data[at : data.index(b"\0", at)].decode()

    entry = offset(_number(data, optional + 112 + 8))
    while name := _number(data, entry + 12):
        if text(offset(name)) == library:
            thunk = offset(_number(data, entry))
            while value := struct.unpack_from("<Q", data, thunk)[0]:
                yield text(offset(value) + 2)
                thunk += 8
        entry += 20


def _number(data: bytes, at: int) -> int:
    return int(struct.unpack_from("<I", data, at)[0])
