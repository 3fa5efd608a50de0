"""Scenes with the File Manager, played inside wine: ``files_scenes SCENE…`` prints what came of each as JSON.

`tests.windows.test_files` starts them and judges. Each scene has a folder of its own on drive C.
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import hashlib
import json
import os
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

from host.files.places import Places
from host.parts import Parts, remove_parts
from host.record import read_lines
from technician.files.client import FilesClient
from technician.files.transfers import upload
from technician.requests import RequestRefused
from tests.helpers.tool_pairs import Served, served
from tests.windows.ways_out import WAYS_OUT

TOP: Final = Path("C:/scenes")
TRANSFER: Final = "0123456789abcdef" * 2
CONTENT: Final = bytes(range(256)) * 16_384


def wire(path: Path) -> str:
    return "/" + path.as_posix()


def of(value: object, name: str) -> Any:
    """What a map of an answer has under a name."""
    assert isinstance(value, dict)
    return value[name]


async def tried(ask: Callable[[], Awaitable[Any]]) -> str:
    """ "done", or the word with which it was refused."""
    try:
        await ask()
    except RequestRefused as refused:
        return refused.code
    return "done"


async def read(client: FilesClient, path: str) -> bytes:
    """All of a file."""
    number = await client.ask("read", path=path)
    data = b""
    while "ok" not in (message := await client.answer_to(number)).head:
        data += message.body
    data += message.body
    assert of(message.head["ok"], "sha256") == hashlib.sha256(data).digest()
    return data


async def put(client: FilesClient, path: str, data: bytes, **fields: object) -> None:
    """A small file."""
    asked = {"path": path, "sha256": hashlib.sha256(data).digest(), "modified": 1_700_000_000_000, **fields}
    (number,) = await client.ask_all("put", [(asked, data)])
    await client.answer_to(number)


async def names(it: Served, path: str, *, hidden: bool = False) -> list[str]:
    return sorted([entry.name async for entry in it.client.list(path, hidden=hidden)])


def all_below(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# Scenes


async def looking(folder: Path) -> Any:
    import ctypes

    (folder / "letter.txt").write_bytes(b"12345")
    os.utime(folder / "letter.txt", (1_600_000_000, 1_600_000_000))
    (folder / "café ☃.txt").write_bytes(b"x")
    (folder / "hidden").write_bytes(b"")
    (folder / "inner" / "deep").mkdir(parents=True)
    (folder / "inner" / "deep" / "Letter 2.txt").write_bytes(b"1234567")
    (folder / "many").mkdir()
    for number in range(1200):
        (folder / "many" / f"{number}").touch()
    ctypes.windll.kernel32.SetFileAttributesW(str(folder / "hidden"), 2)
    async with served() as it:
        top = wire(folder)
        found = {entry.name: entry async for entry in it.client.list(top)}
        return {
            "kinds": {name: entry.kind for name, entry in found.items()},
            "size": found["letter.txt"].size,
            "modified": found["letter.txt"].modified.timestamp(),
            "hidden": await names(it, top, hidden=True),
            "many": len(await names(it, f"{top}/many")),
            "case": await names(it, top.upper().replace("/C:/", "/c:/")),
            "found": sorted([(e.below, e.name) async for e in it.client.search(top, "letter")]),
            "measure": await it.client.measure(f"{top}/inner"),
            "stat": (await it.client.stat(f"{top}/letter.txt")).size,
            "computer": await names(it, "/"),
            "drive": "windows" in await names(it, "/C:"),
            "roots": await it.client.roots(),
            "missing": await tried(lambda: names(it, f"{top}/nothing")),
            "no folder": await tried(lambda: names(it, f"{top}/letter.txt")),
            "other drive": await tried(lambda: names(it, "/Q:")),
        }


async def changing(folder: Path) -> Any:
    top = wire(folder)
    said: dict[str, Any] = {}
    async with served() as it:
        await it.client.make(f"{top}/one")
        await put(it.client, f"{top}/one/file", b"1")
        await it.client.make(f"{top}/one/inner")
        await put(it.client, f"{top}/one/inner/read only", b"2")
        os.chmod(folder / "one" / "inner" / "read only", 0o444)
        said["copied"] = await it.client.copy(f"{top}/one", f"{top}/two")
        said["copy"] = (folder / "two" / "inner" / "read only").read_bytes().decode()
        said["into itself"] = await it.client.copy(f"{top}/one", f"{top}/one/again")
        await it.client.move(f"{top}/two", f"{top}/three")
        await it.client.delete(f"{top}/one", final=True)
        said["left"] = all_below(folder)
        await put(it.client, f"{top}/a", b"a")
        await put(it.client, f"{top}/b", b"b")
        said["there"] = [
            await tried(lambda: it.client.make(f"{top}/three")),
            await tried(lambda: it.client.move(f"{top}/a", f"{top}/b")),
            await tried(lambda: it.client.copy(f"{top}/a", f"{top}/b")),
            await tried(lambda: put(it.client, f"{top}/b", b"new")),
            await tried(lambda: put(it.client, f"{top}/three", b"new", overwrite=True)),
            await tried(lambda: it.client.move(f"{top}/a", f"{top}/three", overwrite=True)),
        ]
        await it.client.move(f"{top}/a", f"{top}/b", overwrite=True)
        said["replaced"] = (folder / "b").read_bytes().decode()
        os.chmod(folder / "b", 0o444)
        said["read only replaced"] = await tried(lambda: put(it.client, f"{top}/b", b"new", overwrite=True))
        await put(it.client, f"{top}/b", b"newer", overwrite=True, keep=f"{top}/kept")
        said["kept"] = [(folder / name).read_bytes().decode() for name in ("b", "kept")]
        said["bad names"] = [
            await tried(partial(put, it.client, f"{top}/{name}", b"x"))
            for name in ("NUL", "aux.txt", "b:stream", "b.", "b ", "a?b", "x" * 256)
        ]
        said["trashed"] = await tried(lambda: it.client.delete(f"{top}/b", final=False))
        said["drive stays"] = await tried(lambda: it.client.delete("/C:", final=True))
        said["told"] = [word for word, _ in it.told]
        said["at last"] = await names(it, top, hidden=True)
    return said


async def transfers(folder: Path) -> Any:
    source, target = folder / "source", wire(folder / "target")
    source.write_bytes(CONTENT)
    said: dict[str, Any] = {}
    async with served() as it:
        done = await upload(it.client, source, target, transfer=TRANSFER)
        said["up"] = done.sha256 == hashlib.sha256(CONTENT).digest()
        said["same"] = (folder / "target").read_bytes() == CONTENT
        said["down"] = await read(it.client, target) == CONTENT
        number = await it.client.ask(
            "read", path=target, offset=1 << 20, prefix=hashlib.sha256(CONTENT[: 1 << 20]).digest()
        )
        message = await it.client.answer_to(number)
        said["resumed at"] = of(message.head["begins"], "offset")
        while "ok" not in (await it.client.answer_to(number)).head:
            pass
        said["digest"] = (await it.client.digest(target))[1] == hashlib.sha256(CONTENT).digest()
        said["time"] = abs(os.stat(folder / "target").st_mtime - os.stat(source).st_mtime) < 0.002
    said["left"] = sorted(os.listdir(folder))
    said["interrupted"] = await _interrupted(folder)
    return said


async def _interrupted(folder: Path) -> Any:
    """An upload that breaks after a piece, goes on, and one that breaks and is removed."""
    path = folder / "parts"
    target = wire(folder / "again")
    parts = Parts(path)
    async with served(parts=parts) as it:
        await _begin(it.client, target, TRANSFER)
        it.end.close()
    part = f".again.{TRANSFER}.part"
    said: dict[str, Any] = {"part": (folder / part).stat().st_size, "listed": len(list(read_lines(path, 1)))}
    async with served(parts=parts) as it:
        done = await upload(it.client, folder / "source", target, transfer=TRANSFER)
        said["resumed at"] = done.resumed_at
    said["whole"] = (folder / "again").read_bytes() == CONTENT
    async with served(parts=parts) as it:
        await _begin(it.client, f"{target} 2", TRANSFER[::-1])
        it.end.close()
    remove_parts(path)
    said["left"] = sorted(name for name in os.listdir(folder) if name.endswith(".part"))
    return said


async def _begin(client: FilesClient, target: str, transfer: str) -> None:
    facts = {"size": len(CONTENT), "modified": 0, "transfer": transfer}
    number = await client.ask("write", path=target, **facts)
    await client.answer_to(number)
    await client.stream.send({"id": number, "offset": 0}, CONTENT[: 1 << 20])
    with trio.fail_after(20):
        path = Path(target[1:]).parent / f".{Path(target).name}.{transfer}.part"
        while path.stat().st_size < 1 << 20:  # noqa: ASYNC110 - another thread writes it
            await trio.sleep(0.01)


async def in_use(folder: Path) -> Any:
    """Another program has a file open and shares it with nobody."""
    from host.windows.handles import READ, WRITE, close_handle, open_handle

    top = wire(folder)
    (folder / "file").write_bytes(b"1")
    handle = open_handle(folder / "file", READ | WRITE, 0)
    said = {}
    async with served() as it:
        said["read"] = await tried(lambda: read(it.client, f"{top}/file"))
        said["put"] = await tried(lambda: put(it.client, f"{top}/file", b"2", overwrite=True))
        said["delete"] = await tried(lambda: it.client.delete(f"{top}/file", final=True))
        said["move"] = await tried(lambda: it.client.move(f"{top}/file", f"{top}/moved"))
        close_handle(handle)
        said["afterwards"] = await tried(lambda: put(it.client, f"{top}/file", b"2", overwrite=True))
    return {**said, "left": sorted(os.listdir(folder))}


async def limits(folder: Path) -> Any:
    """What cannot be reached from a chosen folder, in which ``out`` is a disk mounted there."""
    chosen, secret = folder / "Chosen", folder / "Secret"
    (chosen / "inner").mkdir(parents=True, exist_ok=True)
    secret.mkdir()
    (chosen / "own").write_bytes(b"own")
    (secret / "file").write_bytes(b"secret")
    top = wire(chosen)
    said: dict[str, Any] = {"ways": {}}
    async with served(limit=[chosen]) as it:
        for way in WAYS_OUT:
            path = way.format(top=top, secret=wire(secret))
            said["ways"][way] = [
                await tried(partial(read, it.client, path)),
                await tried(partial(put, it.client, path, b"x", overwrite=True)),
                await tried(partial(it.client.make, path)),
                await tried(partial(it.client.copy, path, f"{top}/inner/copy")),
                await tried(partial(it.client.move, path, f"{top}/moved")),
                await tried(partial(it.client.move, f"{top}/own", path)),
                await tried(partial(it.client.delete, path, final=True)),
                await tried(partial(it.client.delete, path, final=False)),
            ]
        said["link listed"] = await tried(lambda: names(it, f"{top}/out"))
        said["link kind"] = (await it.client.stat(f"{top}/out")).kind
        said["measure"] = await it.client.measure(top)
        said["search"] = [e.name async for e in it.client.search(top, "file", hidden=True)]
        said["inside"] = [
            (await read(it.client, f"{top}/own")).decode(),
            (await read(it.client, top.swapcase() + "/OWN")).decode(),
            await tried(lambda: it.client.make(f"{top}/new")),
            await tried(lambda: it.client.move(f"{top}/own", f"{top}/new/own")),
            await tried(lambda: it.client.delete(f"{top}/new", final=False)),
        ]
        said["roots"] = [root["path"] for root in await it.client.roots()]
    said["secret"] = {path.name: path.read_bytes().decode() for path in secret.iterdir()}
    said["chosen"] = sorted(os.listdir(chosen))
    return said


async def race(folder: Path) -> Any:
    """Between the look and the deed, a folder on the way goes elsewhere and another takes its name."""
    chosen, secret = folder / "chosen", folder / "secret"
    inner = chosen / "inner"
    inner.mkdir(parents=True)
    secret.mkdir()
    (inner / "file").write_bytes(b"own")
    (secret / "file").write_bytes(b"secret")
    with Places([str(chosen)]).at(wire(inner / "file")) as place:
        os.rename(inner, folder / "away")
        os.rename(secret, inner)
        descriptor = place.open_to_read()
        try:
            return {"read": os.read(descriptor, 100).decode()}
        finally:
            os.close(descriptor)


async def trees(folder: Path) -> Any:
    """Deep and wide trees are deleted whole; what is in use stays, and is told."""
    from host.windows.handles import READ, close_handle, open_handle

    top = wire(folder)
    deep = folder / "tree"
    for _ in range(60):
        deep /= "d"
    deep.mkdir(parents=True)
    (deep / "bottom").write_bytes(b"x")
    for number in range(300):
        (folder / "tree" / f"{number}").touch()
    handle = open_handle(deep / "bottom", READ, 1)
    said: dict[str, Any] = {}
    async with served() as it:
        said["in use"] = await tried(lambda: it.client.delete(f"{top}/tree", final=True))
        said["still there"] = (deep / "bottom").exists()
        close_handle(handle)
        said["again"] = await tried(lambda: it.client.delete(f"{top}/tree", final=True))
    return {**said, "left": os.listdir(folder)}


async def recycling(folder: Path) -> Any:
    """With an IFileOperation (``C:\\file_operation.dll``), as Windows has one and wine has none."""
    import winreg

    name = r"Software\Classes\CLSID\{3AD05575-8857-4850-9277-11B85BDB8E09}\InprocServer32"
    with winreg.CreateKey(winreg.HKEY_LOCAL_MACHINE, name) as key:
        before = winreg.QueryValue(key, None)
        winreg.SetValueEx(key, None, 0, winreg.REG_SZ, r"C:\file_operation.dll")
        winreg.SetValueEx(key, "ThreadingModel", 0, winreg.REG_SZ, "Both")
    top = wire(folder)
    for each in ("small \u2603.txt", "large.bin", "beneath"):
        (folder / each).write_bytes(b"x")
    said = {}
    try:
        async with served() as it:
            said["small"] = await tried(lambda: it.client.delete(f"{top}/small \u2603.txt", final=False))
            said["large"] = await tried(lambda: it.client.delete(f"{top}/large.bin", final=False))
            said["missing"] = await tried(lambda: it.client.delete(f"{top}/nothing", final=False))
        async with served(limit=[folder]) as it:
            said["beneath"] = await tried(lambda: it.client.delete(f"{top}/beneath", final=False))
    finally:
        winreg.SetValue(winreg.HKEY_LOCAL_MACHINE, name, winreg.REG_SZ, before)
    return {
        **said,
        "left": sorted(os.listdir(folder)),
        "bin": sorted(os.listdir("C:/recycled")),
    }


SCENES: Final = {
    scene.__name__: scene for scene in (looking, changing, transfers, in_use, limits, race, trees, recycling)
}


def main(wanted: list[str]) -> None:
    told = {}
    for name in wanted:
        folder = TOP / name
        folder.mkdir(parents=True, exist_ok=True)
        told[name] = trio.run(SCENES[name], folder)
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1:])
