"""A CPython for Windows with a whole one beside it, packages and sources, all of a few bytes."""

import io
import struct
import zipfile
from collections.abc import Mapping

from bundles.archives import TK_LIBRARIES


def make_program(machine: int = 0x8664, magic: int = 0x20B) -> bytes:
    """As much of a PE file as tells what it is for."""
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    return head + b"PE\0\0" + struct.pack("<H18xH", machine, magic)


def make_zip(files: Mapping[str, bytes], around: str = "") -> bytes:
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in files.items():
                archive.writestr(around + name, data)
        return file.getvalue()


EMBEDDABLE = {
    "LICENSE.txt": b"terms",
    "python.exe": make_program(),
    "pythonw.exe": make_program(),
    "python313.dll": make_program(),
    "python313.zip": b"modules",
    "python313._pth": b"python313.zip\r\n.\r\n#import site\r\n",
    "sqlite3.dll": make_program(),
}
WHOLE = {
    **{f"DLLs/{name}": make_program() for name in TK_LIBRARIES},
    "DLLs/_ssl.pyd": make_program(),
    "Lib/tkinter/__init__.py": b"",
    "Lib/tkinter/test/test_all.py": b"",
    "Lib/os.py": b"",
    "tcl/tcl8.6/init.tcl": b"",
    "tcl/tcl8.6/tzdata/Europe/Madrid": b"",
    "tcl/tk8.6/tk.tcl": b"",
    "tcl/tk8.6/demos/widget": b"",
    "tcl/tclstub86.lib": b"",
}
PACKAGES = {
    "cffi/__init__.py": b"",
    "_cffi_backend.cp313-win_amd64.pyd": make_program(),
    "trio/__init__.py": b"",
}
