"""What the customer allows: all that the technician asked for, or files only in folders of their choice.

The limit binds the File Manager, the one tool that works where the customer does not look. A shell would lead
around it, so there is none with a limit; what is done by Remote Control is seen on the screen.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

if sys.platform == "win32":
    from host.problems import RequestProblem
    from host.windows.names import names_of

MAX_FOLDERS: Final = 16
MAX_FOLDERS_BYTES: Final = 1024
"""Of their paths together: the state that keeps them is one small file."""

_FILES: Final = "files"
_UNLIMITED: Final = frozenset({"shell"})
"""Kinds of channels that reach every file."""


class Duration(Enum):
    """For how long a tool is allowed."""

    NEVER = "never"
    ONCE = "once"
    """Until its last stream ends."""
    HALF_HOUR = "half_hour"
    SESSION = "session"
    ASK = "ask"
    """What was allowed is over: the customer is asked again."""


CHOICES: Final = (Duration.SESSION, Duration.HALF_HOUR, Duration.ONCE, Duration.NEVER)
"""What the customer may choose from, in the order shown."""


class CannotChoose(Exception):
    """A folder that cannot be chosen.

    Attributes:
        key: of the sentence in `host.texts` that says why.
    """

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


@dataclass(frozen=True, slots=True)
class Consent:
    """The customer's answer.

    Attributes:
        is_allowed: whether there is a session at all.
        folders: that the File Manager is limited to, from `choose_folder`; None for no limit.
        durations: by kind of channel; tools without one are allowed for the whole session.
    """

    is_allowed: bool
    folders: tuple[str, ...] | None = None
    durations: Mapping[str, Duration] = field(default_factory=dict)

    def limit_kinds(self, kinds: Sequence[str]) -> list[str]:
        """Those of `kinds` (of channels) that remain."""
        if self.folders is None:
            return list(kinds)
        without = _UNLIMITED if self.folders else _UNLIMITED | {_FILES}
        return [kind for kind in kinds if kind not in without]


def has_files(kinds: Sequence[str]) -> bool:
    """Whether there is something to limit."""
    return _FILES in kinds


def choose_folder(typed: str, chosen: Sequence[str]) -> tuple[str, ...]:
    """The folders chosen so far and one more.

    Args:
        typed: a folder's path as a person says it, ``~`` for their home.
        chosen: what an earlier call returned.

    Returns:
        Absolute paths without links; none lies in another.

    Raises:
        CannotChoose: it is no folder of this computer, its name is no text, or there are too many.
    """
    path = os.path.realpath(os.path.expanduser(typed.strip()))
    if not typed.strip() or not os.path.isdir(path) or not _can_be_walked_to(path):
        raise CannotChoose("no_such_folder")
    try:
        path.encode()
    except UnicodeEncodeError as exc:
        raise CannotChoose("folder_is_no_text") from exc
    if any(is_within(path, other) for other in chosen):
        return tuple(chosen)
    folders = (*(other for other in chosen if not is_within(other, path)), path)
    if len(folders) > MAX_FOLDERS or sum(len(each.encode()) for each in folders) > MAX_FOLDERS_BYTES:
        raise CannotChoose("too_many_folders")
    return folders


def is_within(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies in it; both absolute and without links."""
    try:
        return os.path.commonpath((path, folder)) == folder
    except ValueError:  # on different drives
        return False


def _can_be_walked_to(path: str) -> bool:
    """Whether the File Manager finds a folder by its name; on Windows not those of other computers."""
    if sys.platform == "win32":
        try:
            names_of(path)
        except RequestProblem:
            return False
    return True
