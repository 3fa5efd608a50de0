"""How the API says no: `application/problem+json` (RFC 9457), one sentence for a person in each.

`Problem` is raised anywhere below a route; the handlers of `install` turn it, the relay's own errors and
FastAPI's into answers of one shape. Sentences are translated here, by the request's Accept-Language.
"""

import math
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import compile_path

from relay.accounts.people import MayNot
from relay.errors import AuthError, LimitExceeded, NotAllowed, Refused, RelayError, SessionUnavailable
from relay.texts import best_language, mark, translate

CONTENT_TYPE = "application/problem+json"

NOT_FOUND = mark("There is no such thing here.")
"""What strangers read for whatever is unknown, lapsed, ended or somebody else's (SECURITY, promise 4)."""

MAX_MESSAGE_LENGTH = 300


class FieldError(BaseModel):
    """What is wrong with one field of the request."""

    field: str = Field(description="Where: the name of the field, with dots into nested ones.")
    message: str


class ProblemBody(BaseModel):
    """The body of every answer that is an error."""

    type: str = "about:blank"
    title: str = Field(description="The status in words.", examples=["Conflict"])
    status: int = Field(description="The HTTP status again.", examples=[409])
    detail: str = Field(
        description="One sentence for a person.", examples=["You have an open session already."]
    )
    limit: str | None = Field(
        None, description="The limit that is reached.", examples=["sessions_per_technician"]
    )
    session: str | None = Field(None, description="The session that is in the way.")
    code: str | None = Field(
        None, description="Names what programs act upon.", examples=["second_factor_required"]
    )
    errors: list[FieldError] | None = Field(None, description="What is wrong with which field.")


class Problem(Exception):
    """An answer that is an error.

    Args:
        status: the HTTP status.
        detail: one sentence for a person, English source text of the translations.
        headers: headers that the answer needs (Retry-After, Allow).
        fields: further members of the body, see `ProblemBody`.
    """

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.fields = fields


def not_found() -> Problem:
    """The one answer for whatever must look as if it did not exist."""
    return Problem(404, NOT_FOUND)


def restarting() -> Problem:
    """The answer of a relay that drains to whatever would begin something new."""
    return Problem(503, mark("The relay is restarting; try again in a moment."), headers={"Retry-After": "5"})


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of a route's errors; any route may be asked what cannot be understood (400)."""
    content = {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted({400, *statuses})
    }


def wrong_field(field: str, message: str, *, language: str, status: int = 422) -> Problem:
    """The answer that puts `message` (source text, or translated already) beside a field."""
    errors = [{"field": field, "message": translate(language, message)}]
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        return Problem(status, mark("The request is not right; see the fields."), errors=errors)
    return Problem(status, message, errors=errors)


def problem_response(problem: Problem, *, language: str) -> JSONResponse:
    """The answer that says `problem` in `language`."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": translate(language, problem.detail),
        **{name: value for name, value in problem.fields.items() if value is not None},
    }
    return JSONResponse(body, status_code=problem.status, headers=problem.headers, media_type=CONTENT_TYPE)


def install(app: FastAPI, missing_page: Callable[[Request], Response | None]) -> None:
    """Make every error of `app` a problem answer.

    Args:
        app: the application.
        missing_page: the page that tells a person at a browser of a 404, or None where JSON is the answer.
    """

    async def on_error(request: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if problem.status == HTTPStatus.METHOD_NOT_ALLOWED:
            problem.headers["Allow"] = ", ".join(_methods_at(app, request.url.path))
        page = missing_page(request) if problem.status == HTTPStatus.NOT_FOUND else None
        if page is not None:
            return page
        language = best_language(request.headers.get("accept-language", ""))
        return problem_response(problem, language=language)

    async def on_crash(request: Request, error: Exception) -> Response:
        # Answers only; the guard logs and counts, Starlette raises `error` again after this.
        return await on_error(request, Problem(500, mark("Something went wrong inside the relay.")))

    app.add_exception_handler(Exception, on_crash)
    for kind in (Problem, RelayError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, on_error)


def _methods_at(app: FastAPI, path: str) -> list[str]:
    """All methods that routes answer at this path (RFC 9110 §10.2.1); Starlette tells one route's."""
    found: dict[str, set[str]] = {}
    for route in iter_route_contexts(app.routes):
        pattern, _, _ = compile_path(str(route.path))
        if pattern.fullmatch(path):
            found.setdefault(str(route.path), set()).update(route.methods or ())
    # What has an address of its own is not meant by one with a blank in it.
    return sorted(found.get(path) or set().union(*found.values()))


def problem_of(error: Exception) -> Problem:
    """The answer to `error`.

    Raises:
        Exception: `error` itself, where no answer but 500 would be honest.
    """
    match error:
        case Problem():
            return error
        case RequestValidationError():
            return _from_validation(error)
        case HTTPException():
            return _from_http_error(error)
        case LimitExceeded():
            if error.retry_after is None:
                return Problem(409, str(error), limit=error.limit, session=error.session_id)
            headers = {"Retry-After": str(max(1, math.ceil(error.retry_after)))}
            return Problem(429, str(error), limit=error.limit, headers=headers)
        case MayNot() | NotAllowed():
            return Problem(403, str(error))
        case AuthError():
            return Problem(401, str(error))
        case SessionUnavailable():
            return not_found()
        case Refused():
            return Problem(409, str(error))
        case _:
            raise error


def _from_validation(error: RequestValidationError) -> Problem:
    """What is wrong with which field; never what was sent, it may be a password or a link."""
    problems = error.errors()
    if any(problem["type"] == "json_invalid" for problem in problems):
        return Problem(400, mark("The request is not valid JSON."))
    errors = []
    for problem in problems[:20]:
        # The first element says "body", "path" or "query"; people know the field by its own name.
        where = ".".join(str(part) for part in problem["loc"][1:])
        cause = problem.get("ctx", {}).get("error")
        message = str(cause) if isinstance(cause, ValueError) else problem["msg"]
        errors.append({"field": where[:100], "message": message[:MAX_MESSAGE_LENGTH]})
    return Problem(422, mark("The request is not right; see the fields."), errors=errors)


def _from_http_error(error: HTTPException) -> Problem:
    details = {
        400: mark("The request could not be understood."),
        404: NOT_FOUND,
        405: mark("That cannot be done here."),
    }
    detail = details.get(error.status_code, HTTPStatus(error.status_code).phrase)
    return Problem(error.status_code, detail, headers=error.headers)
