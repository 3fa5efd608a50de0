"""Log lines for machines: one object a line, without what must not be in a log."""

import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog

from relay.logging import set_up_logging


@pytest.fixture
def lines() -> Iterator[StringIO]:
    configured, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = StringIO()
    set_up_logging("json", stream)
    yield stream
    structlog.configure(**configured)
    root.handlers[:], root.level = handlers, level


def read(lines: StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_line_is_one_object_with_its_fields_level_and_time(lines: StringIO) -> None:
    with structlog.contextvars.bound_contextvars(session="s_1"):
        structlog.get_logger().info("host attached", program='a "b"\nñ', count=3, nothing=None)
    (line,) = read(lines)
    assert str(line.pop("timestamp")).endswith("Z")
    assert line == {
        "event": "host attached",
        "level": "info",
        "session": "s_1",
        "program": 'a "b"\nñ',
        "count": 3,
        "nothing": None,
    }


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_byte_strings_are_shown_by_their_length_only(lines: StringIO, kind: type) -> None:
    structlog.get_logger().warning("odd", secret=kind(b"sesame"))
    assert read(lines)[0]["secret"] == "<6 bytes>"


def test_what_json_has_no_word_for_is_shown_by_its_repr(lines: StringIO) -> None:
    structlog.get_logger().info("odd", value={1: {2}}, error=ValueError("x"))
    (line,) = read(lines)
    assert (line["value"], line["error"]) == ({"1": "{2}"}, "ValueError('x')")


def test_a_traceback_tells_no_values_of_variables(lines: StringIO) -> None:
    def fail(secret: str) -> None:
        raise ValueError("no")

    try:
        fail("sesame")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = read(lines)
    assert "ValueError: no" in str(line["exception"])
    assert "sesame" not in lines.getvalue().replace('fail("sesame")', "").replace('fail(\\"sesame\\")', "")


def test_libraries_say_it_in_the_same_way(lines: StringIO) -> None:
    logging.getLogger("some.library").warning("careful")
    (line,) = read(lines)
    assert (line["event"], line["level"]) == ("careful", "warning")
