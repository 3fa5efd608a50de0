"""`/metrics` for Prometheus, an application of its own: it has its own listener and nothing else on it."""

import trio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from relay.metrics import Metrics, type_of_answer


def create_scrape_app(metrics: Metrics) -> ASGIApp:
    """An application that answers ``GET /metrics``, and 404 to everything else."""

    async def scrape(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is served here")
        request = Request(scope)
        response: Response
        if request.url.path != "/metrics":
            response = PlainTextResponse("Only /metrics is here.\n", status_code=404)
        elif request.method not in ("GET", "HEAD"):
            response = PlainTextResponse("Only GET.\n", status_code=405, headers={"Allow": "GET, HEAD"})
        else:
            # Not in a worker thread: the readings look at books that change in this one.
            response = Response(metrics.render(), media_type=type_of_answer)
        await trio.lowlevel.checkpoint()
        await response(scope, receive, send)

    return scrape
