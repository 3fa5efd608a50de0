"""Host files for tests of those who serve and download them: as builders write them, or spoiled."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

from relay.downloads import FILE_NAMES, Target
from relay.protocol.link_blob import BLOB_BYTES, make_empty_blob

PROGRAM = b"#!/usr/bin/env python3\nPK..." + bytes(range(256)) * 40
HOST = PROGRAM + make_empty_blob()


def publish(folder: Path, for_target: Target = Target.PYTHON, data: bytes = HOST, **facts: Any) -> Path:
    """Put a host file and its sidecar into `folder`, and return the file's path.

    Args:
        facts: what the sidecar says instead of the truth.
    """
    folder.mkdir(exist_ok=True)
    path = folder / FILE_NAMES[for_target]
    path.write_bytes(data)
    known: dict[str, Any] = {
        "target": for_target.value,
        "size": len(data),
        "sha256": sha256(data).hexdigest(),
        "signer": None,
        "blob": {"offset": len(data) - BLOB_BYTES, "size": BLOB_BYTES},
        "machine": "x86_64",
        "python": ["3.11"] if for_target is Target.PYTHON else None,
        "version": "0.1.0",
    }
    path.with_name(path.name + ".json").write_text(json.dumps(known | facts))
    return path
