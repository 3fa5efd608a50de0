"""The company: its plan, limits, brand and rules.

Everybody who works there reads them, managers change them. A change closes at once what it does not allow any
more (`Broker.edit_company`); a limit below what is open now ends nothing, it refuses what is new.
"""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from relay.api.account_bodies import provider_body
from relay.api.company_bodies import ChangeCompany, CompanyAnswer, SetLogo, settings_body
from relay.api.context import Allowed, ApiContext, Caller, Context
from relay.api.images import is_logo
from relay.api.logos import LOGO_ANSWERS, logo_response
from relay.api.mail_server_bodies import mail_server_body
from relay.api.problems import answers, wrong_field
from relay.people import Company, Permission
from relay.store.logo_rows import Logo
from relay.texts import mark

router = APIRouter(prefix="/api/v1", tags=["company"])

NO_LOGO = mark("This is not a PNG picture, not interlaced, of at most 64 KiB and 1024 pixels a side.")

Reader = Annotated[Caller, Depends(Allowed(Permission.READ_PEOPLE))]
Manager = Annotated[Caller, Depends(Allowed(Permission.MANAGE_COMPANY))]


@router.get("/company", responses=answers(401, 403))
async def get_company(context: Context, caller: Reader) -> CompanyAnswer:
    """The company and its settings."""
    return await _answer(context, caller, caller.company)


@router.patch("/company", responses=answers(400, 401, 403, 415, 422))
async def change_company(body: ChangeCompany, context: Context, caller: Manager) -> CompanyAnswer:
    """Change settings. Tools that the plan does not have any more are closed before this answers."""
    changes = body.model_dump(exclude_none=True)
    company = await context.broker.edit_company(
        caller.company.id, lambda current: replace(current, **changes), by=caller.technician.id
    )
    return await _answer(context, caller, company)


@router.get("/company/logo", response_class=Response, responses={**answers(401, 403, 404), **LOGO_ANSWERS})
async def get_logo(request: Request, context: Context, caller: Reader) -> Response:
    """The company's logo."""
    return logo_response(request, await context.accounts.brand.logo(caller.company.id))


@router.put("/company/logo", status_code=204, responses=answers(400, 401, 403, 415, 422))
async def set_logo(body: SetLogo, context: Context, caller: Manager) -> None:
    """Set or replace the logo that customers see on the deployment page and in mails."""
    if not is_logo(body.file):
        raise wrong_field("image", NO_LOGO, language=caller.language)
    await context.accounts.brand.set_logo(caller.technician, Logo(body.media_type, body.file))


@router.delete("/company/logo", status_code=204, responses=answers(401, 403, 415))
async def remove_logo(context: Context, caller: Manager) -> None:
    """Go without a logo. None to remove is no error."""
    await context.accounts.brand.remove_logo(caller.technician)


async def _answer(context: ApiContext, caller: Caller, company: Company) -> CompanyAnswer:
    is_manager = Permission.MANAGE_COMPANY in caller.permissions
    provider = await context.accounts.identity_providers.of(company.id) if is_manager else None
    mail_server = await context.mail_servers.of(company.id) if is_manager else None
    return CompanyAnswer(
        company=settings_body(company, has_logo=await context.accounts.brand.has_logo(company.id)),
        mail_server=None if mail_server is None else mail_server_body(mail_server),
        identity_provider=provider_body(provider),
    )
