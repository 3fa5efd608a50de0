"""`Broker`: one method for each thing that can be asked or can happen.

Every method that changes what is stored is one event in a transaction (`relay.broker.books`): the rules of
`relay.sessions` decide inside it, an audit row tells of it, and whoever watches is told after it. The return
of an active session's host changes nothing that is stored and waits for no transaction. What strangers send
(`join_host`, `admit_viewer`) is refused with one sentence, whatever was wrong.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime

import trio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from relay import sessions as rules
from relay.auth import check_join_proof, digest, new_secret
from relay.broker import activating, companies, joining, preparing, sharing
from relay.broker.activating import make_lease
from relay.broker.books import Books
from relay.broker.deadlines import run_deadlines, run_notes
from relay.broker.desk import Desk
from relay.broker.ledger import Ledger, audit_row, by_id, technician_actor
from relay.broker.records import (
    BrokerSettings,
    BrokerStatistics,
    HostAbout,
    HostAdmission,
    IssuedTicket,
    Tries,
    ViewerAdmission,
)
from relay.errors import Refused
from relay.people import Company, CompanyId, Permission, TechnicianId
from relay.protocol.close_reasons import CloseReason
from relay.protocol.frames import Channel, Fields, Role
from relay.protocol.hidden import SecretBytes
from relay.protocol.links import INVITE_BYTES
from relay.protocol.refusals import Refusal
from relay.sessions import Session, SessionId, SessionState
from relay.store import Store, Transaction, account_rows, session_rows
from relay.store.session_rows import SessionKey
from relay.texts import mark

MAX_WRAPPED_BYTES = 256
"""A wrapped pairing key has 16 + 12 + 32 + 16 bytes (docs/protocol.md §5)."""


class Broker:
    """Creates, finds and ends sessions. What technicians do with those that exist is `relay.broker.desk`.

    Args:
        store: an open store.
        settings: the numbers.
        now: the clock, aware and in UTC.
        relay_key: signs leases.

    Attributes:
        now: the clock it was given.
        revoke: called synchronously with each session that ended and why, right after the commit; must close
            its connections. To be set before anybody connects.
        recheck: called synchronously with each session whose company changed, right after the commit; must
            close the streams that `check_open` does not allow any more. To be set before anybody connects.
        withdraw: called synchronously with a session and a technician who may do less in it than before,
            right after the commit; must close that technician's viewers. To be set before anybody connects.
        notify: called synchronously with session, role, name and fields of a NOTICE (``renewed``, ``active``)
            for those who are connected. To be set before anybody connects.

    Concurrency: any task may call anything.
    Cancellation: of every method: takes effect before its transaction starts, or after all is done.
    """

    def __init__(
        self,
        store: Store,
        settings: BrokerSettings,
        *,
        now: Callable[[], datetime],
        relay_key: Ed25519PrivateKey,
    ) -> None:
        self.now = now
        self.notify: Callable[[SessionId, Role, str, Fields], None] = lambda session_id, role, name, fields: (
            None
        )
        self.recheck: Callable[[SessionId], None] = lambda session_id: None
        self.withdraw: Callable[[SessionId, TechnicianId], None] = lambda session_id, technician_id: None
        self._store = store
        self._settings = settings
        self._relay_key = relay_key
        self._relay_public_key = relay_key.public_key().public_bytes_raw()
        self._books = Books(store, now=now, watch_buffer=settings.watch_buffer)
        desk = Desk(store, self._books, withdraw=lambda session_id, who: self.withdraw(session_id, who))
        self.sessions = desk.sessions
        self.session_for = desk.session_for
        self.wrapped_key = desk.wrapped_key
        self.change_session = desk.change_session
        self.share = desk.share
        self.unshare = desk.unshare
        self.hand_over = desk.hand_over

    @property
    def revoke(self) -> Callable[[SessionId, CloseReason], None]:
        """See the class."""
        return self._books.revoke

    @revoke.setter
    def revoke(self, revoke: Callable[[SessionId, CloseReason], None]) -> None:
        self._books.revoke = revoke

    # Technicians

    async def prepare(
        self,
        technician_id: TechnicianId,
        *,
        invite: bytes,
        customer_email: str,
        note: str = "",
        language: str = "en",
        wants_receipt: bool = False,
    ) -> Session:
        """A new session, prepared.

        Args:
            technician_id: whose.
            invite: 16 bytes, made by the technician's page; only its hash is stored.
            customer_email, note, language: checked by the caller.
            wants_receipt: mail the customer a receipt at the end.

        Raises:
            LimitExceeded: ``sessions_per_technician`` or ``sessions_per_company``, in this order, with the
                oldest session in the way.
            Refused: the invite is not 16 bytes or was used before.
            AuthError: the technician may not work (any more).
        """
        if len(invite) != INVITE_BYTES:
            raise Refused("An invite has 16 bytes.")

        return await self._books.commit(
            lambda ledger: preparing.prepare(
                ledger,
                technician_id,
                invite=invite,
                customer_email=customer_email,
                note=note,
                language=language,
                wants_receipt=wants_receipt,
            )
        )

    async def session_of_invite(self, invite: bytes) -> tuple[Session, Company] | None:
        """The open session that a deployment link leads to, for the customer's page; None for all others."""

        now = self.now()

        def work(tx: Transaction) -> tuple[Session, Company] | None:
            session = session_rows.session_by_invite(tx, digest(invite))
            if session is None or not session.state.is_open or rules.due(session, now) is not None:
                return None
            company = account_rows.company_by_id(tx, session.company_id)
            return None if company is None else (session, company)

        found = await self._store.read(work)
        return None if found is None else (self._books.live(found[0]), found[1])

    async def renew_code(self, technician_id: TechnicianId, session_id: SessionId) -> Session:
        """The session after its technician made a new security code; both sides are told which is current.

        Returns:
            The session; ended with GUESSES if all codes are used up.

        Raises:
            SessionUnavailable: there is none, it is somebody else's, active or ended.
        """

        session = await self._books.commit(
            lambda ledger: preparing.renew_code(ledger, technician_id, session_id)
        )
        if session.state.is_open:
            for role in ("host", "viewer"):
                self.notify(session_id, role, "renewed", {"code": session.code})
        return self._books.live(session)

    async def issue_ticket(
        self,
        technician_id: TechnicianId,
        session_id: SessionId,
        kinds: frozenset[Channel],
        *,
        reason: str = "",
        asked_by_hash: bytes | None = None,
    ) -> IssuedTicket:
        """The right to attach one viewer to the session, once.

        Args:
            technician_id: whose session it is, or who was let into it.
            session_id: which.
            kinds: what the viewer may open.
            reason: why they connect; the audit log and the receipt have it.
            asked_by_hash: SHA-256 of the cookie or API token behind it, with which viewer and ticket die.

        Raises:
            SessionUnavailable: there is none that they may know of.
            NotAllowed: they may know of it, but not connect.
            ReasonRequired: the company wants a reason.
            Refused: for one of the `kinds` the session is in the wrong state or the plan does not have it
                (`close_reason` says which), or `kinds` is empty.
            AuthError: the technician may not work (any more).
        """
        if not kinds:
            raise Refused("A ticket is for at least one tool.", CloseReason.KIND_NOT_GRANTED)
        secret = new_secret()
        expires_at = await self._books.commit(
            lambda ledger: preparing.issue_ticket(
                ledger,
                technician_id,
                session_id,
                kinds,
                secret=secret,
                ttl=self._settings.ticket_ttl,
                reason=reason,
                asked_by_hash=asked_by_hash,
            )
        )
        return IssuedTicket(secret=secret, expires_at=expires_at)

    async def end(
        self,
        session_id: SessionId,
        reason: CloseReason,
        *,
        technician_id: TechnicianId | None,
        permissions: frozenset[Permission] | None = None,
        is_revoking: bool = False,
    ) -> Session:
        """Ends the session now; its connections are closed before this returns. Ending twice is no error.

        Args:
            session_id: which.
            reason: one that ends sessions.
            technician_id: who asks, and must manage it; None for the customer and for the relay itself.
            permissions: fewer than the technician's own, an API token's; None for all of those.
            is_revoking: end it only if it was never active.

        Raises:
            SessionUnavailable: there is none that they may know of, or the reason does not fit its state.
            NotAllowed: it is not theirs to end.
            Refused: it is active, and should only be revoked.
            KeyError: `reason` does not end sessions.
        """
        event = rules.ENDING_EVENTS[reason]
        actor = "customer" if reason is CloseReason.ENDED_BY_CUSTOMER else "relay"

        def work(ledger: Ledger) -> Session:
            if technician_id is None:
                session = ledger.find(session_id)
                return ledger.happen(session, event, actor=actor) if session.state.is_open else session
            session = sharing.managed(ledger, technician_id, session_id, permissions)
            if not session.state.is_open:
                return session
            if is_revoking and session.state is SessionState.ACTIVE:
                raise Refused(mark("The session is active by now; it can only be ended."))
            return ledger.happen(session, event, actor=technician_actor(technician_id))

        return self._books.live(await self._books.commit(work))

    async def change_company(self, company: Company) -> None:
        """Replaces a company's settings. All its sessions end if it is suspended by that; streams of tools
        that it does not have any more, by its plan or settings, are closed.

        Raises:
            RelayError: a setting is out of range.
        """

        for session in await self._books.commit(lambda ledger: companies.replace_company(ledger, company)):
            self.recheck(session.id)

    async def edit_company(
        self, company_id: CompanyId, edit: Callable[[Company], Company], *, by: TechnicianId
    ) -> Company:
        """Changes some of a company's settings, whatever others change meanwhile; else as `change_company`.

        Args:
            company_id: which; it must exist.
            edit: the settings as they are to those that shall be; called in a worker thread, maybe more than
                once.
            by: who changes them; the audit log gets the names of the settings, not their values.

        Raises:
            RelayError: a setting is out of range.
        """
        company, found = await self._books.commit(
            lambda ledger: companies.edit_company(ledger, company_id, edit, by=by)
        )
        for session in found:
            self.recheck(session.id)
        return company

    # Hosts

    async def join_host(
        self, secret: bytes, about: HostAbout, *, origin: str, connection: int
    ) -> HostAdmission:
        """Lets a host in by its invite or credential (docs/protocol.md §3).

        Args:
            secret: untrusted: 16 bytes are an invite, anything else a credential.
            about: what it says, untrusted.
            origin: the relay's, as in the deployment link.
            connection: the number of its connection; from now on the one that counts.

        Raises:
            AuthError: whatever is wrong, with one sentence.
            Refused: with REPLACED; the host of an active session was let in again meanwhile, on a newer
                connection.

        Of hosts that come at once to a session nobody is in yet, the one that holds it returns last.
        """
        check_join_proof(about.proof, secret=secret, origin=origin, host_key=about.key)
        if len(secret) == INVITE_BYTES:
            key, credential = joining.invite_key(secret), new_secret()
        else:
            key, credential = joining.credential_key(secret), None
            await trio.lowlevel.checkpoint_if_cancelled()
            known = self._return_host(key, about, connection)
            if known is not None:
                return self._host_admission(*known, credential)

        def work(ledger: Ledger) -> tuple[Session, Company, bool] | Refused:
            return joining.join_host(
                ledger,
                key,
                about,
                connection=connection,
                credential=credential,
                receipt_window=self._settings.receipt_window,
            )

        session, company, has_rival = await self._books.commit(work, reads=key)
        newest = self._books.host(session.id)
        if session.state is SessionState.ACTIVE and newest not in (None, connection):
            raise Refused(CloseReason.REPLACED.sentence, CloseReason.REPLACED)
        if has_rival and newest == connection:
            # All of the transaction were woken together, in no order: the others go first, for the caller's
            # books to agree on who came last. Another transaction's cannot overtake in this time.
            await trio.lowlevel.cancel_shielded_checkpoint()
        return self._host_admission(session, company, credential)

    def _return_host(
        self, key: SessionKey, about: HostAbout, connection: int
    ) -> tuple[Session, Company] | None:
        """Lets the host of an active session in again, if it is one: that changes only who is connected."""
        known = self._books.of_credential(key)
        if known is None or not self._books.has_room_for_notes:
            return None
        session = known[0]
        if not joining.is_return(session, about, self.now()):
            return None
        self._books.set_host(session.id, connection)
        self._books.note(
            audit_row(session, "host_returned", at=self.now(), actor="host", computer=about.computer)
        )
        self._books.publish(session)
        return known

    def _host_admission(
        self, session: Session, company: Company, credential: SecretBytes | None
    ) -> HostAdmission:
        is_active = session.state is SessionState.ACTIVE
        return HostAdmission(
            session=session,
            company=company,
            technician_name=session.technician_name,
            credential=credential,
            lease=make_lease(session, company, self._relay_key) if is_active else None,
            relay_public_key=self._relay_public_key,
        )

    async def host_dropped(self, session_id: SessionId, *, connection: int) -> None:
        """The host's connection is gone; nothing happens if a newer one has taken its place."""
        if self._books.host(session_id) != connection:
            return

        def take_over(was_current: bool) -> None:
            if was_current:
                self._books.remove_host(session_id, connection)

        await self._books.commit(
            lambda ledger: joining.drop_host(ledger, session_id, connection),
            take_over,
            reads=by_id(session_id),
        )

    async def record_receipt(self, session_id: SessionId, body: bytes, signature: bytes) -> Session:
        """The host of an ended session signed what it removed; if it left nothing, its removal is confirmed.

        Args:
            session_id: of the host's admission.
            body, signature: untrusted.

        Raises:
            RemoteProtocolError: it is no receipt, forged, or for another session.
            SessionUnavailable: no host is expected to hand one in (any more).
        """

        return await self._books.commit(
            lambda ledger: joining.take_receipt(ledger, session_id, body, signature)
        )

    # Viewers

    async def admit_viewer(self, ticket: bytes) -> ViewerAdmission:
        """Spends a ticket and lets its viewer in, if everything it stood on still holds.

        Raises:
            AuthError: whatever is wrong, with one sentence. The ticket is spent nevertheless.
        """

        admission = await self._books.commit(lambda ledger: joining.admit_viewer(ledger, ticket))
        return replace(admission, session=self._books.live(admission.session))

    async def viewer_attached(self, viewer: int, admission: ViewerAdmission) -> None:
        """A viewer that was admitted is attached to the tunnel under this number."""
        session_id = admission.session.id

        def work(ledger: Ledger) -> None:
            session = ledger.find(session_id)
            ledger.audit(
                session,
                "attached",
                actor=technician_actor(admission.technician_id),
                viewer=viewer,
                kinds=sorted(admission.kinds),
                access=admission.access,
                reason=admission.reason,
            )
            if session.state.is_open:
                ledger.touch(session)

        await self._books.commit(work, lambda _: self._books.add_viewer(session_id, viewer, self.now()))

    async def viewer_detached(self, viewer: int, admission: ViewerAdmission) -> None:
        """A viewer is gone; the session goes on."""
        session_id = admission.session.id
        attached_at = self._books.remove_viewer(session_id, viewer)
        if attached_at is None:
            return
        duration = round((self.now() - attached_at).total_seconds(), 1)

        def work(ledger: Ledger) -> None:
            session = ledger.find(session_id)
            actor = technician_actor(admission.technician_id)
            ledger.audit(session, "detached", actor=actor, viewer=viewer, duration=duration)
            ledger.touch(session)

        await self._books.commit(work)

    def check_open(
        self, session_id: SessionId, channel: Channel, kinds: frozenset[Channel]
    ) -> CloseReason | None:
        """Whether a viewer whose ticket was for `kinds` may open `channel` now: None, or the reason why not.

        Synchronous: it decides by the sessions' state as of the last commit, and by the clock.
        """
        current = self._books.current(session_id)
        if current is None:
            return CloseReason.REFUSED
        return rules.check_stream(*current, channel, kinds, self.now())

    def check_over(self, session_id: SessionId) -> CloseReason | None:
        """Why nobody may be connected to the session any more, or None; decided as `check_open` does."""
        current = self._books.current(session_id)
        return CloseReason.REFUSED if current is None else rules.over(*current, self.now())

    # Activation

    async def count_try(self, session_id: SessionId, *, code: int, attempt: int) -> Tries:
        """Counts one try of a security code; when this returns, no crash can forget it.

        Args:
            session_id: which.
            code: the code it is for, as the peers say.
            attempt: its number over the whole session.

        Raises:
            Refused: with OUT_OF_ORDER if it does not follow the last one, with TOO_MANY_TRIES if the code is
                dead. A 16th try ends the session.
            SessionUnavailable: there is no such session, or it is active or ended.
        """

        session = await self._books.commit(
            lambda ledger: activating.count_try(ledger, session_id, code=code, attempt=attempt),
            reads=by_id(session_id),
        )
        return Tries(code=session.code, tries=session.tries, attempts=session.attempts)

    async def try_failed(self, session_id: SessionId) -> None:
        """Either side found the last counted try wrong; after the 15th the session ends.

        Raises:
            SessionUnavailable: there is no such session.
        """

        await self._books.commit(
            lambda ledger: activating.fail_try(ledger, session_id), reads=by_id(session_id)
        )

    async def report_ready(self, session_id: SessionId) -> Session:
        """The host is installed and can work; activates the session if it is paired.

        Raises:
            SessionUnavailable: there is no such session, no host in it, or it ended.
        """

        return await self._activating(session_id, lambda ledger: activating.report_ready(ledger, session_id))

    async def report_paired(
        self, session_id: SessionId, *, role: Role, attempt: int, wrapped: bytes | None
    ) -> Session:
        """One side paired at `attempt`; when both did and the host is ready, the session is active.

        Args:
            session_id: which.
            role: who says so.
            attempt: must be the last one counted.
            wrapped: the encrypted pairing key, kept for other browsers; from a viewer only.

        Raises:
            Refused: with OUT_OF_ORDER if it was another attempt, or one that was found wrong.
            SessionUnavailable: there is no such session, or it ended.
        """
        if wrapped is not None and (role == "host" or len(wrapped) > MAX_WRAPPED_BYTES):
            raise Refused("A wrapped key comes from a viewer and is short.", CloseReason.BAD_FRAME)

        return await self._activating(
            session_id,
            lambda ledger: activating.report_paired(
                ledger, session_id, role=role, attempt=attempt, wrapped=wrapped
            ),
        )

    async def _activating(self, session_id: SessionId, work: Callable[[Ledger], Session]) -> Session:
        """Commits what may activate the session, and tells both sides if it did."""

        def traced(ledger: Ledger) -> tuple[Session, bool]:
            session = work(ledger)
            return session, session.state is SessionState.ACTIVE and session.id in ledger.changed

        session, is_new = await self._books.commit(traced, reads=by_id(session_id))
        current = self._books.current(session.id)
        if is_new and current is not None and session.expires_at is not None:
            expires_at = math.floor(session.expires_at.timestamp())
            lease = make_lease(session, current[1], self._relay_key)
            self.notify(session.id, "host", "active", {"expires_at": expires_at, "lease": lease})
            self.notify(session.id, "viewer", "active", {"expires_at": expires_at})
        return self._books.live(session)

    async def record_step(self, session_id: SessionId, step: str) -> None:
        """Notes a step of the funnel, the first time; nothing once the session ended.

        Raises:
            SessionUnavailable: there is no such session.
            ValueError: there is no such step.
        """

        def work(ledger: Ledger) -> None:
            session = ledger.find(session_id)
            after = rules.record_step(session, step, ledger.now)
            if session.state.is_open and after is not session:
                ledger.keep(after)

        await self._books.commit(work, reads=by_id(session_id))

    async def record_refusal(self, invite: bytes, refusal: Refusal) -> None:
        """Notes why a host with this link could not begin; nothing, if no session is found or it is too late.

        Args:
            invite: untrusted.
            refusal: what it said.
        """
        key = joining.invite_key(invite)
        await self._books.commit(lambda ledger: joining.note_refusal(ledger, key, refusal), reads=key)

    def publish(self, session_id: SessionId) -> None:
        """Has whoever follows along see an open session again: something that belongs to it has changed."""
        current = self._books.current(session_id)
        if current is not None:
            self._books.publish(current[0])

    # Always running

    async def run_deadlines(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Ends sessions whose time is over, and has what was noted written down, until cancelled.

        Ready when memory agrees with the store: sessions that waited with a host when the relay went away are
        prepared again, overdue ones are ended. Sleeps until the next deadline or change, and looks again
        at least every `BrokerSettings.recheck_interval`, so that jumps of the wall clock do no harm.
        """
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_notes, self._books, self._settings)
            await run_deadlines(self._books, self._settings, task_status=task_status)

    def watch(self, company_id: CompanyId) -> AbstractContextManager[trio.MemoryReceiveChannel[Session]]:
        """A queue of the company's sessions, each as it is after a change.

        It holds `BrokerSettings.watch_buffer` changes; a reader that falls further behind gets what is queued
        and then the end (`trio.EndOfChannel`), and must load everything anew.
        """
        return self._books.watch(company_id)

    def statistics(self) -> BrokerStatistics:
        """Counts as of now."""
        return self._books.statistics()
