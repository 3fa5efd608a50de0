"""What Windows says of itself, in the words of the Dashboard: registry values, tasks, events. Pure.

All of it is written by whoever installed something, so that nothing is what it should be: values have any
type, documents are bounded, and XML that declares entities is not read at all.
"""

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

MAX_XML: Final = 256 * 1024
MAX_TEXT: Final = 1000
MAX_MESSAGE: Final = 4000

_FIRST_BUILD_OF_11: Final = 22_000
_LEVELS: Final = {1: 2, 2: 3, 3: 4, 5: 7}
"""Windows' levels as priorities of RFC 5424; others (0 and 4) are information, 6."""
_TRIGGERS: Final = {
    "BootTrigger": "at start-up",
    "LogonTrigger": "at sign-in",
    "IdleTrigger": "when idle",
    "EventTrigger": "on an event",
    "RegistrationTrigger": "when registered",
    "SessionStateChangeTrigger": "when a session changes",
}
_SCHEDULES: Final = {
    "ScheduleByDay": "daily",
    "ScheduleByWeek": "weekly",
    "ScheduleByMonth": "monthly",
    "ScheduleByMonthDayOfWeek": "monthly",
}
_PRIORITY_CLASSES: Final = {0x40: 19, 0x4000: 10, 0x20: 0, 0x8000: -5, 0x80: -10, 0x100: -20}
_EPOCH_DAYS: Final = 25_569
"""1970 as an OLE date."""
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z?")

Values = Mapping[str, object]
"""Of a registry key."""


def os_name(values: Values) -> str:
    """The system's name for people, from ``Windows NT\\CurrentVersion``."""
    name = text(values, "ProductName") or "Windows"
    build = text(values, "CurrentBuild")
    if build.isdecimal() and int(build) >= _FIRST_BUILD_OF_11:
        name = name.replace("Windows 10", "Windows 11")  # which the registry still calls 10
    version = text(values, "DisplayVersion") or text(values, "ReleaseId")
    return " ".join(word for word in (name, version) if word)


def kernel_name(values: Values) -> str:
    """Version and build of Windows."""
    build = text(values, "CurrentBuild") or "?"
    revision = values.get("UBR")
    revised = f".{revision}" if isinstance(revision, int) else ""
    return f"Windows NT 10.0.{build}{revised}"


def program_of(values: Values) -> dict[str, Any] | None:
    """A row of the installed software from its key below ``Uninstall``; None for what is not shown there."""
    name = text(values, "DisplayName", 200)
    is_part = values.get("SystemComponent") == 1 or text(values, "ParentKeyName")
    if not name or is_part or text(values, "ReleaseType") in ("Update", "Hotfix", "Security Update"):
        return None
    size = values.get("EstimatedSize")
    return {
        "name": name,
        "version": text(values, "DisplayVersion", 100),
        "size": size * 1024 if isinstance(size, int) and size >= 0 else None,
        "summary": text(values, "Publisher", 300),
    }


def is_approved(value: object) -> bool:
    """Whether a value of ``StartupApproved`` lets a program start; it does unless its first byte is odd."""
    return not (isinstance(value, bytes) and value and value[0] & 1)


def start_of(values: Values) -> str:
    """How a service's key says that it starts."""
    number = values.get("Start")
    if number in (0, 1, 2):
        return "enabled (delayed)" if values.get("DelayedAutostart") == 1 else "enabled"
    return {3: "manual", 4: "disabled"}.get(number, "") if isinstance(number, int) else ""


def service_state(state: int, exit_code: int) -> tuple[str, str]:
    """State and detail of a service, by SERVICE_STATUS."""
    never_started = 1077
    if state == 1:
        return (
            ("inactive", "stopped") if exit_code in (0, never_started) else ("failed", f"error {exit_code}")
        )
    return {
        2: ("activating", "starting"),
        3: ("deactivating", "stopping"),
        4: ("active", "running"),
        5: ("activating", "continuing"),
        6: ("active", "pausing"),
        7: ("active", "paused"),
    }.get(state, ("", ""))


def nice_of(priority_class: int) -> int:
    """A priority class as the number that other systems have: 19 the lowest, 0 normal, -20 the highest."""
    return _PRIORITY_CLASSES.get(priority_class, 0)


def parse_task(xml: str) -> dict[str, str]:
    """User, command and schedule of a scheduled task (MS-TSCH §2.5).

    Raises:
        ValueError: it is none, or too large.
    """
    root = _parse(xml)
    actions = [
        " ".join(_below(action, name) for name in ("Command", "Arguments")).strip()
        or _below(action, "ClassId")
        for action in _children(_child(root, "Actions"))
    ]
    principal = _child(_child(root, "Principals"), "Principal")
    triggers = [_trigger(trigger) for trigger in _children(_child(root, "Triggers"))]
    return {
        "user": (_below(principal, "UserId") or _below(principal, "GroupId"))[:200],
        "command": "; ".join(action for action in actions if action)[:MAX_TEXT],
        "schedule": "; ".join(triggers)[:MAX_TEXT],
    }


def _trigger(trigger: ET.Element) -> str:
    kind = _tag(trigger)
    said = _TRIGGERS.get(kind) or next(
        (word for name, word in _SCHEDULES.items() if _child(trigger, name) is not None), "once"
    )
    start = _below(trigger, "StartBoundary")
    if kind in ("CalendarTrigger", "TimeTrigger") and start:
        said = f"{said}, {start}"
    interval = _below(_child(trigger, "Repetition"), "Interval")
    if interval:
        said = f"{said}, every {interval}"
    return f"{said} (off)" if _below(trigger, "Enabled") == "false" else said


def parse_event(xml: str) -> dict[str, Any]:
    """An event as a row without its message, and its number in its channel (MS-EVEN6).

    Returns:
        at (ms), priority, unit (the provider), pid, number, channel, and data: what it was told with.

    Raises:
        ValueError: it is none, or too large.
    """
    root = _parse(xml)
    system = _child(root, "System")
    if system is None:
        raise ValueError("no event")
    level = _below(system, "Level")
    pid = _attribute(_child(system, "Execution"), "ProcessID")
    data = [
        _text_of(each)
        for name in ("EventData", "UserData")
        for each in (_child(root, name) or ())
        if _text_of(each)
    ]
    return {
        "at": milliseconds(_attribute(_child(system, "TimeCreated"), "SystemTime")),
        "priority": _LEVELS.get(int(level) if level.isdecimal() else 4, 6),
        "unit": _attribute(_child(system, "Provider"), "Name")[:256],
        "pid": int(pid) if pid.isdecimal() and int(pid) < 1 << 32 else None,
        "number": _number(_below(system, "EventRecordID")),
        "event": _number(_below(system, "EventID")),
        "channel": _below(system, "Channel")[:256],
        "data": "; ".join(data)[:MAX_MESSAGE],
    }


def event_query(channel: str, *, priority: int, unit: str, since: int | None, until: int | None) -> str:
    """The XPath of events in a channel.

    Args:
        priority: no event less urgent than this.
        unit: of this provider; "" for all.
        since, until: milliseconds since 1970, both included.

    Raises:
        ValueError: there can be no such provider.
    """
    if "'" in unit or '"' in unit:
        raise ValueError("a quote in a name")
    conditions = []
    if priority < 7:
        levels = [level for level, other in _LEVELS.items() if other <= priority]
        levels += [0, 4] if priority >= 6 else []
        if not levels:
            levels = [255]  # nothing is so urgent
        conditions.append(f"({' or '.join(f'Level={level}' for level in sorted(levels))})")
    if unit:
        conditions.append(f"Provider[@Name='{unit}']")
    for sign, moment in ((">=", since), ("<=", until)):
        if moment is not None:
            conditions.append(f"TimeCreated[@SystemTime{sign}'{_iso(moment)}']")
    return f"*[System[{' and '.join(conditions)}]]" if conditions else "*"


def make_cursor(event: Mapping[str, Any]) -> str:
    """What names an event in the Dashboard's pages."""
    return f"{event['at']}/{event['channel']}/{event['number']}"


def parse_cursor(cursor: str) -> tuple[int, str, int]:
    """The time (ms), channel and number that a cursor names; a viewer may have made it up.

    Raises:
        ValueError: it names none.
    """
    at, _, rest = cursor.partition("/")
    channel, _, number = rest.rpartition("/")
    if not (at.isdecimal() and number.isdecimal() and channel) or len(cursor) > 500:
        raise ValueError("no cursor")
    moment = int(at)
    if moment > 1 << 46:
        raise ValueError("no such time")
    return moment, channel, int(number)


def milliseconds(moment: str) -> int:
    """Milliseconds since 1970 of a time as events have it, with up to nine digits of a second.

    Raises:
        ValueError: it is none.
    """
    match = _TIME.fullmatch(moment)
    if match is None:
        raise ValueError("no time")
    seconds = datetime.fromisoformat(match[1]).replace(tzinfo=UTC).timestamp()
    return int(seconds) * 1000 + int((match[2] or "0").ljust(3, "0")[:3])


def ole_time(days: float) -> datetime | None:
    """The local time that an OLE date means; None for none (before 1970, or absurd)."""
    if not _EPOCH_DAYS < days < _EPOCH_DAYS + 100_000:
        return None
    return datetime.fromtimestamp(round((days - _EPOCH_DAYS) * 86_400), UTC).replace(tzinfo=None)


def text(values: Values, name: str, limit: int = MAX_TEXT) -> str:
    """A value, if it is text: one line of it, without what follows a NUL."""
    value = values.get(name)
    if not isinstance(value, str):
        return ""
    return " ".join(value.partition("\0")[0].split())[:limit]


def _iso(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{moment % 1000:03}Z"


def _number(digits: str) -> int:
    return int(digits) if digits.isdecimal() and len(digits) < 20 else 0


def _parse(xml: str) -> ET.Element:
    # Without declarations there are no entities but XML's own five, and nothing that could grow.
    if len(xml) > MAX_XML or "<!" in xml.replace("<!--", "").replace("<![CDATA[", ""):
        raise ValueError("not a document that we read")
    try:
        return ET.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", xml))  # noqa: S314 - see above
    except ET.ParseError as exc:
        raise ValueError("no XML") from exc


def _tag(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _children(element: ET.Element | None) -> list[ET.Element]:
    return [] if element is None else list(element)


def _child(element: ET.Element | None, name: str) -> ET.Element | None:
    return next((each for each in _children(element) if _tag(each) == name), None)


def _text_of(element: ET.Element | None) -> str:
    return "" if element is None else " ".join("".join(element.itertext()).split())


def _below(element: ET.Element | None, name: str) -> str:
    return _text_of(_child(element, name))


def _attribute(element: ET.Element | None, name: str) -> str:
    return "" if element is None else element.get(name, "")
