"""One's own account: name, password, second factors, signed-in browsers; and the company's identity provider.

Whoever changes how they sign in proves themselves first, with their current password if they have one: an
open browser that somebody walked away from must not become a stranger's for good. A change that makes other
browsers doubtful signs them out, and closes their viewers and feeds.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from relay.accounts.openid import IssuerFailed
from relay.accounts.second_factors import WRONG_CODE
from relay.api.account_bodies import (
    PASSWORD_LENGTH,
    BrowserBody,
    ChangeMe,
    IdentityProviderAnswer,
    Me,
    NewPasskey,
    NewPasskeyBody,
    NewPassword,
    NewTotpBody,
    PasskeyBody,
    Proof,
    RecoveryCodes,
    Security,
    SetIdentityProvider,
    TotpCode,
    TotpOff,
    TotpState,
    provider_body,
)
from relay.api.context import NOT_ALLOWED, Allowed, ApiContext, Caller, Context, OwnAccount, SignedOn
from relay.api.models import Nothing, company_body, technician_body
from relay.api.problems import Problem, answers, not_found
from relay.api.sign_in_bodies import PasskeyOptions
from relay.auth import MAX_PASSWORD_CHARACTERS, MIN_PASSWORD_CHARACTERS, digest
from relay.errors import AuthError, Refused
from relay.people import Permission, Technician, TechnicianRole, lacks_second_factor
from relay.protocol.links import decode_base64url, encode_base64url
from relay.store.factor_rows import PasskeyRow
from relay.texts import mark, translate

router = APIRouter(prefix="/api/v1", tags=["account"])

PASSWORD_NEEDED = mark("Please type your current password.")
PASSWORD_WRONG = mark("This is not your current password.")

Manager = Annotated[Caller, Depends(Allowed(Permission.MANAGE_COMPANY))]


@router.get("/me", responses=answers(401))
async def me(context: Context, caller: SignedOn) -> Me:
    """Who is signed in, and what the relay is like."""
    return await _me(context, caller, caller.technician)


@router.patch("/me", responses=answers(400, 401, 403, 415, 422))
async def change_me(body: ChangeMe, context: Context, caller: OwnAccount) -> Me:
    """Change one's own name or language."""
    changed = await context.accounts.people.change_own(
        caller.technician, name=body.name, language=body.language
    )
    return await _me(context, caller, changed)


@router.get("/me/security", responses=answers(401, 403))
async def security(context: Context, caller: OwnAccount) -> Security:
    """How one signs in, and where one is signed in."""
    accounts, technician = context.accounts, caller.technician
    factors = await accounts.second_factors.overview(technician.id)
    current = digest(caller.cookie)
    return Security(
        has_password=technician.has_password,
        totp=TotpState(is_on=factors.totp_confirmed_at is not None, confirmed_at=factors.totp_confirmed_at),
        passkeys=[_passkey(row) for row in factors.passkeys],
        recovery_codes_left=factors.recovery_codes_left,
        browsers=[
            BrowserBody(
                id=row.id,
                agent=row.agent,
                way=row.way,
                created_at=row.created_at,
                seen_at=row.seen_at,
                is_current=row.cookie_hash == current,
            )
            for row in await accounts.signing_in.browsers(technician.id)
        ],
    )


@router.post("/me/password", status_code=204, responses=answers(400, 401, 403, 415, 422, 429))
async def set_password(body: NewPassword, context: Context, caller: OwnAccount) -> None:
    """Set or change one's own password (12 characters or more); signs out one's other browsers."""
    await _prove(context, caller, body)
    try:
        dead = await context.accounts.set_password(
            caller.technician.id, body.password.get_secret_value(), cookie=caller.cookie
        )
    except Refused as error:
        message = translate(
            caller.language, PASSWORD_LENGTH, least=MIN_PASSWORD_CHARACTERS, most=MAX_PASSWORD_CHARACTERS
        )
        raise _wrong(caller, "password", message) from error
    _end(context, dead)


@router.post("/me/totp", responses=answers(400, 401, 403, 409, 415, 422, 429))
async def begin_totp(body: Proof, context: Context, caller: OwnAccount) -> NewTotpBody:
    """A fresh secret for an authenticator app; it decides nothing until it is confirmed."""
    await _prove(context, caller, body)
    new = await context.accounts.second_factors.begin_totp(caller.technician, caller.company)
    return NewTotpBody(secret=new.secret, uri=new.uri)


@router.post("/me/totp/confirm", responses=answers(400, 401, 403, 409, 415, 422))
async def confirm_totp(body: TotpCode, context: Context, caller: OwnAccount) -> RecoveryCodes:
    """Prove that the secret is in an app; from now on its codes are asked for."""
    try:
        changed = await context.accounts.second_factors.confirm_totp(
            caller.technician, body.code.get_secret_value(), cookie=caller.cookie
        )
    except AuthError as error:
        raise _wrong(caller, "code", str(error)) from error
    _end(context, changed.dead)
    return RecoveryCodes(recovery_codes=changed.recovery_codes)


@router.post("/me/totp/off", status_code=204, responses=answers(400, 401, 403, 409, 415, 422, 429))
async def turn_totp_off(body: TotpOff, context: Context, caller: OwnAccount) -> None:
    """Forget the authenticator app, with the password or one of its codes."""
    factors = context.accounts.second_factors
    if body.code is not None:
        if not await factors.prove_code(caller.technician, body.code.get_secret_value()):
            raise _wrong(caller, "code", WRONG_CODE)
    elif caller.technician.has_password:
        await _prove(context, caller, body)
    else:
        raise _wrong(caller, "code", WRONG_CODE)
    changed = await factors.turn_totp_off(caller.technician, caller.company, cookie=caller.cookie)
    _end(context, changed.dead)


@router.post("/me/recovery-codes", responses=answers(400, 401, 403, 409, 415, 422, 429))
async def renew_recovery_codes(body: Proof, context: Context, caller: OwnAccount) -> RecoveryCodes:
    """Ten new recovery codes, shown once; the old ones are worth nothing any more."""
    await _prove(context, caller, body)
    return RecoveryCodes(
        recovery_codes=await context.accounts.second_factors.renew_recovery_codes(caller.technician)
    )


@router.post("/me/passkeys/options", responses=answers(400, 401, 403, 409, 415, 422, 429))
async def begin_passkey(body: Proof, context: Context, caller: OwnAccount) -> PasskeyOptions:
    """What the browser is to ask an authenticator for, to make a passkey."""
    await _prove(context, caller, body)
    token, options = await context.accounts.passkeys.begin_registering(caller.technician, caller.company)
    return PasskeyOptions(token=encode_base64url(token), options=options)


@router.post("/me/passkeys", status_code=201, responses=answers(400, 401, 403, 409, 415, 422))
async def add_passkey(body: NewPasskey, context: Context, caller: OwnAccount) -> NewPasskeyBody:
    """Keep a passkey. The first second factor brings recovery codes."""
    row, changed = await context.accounts.passkeys.register(
        caller.technician,
        decode_base64url(body.token, 32),
        body.name,
        body.credential,
        cookie=caller.cookie,
    )
    _end(context, changed.dead)
    return NewPasskeyBody(**_passkey(row).model_dump(), recovery_codes=changed.recovery_codes)


@router.delete(
    "/me/passkeys/{id}", status_code=204, responses=answers(400, 401, 403, 404, 409, 415, 422, 429)
)
async def remove_passkey(id: str, body: Proof, context: Context, caller: OwnAccount) -> None:
    """Forget a passkey; signs out one's other browsers."""
    await _prove(context, caller, body)
    try:
        changed = await context.accounts.passkeys.remove(
            caller.technician, caller.company, id, cookie=caller.cookie
        )
    except LookupError:
        raise not_found() from None
    _end(context, changed.dead)


@router.delete("/me/browsers/{id}", status_code=204, responses=answers(401, 403, 404, 415))
async def sign_out_browser(id: str, context: Context, caller: OwnAccount) -> None:
    """Sign out one of one's browsers, and close its viewers and feeds."""
    dead = await context.accounts.signing_in.sign_out_browser(caller.technician, id)
    if dead is None:
        raise not_found()
    _end(context, [dead])


@router.post("/me/browsers/sign-out-others", status_code=204, responses=answers(400, 401, 403, 415, 422))
async def sign_out_others(body: Nothing, context: Context, caller: OwnAccount) -> None:
    """Sign out all one's browsers but this one."""
    _end(
        context,
        await context.accounts.signing_in.sign_out_others(caller.technician, cookie=caller.cookie),
    )


@router.put("/company/identity-provider", responses=answers(400, 401, 403, 415, 422))
async def set_identity_provider(
    body: SetIdentityProvider, context: Context, caller: Manager
) -> IdentityProviderAnswer:
    """Choose who vouches for the company's people. Only owners may: it could vouch for an owner."""
    _only_owners(caller)
    providers = context.accounts.identity_providers
    secret = body.client_secret
    try:
        await providers.set(
            caller.technician,
            issuer=body.issuer,
            client_id=body.client_id,
            client_secret=None if secret is None else secret.get_secret_value(),
            label=body.label,
        )
    except IssuerFailed as error:
        raise _wrong(caller, "issuer", str(error)) from error
    return IdentityProviderAnswer(identity_provider=provider_body(await providers.of(caller.company.id)))


@router.delete("/company/identity-provider", status_code=204, responses=answers(401, 403, 415))
async def remove_identity_provider(context: Context, caller: Manager) -> Response:
    """From now on nobody vouches for the company's people; they sign in as they did before."""
    _only_owners(caller)
    await context.accounts.identity_providers.remove(caller.technician)
    return Response(status_code=204)


async def _prove(context: ApiContext, caller: Caller, proof: Proof) -> None:
    """Lets through whoever knows their current password, or has none.

    Raises:
        Problem: 422, beside the field.
        LimitExceeded: too many tries.
    """
    if not caller.technician.has_password:
        return
    if proof.current_password is None:
        raise _wrong(caller, "current_password", PASSWORD_NEEDED)
    typed = proof.current_password.get_secret_value()
    if not await context.accounts.signing_in.prove_password(caller.technician, typed):
        raise _wrong(caller, "current_password", PASSWORD_WRONG)


def _only_owners(caller: Caller) -> None:
    if caller.technician.role is not TechnicianRole.OWNER:
        raise Problem(403, NOT_ALLOWED)


def _wrong(caller: Caller, field: str, message: str) -> Problem:
    """The answer that puts a message beside a field."""
    errors = [{"field": field, "message": translate(caller.language, message)}]
    return Problem(422, mark("The request is not right; see the fields."), errors=errors)


def _end(context: ApiContext, dead: Iterable[bytes]) -> None:
    """Close what hangs on cookies that were just killed (their hashes)."""
    for cookie_hash in dead:
        context.revoke_asker(cookie_hash)


async def _me(context: ApiContext, caller: Caller, technician: Technician) -> Me:
    return Me(
        technician=technician_body(technician),
        company=company_body(caller.company),
        permissions=sorted(permission.value for permission in caller.permissions),
        mail=await context.outbox.way_of(caller.company.id),
        origin=context.settings.origin,
        now=datetime.now(UTC),
        must_set_second_factor=lacks_second_factor(technician, caller.company),
    )


def _passkey(row: PasskeyRow) -> PasskeyBody:
    return PasskeyBody(id=row.id, name=row.name, created_at=row.created_at, used_at=row.used_at)
