"""The ``relay`` command with other deadlines than people can set, and with a lag probe: for tests only.

    python -m tests.helpers.tuned_relay TUNING ARGUMENTS-OF-RELAY…

TUNING is JSON: ``{"front_door": {…}, "tunnels": {…}, "peer": {…}, "lag_report": PATH}``, every part
optional; the first three name fields of `FrontDoorSettings`, `TunnelSettings` and `PeerSettings`. With
``lag_report`` the steps of the event loop are watched from the time that the relay is up until it is asked to
stop, and a `LagReport` is written.
"""

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest import mock

import trio

import relay.cli
from relay.config import Config
from relay.connections import TunnelSettings
from relay.http import FrontDoorSettings
from relay.peer_connection import PeerSettings
from relay.server import RoomSettings, Running, serve
from tests.helpers.lag_probe import LagProbe


def make_rooms(tuning: dict[str, Any]) -> RoomSettings:
    """The rooms' settings, with what `tuning` says in place of their defaults."""
    peer = PeerSettings(**tuning.get("peer", {}))
    return RoomSettings(
        front_door=FrontDoorSettings(**tuning.get("front_door", {})),
        tunnels=TunnelSettings(peer=peer, **tuning.get("tunnels", {})),
    )


def main() -> None:
    """Run it."""
    tuning = json.loads(sys.argv.pop(1))
    rooms = make_rooms(tuning)
    report = Path(tuning["lag_report"]) if "lag_report" in tuning else None

    async def serve_tuned(
        config: Config, *, make_sign_in_link: bool, task_status: trio.TaskStatus[Running]
    ) -> None:
        if report is None:
            await serve(config, rooms=rooms, make_sign_in_link=make_sign_in_link, task_status=task_status)
            return
        async with trio.open_nursery() as nursery:
            running = await nursery.start(
                lambda task_status: serve(
                    config, rooms=rooms, make_sign_in_link=make_sign_in_link, task_status=task_status
                )
            )
            probe = LagProbe()
            trio.lowlevel.add_instrument(probe)
            task_status.started(running)
            await running.wait_stopping()
            trio.lowlevel.remove_instrument(probe)
            probe.report().save(report)

    # By its name in full: in its package the command hides the module.
    with mock.patch.object(import_module("relay.cli.up"), "serve", serve_tuned):
        relay.cli.main()


main()
