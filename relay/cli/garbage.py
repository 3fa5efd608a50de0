"""Keeps the pauses of Python's garbage collector short, however many are connected.

Reference counts free nearly everything here; the collector only looks for what refers to itself in a circle.
Looking takes time by the number of objects there are, 48 for each connected host, and holds the event loop:
with 5,000 hosts a pass over all was measured to take 0.1 to 0.2 s, one over the middle generation nearly as
long. So each object is looked at once, with the few thousand it was made beside; what lives then is put aside
(`gc.freeze`), where reference counts go on to free it. A circle that is given up later waits there for the
next full pass. Few do: of a thousand connections' coming and going 24 objects were found in circles at all.
"""

import gc
import sys
from typing import Any, Final

import trio

YOUNG_OBJECTS: Final = 5_000
"""After so many more than were freed they are looked at, 2 to 4 ms long."""

YOUNG_INTERVAL: Final = 1.0
"""Seconds after which they are looked at anyway: where one is freed for each that is made, as in waiting
again after a ping, there are never more, and yet all are new."""

NEVER: Final = 1 << 30

FULL_PASS_INTERVAL: Final = 3600.0
"""Seconds between passes over everything."""

MAX_BLOCKS: Final = 200_000
"""Of memory that came since the start, by estimate as many as 2,000 connected hosts take: with more, a full
pass would be felt, and waits. Python knows their number; to count what was put aside is to walk all of it,
some ten milliseconds long."""

MAX_PUT_OFF: Final = 24
"""Times that a full pass waits for a quieter hour."""


def settle() -> None:
    """From here on collect as above; what start-up made is put aside unseen. Once per process.

    To look at it once more would hold the loop for 0.1 s, with the port open, and finds next to nothing
    (measured: 10 objects in 200,000).
    """
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, NEVER, NEVER)
    gc.callbacks.append(_put_survivors_aside)


def _put_survivors_aside(phase: str, info: dict[str, Any]) -> None:
    if phase == "stop" and info["generation"] == 0:
        gc.freeze()


async def run_passes() -> None:
    """Look at what is young each second, and at everything once an hour, or a day while very many are
    connected. Until cancelled."""
    at_start, put_off, due = sys.getallocatedblocks(), 0, trio.current_time() + FULL_PASS_INTERVAL
    while True:
        await trio.sleep(YOUNG_INTERVAL)
        gc.collect(0)
        if trio.current_time() < due:
            continue
        due += FULL_PASS_INTERVAL
        if sys.getallocatedblocks() - at_start > MAX_BLOCKS and put_off < MAX_PUT_OFF:
            put_off += 1
            continue
        put_off = 0
        gc.unfreeze()
        gc.collect()
        gc.freeze()
