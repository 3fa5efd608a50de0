"""What Windows says of itself, in the Dashboard's words; everywhere, since it is only text and numbers."""

from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.windows import words
from host.windows.words import (
    event_query,
    is_approved,
    kernel_name,
    make_cursor,
    milliseconds,
    nice_of,
    ole_time,
    os_name,
    parse_cursor,
    parse_event,
    parse_task,
    program_of,
    service_state,
    start_of,
    text,
)

TASK = """<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <Triggers>
    <CalendarTrigger>
      <Repetition><Interval>PT1H</Interval></Repetition>
      <StartBoundary>2026-01-01T03:00:00</StartBoundary>
      <ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay>
    </CalendarTrigger>
    <LogonTrigger><Enabled>false</Enabled></LogonTrigger>
    <TimeTrigger><StartBoundary>2026-02-01T00:00:00</StartBoundary></TimeTrigger>
  </Triggers>
  <Principals><Principal id="Author"><UserId>S-1-5-18</UserId></Principal></Principals>
  <Actions Context="Author">
    <Exec><Command>C:\\Tools\\backup.exe</Command><Arguments>/all &amp; /quiet</Arguments></Exec>
    <ComHandler><ClassId>{0f87369f-a4e5-4cfc-bd3e-73e6154572dd}</ClassId></ComHandler>
  </Actions>
</Task>"""

EVENT = """<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>
<Provider Name='Service Control Manager' Guid='{555908d1-a6d7-4695-8e1e-26931d2012f4}'/>
<EventID Qualifiers='16384'>7036</EventID><Level>2</Level>
<TimeCreated SystemTime='2026-11-30T12:34:56.7891234Z'/><EventRecordID>4711</EventRecordID>
<Execution ProcessID='1234' ThreadID='1'/><Channel>System</Channel></System>
<EventData><Data Name='param1'>Spooler</Data><Data Name='param2'>stopped</Data></EventData></Event>"""

BOMB = '<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><Task>&c;</Task>'


def test_windows_11_is_called_so_though_the_registry_says_10() -> None:
    values = {"ProductName": "Windows 10 Pro", "CurrentBuild": "22631", "DisplayVersion": "23H2", "UBR": 3007}
    assert os_name(values) == "Windows 11 Pro 23H2"
    assert kernel_name(values) == "Windows NT 10.0.22631.3007"
    assert os_name({**values, "CurrentBuild": "19045"}) == "Windows 10 Pro 23H2"
    assert os_name({}) == "Windows"


def test_installed_software_is_what_windows_shows_as_such() -> None:
    row = program_of(
        {"DisplayName": "Editor", "DisplayVersion": "3.1", "Publisher": "Example", "EstimatedSize": 5}
    )
    assert row == {"name": "Editor", "version": "3.1", "size": 5120, "summary": "Example"}
    assert program_of({"DisplayName": "Part", "SystemComponent": 1}) is None
    assert program_of({"DisplayName": "Fix", "ReleaseType": "Hotfix"}) is None
    assert program_of({"DisplayName": "Fix", "ParentKeyName": "Editor"}) is None
    assert program_of({"DisplayVersion": "1"}) is None


@given(
    st.dictionaries(
        st.sampled_from(
            ["DisplayName", "DisplayVersion", "EstimatedSize", "Publisher", "SystemComponent", "ReleaseType"]
        ),
        st.none() | st.integers() | st.binary(max_size=20) | st.text(max_size=400) | st.lists(st.text()),
    )
)
def test_any_registry_value_gives_a_bounded_row_or_none(values: dict[str, object]) -> None:
    row = program_of(values)
    if row is not None:
        assert 0 < len(row["name"]) <= 200
        assert len(row["version"]) <= 100
        assert row["size"] is None or row["size"] >= 0
        assert "\n" not in row["name"]


def test_text_is_one_line_and_ends_at_a_nul() -> None:
    assert text({"a": " one\r\n two\0three"}, "a") == "one two"
    assert text({"a": 5}, "a") == ""


def test_what_is_switched_off_in_the_task_manager_is_off() -> None:
    assert is_approved(None)
    assert is_approved(b"\x02" + bytes(11))
    assert is_approved("nonsense")
    assert not is_approved(b"\x03" + bytes(11))


def test_services_have_the_states_of_other_systems() -> None:
    assert service_state(4, 0) == ("active", "running")
    assert service_state(1, 0) == ("inactive", "stopped")
    assert service_state(1, 1077) == ("inactive", "stopped")
    assert service_state(1, 5) == ("failed", "error 5")
    assert service_state(99, 0) == ("", "")
    assert start_of({"Start": 2}) == "enabled"
    assert start_of({"Start": 2, "DelayedAutostart": 1}) == "enabled (delayed)"
    assert start_of({"Start": 3}) == "manual"
    assert start_of({"Start": 4}) == "disabled"
    assert start_of({"Start": "x"}) == start_of({}) == ""


def test_priorities_are_numbers_as_elsewhere() -> None:
    assert [nice_of(each) for each in (0x40, 0x4000, 0x20, 0x8000, 0x80, 0x100, 7)] == [
        19,
        10,
        0,
        -5,
        -10,
        -20,
        0,
    ]


def test_a_task_tells_user_command_and_schedule() -> None:
    assert parse_task(TASK) == {
        "user": "S-1-5-18",
        "command": "C:\\Tools\\backup.exe /all & /quiet; {0f87369f-a4e5-4cfc-bd3e-73e6154572dd}",
        "schedule": "daily, 2026-01-01T03:00:00, every PT1H; at sign-in (off); once, 2026-02-01T00:00:00",
    }


def test_an_event_is_read() -> None:
    event = parse_event(EVENT)
    assert event == {
        "at": 1_796_042_096_789,
        "priority": 3,
        "unit": "Service Control Manager",
        "pid": 1234,
        "number": 4711,
        "event": 7036,
        "channel": "System",
        "data": "Spooler; stopped",
    }
    assert parse_cursor(make_cursor(event)) == (1_796_042_096_789, "System", 4711)


@pytest.mark.parametrize("parse", [parse_task, parse_event])
@pytest.mark.parametrize(
    "xml",
    ["", "x", "<a", BOMB, "<!DOCTYPE a><a/>", "<Event/>", "<a>" + "x" * words.MAX_XML + "</a>", "<a>\0</a>"],
)
def test_xml_that_is_none_or_could_grow_is_not_read(parse: Callable[[str], object], xml: str) -> None:
    if parse is parse_task and xml == "<Event/>":
        assert parse_task(xml) == {"user": "", "command": "", "schedule": ""}
        return
    with pytest.raises(ValueError, match=r"."):
        parse(xml)


@given(st.text(max_size=200))
def test_any_text_is_an_event_or_a_refusal(inner: str) -> None:
    for xml in (inner, f"<Event><System>{inner}</System></Event>", EVENT.replace("4711", inner)):
        try:
            event = parse_event(xml)
        except ValueError:
            continue
        assert len(event["data"]) <= words.MAX_MESSAGE
        assert event["number"] >= 0


def test_events_are_asked_for_by_what_they_are() -> None:
    assert event_query("System", priority=7, unit="", since=None, until=None) == "*"
    assert event_query("System", priority=3, unit="disk", since=0, until=1500) == (
        "*[System[(Level=1 or Level=2) and Provider[@Name='disk']"
        " and TimeCreated[@SystemTime>='1970-01-01T00:00:00.000Z']"
        " and TimeCreated[@SystemTime<='1970-01-01T00:00:01.500Z']]]"
    )
    assert "Level=0 or Level=1 or Level=2 or Level=3 or Level=4" in event_query(
        "System", priority=6, unit="", since=None, until=None
    )
    assert "Level=255" in event_query("System", priority=1, unit="", since=None, until=None)


@pytest.mark.parametrize("unit", ["a'b", 'a"b', "x'] or *[System[Provider[@Name='y"])
def test_no_name_of_a_program_becomes_part_of_the_question(unit: str) -> None:
    with pytest.raises(ValueError, match="quote"):
        event_query("System", priority=7, unit=unit, since=None, until=None)


@given(st.text(max_size=600))
def test_any_cursor_names_an_event_or_is_refused(cursor: str) -> None:
    try:
        at, channel, number = parse_cursor(cursor)
    except ValueError:
        return
    assert channel
    assert number >= 0
    assert event_query("System", priority=7, unit="", since=None, until=at)


@pytest.mark.parametrize(
    "cursor", ["1/System/", "/System/1", "1//1", f"{1 << 47}/System/1", "9" * 501 + "/a/1"]
)
def test_a_made_up_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_cursor(cursor)


def test_times_of_events_have_up_to_nine_digits() -> None:
    assert milliseconds("1970-01-01T00:00:01Z") == 1000
    assert milliseconds("1970-01-01T00:00:01.5Z") == 1500
    assert milliseconds("1970-01-01T00:00:01.123456789Z") == 1123
    with pytest.raises(ValueError, match="no time"):
        milliseconds("yesterday")


@given(st.floats())
def test_ole_dates_are_local_times_or_none(days: float) -> None:
    assert ole_time(days) is None or days > 25_569


def test_an_ole_date_is_read() -> None:
    assert ole_time(46_356.25) == datetime(2026, 11, 30, 6)
    assert ole_time(0.0) is None
