"""Paths with which a hostile viewer tries to leave a chosen folder on Windows."""

from typing import Final

WAYS_OUT: Final = (
    "{top}/../Secret/file",
    "{top}/out/file",
    "{top}2/file",
    "{top}/inner/..\\..\\..\\Secret\\file",
    "{top}\\..\\Secret\\file",
    "{secret}/file",
    "/C:/SCENES/limits/secret/file",
    "/C:/windows/system.ini",
    "/Z:/etc/passwd",
    "/",
    "/C:",
    "//localhost/C$/windows/system.ini",
    "//?/C:/windows/system.ini",
    "//./C:/windows/system.ini",
    "C:/windows/system.ini",
    "{top}/NUL",
    "{top}/com1.txt",
    "{top}/own:stream",
    "{top}/own::$DATA",
    "{top}/own.",
    "{top}/own ",
    "{top}/",
    "",
)
