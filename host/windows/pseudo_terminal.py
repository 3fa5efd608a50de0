"""A shell of the customer's at a pseudo-console (ConPTY), with the interface of `host.pseudo_terminal`.

The pseudo-console speaks UTF-8 and terminal sequences through two pipes, which only threads can wait for.
The shell is PowerShell where there is one, else cmd.exe; a single command is run by cmd.exe, at pipes, so
that its output is its own and not the picture of a screen. It runs in a job: what it starts ends with it.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
import math
import msvcrt
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from ctypes import wintypes
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeVar

import trio

from host.windows.codes import error_of
from host.windows.started import StartedProgram, handle_value, start_program

MAX_SIDE: Final = 1000
"""Columns or rows; the largest screens with the smallest letters have fewer."""
MAX_OUTPUT_BYTES: Final = 32 * 1024
HANG_UP_TIMEOUT: Final = 3.0
"""Seconds that programs have to end by themselves after their console was closed."""
LAST_OUTPUT_TIMEOUT: Final = 2.0
"""Seconds that each piece of output is waited for after the shell's exit: a pipe that somebody else holds as
well has no end."""
PIPE_BYTES: Final = 64 * 1024

_POWERSHELL: Final = r"WindowsPowerShell\v1.0\powershell.exe"
_INHERITED: Final = 0x1
_T = TypeVar("_T")
_HANDLE_POINTER: Final = ctypes.POINTER(wintypes.HANDLE)

_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_kernel32.CreatePipe.argtypes = (_HANDLE_POINTER, _HANDLE_POINTER, ctypes.c_void_p, wintypes.DWORD)
_kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
_kernel32.SetHandleInformation.argtypes = (wintypes.HANDLE, wintypes.DWORD, wintypes.DWORD)
_kernel32.CancelIoEx.argtypes = (wintypes.HANDLE, ctypes.c_void_p)
_kernel32.GetSystemDirectoryW.argtypes = (wintypes.LPWSTR, wintypes.UINT)


class _Coordinates(ctypes.Structure):
    """COORD, passed by value."""

    _fields_ = (("x", ctypes.c_short), ("y", ctypes.c_short))


@dataclass(frozen=True, slots=True)
class Size:
    """Of a terminal, in letters; each 1 … `MAX_SIDE`."""

    columns: int
    rows: int


class PseudoTerminal:
    """A running shell; made by `open_shell`. `watch` must run for `read` to end.

    Concurrency: one task may read and one write at a time.
    """

    def __init__(self, program: StartedProgram, console: "_Console | None", typed: int, shown: int) -> None:
        self._program = program
        self._console = console
        self._typed = typed
        self._shown = shown
        # Of its own: threads that wait for a silent shell must not keep others from their work.
        self._limiter = trio.CapacityLimiter(8)
        self._patience = math.inf
        self._reading = trio.CancelScope()

    @property
    def status(self) -> int:
        """What it exited with, 0 … 255; 255 for the larger numbers that Windows knows."""
        return min(self._program.exit_code or 0, 255)

    async def read(self) -> bytes:
        """What the terminal shows next, at most `MAX_OUTPUT_BYTES`; b"" once the shell has exited."""
        data = b""
        with trio.CancelScope(deadline=trio.current_time() + self._patience) as self._reading:
            data = await self._thread(partial(_read, self._shown))
        if not data:
            await trio.lowlevel.WaitForSingleObject(self._program.handle)
        return data

    async def write(self, data: bytes) -> None:
        """Type `data`; returns once the terminal has taken all of it, or nobody is there to read it."""
        if data:
            await self._thread(partial(_write, self._typed, data))
        await trio.lowlevel.checkpoint()

    async def _thread(self, work: Callable[[], _T]) -> _T:
        return await trio.to_thread.run_sync(work, limiter=self._limiter, abandon_on_cancel=True)

    def resize(self, size: Size) -> None:
        """Programs are told of the new size; a single command has no screen."""
        if self._console is not None:
            self._console.resize(size)

    async def watch(self) -> None:
        """Wait until the shell has exited; reading ends once all is read that it wrote."""
        await trio.lowlevel.WaitForSingleObject(self._program.handle)
        if self._console is not None:
            await self._thread(self._console.close)
        self._patience = LAST_OUTPUT_TIMEOUT
        self._reading.deadline = trio.current_time() + self._patience

    async def _hang_up(self) -> None:
        """End everything that the shell started: ask by closing the console, then kill."""
        async with trio.open_nursery() as nursery:
            # Windows before 11 waits in the closing until somebody has read all.
            nursery.start_soon(self._drain)
            with trio.move_on_after(HANG_UP_TIMEOUT):
                if self._console is not None:
                    await self._thread(self._console.close)
                    await self._thread(partial(self._program.wait_gone, HANG_UP_TIMEOUT))
            self._program.kill()
        await self._thread(self._close)

    def _close(self) -> None:
        self._program.wait_gone(HANG_UP_TIMEOUT)
        self._program.close()
        # Closing waits for a thread that still reads or writes.
        for descriptor in (self._typed, self._shown):
            _kernel32.CancelIoEx(msvcrt.get_osfhandle(descriptor), None)
            os.close(descriptor)

    async def _drain(self) -> None:
        while await self.read():
            pass


class _Console:
    """A pseudo-console: what CreatePseudoConsole made."""

    def __init__(self, size: Size, typed: int, shown: int) -> None:
        handle = wintypes.HANDLE()
        try:
            create = _kernel32.CreatePseudoConsole
        except AttributeError as exc:  # Windows before 10 of 2018
            raise OSError("This Windows has no pseudo-console.") from exc
        create.argtypes = (_Coordinates, wintypes.HANDLE, wintypes.HANDLE, wintypes.DWORD, _HANDLE_POINTER)
        create.restype = ctypes.c_ulong
        code = create(_Coordinates(size.columns, size.rows), typed, shown, 0, ctypes.byref(handle))
        if code:
            raise error_of(code & 0xFFFF)
        self.handle = handle_value(handle)
        self._is_open = True
        _kernel32.ResizePseudoConsole.argtypes = (wintypes.HANDLE, _Coordinates)
        _kernel32.ClosePseudoConsole.argtypes = (wintypes.HANDLE,)
        _kernel32.ClosePseudoConsole.restype = None

    def resize(self, size: Size) -> None:
        """Programs are told of the new size."""
        if self._is_open:
            _kernel32.ResizePseudoConsole(self.handle, _Coordinates(size.columns, size.rows))

    def close(self) -> None:
        """End it; programs at it are asked to end. Blocks, on some systems until all it showed was read."""
        if self._is_open:
            self._is_open = False
            _kernel32.ClosePseudoConsole(self.handle)


@asynccontextmanager
async def open_shell(size: Size, command: str | None = None) -> AsyncIterator[PseudoTerminal]:
    """A shell for the time of the block; nothing of it runs afterwards.

    Args:
        size: of the terminal.
        command: what cmd.exe is to run instead of asking; its output then is not made ready for a screen.

    Raises:
        OSError: there is no terminal to be had, or nothing can be started.

    Cancellation: leaving the block, for whatever reason, takes at most twice `HANG_UP_TIMEOUT`.
    """
    start = partial(_open_console, size) if command is None else partial(_open_pipes, command)
    terminal = await trio.to_thread.run_sync(start)
    try:
        yield terminal
    finally:
        with trio.move_on_after(2 * HANG_UP_TIMEOUT, shield=True):
            await terminal._hang_up()


def _open_console(size: Size) -> PseudoTerminal:
    with _Pipe() as typed, _Pipe() as shown:
        console = _Console(size, typed.reading, shown.writing)
        try:
            program = start_program(shell_line(), folder=_home(), console=console.handle)
        except BaseException:
            console.close()
            raise
        return PseudoTerminal(program, console, typed.take_writing(), shown.take_reading())


def _open_pipes(command: str) -> PseudoTerminal:
    with _Pipe() as typed, _Pipe() as shown:
        for handle in (typed.reading, shown.writing):
            _kernel32.SetHandleInformation(handle, _INHERITED, _INHERITED)
        # /s: what is between the outer quotes is taken as it is. /d: no commands of the registry's before it.
        line = f'"{_system_folder()}\\cmd.exe" /d /s /c "chcp 65001 >nul & {command}"'
        program = start_program(line, folder=_home(), pipes=(typed.reading, shown.writing))
        return PseudoTerminal(program, None, typed.take_writing(), shown.take_reading())


class _Pipe:
    """An anonymous pipe; the ends that nobody took are closed with the block.

    Attributes:
        reading, writing: handles of its ends.
    """

    def __init__(self) -> None:
        reading, writing = wintypes.HANDLE(), wintypes.HANDLE()
        if not _kernel32.CreatePipe(ctypes.byref(reading), ctypes.byref(writing), None, PIPE_BYTES):
            raise error_of(ctypes.get_last_error())
        self.reading, self.writing = handle_value(reading), handle_value(writing)
        self._left = {self.reading, self.writing}

    def __enter__(self) -> "_Pipe":
        return self

    def __exit__(self, *error: object) -> None:
        for handle in self._left:
            _kernel32.CloseHandle(handle)

    def take_reading(self) -> int:
        """A descriptor of the reading end, which is the caller's to close."""
        return self._take(self.reading, os.O_RDONLY)

    def take_writing(self) -> int:
        """A descriptor of the writing end, which is the caller's to close."""
        return self._take(self.writing, os.O_WRONLY)

    def _take(self, handle: int, flags: int) -> int:
        descriptor = msvcrt.open_osfhandle(handle, flags | os.O_BINARY | os.O_NOINHERIT)
        self._left.discard(handle)
        return descriptor


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, MAX_OUTPUT_BYTES)
    except OSError:
        return b""  # nobody writes any more


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    with suppress(OSError):  # nobody reads any more: the reader sees the end
        while view:
            view = view[os.write(descriptor, view) :]


def shell_line() -> str:
    """The command line of the user's shell."""
    powershell = f"{_system_folder()}\\{_POWERSHELL}"
    return f'"{powershell}" -NoLogo' if os.path.isfile(powershell) else f'"{_system_folder()}\\cmd.exe"'


def _system_folder() -> str:
    """As Windows says: the environment may have been set by anybody."""
    buffer = ctypes.create_unicode_buffer(wintypes.MAX_PATH)
    if not _kernel32.GetSystemDirectoryW(buffer, wintypes.MAX_PATH):
        raise error_of(ctypes.get_last_error())
    return buffer.value


def _home() -> str:
    home = os.path.expanduser("~")
    return home if os.path.isdir(home) else f"{os.path.splitdrive(_system_folder())[0]}\\"
