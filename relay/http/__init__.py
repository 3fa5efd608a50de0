"""The front door: HTTP/1.1 by h11 on Trio, an ASGI app behind it, and upgrades handed on at any request.

It never looks into an upgraded connection, never decides who somebody is, and knows no metrics: it reports
`FrontDoorEvent`s. Limits and their reasons stand in `FrontDoorSettings`.

    async with open_lifespan(app) as state:
        door = FrontDoor(app, upgrades={"/tunnel/host": handle_host}, state=state, on_event=count)
        await serve_front_door(listeners, door, tls=tls, stop_accepting=stop)

Inside, from the ground up: `heads` and `problems` are pure, `familiar_heads` remembers; `wire` joins h11 and
a transport; `exchange` is one request; `connection` is one connection; `front_door` accepts.
"""

from relay.http.admission import Admission, AdmissionStatistics, Slot
from relay.http.connection import serve_connection, serve_upgrade
from relay.http.events import EventSink, FrontDoorEvent
from relay.http.front_door import serve_front_door
from relay.http.lifespan import open_lifespan
from relay.http.problems import render_problem
from relay.http.settings import FrontDoorSettings
from relay.http.types import AsgiApp, FrontDoor, Message, Receive, Scope, Send, UpgradeHandler, UpgradeRequest

__all__ = [
    "Admission",
    "AdmissionStatistics",
    "AsgiApp",
    "EventSink",
    "FrontDoor",
    "FrontDoorEvent",
    "FrontDoorSettings",
    "Message",
    "Receive",
    "Scope",
    "Send",
    "Slot",
    "UpgradeHandler",
    "UpgradeRequest",
    "open_lifespan",
    "render_problem",
    "serve_connection",
    "serve_front_door",
    "serve_upgrade",
]
