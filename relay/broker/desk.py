"""What technicians do with sessions that exist: look at them, let colleagues in, hand them over."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from relay import sessions as rules
from relay.broker import preparing, sharing
from relay.broker.books import Books
from relay.broker.ledger import NO_SUCH_SESSION, Ledger, technician_actor
from relay.errors import NotAllowed, SessionUnavailable
from relay.people import Permission, TechnicianId
from relay.sessions import Session, SessionId, SessionState
from relay.store import Store, Transaction, account_rows, session_rows, share_rows
from relay.store.session_list import Position, SessionQuery, list_sessions


class Desk:
    """Part of the `relay.broker.Broker`, which has these methods under the same names.

    Args:
        store: an open store.
        books: the broker's.
        withdraw: see `Broker`.

    `permissions` are everywhere fewer than the technician's own, an API token's; None for all of those.
    Concurrency and cancellation: as the broker's.
    """

    def __init__(
        self, store: Store, books: Books, *, withdraw: Callable[[SessionId, TechnicianId], None]
    ) -> None:
        self._store = store
        self._books = books
        self._withdraw = withdraw

    async def sessions(self, query: SessionQuery) -> tuple[list[Session], Position | None]:
        """A page of a company's sessions, and where the next one begins; None if this is the last."""
        found, position = await self._store.read(lambda tx: list_sessions(tx, query))
        return [self._books.live(session) for session in found], position

    async def session_for(
        self,
        technician_id: TechnicianId,
        session_id: SessionId,
        *,
        permissions: frozenset[Permission] | None = None,
    ) -> Session:
        """A session that the technician may know of.

        Args:
            technician_id: who asks.
            session_id: which.
            permissions: fewer than the technician's own, an API token's; None for all of those.

        Raises:
            SessionUnavailable: there is none, or it is none of their business.
        """

        def work(tx: Transaction) -> Session | None:
            session = session_rows.session_by_id(tx, session_id)
            technician = account_rows.technician_by_id(tx, technician_id)
            if session is None or technician is None:
                return None
            shares = share_rows.shares_of(tx, [session_id]).get(session_id, ())
            session = replace(session, shares=shares)
            held = technician.permissions if permissions is None else technician.permissions & permissions
            return None if rules.access_of(session, technician, held) is None else session

        session = await self._store.read(work)
        if session is None:
            raise SessionUnavailable(NO_SUCH_SESSION)
        return self._books.live(session)

    async def wrapped_key(
        self,
        technician_id: TechnicianId,
        session_id: SessionId,
        *,
        permissions: frozenset[Permission] | None = None,
    ) -> bytes | None:
        """The pairing key, encrypted by the technician's browser, while the session is active; else None.

        Raises:
            SessionUnavailable: there is none that they may know of.
            NotAllowed: they may know of it, but not connect.
        """
        session = await self.session_for(technician_id, session_id, permissions=permissions)
        shared_with = {share.technician_id for share in session.shares}
        if technician_id != session.technician_id and technician_id not in shared_with:
            raise NotAllowed(preparing.NOT_LET_IN)
        if session.state is not SessionState.ACTIVE:
            return None
        return await self._store.read(lambda tx: session_rows.wrapped_key(tx, session_id))

    async def change_session(
        self,
        technician_id: TechnicianId,
        session_id: SessionId,
        *,
        note: str | None = None,
        wants_receipt: bool | None = None,
        permissions: frozenset[Permission] | None = None,
    ) -> Session:
        """Changes what may be changed of a session at any time; None leaves it.

        Raises:
            SessionUnavailable, NotAllowed: as `sharing.managed`.
        """

        def work(ledger: Ledger) -> Session:
            session = sharing.managed(ledger, technician_id, session_id, permissions)
            after = replace(
                session,
                note=session.note if note is None else note,
                wants_receipt=session.wants_receipt if wants_receipt is None else wants_receipt,
            )
            if after != session:
                ledger.audit(after, "changed", actor=technician_actor(technician_id))
                ledger.keep(after)
            return after

        return self._books.live(await self._books.commit(work))

    async def share(
        self,
        technician_id: TechnicianId,
        session_id: SessionId,
        colleague: TechnicianId,
        access: Literal["full", "view"],
        *,
        permissions: frozenset[Permission] | None = None,
    ) -> Session:
        """Lets a colleague into a session until it ends, with all tools or to watch the screen only.

        Raises:
            SessionUnavailable: there is none that they may know of, or no such colleague.
            NotAllowed: the session is not theirs to manage.
            Refused: it has ended, it is the colleague's own, or the colleague may not connect to computers.
            LimitExceeded: ``shares_per_session``.
        """

        def work(ledger: Ledger) -> tuple[Session, bool]:
            session = sharing.managed(ledger, technician_id, session_id, permissions)
            before = {share.technician_id: share.access for share in session.shares}
            after = sharing.share(ledger, session, colleague, access, by=technician_id)
            return after, before.get(colleague) == "full" and access == "view"

        session, has_less = await self._books.commit(work)
        if has_less:
            self._withdraw(session_id, colleague)
        return self._books.live(session)

    async def unshare(
        self,
        technician_id: TechnicianId,
        session_id: SessionId,
        colleague: TechnicianId,
        *,
        permissions: frozenset[Permission] | None = None,
    ) -> Session:
        """Takes a colleague's right back, or gives up one's own; their viewers are closed when this returns.

        Raises:
            SessionUnavailable, NotAllowed: as `share`.
        """

        def work(ledger: Ledger) -> Session:
            if colleague == technician_id:
                technician, _ = ledger.working(technician_id)
                session, _ = ledger.standing(session_id, technician, permissions)
            else:
                session = sharing.managed(ledger, technician_id, session_id, permissions)
            return sharing.unshare(ledger, session, colleague, by=technician_id)

        session = await self._books.commit(work)
        if session.technician_id != colleague:
            self._withdraw(session_id, colleague)
        return self._books.live(session)

    async def hand_over(
        self,
        technician_id: TechnicianId,
        session_id: SessionId,
        colleague: TechnicianId,
        *,
        permissions: frozenset[Permission] | None = None,
    ) -> Session:
        """Makes the session a colleague's. Who had it stays in it, with all tools, until taken out.

        Raises:
            SessionUnavailable, NotAllowed, Refused: as `share`.
            LimitExceeded: ``sessions_per_technician``, of the colleague.
        """

        def work(ledger: Ledger) -> Session:
            session = sharing.managed(ledger, technician_id, session_id, permissions)
            return sharing.hand_over(ledger, session, colleague, by=technician_id)

        return self._books.live(await self._books.commit(work))
