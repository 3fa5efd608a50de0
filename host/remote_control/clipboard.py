"""The extended clipboard (rfbproto, Extended Clipboard Pseudo-Encoding): UTF-8 text only.

A message is flags:4 followed by what the action needs. Both sides announce their abilities once (caps), tell
that something was copied (notify), ask for it (request) and hand it over, deflated (provide). Only text is
offered and only text is asked for; every size is zero in our caps, so nothing large comes unasked.
"""

import struct
import zlib
from dataclasses import dataclass
from enum import IntFlag
from typing import Final

from host.remote_control.errors import RfbProtocolError
from host.remote_control.messages import MAX_CUT_TEXT_BYTES

_TEXT: Final = 1


class Action(IntFlag):
    """The action bits of a message's flags."""

    CAPS = 1 << 24
    REQUEST = 1 << 25
    PEEK = 1 << 26
    NOTIFY = 1 << 27
    PROVIDE = 1 << 28


_ALL_ACTIONS: Final = Action.CAPS | Action.REQUEST | Action.PEEK | Action.NOTIFY | Action.PROVIDE


@dataclass(frozen=True)
class Extended:
    """One message of the viewer."""

    action: Action
    """A single action; what else CAPS says is of no use here: everyone who says it takes a NOTIFY."""
    has_text: bool
    """The message is (also) about text."""
    text: str | None = None
    """What a PROVIDE carries, with plain line feeds; None if it has no text or more than is taken."""


def parse_extended(data: bytes) -> Extended:
    """The meaning of an ExtendedCutText's `data` (at most `MAX_CUT_TEXT_BYTES`).

    Raises:
        RfbProtocolError: no action or several, or a damaged PROVIDE.
    """
    if len(data) < 4:
        raise RfbProtocolError("An extended clipboard message is at least 4 bytes.")
    (flags,) = struct.unpack_from(">I", data)
    actions = Action(flags & _ALL_ACTIONS)
    has_text = bool(flags & _TEXT)
    if actions & Action.CAPS:
        return Extended(Action.CAPS, has_text)
    if actions not in (Action.REQUEST, Action.PEEK, Action.NOTIFY, Action.PROVIDE):
        raise RfbProtocolError("An extended clipboard message has exactly one action.")
    text = _inflate_text(data[4:]) if actions == Action.PROVIDE and has_text else None
    return Extended(actions, has_text, text)


def _inflate_text(data: bytes) -> str | None:
    """The text of a PROVIDE: text is the first format, so what follows it need not be inflated."""
    inflater = zlib.decompressobj()
    try:
        # Never more than the limit is inflated, whatever the stream would become.
        plain = inflater.decompress(data, 4 + MAX_CUT_TEXT_BYTES)
    except zlib.error as error:
        raise RfbProtocolError("A clipboard text is not deflated properly.") from error
    if len(plain) < 4:
        raise RfbProtocolError("A clipboard text lacks its size.")
    (size,) = struct.unpack_from(">I", plain)
    if size > MAX_CUT_TEXT_BYTES:
        return None
    if len(plain) < 4 + size:
        raise RfbProtocolError("A clipboard text is shorter than it says.")
    text = plain[4 : 4 + size].removesuffix(b"\0").decode("utf-8", "replace")
    return text.replace("\r\n", "\n")


def build_caps() -> bytes:
    """What we accept: text by request or peek, told by notify, handed over by provide, never unasked."""
    return struct.pack(">II", _ALL_ACTIONS | _TEXT, 0)


def build_notify(has_text: bool) -> bytes:
    """Text was copied here (or: there is nothing to be had)."""
    return struct.pack(">I", Action.NOTIFY | (_TEXT if has_text else 0))


def build_request() -> bytes:
    """Please hand over your text."""
    return struct.pack(">I", Action.REQUEST | _TEXT)


def build_provide(text: str) -> bytes:
    """Our text, with the line ends and the closing NUL that the protocol wants."""
    data = text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "replace") + b"\0"
    return struct.pack(">I", Action.PROVIDE | _TEXT) + zlib.compress(struct.pack(">I", len(data)) + data)
