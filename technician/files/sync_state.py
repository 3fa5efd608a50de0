"""What two synchronised folders had in common after the last time: tells deletions from additions.

A small file of this computer's user, with paths of the customer's computer in it, so that it goes with the
session. If it is lost or damaged, nothing is known, and what differs is a conflict.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any, cast, get_args

from technician.errors import TechnicianError
from technician.files.sync_plan import Known, Node, NodeKind


def load_known(path: Path) -> dict[str, tuple[Node, Node]]:
    """What is known; nothing where there is no such file or no sense in it. Blocks."""
    try:
        kept = json.loads(path.read_bytes())
        return {name: (_node(local), _node(remote)) for name, (local, remote) in kept.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def save_known(path: Path, known: Known) -> None:
    """Replace what is known. Blocks.

    Raises:
        TechnicianError: it cannot be written.
    """
    content = {name: [_list(node) for node in nodes] for name, nodes in known.items()}
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        with os.fdopen(handle, "w") as file:
            json.dump(content, file)
        os.replace(temporary, path)
    except OSError as exc:
        raise TechnicianError(f"{path} can not be written: {exc.strerror}.") from exc


def _list(node: Node) -> list[str | int]:
    return [node.kind, node.size, node.modified]


def _node(value: Any) -> Node:
    kind, size, modified = value
    if kind not in get_args(NodeKind) or type(size) is not int or type(modified) is not int:
        raise ValueError("no node")
    return Node(kind=cast("NodeKind", kind), size=size, modified=modified)
