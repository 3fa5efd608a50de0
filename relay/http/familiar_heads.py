"""Heads that were parsed before: thousands of hosts ask for their WebSocket in the same words.

After a relay's restart they come at once, and their heads differ in nothing but the value of
Sec-WebSocket-Key. To parse and check a head takes h11 and `relay.http.heads` a sixth of a host's whole
admission, and what comes of it depends on the head alone. So it is remembered, by the head without that
value, and a head of the same other bytes gets the same with its own value in it.

It never judges a head: what it does not know goes to h11, and only what h11 and `check_request` let through
is remembered. Nothing that is secret or tells of a person is: no head with a query, or with other fields than
those of a host's program, such as cookies, or addresses that a proxy passes on. Those differ from one to the
next anyway.
"""

import re
from dataclasses import replace
from typing import Final, NamedTuple

from relay.http.heads import RequestHead

MAX_HEADS: Final = 64
"""Programs, systems and names of the relay are few. Strangers can fill it: then heads are parsed as ever."""

MAX_HEAD_BYTES: Final = 1024
"""Of a remembered head; a host's has some 200."""

_KEY: Final = re.compile(rb"\r\nSec-WebSocket-Key: ([0-9A-Za-z+/]{22}==)\r\n")
_NAME: Final = b"sec-websocket-key"
_END: Final = b"\r\n\r\n"
_FIELDS: Final = frozenset(
    {
        b"host",
        b"upgrade",
        b"connection",
        b"sec-websocket-key",
        b"sec-websocket-version",
        b"sec-websocket-protocol",
        b"user-agent",
    }
)
"""Of a head that may be remembered."""


class Familiar(NamedTuple):
    """What came of a head that was known.

    Attributes:
        head: all of it but its `headers`, which are those of the first of its kind, without its key.
        headers: what `RequestHead.headers` would be.
    """

    head: RequestHead
    headers: tuple[tuple[bytes, bytes], ...]


class FamiliarHeads:
    """What came of the last heads of WebSocket upgrades, at most `MAX_HEADS`."""

    def __init__(self) -> None:
        # Without the key, its field's place among the others, and by the bytes without the key, as they came.
        self._known: dict[bytes, tuple[RequestHead, int]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def find(self, data: bytes) -> Familiar | None:
        """What h11 and `check_request` would make of `data`, if that is one whole head that they have seen.

        Args:
            data: the first bytes of a connection, untrusted.
        """
        key = _KEY.search(data, 0, MAX_HEAD_BYTES)
        if key is None:
            return None
        known = self._known.get(data[: key.start(1)] + data[key.end(1) :])
        if known is None:
            return None
        head, place = known
        return Familiar(head, (*head.headers[:place], (_NAME, key[1]), *head.headers[place:]))

    def learn(self, data: bytes, head: RequestHead) -> None:
        """Remembers that `data`, all of it, was parsed and checked, and became `head`."""
        key = _KEY.search(data)
        if key is None or len(data) > MAX_HEAD_BYTES or not data.endswith(_END) or data.count(_END) > 1:
            return
        if (
            head.query_string
            or not head.is_websocket_upgrade
            or not _FIELDS.issuperset(name for name, _ in head.headers)
        ):
            return
        places = [place for place, (name, _) in enumerate(head.headers) if name == _NAME]
        if len(places) != 1 or head.headers[places[0]][1] != key[1]:
            return
        if len(self._known) >= MAX_HEADS:
            del self._known[next(iter(self._known))]
        (place,) = places
        rest = replace(head, headers=head.headers[:place] + head.headers[place + 1 :])
        self._known[data[: key.start(1)] + data[key.end(1) :]] = rest, place
