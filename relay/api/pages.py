"""The built pages and what belongs to them; ``./dev build`` puts them into the static folder.

Pages hold no data, so they need no sign-in: everything in them comes from the API. Their names are listed
here; there is no catch-all, an unknown path is a 404 (SECURITY, "exact, default-deny routes").
"""

import re
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, Response

from relay.api.context import ApiContext, Context
from relay.api.models import Health
from relay.api.problems import answers, not_found, restarting

CONSOLE_PAGE = "index.html"
DEPLOYMENT_PAGE = "deploy.html"
MISSING_PAGE = "missing.html"

NOT_BUILT = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Pages not built</title></head>
<body><h1>The pages are not built yet</h1>
<p>The relay runs, but its web pages are missing.
Build them with <code>./dev build</code>, then reload.</p>
</body></html>
"""

# What browsers must be told exactly (nosniff); the system's own table differs from machine to machine.
CONTENT_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}

SETTINGS_PARTS = frozenset(
    {"people", "company", "brand", "mail-server", "identity-provider", "webhooks", "programs"}
)
"""The parts of the settings page that have an address."""

_NO_STORE = {"Cache-Control": "no-store"}
_ASSET_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,150}")
"""Vite writes one flat folder; whatever else a name could be (dots in front, slashes) is not asked for."""

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
@router.api_route("/sign-in", methods=["GET", "HEAD"])
@router.api_route("/invite", methods=["GET", "HEAD"])
@router.api_route("/reset", methods=["GET", "HEAD"])
@router.api_route("/account", methods=["GET", "HEAD"])
@router.api_route("/audit", methods=["GET", "HEAD"])
@router.api_route("/settings", methods=["GET", "HEAD"])
async def console(context: Context) -> Response:
    """The console, for whoever signs in."""
    return _page(context, CONSOLE_PAGE)


@router.api_route("/settings/{part}", methods=["GET", "HEAD"])
async def console_of_settings(part: str, context: Context) -> Response:
    """The console, showing one part of the company's settings."""
    if part not in SETTINGS_PARTS:
        raise not_found()
    return _page(context, CONSOLE_PAGE)


@router.api_route("/session/{id}", methods=["GET", "HEAD"])
@router.api_route("/sessions/{id}", methods=["GET", "HEAD"])
@router.api_route("/session/{id}/files", methods=["GET", "HEAD"])
@router.api_route("/session/{id}/dashboard", methods=["GET", "HEAD"])
@router.api_route("/session/{id}/shell", methods=["GET", "HEAD"])
async def console_of_session(id: str, context: Context) -> Response:
    """The console, showing one session's computer or its story: the same page for every id."""
    return _page(context, CONSOLE_PAGE)


@router.api_route("/d/{invite}", methods=["GET", "HEAD"])
async def deployment(invite: str, context: Context) -> Response:
    """The deployment page: the same for every invite, good or not; reading it changes nothing."""
    return _page(context, DEPLOYMENT_PAGE)


@router.api_route("/assets/{name}", methods=["GET", "HEAD"])
async def asset(name: str, context: Context) -> Response:
    """A built file. Its name carries a hash of its content, so browsers may keep it for ever."""
    kind = CONTENT_TYPES.get(Path(name).suffix)
    path = context.settings.static / "assets" / name
    if not _ASSET_NAME.fullmatch(name) or kind is None or not path.is_file():
        raise not_found()
    return FileResponse(
        path, media_type=kind, headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )


health_router = APIRouter(tags=["operation"])


@health_router.get("/healthz", responses=answers(405, 503))
@health_router.head("/healthz", include_in_schema=False)
async def health(context: Context) -> Health:
    """The relay answers, and is not about to stop. Says nothing else, to anybody."""
    if context.stopping.is_set():
        raise restarting()
    return Health()


def add_pages(app: FastAPI) -> None:
    """Serve the pages, their files and the health check with `app`."""
    app.include_router(health_router)
    app.include_router(router)


def missing_page(request: Request) -> Response | None:
    """The 404 for a person who followed an address to nowhere; None for programs, and for all of the API."""
    context: ApiContext = request.app.state.context
    path = context.settings.static / MISSING_PAGE
    is_person = request.method in ("GET", "HEAD") and "text/html" in request.headers.get("accept", "")
    if not is_person or request.url.path.startswith("/api/") or not path.is_file():
        return None
    return FileResponse(path, status_code=404, media_type=CONTENT_TYPES[".html"], headers=_NO_STORE)


def _page(context: ApiContext, name: str) -> Response:
    path = context.settings.static / name
    headers = {"Cache-Control": "no-cache"}
    if not path.is_file():
        return HTMLResponse(NOT_BUILT, status_code=503, headers=_NO_STORE)
    return FileResponse(path, media_type=CONTENT_TYPES[".html"], headers=headers)
