"""Vectors that the Python and the TypeScript protocol both pass: `tests/vectors/*.json`.

Binary values are lower-case hexadecimal. After a deliberate change of the protocol,
``ADHOC_WRITE_VECTORS=1 pytest tests/protocol`` writes the files anew.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent.parent / "vectors"


def load_vectors(name: str) -> Any:
    """The content of ``tests/vectors/{name}.json``."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def assert_vectors(name: str, computed: dict[str, Any]) -> None:
    """Fails unless the stored file holds what the code computes now."""
    if os.environ.get("ADHOC_WRITE_VECTORS"):
        text = json.dumps(computed, indent=2, ensure_ascii=False) + "\n"
        (FOLDER / f"{name}.json").write_text(text)
    assert load_vectors(name) == computed


def counting_bytes(first: int) -> Callable[[int], bytes]:
    """A stand-in for randomness: bytes that count up from `first`, the next call going on from there."""
    position = first

    def take(size: int) -> bytes:
        nonlocal position
        position += size
        return bytes(number % 256 for number in range(position - size, position))

    return take
