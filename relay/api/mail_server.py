"""The company's own mail server: its mail goes there instead of to the relay's."""

from typing import Annotated

import trio
from fastapi import APIRouter, Depends, Response

from relay.api.context import Allowed, Caller, Context
from relay.api.mail_server_bodies import MailServerAnswer, SetMailServer, mail_server_body
from relay.api.models import MailAnswer, MailBody, Nothing
from relay.api.problems import answers, wrong_field
from relay.destinations import Forbidden
from relay.mail import PasswordNeeded, TestMail
from relay.people import Permission
from relay.texts import translate

router = APIRouter(prefix="/api/v1", tags=["company"])

Manager = Annotated[Caller, Depends(Allowed(Permission.MANAGE_COMPANY))]


@router.put("/company/mail-server", responses=answers(400, 401, 403, 415, 422))
async def set_mail_server(body: SetMailServer, context: Context, caller: Manager) -> MailServerAnswer:
    """Choose the company's mail server. It is not asked yet: send a test mail after this."""
    try:
        facts = await context.mail_servers.set(
            caller.technician,
            host=body.host,
            port=body.port,
            security=body.security,
            user=body.user,
            password=None if body.password is None else body.password.get_secret_value(),
            sender=body.sender,
        )
    except PasswordNeeded as error:
        raise wrong_field("password", str(error), language=caller.language) from error
    except Forbidden as error:
        raise wrong_field("host", str(error), language=caller.language) from error
    return MailServerAnswer(mail_server=mail_server_body(facts))


@router.delete("/company/mail-server", status_code=204, responses=answers(401, 403, 415))
async def remove_mail_server(context: Context, caller: Manager) -> Response:
    """From now on the company's mail goes by the relay's own server. None to remove is no error."""
    await context.mail_servers.remove(caller.technician)
    return Response(status_code=204)


@router.post("/company/mail-server/test", responses=answers(400, 401, 403, 415, 422, 429))
async def send_test_mail(body: Nothing, context: Context, caller: Manager) -> MailAnswer:
    """Mail oneself a test, as the company's mail goes now. It is tried once; failing is an answer."""
    context.mails.take(caller.technician.id, trio.current_time())
    mail = TestMail(to=caller.technician.email, language=caller.language, name=caller.technician.name)
    record = await context.outbox.try_once(mail, company_id=caller.company.id)
    return MailAnswer(mail=MailBody(state=record.state, detail=translate(caller.language, record.detail)))
