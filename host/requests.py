"""Reading the requests of a tool (File Manager, Dashboard): untrusted maps in, typed values out.

A name on a POSIX disk is any bytes; one that is no UTF-8 travels as msgpack's bin and is kept in Python with
surrogates (PEP 383), so that it can be opened again.
"""

import os
import re
from typing import Any, Final, TypeVar, cast

from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import FieldReader
from relay.protocol.messages import Message

MAX_ID: Final = (1 << 32) - 1
_MAX_PATH: Final = 4096
_SURROGATES: Final = re.compile("[\ud800-\udfff]")
"""What stands for bytes that are no UTF-8 (PEP 383), and what JSON can say though no text has it."""

_T = TypeVar("_T")


class Request:
    """One request; every miss is a `RemoteProtocolError`, which ends the stream: our viewers make none.

    Attributes:
        id: which answer belongs to it; chosen by the viewer.
        op: what is wanted.
        body: bytes that came with it.
    """

    def __init__(self, message: Message) -> None:
        self._head = message.head
        self.fields = FieldReader(message.head)
        self.id = self.fields.number("id", at_most=MAX_ID)
        self.op = self.fields.text("op", max_length=16)
        self.body = message.body

    def path(self, name: str = "path") -> str:
        """The path in the field `name`: text, or bytes that are none."""
        return path_of(self._head.get(name))

    def rows(self, name: str, *, at_most: int) -> list[Any]:
        """The list in the field `name`, whose members are still to be checked."""
        value = self._head.get(name)
        if not isinstance(value, list) or len(value) > at_most:
            raise RemoteProtocolError(f"the field {name!r} must be a list of at most {at_most}")
        return value

    def has(self, name: str) -> bool:
        """Whether there is a field `name`."""
        return self._head.get(name) is not None


def path_of(value: object) -> str:
    """A path as a viewer sent it: text, or bytes that are none."""
    if isinstance(value, bytes) and len(value) <= _MAX_PATH:
        return os.fsdecode(value)
    if not isinstance(value, str) or len(value) > _MAX_PATH:
        raise RemoteProtocolError("a path is text or bytes")
    return value


def wire_name(name: str) -> str | bytes:
    """A name or path as it travels."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name)
    return name


def showable(value: _T) -> _T:
    """`value`, a text or maps and lists of such, as it may be sent for reading only.

    What the system says need not be UTF-8 (names of programs, their arguments): what is none becomes U+FFFD.
    """
    shown: Any = value
    if isinstance(value, str):
        shown = value if value.isascii() else _SURROGATES.sub("\ufffd", value)
    elif isinstance(value, dict):
        shown = {showable(name): showable(inner) for name, inner in value.items()}
    elif isinstance(value, list):
        shown = [showable(inner) for inner in value]
    return cast("_T", shown)


def require(is_good: bool, sentence: str) -> None:
    """Raises RemoteProtocolError unless `is_good`."""
    if not is_good:
        raise RemoteProtocolError(sentence)
