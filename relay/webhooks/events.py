"""What receivers are told, made of rows of the audit log.

A row is written in the same transaction as what it tells of. So an event is neither lost by a crash nor told
of something that was undone, and whoever may read the log can check what receivers should have got.

Receivers get ids, times, the session's state, names of technicians and why it ended. Nothing about the
customer or their computer: who needs that asks the API, with a token that may.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

from relay.people import Technician
from relay.sessions import END_REASONS, Session
from relay.store.webhook_rows import Happening

TEST_EVENT: Final = "webhook.test"
"""What the test button sends."""

_ENDINGS: Final = MappingProxyType({event.value: reason for event, reason in END_REASONS.items()})

_EVENT_OF: Final[Mapping[str, str]] = MappingProxyType(
    {
        "prepared": "session.prepared",
        "activated": "session.activated",
        "attached": "session.attached",
        "detached": "session.detached",
        "wrong_code": "session.wrong_code",
        "mail_failed": "mail.failed",
        "removal_confirmed": "removal.confirmed",
        "removal_all_but_last": "removal.confirmed",
        **dict.fromkeys(_ENDINGS, "session.ended"),
    }
)

EVENTS: Final = tuple(dict.fromkeys(_EVENT_OF.values()))
"""What a webhook can ask for."""

_STATE_AFTER: Final = MappingProxyType(
    {"session.prepared": "prepared", "session.activated": "active", "session.ended": "ended"}
)


def event_of(happening: Happening) -> str | None:
    """What the row is called for receivers; None if they are not told of it."""
    return _EVENT_OF.get(happening.action)


def body_of(happening: Happening, session: Session | None, actor: Technician | None) -> str:
    """The JSON that receivers get.

    Args:
        happening: a row that `event_of` has a name for.
        session: what it is about, as it is now.
        actor: the technician who did it, if one did.
    """
    event = _EVENT_OF[happening.action]
    reason = _ENDINGS.get(happening.action)
    data: dict[str, Any] = {
        "session": None if session is None else _session(session, _STATE_AFTER.get(event)),
        "end_reason": None if reason is None else reason.wire,
        "actor": None if actor is None else {"id": actor.id, "name": actor.name},
    }
    if event == "mail.failed":
        data["mail"] = happening.fields.get("kind", "")
    return write_body(event, happening.at, data)


def write_body(event: str, at: datetime, data: Mapping[str, Any]) -> str:
    """The JSON of an event (standard-webhooks, "Payload structure")."""
    moment = at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"type": event, "timestamp": moment, "data": data}, ensure_ascii=False)


def _session(session: Session, state: str | None) -> dict[str, Any]:
    """The session, in the state in which the event left it, where that is sure."""
    return {
        "id": session.id,
        "state": state or session.state.value,
        "technician": {"id": session.technician_id, "name": session.technician_name},
    }
