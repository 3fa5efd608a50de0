"""Links that are mailed to people: to come in for the first time, and to set a new password.

Both are 32 random bytes in the fragment of an address (``ORIGIN/invite#TOKEN``, ``ORIGIN/reset#TOKEN``), of
which the store keeps the hash, and are good once. An invitation lives for 72 hours and a newer one replaces
it; a link for a new password lives for one hour, and using it kills all cookies of its owner. A second factor
is asked for afterwards all the same.

*Nobody learns who is known here.* A request for a new password is answered before anything is looked up: it
is put on a queue, and `run` does the rest. What differs between known and unknown people happens after the
answer.

*Nobody is locked out by it.* A stranger may ask in somebody's name as often as the throttle allows. It costs
that person mails, and each of those has a link that is good for them: links do not replace one another, the
tries come back at the rate at which links die, so that whoever is refused one has another.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import structlog
import trio

from relay.accounts.desk import Desk, actor, audit, may_work, normalise_email, working_technician
from relay.accounts.letters import Letter, Post, Posted
from relay.accounts.people import add_person, check_may_manage, managed
from relay.accounts.signing_in import Entry, SigningIn
from relay.accounts.throttle import Throttle, Visit
from relay.auth import digest, new_id, new_secret
from relay.errors import LimitExceeded, Refused, RelayError
from relay.limits import KeyedBuckets
from relay.people import Company, Technician, TechnicianId, TechnicianRole
from relay.protocol.hidden import SecretBytes
from relay.protocol.links import encode_base64url
from relay.store import Transaction, account_rows, factor_rows, link_rows
from relay.store.account_rows import PersonRow
from relay.store.link_rows import LinkPurpose
from relay.texts import mark

DEAD_LINK: Final = mark("This link is not valid (any more).")
HAS_PASSWORD: Final = mark("This person has a password; the sign-in page can send them a link for a new one.")
DISABLED: Final = mark("This person is disabled.")
TOO_BUSY: Final = mark("Too many requests at once; try again in a minute.")

MAX_WAITING_RESETS: Final = 64
"""Requests for a new password on the queue: a second of work while the mail server answers."""

RESET_TIMEOUT: Final = 30.0
"""Seconds for one of them, its mail included."""

_MAILED: Final = (LinkPurpose.INVITATION, LinkPurpose.RESET)

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MailedLink:
    """What the holder of a mailed link may know about it.

    Attributes:
        purpose: what it does.
        technician: for whom.
        company: where.
    """

    purpose: LinkPurpose
    technician: Technician
    company: Company


@dataclass(frozen=True, slots=True)
class Accepted:
    """What came of a mailed link.

    Attributes:
        purpose: what it was for.
        entry: a cookie, or the second factor that still stands before it.
        dead: hashes of the cookies that died by it.
    """

    purpose: LinkPurpose
    entry: Entry
    dead: list[bytes]


class Invitations:
    """Invites people, and helps those who forgot their password.

    Args:
        desk: what all parts work with.
        throttle: books of tries.
        signing_in: makes cookies.
        post: carries the mails.

    Concurrency: any task may call anything; one task runs `run`.
    """

    def __init__(self, desk: Desk, throttle: Throttle, signing_in: SigningIn, post: Post) -> None:
        settings = desk.settings
        self._desk = desk
        self._throttle = throttle
        self._signing_in = signing_in
        self._post = post
        self._by_company = KeyedBuckets(
            "invitations_per_company",
            rate_per_second=settings.invitations_per_company / settings.invitations_window,
            burst=settings.invitations_per_company,
        )
        self._by_person = KeyedBuckets(
            "invitations_per_person",
            rate_per_second=settings.invitations_per_person / settings.invitations_window,
            burst=settings.invitations_per_person,
        )
        self._by_account = KeyedBuckets(
            "resets_per_account",
            rate_per_second=settings.resets_per_account / settings.reset_ttl,
            burst=settings.resets_per_account,
        )
        self._asked, self._to_do = trio.open_memory_channel[str](MAX_WAITING_RESETS)

    # Invitations

    async def invite(
        self, manager: Technician, *, name: str, email: str, role: TechnicianRole, language: str
    ) -> tuple[PersonRow, Posted]:
        """Somebody new in the manager's company, and what became of the mail that tells them.

        Raises:
            MayNot: the manager's role does not allow it.
            AddressTaken: somebody on this relay has the address.
            LimitExceeded: too many people, or too many invitations in a short time.
        """
        self._by_company.take(manager.company_id, trio.current_time())
        invited = Technician(
            id=TechnicianId(new_id()),
            company_id=manager.company_id,
            name=name,
            email=normalise_email(email),
            language=language,
            role=role,
        )
        token, now = new_secret(), self._desk.now()

        def work(tx: Transaction) -> Letter:
            check_may_manage(tx, manager, role)
            add_person(tx, invited, now=now, max_people=self._desk.settings.max_people)
            return self._invitation(tx, now, manager, invited, token)

        posted = await self._post.put(await self._desk.store.write(work))
        return PersonRow(technician=invited, passkeys=0, signed_in_at=None), posted

    async def invite_again(self, manager: Technician, subject: TechnicianId) -> Posted:
        """A new invitation for somebody who has no password yet; earlier ones are dead.

        Raises:
            LookupError: the manager's company has no such person.
            MayNot: the manager's role does not allow it.
            Refused: the person has a password, or is disabled.
            LimitExceeded: too many invitations in a short time.
        """
        token, now = new_secret(), self._desk.now()

        def work(tx: Transaction) -> Letter:
            invited = managed(tx, manager, subject).technician
            if invited.is_disabled:
                raise Refused(DISABLED)
            if invited.has_password:
                raise Refused(HAS_PASSWORD)
            link_rows.remove_of(tx, subject, [LinkPurpose.INVITATION])
            return self._invitation(tx, now, manager, invited, token)

        # Counted under the manager's company too, so that ids of others' people are nobody's to use up.
        self._by_person.take(f"{manager.company_id}:{subject}", trio.current_time())
        self._by_company.take(manager.company_id, trio.current_time())
        return await self._post.put(await self._desk.store.write(work))

    def _invitation(
        self, tx: Transaction, now: datetime, manager: Technician, invited: Technician, token: SecretBytes
    ) -> Letter:
        company = _company_of(tx, invited)
        audit(
            tx,
            now,
            company.id,
            by=actor(manager.id),
            action="person_invited",
            technician=invited.id,
            role=invited.role.value,
        )
        return self._letter(tx, now, company, invited, token, LinkPurpose.INVITATION, inviter=manager.name)

    # New passwords

    def ask_reset(self, email: str, visit: Visit) -> None:
        """Has a link for a new password mailed, if somebody with this address (untrusted) has one now.

        Raises:
            LimitExceeded: too many requests, whoever they are for.
        """
        self._throttle.take_start(visit)
        try:
            self._asked.send_nowait(normalise_email(email))
        except trio.WouldBlock:
            raise LimitExceeded(TOO_BUSY, limit="waiting_resets", retry_after=60.0) from None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Does what `ask_reset` was asked for, one after the other, until cancelled."""
        task_status.started()
        while True:
            email = await self._to_do.receive()
            with trio.move_on_after(RESET_TIMEOUT) as scope:
                try:
                    await self._reset(email)
                except RelayError as error:
                    _log.warning("reset_failed", reason=str(error))
            if scope.cancelled_caught:
                _log.warning("reset_failed", reason="timeout")

    async def _reset(self, email: str) -> None:
        token, now = new_secret(), self._desk.now()
        known = await self._desk.store.read(lambda tx: account_rows.technician_by_email(tx, email))
        # Who has no password was invited, or signs in otherwise: a mail must not make them one.
        if known is None or not known[0].has_password:
            return
        try:
            self._by_account.take(known[0].id, trio.current_time())
        except LimitExceeded:
            self._desk.refused("reset_refused", company_id=known[0].company_id, reason="throttled")
            return

        def work(tx: Transaction) -> Letter | None:
            technician = working_technician(tx, known[0].id)
            if technician is None:
                return None
            company = _company_of(tx, technician)
            audit(tx, now, company.id, by="stranger", action="reset_asked", technician=technician.id)
            return self._letter(tx, now, company, technician, token, LinkPurpose.RESET)

        letter = await self._desk.store.write(work)
        if letter is not None:
            posted = await self._post.put(letter)
            _log.info("reset_mailed", state=posted.state)

    # What the holder of a link does with it

    async def look(self, token: bytes, visit: Visit) -> MailedLink:
        """Whose the link with this token (untrusted) is; looking does not spend it.

        Raises:
            LookupError: it is unknown, used, dead, or of somebody who may not work; all look the same.
            LimitExceeded: too many looks from this address.
        """
        self._throttle.take_start(visit)
        return await self._look(token)

    async def accept(
        self,
        token: bytes,
        password: str,
        *,
        name: str | None = None,
        language: str | None = None,
        visit: Visit,
    ) -> Accepted:
        """Spends a link: sets the password, kills the person's cookies, and lets them in.

        Args:
            token, password: untrusted.
            name, language: what an invited person wants to be called and to read; None: as it is. They do
                not come into a new password.
            visit: where it comes from.

        Raises:
            LookupError: as `look`.
            Refused: the password is too short or too long; the link is as good as before.
            LimitExceeded: too many links tried from this address.
        """
        self._throttle.take_start(visit)
        await self._look(token)  # before the hashing, which strangers shall not be able to order
        hashed = await self._desk.hash_new_password(password)
        now = self._desk.now()

        def work(tx: Transaction) -> Accepted | None:
            link = link_rows.use(tx, digest(token), _MAILED, now)
            technician = None if link is None else working_technician(tx, link.technician_id)
            if link is None or technician is None:
                return None
            if link.purpose is LinkPurpose.INVITATION:
                technician = replace(
                    technician, name=name or technician.name, language=language or technician.language
                )
                account_rows.save_person(tx, technician)
            dead = self._signing_in.replace_password(tx, now, technician.id, hashed, cookie=None)
            factor_rows.remove_challenges_of(tx, technician.id)
            link_rows.remove_of(tx, technician.id)
            entry = self._signing_in.enter(tx, now, technician, way=link.purpose.value, agent=visit.agent)
            return Accepted(link.purpose, entry, dead)

        accepted = await self._desk.store.write(work)
        if accepted is None:
            raise LookupError(DEAD_LINK)
        return accepted

    async def _look(self, token: bytes) -> MailedLink:
        now = self._desk.now()

        def look(tx: Transaction) -> MailedLink | None:
            link = link_rows.look(tx, digest(token), _MAILED, now)
            technician = None if link is None else working_technician(tx, link.technician_id)
            if link is None or technician is None:
                return None
            return MailedLink(link.purpose, technician, _company_of(tx, technician))

        found = await self._desk.store.read(look)
        if found is None:
            self._desk.refused("mailed_link_refused", reason="dead")
            raise LookupError(DEAD_LINK)
        return found

    def _letter(
        self,
        tx: Transaction,
        now: datetime,
        company: Company,
        technician: Technician,
        token: SecretBytes,
        purpose: LinkPurpose,
        *,
        inviter: str = "",
    ) -> Letter:
        """Stores the link, and writes the letter that brings it."""
        settings = self._desk.settings
        is_reset = purpose is LinkPurpose.RESET
        expires_at = now + timedelta(seconds=settings.reset_ttl if is_reset else settings.invitation_ttl)
        link_rows.add(
            tx,
            token_hash=digest(token),
            technician_id=technician.id,
            purpose=purpose,
            expires_at=expires_at,
            now=now,
        )
        page = "reset" if is_reset else "invite"
        return Letter(
            kind="reset" if is_reset else "invitation",
            company=company,
            to=technician.email,
            name=technician.name,
            language=technician.language,
            link=f"{self._desk.origin}/{page}#{encode_base64url(token)}",
            inviter=inviter,
            expires_at=expires_at,
            is_by_relay=technician.role is TechnicianRole.OWNER,
        )


def _company_of(tx: Transaction, technician: Technician) -> Company:
    company = may_work(tx, technician)
    if company is None:
        raise Refused(DEAD_LINK)
    return company
