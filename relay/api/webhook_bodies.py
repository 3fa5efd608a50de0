"""The JSON of webhooks."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from relay.api.models import Incoming, Line, Time
from relay.store.webhook_rows import DeliveryRow, WebhookRow
from relay.texts import translate
from relay.webhooks.sending import MAX_URL_LENGTH

EventName = Literal[
    "session.prepared",
    "session.activated",
    "session.ended",
    "session.attached",
    "session.detached",
    "session.wrong_code",
    "mail.failed",
    "removal.confirmed",
]


def _once_each(events: list[EventName]) -> list[EventName]:
    return list(dict.fromkeys(events))


Events = Annotated[
    list[EventName],
    Field(min_length=1, max_length=16, examples=[["session.activated", "session.ended"]]),
    AfterValidator(_once_each),
]
Url = Annotated[
    Line, Field(min_length=1, max_length=MAX_URL_LENGTH, examples=["https://hooks.example.com/adhoc"])
]


class AddWebhook(Incoming):
    """Where events are sent, and which."""

    url: Url
    events: Events


class ChangeWebhook(Incoming):
    """What is to be changed; the rest stays."""

    url: Url | None = None
    events: Events | None = None
    is_enabled: Annotated[bool, Field(strict=True)] | None = None


class DeliveryBody(BaseModel):
    """An event for one webhook, and what became of it."""

    id: str
    event: str = Field(examples=["session.ended"])
    state: Literal["waiting", "delivered", "failed"]
    attempts: int
    created_at: Time = Field(description="When it happened.")
    changed_at: Time = Field(description="When it was last tried, if it was.")
    due_at: Time | None = Field(description="When it is tried again; null if it is not.")
    last_status: int | None = Field(description="HTTP's, of the last try.", examples=[200])
    detail: str = Field(description="One sentence on the last try; may be empty.")


class WebhookBody(BaseModel):
    """Where events are sent."""

    id: str
    url: str = Field(examples=["https://hooks.example.com/adhoc"])
    events: list[str]
    is_enabled: bool
    created_at: Time
    failing_since: Time | None = Field(
        description="Since when every try has failed; null if the last did not."
    )
    last: DeliveryBody | None = Field(description="The delivery that was tried last.")


class WebhooksAnswer(BaseModel):
    """The company's webhooks, oldest first."""

    webhooks: list[WebhookBody]


class WebhookAnswer(BaseModel):
    """A webhook."""

    webhook: WebhookBody


class NewWebhookAnswer(WebhookAnswer):
    """A webhook that was just added."""

    secret: str = Field(
        description="Signs deliveries; shown this once.",
        examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="],
    )


class DeliveryAnswer(BaseModel):
    """A delivery after a try."""

    delivery: DeliveryBody


class DeliveriesAnswer(BaseModel):
    """A page of a webhook's deliveries, newest first."""

    deliveries: list[DeliveryBody]
    next: str | None = Field(description="`cursor` of the next page, if there is one.")


def webhook_body(row: WebhookRow, last: DeliveryRow | None, *, language: str) -> WebhookBody:
    """A webhook, as managers see it."""
    return WebhookBody(
        id=row.id,
        url=row.url,
        events=list(row.events),
        is_enabled=row.is_enabled,
        created_at=row.created_at,
        failing_since=row.failing_since,
        last=None if last is None else delivery_body(last, language=language),
    )


def delivery_body(row: DeliveryRow, *, language: str) -> DeliveryBody:
    """A delivery, as managers see it."""
    return DeliveryBody(
        id=row.id,
        event=row.event,
        state=row.state,
        attempts=row.attempts,
        created_at=row.created_at,
        changed_at=row.changed_at,
        due_at=row.due_at if row.state == "waiting" else None,
        last_status=row.last_status,
        detail=translate(language, row.detail),
    )
