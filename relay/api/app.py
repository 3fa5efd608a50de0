"""The API as one ASGI application: routes, error answers, the OpenAPI document, and the guard around all."""

from typing import Any

import trio
from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp

import relay
from relay.api import (
    account,
    audit,
    company,
    customer,
    downloads,
    host_start,
    invitations,
    mail_server,
    pages,
    people,
    problems,
    sessions,
    sign_in,
    tokens,
    webhooks,
)
from relay.api.context import ApiContext
from relay.api.guard import Guard

OPENAPI_PATH = "/api/openapi.json"

DESCRIPTION = """\
Prepare, use and end sessions of ad hoc remote support.

Errors are `application/problem+json` (RFC 9457). Signed-in calls carry the session cookie. Unsafe methods
need `Content-Type: application/json`, the header `X-Adhoc-Csrf: 1`, and, from a browser, the relay's own
`Origin`. Live changes come over the WebSocket `/api/v1/events`: first
`{"type": "sessions", "sessions": […], "now": …}`, then `{"type": "session", "session": {…}, "now": …}` at
every change.
"""


def create_app(context: ApiContext) -> ASGIApp:
    """The application, guarded. Runs on Trio only (anyio finds the running library by itself)."""
    return Guard(create_routes(context), origin=context.settings.origin, metrics=context.metrics)


def create_routes(context: ApiContext) -> FastAPI:
    """The application without its guard: for `create_app`, and for tests that walk the routes."""
    app = FastAPI(
        title="Ad hoc relay",
        version=relay.__version__,
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.context = context
    app.include_router(sign_in.router)
    app.include_router(invitations.router)
    app.include_router(account.router)
    app.include_router(people.router)
    app.include_router(people.creating)
    app.include_router(company.router)
    app.include_router(mail_server.router)
    app.include_router(webhooks.router)
    app.include_router(sessions.router)
    app.include_router(sessions.creating)
    app.include_router(tokens.router)
    app.include_router(audit.router)
    app.include_router(downloads.router)
    app.include_router(customer.router)
    app.include_router(host_start.router)
    pages.add_pages(app)
    problems.install(app, pages.missing_page)

    async def describe(request: Request) -> JSONResponse:
        # Made once, in 50 ms of computing: too long for the event loop, and FastAPI's own route is on it.
        return JSONResponse(await trio.to_thread.run_sync(_openapi, app))

    app.add_route(OPENAPI_PATH, describe, include_in_schema=False)
    for route in app.routes:
        # FastAPI makes a router's tables when it is first asked: 20 ms, on the loop, of the first request.
        route.matches({"type": "http", "method": "GET", "path": "/nothing", "root_path": "", "headers": []})
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """FastAPI's document, with our error body and without the validation error that we never send."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        for operations in schema["paths"].values():
            for operation in operations.values():
                _tell_honestly(operation)
        components = schema.setdefault("components", {}).setdefault("schemas", {})
        problem = problems.ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
        for unused in ("HTTPValidationError", "ValidationError"):
            components.pop(unused, None)
        components |= problem.pop("$defs", {})
        components["ProblemBody"] = problem
        schema["components"]["securitySchemes"] = {
            "cookie": {"type": "apiKey", "in": "cookie", "name": app.state.context.settings.cookie_name},
            "token": {"type": "http", "scheme": "bearer", "description": "An API token, `adhoc_…`."},
        }
        app.openapi_schema = schema
    return app.openapi_schema


def _tell_honestly(operation: dict[str, Any]) -> None:
    """What FastAPI does not know of a route, or assumes wrongly."""
    responses = operation["responses"]
    # Assumed of every route with parameters; the routes say themselves what they answer.
    if "application/json" in responses.get("422", {}).get("content", {}):
        del responses["422"]
    is_public = "401" not in responses or operation["tags"][0] in ("customer", "operation")
    if not is_public and (operation["tags"] != ["sign-in"]):
        operation["security"] = [{"cookie": []}, {"token": []}]
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path" and parameter["schema"].get("type") == "string":
            parameter["schema"].setdefault("pattern", "^[A-Za-z0-9_-]{1,43}$")
