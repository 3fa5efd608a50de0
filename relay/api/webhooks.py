"""Webhooks: where the company's events are sent, and what became of them (docs/webhooks.md)."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from relay.api.context import Allowed, Caller, Context
from relay.api.models import Nothing
from relay.api.problems import answers, not_found, wrong_field
from relay.api.webhook_bodies import (
    AddWebhook,
    ChangeWebhook,
    DeliveriesAnswer,
    DeliveryAnswer,
    NewWebhookAnswer,
    WebhookAnswer,
    WebhooksAnswer,
    delivery_body,
    webhook_body,
)
from relay.people import Permission
from relay.webhooks import BadUrl

router = APIRouter(prefix="/api/v1", tags=["webhooks"])

Manager = Annotated[Caller, Depends(Allowed(Permission.MANAGE_WEBHOOKS))]
Limit = Annotated[int, Query(ge=1, le=200, description="Rows of a page.")]
Cursor = Annotated[
    str | None,
    Query(
        pattern=r"^[A-Za-z0-9_-]{22}$",
        description="`next` of the page before; leave it out for the first.",
    ),
]


@router.get("/webhooks", responses=answers(401, 403))
async def list_webhooks(context: Context, caller: Manager) -> WebhooksAnswer:
    """The company's webhooks, oldest first, each with its last delivery."""
    found = await context.webhooks.of(caller.company.id)
    return WebhooksAnswer(webhooks=[webhook_body(row, last, language=caller.language) for row, last in found])


@router.post("/webhooks", status_code=201, responses=answers(400, 401, 403, 409, 415, 422))
async def add_webhook(body: AddWebhook, context: Context, caller: Manager) -> NewWebhookAnswer:
    """Have events sent, from now on. The answer shows the secret, this once. At most five a company."""
    try:
        new = await context.webhooks.add(caller.technician, url=body.url, events=body.events)
    except BadUrl as error:
        raise wrong_field("url", str(error), language=caller.language) from error
    return NewWebhookAnswer(webhook=webhook_body(new.row, None, language=caller.language), secret=new.secret)


@router.patch("/webhooks/{id}", responses=answers(400, 401, 403, 404, 415, 422))
async def change_webhook(id: str, body: ChangeWebhook, context: Context, caller: Manager) -> WebhookAnswer:
    """Change a webhook. What happened while it was disabled is not sent."""
    try:
        changed = await context.webhooks.change(
            caller.technician, id, url=body.url, events=body.events, is_enabled=body.is_enabled
        )
    except BadUrl as error:
        raise wrong_field("url", str(error), language=caller.language) from error
    if changed is None:
        raise not_found()
    return WebhookAnswer(webhook=webhook_body(*changed, language=caller.language))


@router.delete("/webhooks/{id}", status_code=204, responses=answers(401, 403, 404, 415))
async def remove_webhook(id: str, context: Context, caller: Manager) -> Response:
    """Forget a webhook, its secret and its deliveries."""
    if not await context.webhooks.remove(caller.technician, id):
        raise not_found()
    return Response(status_code=204)


@router.post("/webhooks/{id}/test", responses=answers(400, 401, 403, 404, 415, 422, 429))
async def test_webhook(id: str, body: Nothing, context: Context, caller: Manager) -> DeliveryAnswer:
    """Send `webhook.test` now, once, also if the webhook is disabled; what came of it."""
    delivery = await context.webhooks.test(caller.technician, id)
    if delivery is None:
        raise not_found()
    return DeliveryAnswer(delivery=delivery_body(delivery, language=caller.language))


@router.get("/webhooks/{id}/deliveries", responses=answers(401, 403, 404, 422))
async def list_deliveries(
    id: str, context: Context, caller: Manager, limit: Limit = 50, cursor: Cursor = None
) -> DeliveriesAnswer:
    """A webhook's deliveries, newest first; those that are done are kept for 30 days."""
    found = await context.webhooks.deliveries(caller.company.id, id, before=cursor, limit=limit + 1)
    if found is None:
        raise not_found()
    return DeliveriesAnswer(
        deliveries=[delivery_body(row, language=caller.language) for row in found[:limit]],
        next=found[limit - 1].id if len(found) > limit else None,
    )


@router.post(
    "/webhooks/{id}/deliveries/{delivery_id}/retry", responses=answers(400, 401, 403, 404, 415, 422, 429)
)
async def retry_delivery(
    id: str, delivery_id: str, body: Nothing, context: Context, caller: Manager
) -> DeliveryAnswer:
    """Send a delivery again now, and as often as a new one; what came of the first try."""
    delivery = await context.webhooks.retry(caller.technician, id, delivery_id)
    if delivery is None:
        raise not_found()
    return DeliveryAnswer(delivery=delivery_body(delivery, language=caller.language))
