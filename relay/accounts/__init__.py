"""Accounts: companies, the people in them, and how they sign in.

`Accounts` holds the parts, which share a `Desk`: `people`, `invitations`, `brand`, `signing_in`,
`second_factors`, `passkeys`, `identity_providers` and `api_tokens`. What is called from many places has a
shorter name on `Accounts` itself.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from relay.accounts.api_tokens import ApiTokens
from relay.accounts.brand import Brand
from relay.accounts.challenges import Challenges
from relay.accounts.desk import AccountSettings, Desk, normalise_email
from relay.accounts.identity_providers import IdentityProviders
from relay.accounts.invitations import Invitations
from relay.accounts.letters import NoPost, Post
from relay.accounts.passkeys import Passkeys
from relay.accounts.people import People
from relay.accounts.second_factors import SecondFactors
from relay.accounts.signing_in import WRONG_SECOND, Challenge, Entry, SigningIn
from relay.accounts.throttle import Throttle, Visit
from relay.auth import Sealer
from relay.errors import AuthError
from relay.protocol.hidden import SecretBytes
from relay.store import Store

__all__ = [
    "AccountSettings",
    "Accounts",
    "Challenge",
    "Entry",
    "Visit",
    "normalise_email",
]

_NOWHERE = Visit()


class Accounts:
    """All parts of the room.

    Args:
        store: an open store.
        settings: the numbers.
        now: the clock, aware and in UTC.
        sealer: of secrets that must be read again.
        origin: the relay's, as browsers write it.
        refused: told of each sign-in that was refused, see `Desk`.
        post: carries invitations and links for new passwords; None: nobody does.

    Concurrency: any task may call anything.
    """

    def __init__(
        self,
        store: Store,
        settings: AccountSettings,
        *,
        now: Callable[[], datetime],
        sealer: Sealer,
        origin: str,
        refused: Callable[..., None] | None = None,
        post: Post | None = None,
    ) -> None:
        desk = Desk(store=store, settings=settings, now=now, sealer=sealer, origin=origin)
        if refused is not None:
            desk = replace(desk, refused=refused)
        challenges = Challenges(desk)
        self.throttle = Throttle(desk)
        self.second_factors = SecondFactors(desk, self.throttle)
        self.people = People(desk, self.second_factors)
        self.signing_in = SigningIn(desk, self.throttle, challenges, self.second_factors)
        self.invitations = Invitations(desk, self.throttle, self.signing_in, post or NoPost())
        self.api_tokens = ApiTokens(desk)
        self.brand = Brand(desk)
        self.passkeys = Passkeys(desk, self.throttle, challenges, self.second_factors, self.signing_in)
        self.identity_providers = IdentityProviders(desk, self.throttle, challenges, self.signing_in)
        self.create_company = self.people.create_company
        self.create_technician = self.people.create_technician
        self.companies = self.people.companies
        self.technicians = self.people.technicians
        self.issue_sign_in_link = self.people.issue_sign_in_link
        self.set_password = self.signing_in.set_password
        self.technician_of_cookie = self.signing_in.technician_of_cookie
        self.sign_out = self.signing_in.sign_out

    async def sign_in_by_link(self, token: bytes, visit: Visit = _NOWHERE) -> SecretBytes:
        """A cookie for the holder of a sign-in link who has no second factor: for programs and tests.

        Raises:
            AuthError: the link is dead, or a second factor is asked for.
        """
        entry = await self.signing_in.by_link(token, visit)
        if isinstance(entry, Challenge):
            raise AuthError(WRONG_SECOND)
        return entry
