"""Many small files in one message, either way: what makes a tree fast. A file costs its own system calls, and
next to nothing besides.

Blocking code for a worker thread. Each file succeeds or fails by itself, with the checks that one file alone
has: nothing half-written ever has a final name, and what is sent has its SHA-256.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from host.files.places import NearbyPlaces, Places
from host.files.receiving import part_name, put_part
from host.files.sending import Reading
from host.files.small import MAX_SMALL_BYTES
from host.files.system import system
from host.parts import Parts
from host.problems import RequestProblem, problem_of
from host.requests import Request, path_of, require
from relay.protocol.messages import MAX_BODY_BYTES

MAX_FILES: Final = 512
"""In one request; their contents fit a message all the same."""
_MAX_TIME: Final = 1 << 43

Row: TypeAlias = list[Any]
Failed: TypeAlias = list[Any]
"""``[index, word, detail]``."""


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be put: where, what, and its facts; `keep` is where what is replaced is kept."""

    path: str
    data: memoryview
    modified: int
    mode: int
    sha256: bytes
    overwrite: bool
    keep: str | None


def wanted_of(request: Request) -> list[str]:
    """The paths of a ``gets`` request.

    Raises:
        RemoteProtocolError: it is none.
    """
    return [path_of(value) for value in request.rows("paths", at_most=MAX_FILES)]


def new_files_of(request: Request) -> list[NewFile]:
    """The files of a ``puts`` request, whose contents follow each other in its body.

    Raises:
        RemoteProtocolError: it is none.
    """
    body = memoryview(request.body)
    files, at = [], 0
    for row in request.rows("files", at_most=MAX_FILES):
        require(isinstance(row, list) and len(row) == 7, "A file is put with seven facts.")
        path, size, modified, mode, sha256, overwrite, keep = row
        require(type(size) is int and 0 <= size <= MAX_SMALL_BYTES, "A file that is put at once is small.")
        require(type(modified) is int and -_MAX_TIME <= modified <= _MAX_TIME, "A time is a number.")
        require(type(mode) is int and 0 <= mode <= 0o7777, "A mode is a number.")
        require(isinstance(sha256, bytes) and len(sha256) == 32, "A SHA-256 has 32 bytes.")
        require(isinstance(overwrite, bool), "To replace or not is true or false.")
        kept = None if keep is None else path_of(keep)
        files.append(NewFile(path_of(path), body[at : at + size], modified, mode, sha256, overwrite, kept))
        at += size
    require(at == len(body), "The files do not fit the body.")
    return files


def get_all(paths: Sequence[str], places: Places) -> Iterator[tuple[Mapping[str, object], bytes]]:
    """Read files; as messages, of as many as fit one, without the request's id.

    A file that is not small is told as ``large`` and has to be asked for by itself.
    """
    files: list[Row] = []
    failed: list[Failed] = []
    contents: list[bytes] = []
    size = 0
    with NearbyPlaces(places) as near:
        for index, path in enumerate(paths):
            try:
                with Reading(near.at(path)) as reading:
                    if reading.size > MAX_SMALL_BYTES:
                        raise RequestProblem("large")
                    data = reading.read()
                    row = [index, len(data), reading.modified, reading.mode, reading.finish()]
            except RequestProblem as problem:
                failed.append(_failed(index, problem))
                continue
            except OSError as error:
                failed.append(_failed(index, problem_of(error)))
                continue
            if size + len(data) > MAX_BODY_BYTES:
                yield {"files": files, "failed": failed}, b"".join(contents)
                files, failed, contents, size = [], [], [], 0
            files.append(row)
            contents.append(data)
            size += len(data)
    yield {"files": files, "failed": failed}, b"".join(contents)


def put_all(files: Sequence[NewFile], places: Places, parts: Parts) -> list[Failed]:
    """Write files; those that could not be, and why."""
    failed: list[Failed] = []
    batch = os.urandom(12).hex()
    with NearbyPlaces(places) as near:
        # Written down in one go for each folder, before any of them is made.
        listed: list[str] = []
        try:
            for run in _runs(files):
                try:
                    listed += _begin(files, run, batch, near, parts)
                except (RequestProblem, OSError) as error:
                    problem = error if isinstance(error, RequestProblem) else problem_of(error)
                    failed += (_failed(index, problem) for index in run)
                    continue
                for index in run:
                    try:
                        _put(files[index], f"{batch}{index:08x}", near, places)
                    except RequestProblem as problem:
                        failed.append(_failed(index, problem))
                    except OSError as error:
                        failed.append(_failed(index, problem_of(error)))
        finally:
            parts.forget_all(listed)
    return failed


def _runs(files: Sequence[NewFile]) -> Iterator[range]:
    """Stretches of files in one folder."""
    start = 0
    for index in range(1, len(files) + 1):
        if index == len(files) or _folder_of(files[index]) != _folder_of(files[start]):
            yield range(start, index)
            start = index


def _folder_of(file: NewFile) -> str:
    return file.path.rpartition("/")[0]


def _begin(
    files: Sequence[NewFile], run: range, batch: str, near: NearbyPlaces, parts: Parts
) -> Sequence[str]:
    """Write down the parts of a run; names that are none are left out, and fail in their turn.

    Raises:
        RequestProblem, OSError: nothing can be written there, or written down.
    """
    names, folder = [], None
    failure: RequestProblem | OSError | None = None
    for index in run:
        try:
            # The same for all of them: it stays open from here until the last one is written.
            folder = near.at(files[index].path).folder
        except (RequestProblem, OSError) as error:
            failure = error
        else:
            name = files[index].path.rpartition("/")[2]
            names.append(part_name(name, f"{batch}{index:08x}"))
    if folder is None:
        raise failure or RequestProblem("failed")
    return parts.begin_all(folder, names)


def _put(file: NewFile, transfer: str, near: NearbyPlaces, places: Places) -> None:
    if hashlib.sha256(file.data).digest() != file.sha256:
        raise RequestProblem("changed", "what arrived is not what was sent")
    place = near.at(file.path)
    system.check_name(place.name)
    part = part_name(place.name, transfer)
    if file.keep is None:
        put_part(part, file.data, place, modified=file.modified, mode=file.mode, overwrite=file.overwrite)
        return
    with places.at(file.keep) as keep:
        put_part(
            part,
            file.data,
            place,
            modified=file.modified,
            mode=file.mode,
            overwrite=file.overwrite,
            keep=keep,
        )


def _failed(index: int, problem: RequestProblem) -> Failed:
    return [index, problem.code, problem.detail[:200]]
