"""Runs: what the relay forwards without looking at each frame.

A peer under load sends many DATA frames of one stream behind each other, and one read brings them together.
`take_runs` finds such runs in the received bytes and gives them back as they go on to the other peer: each
message unmasked behind the header of its WebSocket frame, in one piece. What a frame costs the relay is then
this walk and nothing else; credit, counters, queue and system calls are per run.

There are two implementations with the same results: `relay.protocol._runs` in C, if it was built, and the
one below. Under load frames mostly come as long as each other, dozens in a row. Python then takes as many as
seem alike at once, by slices that hold a byte of each; what is not alike it reads frame by frame.

Measured (`./dev bench tunnel`, figures in docs/performance.md): with 64-byte payloads the one in C moves some
four times as many frames per second of CPU; a frame costs the one below 0.19 µs among its like, else 0.7 µs.
"""

import os
import struct
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, TypeAlias

from relay.protocol.batching import MAX_BATCH_BYTES
from relay.protocol.frames import payload_of, peek_data
from relay.protocol.masking import apply_mask

MAX_RUN_BYTES: Final = MAX_BATCH_BYTES
"""On the wire; what leaves in one system call. A frame larger than this is a run of its own. Other streams
wait behind one run at most."""

PURE_PYTHON_VARIABLE: Final = "ADHOC_PURE_PYTHON"
"""Environment variable: any value but the empty one makes this module leave the compiled part alone."""

_FEW: Final = 8
"""Frames as long as each other behind which more of the kind are looked for, and fewer are not worth it."""

_GROWTH: Final = 4
"""Times as many as were alike so far are taken at once, so that looking in vain costs little beside those."""

_WHOLE_BINARY: Final = 0x82
_SHORT_HEADERS: Final = tuple(bytes((_WHOLE_BINARY, length)) for length in range(126))


class Run(NamedTuple):
    """Whole DATA frames of one stream, each in one WebSocket frame, in the order they came.

    Attributes:
        stream: their stream's id.
        frames: how many, at least 1.
        size: bytes of their messages together, which is what credit counts.
        largest: bytes of the largest message.
        wire: their WebSocket frames, unmasked.
    """

    stream: int
    frames: int
    size: int
    largest: int
    wire: bytes


Received: TypeAlias = bytes | bytearray | memoryview
TakeRuns: TypeAlias = Callable[[Received, int, int], tuple[list[Run], int]]
"""Finds runs, as `take_runs_in_python` does."""


def take_runs_in_python(data: Received, position: int, max_message_bytes: int) -> tuple[list[Run], int]:
    """The runs that follow each other from `position` on.

    Args:
        data: what a server received: masked WebSocket frames (RFC 6455 §5.2).
        position: where a frame begins, 0 to ``len(data)``.
        max_message_bytes: a longer message ends the run before it.

    Returns:
        The runs, and the position behind the last: what is there is no complete, masked, unfragmented binary
        frame that holds a well-formed DATA frame. What is wrong with it then is for the codec to say.
    """
    runs = []
    while (frame := _read_frame(data, position, max_message_bytes)) is not None:
        run, position = _take_run(data, frame, max_message_bytes)
        runs.append(run)
    return runs, position


_Frame: TypeAlias = tuple[int, bytes, bytes, int]
"""A DATA frame: its stream, the header to send it with, the message, its end in the data."""


def _take_run(data: Received, first: _Frame, max_message_bytes: int) -> tuple[Run, int]:
    """The run that begins with the frame `first`, and its end in the data."""
    stream, header, message, position = first
    parts = [header, message]
    frames, size, largest = 1, len(message), len(message)
    room = MAX_RUN_BYTES - len(header) - size
    alike = 1  # frames at the end of the run that are as long as each other
    # The beginning of a short DATA frame of this stream; the byte behind it is the payload's length.
    short_begin = message[:7] + b"\xc4"
    max_short = min(125, max_message_bytes)
    available = len(data)
    unmask = apply_mask
    while available - position > 6:
        if alike >= _FEW:
            on_wire = len(header) + len(message)
            many = min(_GROWTH * alike, room // on_wire, (available - position) // (on_wire + 4))
            wire = _take_alike(data, position, header, message, many) if many >= _FEW else None
            alike = 0 if wire is None else alike + many
            if wire is not None:
                parts.append(wire)
                frames += many
                size += many * len(message)
                room -= len(wire)
                position += len(wire) + 4 * many
                continue
        length = data[position + 1] ^ 0x80
        start = position + 6
        end = start + length
        if not 9 <= length <= max_short or end > available or data[position] != _WHOLE_BINARY:
            frame = _read_frame(data, position, max_message_bytes)
            if frame is None or frame[0] != stream or len(frame[1]) + len(frame[2]) > room:
                break
            _, header, next_message, position = frame
            length = len(next_message)
        else:
            next_message = unmask(data[start:end], data[position + 2 : start])
            if next_message[:8] != short_begin or next_message[8] + 9 != length or length + 2 > room:
                break
            header = _SHORT_HEADERS[length]
            position = end
        alike = alike + 1 if length == len(message) else 1
        message = next_message
        parts += (header, message)
        frames += 1
        size += length
        if length > largest:
            largest = length
        room -= length + len(header)
    return Run(stream, frames, size, largest, b"".join(parts)), position


def _take_alike(data: Received, position: int, header: bytes, message: bytes, frames: int) -> bytes | None:
    """So many frames at `position` as they go on; None if one is not as long, and of the stream, as the last.

    What all have in common is compared column by column, each of them one slice of all frames; the frames are
    then cut and unmasked by loops that are not Python's.

    Args:
        data, position: they are all there.
        header, message: of the last frame, as it goes on.
        frames: how many.
    """
    length, stride = len(message), len(header) + 4 + len(message)
    masked_header = bytes((header[0], header[1] | 0x80)) + header[2:]
    begin = message[: length - len(payload_of(message))]
    # The last of them first: where frames take turns, that is all that looking in vain costs.
    start = position + (frames - 1) * stride + len(header)
    if data[start - len(header) : start] != masked_header:
        return None
    if apply_mask(data[start + 4 : start + 4 + len(begin)], data[start : start + 4]) != begin:
        return None
    block = bytes(data[position : position + frames * stride])
    if not _has_columns(block, masked_header, stride, frames):
        return None
    unmask = apply_mask
    layout = f"{len(header)}x4s{length}s"
    wire = header + header.join([unmask(masked, mask) for mask, masked in struct.iter_unpack(layout, block)])
    return wire if _has_columns(wire, header + begin, stride - 4, frames) else None


def _has_columns(block: bytes, begin: bytes, stride: int, rows: int) -> bool:
    """Whether each of the block's rows begins with `begin`."""
    return all(block[place::stride] == begin[place : place + 1] * rows for place in range(len(begin)))


def _read_frame(data: Received, position: int, max_message_bytes: int) -> _Frame | None:
    """The DATA frame at `position`, or None."""
    if len(data) - position < 6 or data[position] != _WHOLE_BINARY:
        return None
    length = data[position + 1] ^ 0x80
    start = position + 6
    if length < 126:
        header = _SHORT_HEADERS[length]
    elif length == 126:
        start += 2
        length = int.from_bytes(data[position + 2 : position + 4])
        if length < 126:
            return None
        header = b"\x82\x7e" + bytes(data[position + 2 : position + 4])
    elif length == 127:
        start += 8
        length = int.from_bytes(data[position + 2 : position + 10])
        if length < 0x10000:
            return None
        header = b"\x82\x7f" + bytes(data[position + 2 : position + 10])
    else:
        return None  # not masked
    end = start + length
    if end > len(data) or length > max_message_bytes:
        return None
    message = apply_mask(data[start:end], data[start - 4 : start])
    stream = peek_data(message)
    return (stream, header, message, end) if stream else None


def run_of(message: bytes, wire: bytes) -> Run | None:
    """The run of one message that came in fragments, `wire` as it goes on; None if it is no DATA."""
    stream = peek_data(message)
    return Run(stream, 1, len(message), len(message), wire) if stream else None


def load_compiled() -> TakeRuns:
    """The implementation in C. Raises ImportError if it was not built."""
    from relay.protocol import _runs

    return partial(_runs.find, Run, MAX_RUN_BYTES)


def choose_take_runs() -> TakeRuns:
    """The fastest implementation there is here."""
    if not os.environ.get(PURE_PYTHON_VARIABLE):
        try:
            return load_compiled()
        except ImportError:
            pass
    return take_runs_in_python


take_runs: TakeRuns = choose_take_runs()
"""`take_runs(data, position, max_message_bytes)`: see `take_runs_in_python`."""
