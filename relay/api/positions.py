"""Cursors of lists: where the next page begins, as opaque text. What comes back is untrusted."""

import json
from datetime import UTC, datetime

from relay.api.problems import wrong_field
from relay.protocol.links import LinkError, decode_base64url, encode_base64url
from relay.sessions import SessionId
from relay.store.session_list import Position, Sort
from relay.texts import mark

NOT_A_CURSOR = mark("This is not a cursor of this list.")


def write_position(position: Position, sort: Sort) -> str:
    """The cursor of a position in the list that is sorted so."""
    value = position.value
    text = value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value
    return encode_base64url(json.dumps([sort, text, position.id]).encode())


def read_position(cursor: str, sort: Sort, *, language: str) -> Position:
    """The position that `write_position` wrote.

    Raises:
        Problem: 422, it is none, or one of a list that is sorted in another way.
    """
    try:
        written = json.loads(decode_base64url(cursor, len(cursor) * 3 // 4))
        written_sort, value, session_id = written
        if written_sort != sort or not isinstance(value, str) or not isinstance(session_id, str):
            raise ValueError
        if sort == "customer":
            value.encode()
            return Position(value, SessionId(session_id))
        at = datetime.fromisoformat(value)
        return Position(at.astimezone(UTC), SessionId(session_id))
    except (LinkError, ValueError, TypeError, OverflowError):
        raise wrong_field("cursor", NOT_A_CURSOR, language=language) from None
