"""Signing in and out: password, link, second factor, passkey, identity provider.

What is wrong is never said: unknown people, wrong secrets, dead tokens and disabled accounts get the same
answer. Three cookies: the one that says who is signed in; one that tells a browser that was here before from
strangers' (`relay.accounts.throttle`); and, for the minutes that somebody is at their identity provider, one
that binds their return to this browser.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from relay.accounts import Challenge, Entry, Visit
from relay.accounts.throttle import KNOWN_BYTES
from relay.api.agents import describe_agent
from relay.api.context import (
    COOKIE_MAX_AGE,
    SIGNED_OUT,
    ApiContext,
    Context,
    OwnAccount,
    read_cookie,
    write_cookie,
)
from relay.api.models import Nothing, company_body, technician_body
from relay.api.problems import Problem, answers
from relay.api.sign_in_bodies import (
    ChallengeBody,
    PasskeyAnswer,
    PasskeyOptions,
    PasskeyWish,
    ProviderBody,
    ProvidersAnswer,
    SecondFactor,
    SignedInBody,
    SignIn,
    SignInAnswer,
    SignInByLink,
)
from relay.auth import digest
from relay.errors import AuthError, LimitExceeded
from relay.people import CompanyId
from relay.protocol.links import LinkError, decode_base64url, encode_base64url

SameSite = Literal["lax", "strict"]

router = APIRouter(prefix="/api/v1", tags=["sign-in"])

KNOWN_COOKIE = "adhoc_known"
PROVIDER_COOKIE = "adhoc_oidc"
KNOWN_MAX_AGE = 180 * 86400
PROVIDER_MAX_AGE = 300
"""Seconds. The store and the sealed tokens enforce them, this tidies up."""

AFTER_SIGN_IN = "/"
AFTER_FAILURE = "/sign-in#error=oidc"


@router.post("/sign-in", responses=answers(400, 401, 403, 415, 422, 429))
async def sign_in(body: SignIn, request: Request, response: Response, context: Context) -> SignInAnswer:
    """Sign in with a password. Unknown people, wrong passwords and disabled accounts get the same answer."""
    with _counted(context, "password"):
        entry = await context.accounts.signing_in.by_password(
            body.email, body.password.get_secret_value(), visit_of(request, context)
        )
    return await welcome(request, response, context, entry, way="password")


@router.post("/sign-in/link", responses=answers(400, 401, 403, 415, 422, 429))
async def sign_in_by_link(
    body: SignInByLink, request: Request, response: Response, context: Context
) -> SignInAnswer:
    """Sign in with the token of a sign-in link; it works once."""
    with _counted(context, "link"):
        entry = await context.accounts.signing_in.by_link(
            decode_base64url(body.token, 32), visit_of(request, context)
        )
    return await welcome(request, response, context, entry, way="link")


@router.post("/sign-in/second", responses=answers(400, 401, 403, 415, 422, 429))
async def sign_in_second(
    body: SecondFactor, request: Request, response: Response, context: Context
) -> SignInAnswer:
    """Show the second factor that a sign-in was answered with. Each code works once."""
    with _counted(context, body.way):
        entry = await context.accounts.signing_in.by_code(
            decode_base64url(body.token, 32),
            body.way,
            body.code.get_secret_value(),
            visit_of(request, context),
        )
    return await welcome(request, response, context, entry, way=body.way)


@router.post("/sign-in/passkey/options", responses=answers(400, 401, 403, 415, 422, 429))
async def begin_passkey(body: PasskeyWish, request: Request, context: Context) -> PasskeyOptions:
    """What the browser is to ask a passkey for."""
    half_done = None if body.token is None else decode_base64url(body.token, 32)
    with _counted(context, "passkey"):
        token, options = await context.accounts.passkeys.begin_signing_in(
            half_done, visit_of(request, context)
        )
    return PasskeyOptions(token=encode_base64url(token), options=options)


@router.post("/sign-in/passkey", responses=answers(400, 401, 403, 415, 422, 429))
async def sign_in_by_passkey(
    body: PasskeyAnswer, request: Request, response: Response, context: Context
) -> SignInAnswer:
    """Sign in with a passkey, which is enough alone."""
    with _counted(context, "passkey"):
        entry = await context.accounts.passkeys.sign_in(
            decode_base64url(body.token, 32), body.credential, visit_of(request, context)
        )
    return await welcome(request, response, context, entry, way="passkey")


@router.get("/sign-in/providers", responses=answers(422, 429))
async def providers(
    email: Annotated[str, Query(max_length=300, examples=["alice@example.com"])],
    request: Request,
    context: Context,
) -> ProvidersAnswer:
    """The identity providers through which whoever has this address may sign in; none for strangers."""
    found = await context.accounts.identity_providers.of_email(email, visit_of(request, context))
    return ProvidersAnswer(providers=[ProviderBody(id=id, label=label) for id, label in found])


@router.get("/sign-in/oidc/callback", status_code=303, response_class=Response, responses=answers(422))
async def finish_provider(
    request: Request,
    context: Context,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4096)] = "",
    iss: Annotated[str | None, Query(max_length=500, description="RFC 9207.")] = None,
) -> RedirectResponse:
    """Where identity providers send browsers back to. Goes on to the console, or to the sign-in page."""
    response = RedirectResponse(AFTER_SIGN_IN, status_code=303)
    try:
        with _counted(context, "oidc"):
            entry = await context.accounts.identity_providers.finish(
                state=_decoded(state, 32) or b"",
                binding=read_cookie(request.cookies.get(_name(context, PROVIDER_COOKIE))),
                code=code,
                issuer=iss,
                visit=visit_of(request, context),
            )
        await welcome(request, response, context, entry, way="oidc")
    except AuthError:
        response = RedirectResponse(AFTER_FAILURE, status_code=303)
    _set_cookie(response, context, PROVIDER_COOKIE, "", max_age=0, samesite="lax")
    return response


@router.get(
    "/sign-in/oidc/{company_id}/start", status_code=303, response_class=Response, responses=answers(422)
)
async def begin_provider(company_id: str, request: Request, context: Context) -> RedirectResponse:
    """Go to the company's identity provider; back to the sign-in page if there is none to go to."""
    try:
        with _counted(context, "oidc"):
            begun = await context.accounts.identity_providers.begin(
                CompanyId(company_id), visit_of(request, context)
            )
    except (AuthError, LimitExceeded):
        return RedirectResponse(AFTER_FAILURE, status_code=303)
    response = RedirectResponse(begun.url, status_code=303)
    # Lax: the browser comes back from another site, and must bring it.
    binding = encode_base64url(begun.binding)
    _set_cookie(response, context, PROVIDER_COOKIE, binding, max_age=PROVIDER_MAX_AGE, samesite="lax")
    return response


@router.post("/sign-out", status_code=204, responses=answers(400, 401, 403, 415, 422))
async def sign_out(body: Nothing, response: Response, context: Context, caller: OwnAccount) -> None:
    """Sign out this browser; its live feeds and viewers are closed."""
    await context.accounts.sign_out(caller.cookie)
    context.revoke_asker(digest(caller.cookie))
    _set_cookie(response, context, None, "", max_age=0)


async def welcome(
    request: Request, response: Response, context: ApiContext, entry: Entry, *, way: str
) -> SignInAnswer:
    """The answer to a sign-in; `response` gets its cookies. A cookie that came along is of no use any more.

    Args:
        request: what is answered.
        response: what the cookies are set on.
        context: the app's.
        entry: what came of it.
        way: for the metrics.
    """
    if isinstance(entry, Challenge):
        context.metrics.sign_ins_total.labels(way, "challenged").inc()
        challenge = ChallengeBody(token=encode_base64url(entry.token), ways=list(entry.ways))
        return SignInAnswer(signed_in=None, challenge=challenge)
    known = await context.accounts.technician_of_cookie(entry)
    if known is None:
        raise Problem(401, SIGNED_OUT)
    technician, company = known
    old = read_cookie(request.cookies.get(context.settings.cookie_name))
    if old is not None:
        await context.accounts.sign_out(old)
        context.revoke_asker(digest(old))
    context.metrics.sign_ins_total.labels(way, "accepted").inc()
    _set_cookie(response, context, None, write_cookie(entry), max_age=COOKIE_MAX_AGE)
    throttle = context.accounts.throttle
    if not throttle.is_known(visit_of(request, context).known, technician.id):
        token = encode_base64url(throttle.make_known(technician.id))
        _set_cookie(response, context, KNOWN_COOKIE, token, max_age=KNOWN_MAX_AGE)
    signed_in = SignedInBody(
        technician=technician_body(technician),
        company=company_body(company),
        permissions=sorted(permission.value for permission in technician.permissions),
    )
    return SignInAnswer(signed_in=signed_in, challenge=None)


def visit_of(request: Request, context: ApiContext) -> Visit:
    """Where a request comes from."""
    return Visit(
        address=request.client.host if request.client else "",
        agent=describe_agent(request.headers.get("user-agent", "")),
        known=_decoded(request.cookies.get(_name(context, KNOWN_COOKIE), ""), KNOWN_BYTES),
    )


def _decoded(text: str, size: int) -> bytes | None:
    try:
        return decode_base64url(text, size)
    except LinkError:
        return None


def _name(context: ApiContext, name: str) -> str:
    """A cookie's name with the prefix that its origin allows, as `ApiSettings.cookie_name`."""
    return f"__Host-{name}" if context.settings.has_tls else name


def _set_cookie(
    response: Response,
    context: ApiContext,
    name: str | None,
    value: str,
    *,
    max_age: int,
    samesite: SameSite = "strict",
) -> None:
    response.set_cookie(
        context.settings.cookie_name if name is None else _name(context, name),
        value,
        max_age=max_age,
        path="/",
        secure=context.settings.has_tls,
        httponly=True,
        samesite=samesite,
    )


@contextmanager
def _counted(context: ApiContext, way: str) -> Iterator[None]:
    """Counts a sign-in that is refused in the block; `welcome` counts the others."""
    try:
        yield
    except AuthError:
        context.metrics.sign_ins_total.labels(way, "refused").inc()
        raise
    except LimitExceeded:
        context.metrics.sign_ins_total.labels(way, "throttled").inc()
        raise
