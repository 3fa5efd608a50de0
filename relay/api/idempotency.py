"""Idempotency keys: a program that does not know whether its request arrived may send it again.

As in the draft of the IETF's HTTPAPI group (draft-ietf-httpapi-idempotency-key-header): the same key with the
same request gets the first one's answer again, for 24 hours; with another request it is refused. Only what
created something is kept. A request that failed, or died with the relay, frees its key.
"""

import hashlib
import re
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Annotated, Any, Final

import trio
from fastapi import Header, Request, Response
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse

from relay.api.context import ApiContext, context_of, signed_in, signed_on
from relay.api.problems import Problem
from relay.auth import digest
from relay.people import TechnicianId
from relay.store import Store, Transaction, idempotency_rows
from relay.store.idempotency_rows import KeptAnswer
from relay.texts import mark

HEADER: Final = "idempotency-key"
REPLAYED: Final = "Idempotency-Replayed"
MAX_KEY_LENGTH: Final = 255
KEPT: Final = timedelta(hours=24)
ABANDONED: Final = timedelta(minutes=1)
"""After which an answer that is still being made is not waited for: its relay was killed."""
CLEANUP_TIMEOUT: Final = 5.0

_KEY: Final = re.compile(r"[!-~]{1,255}")

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=MAX_KEY_LENGTH,
        pattern="^[!-~]+$",
        description="Sent again with the same request, it gets the same answer, for 24 hours.",
    ),
]
"""A route's parameter that documents and checks the header; `IdempotentRoute` does the work."""


class IdempotentRoute(APIRoute):
    """A route whose requests may carry a key. Its answers must hold no secret: they are stored."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with the keys' rules around it."""
        handle = super().get_route_handler()

        async def handle_once(request: Request) -> Response:
            keys = request.headers.getlist(HEADER)
            if not keys:
                return await handle(request)
            if len(keys) > 1:
                raise Problem(422, mark("There is more than one idempotency key."))
            key = keys[0]
            if not _KEY.fullmatch(key):
                return await handle(request)  # which refuses it, with the reason beside the header's name
            context = await context_of(request)
            caller = await signed_in(await signed_on(request))
            once = _Once(context, caller.technician.id, digest(key.encode()), await _hash_of(request))
            kept = await once.begin()
            if kept is not None:
                return _replay(kept)
            try:
                response = await handle(request)
            except BaseException:
                with trio.move_on_after(CLEANUP_TIMEOUT, shield=True):
                    await once.release()
                raise
            with trio.move_on_after(CLEANUP_TIMEOUT, shield=True):
                await once.keep(response)
            return response

        return handle_once


class _Once:
    """One key of one technician."""

    def __init__(
        self, context: ApiContext, technician_id: TechnicianId, key_hash: bytes, request_hash: bytes
    ) -> None:
        self._store: Store = context.store
        self._now = context.broker.now
        self._technician_id = technician_id
        self._key_hash = key_hash
        self._request_hash = request_hash

    async def begin(self) -> KeptAnswer | None:
        """The answer of the first request with this key; None if this is the first.

        Raises:
            Problem: 409, the first one is still being answered; 422, that was another request.
        """
        now = self._now()

        def work(tx: Transaction) -> KeptAnswer | None:
            idempotency_rows.forget_older(tx, self._technician_id, now - KEPT)
            kept = idempotency_rows.find(tx, self._technician_id, self._key_hash)
            if kept is not None and kept.request_hash != self._request_hash:
                raise Problem(422, mark("This idempotency key was used for another request."))
            if kept is not None and kept.status is not None:
                return kept
            if kept is not None and kept.created_at > now - ABANDONED:
                raise Problem(409, mark("The first request with this key is still being answered."))
            idempotency_rows.reserve(tx, self._technician_id, self._key_hash, self._request_hash, now)
            return None

        return await self._store.write(work)

    async def keep(self, response: Response) -> None:
        """Keep what created something; anything else frees the key."""
        if not 200 <= response.status_code < 300:
            await self.release()
            return
        answer, status = bytes(response.body).decode(), response.status_code
        await self._store.write(
            lambda tx: idempotency_rows.keep(tx, self._technician_id, self._key_hash, status, answer)
        )

    async def release(self) -> None:
        """Free the key."""
        await self._store.write(lambda tx: idempotency_rows.release(tx, self._technician_id, self._key_hash))


async def _hash_of(request: Request) -> bytes:
    body = await request.body()
    return hashlib.sha256(f"{request.method} {request.url.path}\n".encode() + body).digest()


def _replay(kept: KeptAnswer) -> Response:
    if kept.status is None:
        raise AssertionError("an answer that is being made is not replayed")
    return Response(
        kept.answer,
        status_code=kept.status,
        headers={REPLAYED: "true"},
        media_type=JSONResponse.media_type,
    )
