"""What one session's tunnel asks the broker, and how often a peer may ask (`relay.tunnel.Rules`)."""

from contextlib import suppress
from typing import Final

import trio

from relay.audit.recorder import Attached, Recorder
from relay.broker import Broker, ViewerAdmission
from relay.errors import LimitExceeded, Refused
from relay.limits import KeyedBuckets, TokenBucket, address_key
from relay.metrics import Metrics
from relay.people import TechnicianId
from relay.protocol.close_reasons import CloseReason
from relay.protocol.errors import RemoteProtocolError
from relay.protocol.frames import Channel, FieldReader, Fields, Notice, Role
from relay.sessions import MAX_ATTEMPTS, SessionId
from relay.tunnel import Viewer

HOST_STEPS: Final = frozenset({"started", "asking_rights", "waiting_code", "first_picture"})
"""Funnel steps that a host may report; the others are the relay's own observations."""
NOTICE_BURST: Final = 50


class SessionRules:
    """What one session's tunnel asks the broker (`relay.tunnel.Rules`).

    Attributes:
        host_address: of the host's connection, whose customer types the codes.
    """

    __slots__ = (
        "_broker",
        "_metrics",
        "_notices",
        "_notices_per_second",
        "_recorder",
        "_session_id",
        "_tries",
        "_viewers",
        "host_address",
    )

    def __init__(
        self,
        session_id: SessionId,
        broker: Broker,
        metrics: Metrics,
        recorder: Recorder,
        tries: KeyedBuckets,
        *,
        notices_per_second: float,
    ) -> None:
        self._session_id = session_id
        self._broker = broker
        self._metrics = metrics
        self._recorder = recorder
        self._tries = tries
        self._notices_per_second = notices_per_second
        # One for each side: neither can use up what the other needs. Full when made, hence made when needed.
        self._notices: dict[Role, TokenBucket] = {}
        self._viewers: dict[Viewer, tuple[Attached, bytes | None]] = {}
        self.host_address = ""

    def know_viewer(self, viewer: Viewer, admission: ViewerAdmission) -> None:
        """A viewer was attached by this admission."""
        session = admission.session
        attached = Attached(
            connection=viewer.peer.number,
            session_id=session.id,
            company_id=session.company_id,
            technician_id=admission.technician_id,
            technician_name=admission.technician_name,
            access=admission.access,
            reason=admission.reason,
        )
        self._viewers[viewer] = attached, admission.asked_by_hash

    def forget_viewer(self, viewer: Viewer) -> None:
        """It is gone."""
        attached, _ = self._viewers.pop(viewer)
        self._recorder.viewer_detached(attached)

    def is_of_technician(self, technician_id: TechnicianId, viewer: Viewer) -> bool:
        """Whether it is this technician's."""
        return self._viewers[viewer][0].technician_id == technician_id

    def is_of_asker(self, asked_by_hash: bytes, viewer: Viewer) -> bool:
        """Whether the cookie or API token with this SHA-256 asked for its ticket."""
        return self._viewers[viewer][1] == asked_by_hash

    def may_open(self, viewer: Viewer, channel: Channel) -> CloseReason | None:
        """The broker's word on state, ticket and plan."""
        reason = self._broker.check_open(self._session_id, channel, viewer.kinds)
        if reason is not None:
            attached, _ = self._viewers[viewer]
            self._recorder.refused(
                "open_refused",
                company_id=attached.company_id,
                session_id=attached.session_id,
                actor=f"technician:{attached.technician_id}",
                reason=reason.wire,
            )
        return reason

    def opened(self, viewer: Viewer, channel: Channel) -> None:
        """A tool's stream was accepted. The chat's comes with every tool, and is no use of the computer."""
        if channel is not Channel.CHAT:
            self._recorder.tool_opened(self._viewers[viewer][0], channel)

    def closed(self, viewer: Viewer, channel: Channel) -> None:
        """It is no more."""
        if channel is not Channel.CHAT:
            self._recorder.tool_closed(self._viewers[viewer][0], channel)

    async def count_try(self, viewer: Viewer, code: int, attempt: int) -> None:
        """Count a try for the host's address and, durably, for the session."""
        try:
            self._tries.take(address_key(self.host_address), trio.current_time())
            tries = await self._broker.count_try(self._session_id, code=code, attempt=attempt)
        except Refused as exc:
            self._metrics.tries_total.labels("refused").inc()
            reason = CloseReason.TOO_MANY_TRIES if isinstance(exc, LimitExceeded) else exc.close_reason
            raise Refused(str(exc), reason) from exc
        self._metrics.tries_total.labels("counted").inc()
        fields: Fields = {"code": tries.code, "tries": tries.tries, "attempts": tries.attempts}
        self._broker.notify(self._session_id, "viewer", "tries", fields)

    async def fail_try(self, viewer: Viewer) -> None:
        """Either side found the code wrong."""
        self._metrics.tries_total.labels("wrong").inc()
        with suppress(Refused):  # the session may have ended by this very try
            await self._broker.try_failed(self._session_id)

    async def receive_notice(self, viewer: Viewer | None, notice: Notice) -> None:
        """News from a peer (docs/protocol.md §4)."""
        role: Role = "host" if viewer is None else "viewer"
        if self._notice_bucket(role).take(trio.current_time()):
            raise RemoteProtocolError("too many notices", CloseReason.LIMIT)
        fields = FieldReader(notice.fields)
        try:
            match role, notice.name:
                case _, "paired":
                    attempt = fields.number("attempt", at_least=1, at_most=MAX_ATTEMPTS)
                    wrapped = fields.optional_binary("wrapped", max_length=128) if viewer else None
                    await self._broker.report_paired(
                        self._session_id, role=role, attempt=attempt, wrapped=wrapped
                    )
                case "host", "ready":
                    await self._broker.report_ready(self._session_id)
                case "host", "status":
                    step = fields.text("step", max_length=32)
                    if step not in HOST_STEPS:
                        raise RemoteProtocolError("unknown step")
                    await self._broker.record_step(self._session_id, step)
                case "host", "ending":
                    await self._broker.end(
                        self._session_id, CloseReason.ENDED_BY_CUSTOMER, technician_id=None
                    )
                case _:
                    raise RemoteProtocolError("unknown notice")
        except Refused as exc:
            raise RemoteProtocolError(str(exc), exc.close_reason) from exc

    def _notice_bucket(self, role: Role) -> TokenBucket:
        bucket = self._notices.get(role)
        if bucket is None:
            bucket = self._notices[role] = TokenBucket(
                rate_per_second=self._notices_per_second,
                burst=NOTICE_BURST,
                now=trio.current_time(),
            )
        return bucket
