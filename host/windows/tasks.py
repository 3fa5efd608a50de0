"""Scheduled tasks, by the Task Scheduler's objects: what this user may see, in every language alike.

(``schtasks`` prints words of the user's language in the user's code page; the files of the tasks are for
administrators only.)
"""

import sys

if sys.platform != "win32":
    raise ImportError("only for Windows")

import ctypes
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from ctypes import wintypes
from typing import Any, Final

from host.problems import RequestProblem
from host.windows import com
from host.windows.words import ole_time, parse_task

MAX_TASKS: Final = 2000
MAX_FOLDERS: Final = 500
_SCHEDULER: Final = "0f87369f-a4e5-4cfc-bd3e-73e6154572dd"
_ITASK_SERVICE: Final = "2faba4c7-4da9-4013-9697-20cc3fd40f85"
_HIDDEN_TOO: Final = 1

# Places in the tables of methods (taskschd.h), IDispatch's seven first.
_SERVICE_GET_FOLDER: Final = 7
_SERVICE_CONNECT: Final = 10
_FOLDER_GET_FOLDERS: Final = 10
_FOLDER_GET_TASKS: Final = 14
_COUNT: Final = 7
_ITEM: Final = 8
_TASK_PATH: Final = 8
_TASK_ENABLED: Final = 10
_TASK_NEXT: Final = 18
_TASK_XML: Final = 20


def tasks() -> list[dict[str, Any]]:
    """Maps of kind ("task"), name (its path), user, command, schedule and next_at. Blocks.

    Raises:
        RequestProblem: unavailable.
    """
    with com.apartment():
        code, service = com.create(_SCHEDULER, _ITASK_SERVICE)
        try:
            com.check(code)
            nothing = com.Variant()
            kinds = (com.Variant,) * 4
            com.check(com.method(service, _SERVICE_CONNECT, *kinds)(nothing, nothing, nothing, nothing))
            with com.text_argument("\\") as path:
                top = com.get_object(service, _SERVICE_GET_FOLDER, (ctypes.c_void_p, path))
            return list(_tasks_below(top))
        except OSError as exc:
            raise RequestProblem("unavailable", "The Task Scheduler does not answer.") from exc
        finally:
            com.release(service)


def _tasks_below(top: ctypes.c_void_p) -> Iterator[dict[str, Any]]:
    """Of a folder, which is given back, and of those in it."""
    waiting = deque([top])
    folders = told = 0
    while waiting:
        folder = waiting.popleft()
        try:
            for task in _items(folder, _FOLDER_GET_TASKS, _HIDDEN_TOO, MAX_TASKS - told):
                with suppress(OSError, ValueError):
                    yield _row(task)
                    told += 1
                com.release(task)
            found = list(_items(folder, _FOLDER_GET_FOLDERS, 0, MAX_FOLDERS - folders))
            folders += len(found)
            waiting.extend(found)
        except OSError:
            if not folders:  # the first one is everybody's to read
                raise
        finally:
            com.release(folder)


def _items(folder: ctypes.c_void_p, place: int, flags: int, most: int) -> Iterator[ctypes.c_void_p]:
    """The objects of a collection that a folder gives. Raises OSError: it does not."""
    collection = com.get_object(folder, place, (wintypes.LONG, flags))
    try:
        count = wintypes.LONG()
        com.check(com.method(collection, _COUNT, ctypes.c_void_p)(ctypes.byref(count)))
        for number in range(1, min(count.value, most) + 1):
            yield com.get_object(collection, _ITEM, (com.Variant, com.number(number)))
    finally:
        com.release(collection)


def _row(task: ctypes.c_void_p) -> dict[str, Any]:
    """Raises OSError or ValueError: it does not tell, or tells nonsense."""
    enabled, following = wintypes.SHORT(), ctypes.c_double()
    com.check(com.method(task, _TASK_ENABLED, ctypes.c_void_p)(ctypes.byref(enabled)))
    said = parse_task(com.get_text(task, _TASK_XML))
    next_at = None
    if com.method(task, _TASK_NEXT, ctypes.c_void_p)(ctypes.byref(following)) == 0:
        moment = ole_time(following.value)  # in the computer's own time
        next_at = int(moment.astimezone().timestamp()) if moment is not None else None
    schedule = said["schedule"] if enabled.value else f"{said['schedule']} (off)".strip()
    return {
        "kind": "task",
        "name": com.get_text(task, _TASK_PATH)[:300],
        **said,
        "schedule": schedule,
        "next_at": next_at,
    }
