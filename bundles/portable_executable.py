"""What kind of program or library a file is, by its first bytes (PE format; ELF)."""

import struct
from typing import Final

AMD64: Final = 0x8664
_PE32_PLUS: Final = 0x20B


def is_elf(data: bytes) -> bool:
    """True for a program or library of Linux."""
    return data.startswith(b"\x7fELF")


def is_windows_amd64(data: bytes) -> bool:
    """True for a 64-bit program or library of Windows on x86-64; any bytes will do."""
    if not data.startswith(b"MZ") or len(data) < 0x40:
        return False
    (at,) = struct.unpack_from("<I", data, 0x3C)
    if data[at : at + 4] != b"PE\0\0" or len(data) < at + 26:
        return False
    machine, magic = struct.unpack_from("<H", data, at + 4)[0], struct.unpack_from("<H", data, at + 24)[0]
    return bool(machine == AMD64 and magic == _PE32_PLUS)
