"""Passkeys (WebAuthn Level 3, by py_webauthn): registering them and signing in with one.

A passkey signs in alone: the device has it, and has verified its person (by finger, face or PIN; we insist),
so it is two factors. It is bound to the relay's origin, so that no other site can ask for it. Passkeys are
discoverable: nobody needs to type an address first. We ask for no attestation: who made the device is none of
our business.

The challenges are kept in the store (`relay.accounts.challenges`) and taken once, whatever the answer is
worth.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

import trio
import webauthn
from webauthn.authentication.verify_authentication_response import VerifiedAuthentication
from webauthn.helpers import base64url_to_bytes, options_to_json_dict
from webauthn.helpers.structs import (
    AttestationConveyancePreference,
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)
from webauthn.registration.verify_registration_response import VerifiedRegistration

from relay.accounts.challenges import PASSKEY, REGISTER, SECOND, Challenges
from relay.accounts.desk import Desk, actor, audit, working_technician
from relay.accounts.second_factors import Changed, SecondFactors
from relay.accounts.signing_in import SigningIn
from relay.accounts.throttle import Throttle, Visit
from relay.auth import new_id, new_secret
from relay.errors import AuthError, Refused
from relay.people import Company, Technician, TechnicianId
from relay.protocol.hidden import SecretBytes
from relay.protocol.links import decode_base64url, encode_base64url
from relay.store import Transaction, factor_rows
from relay.store.factor_rows import PasskeyRow
from relay.texts import mark

Options = dict[str, Any]
"""What a browser's ``parseCreationOptionsFromJSON`` or ``parseRequestOptionsFromJSON`` takes."""

Credential = Mapping[str, Any]
"""What a browser's ``PublicKeyCredential.toJSON`` gives; untrusted."""

CEREMONY_TIMEOUT: Final = 180_000
"""Milliseconds a browser gives its person; below the challenge's own life."""
_MAX_CREDENTIAL_ID = 1023  # bytes, WebAuthn §4
_TRANSPORTS = frozenset(transport.value for transport in AuthenticatorTransport)

WRONG_PASSKEY = mark("This passkey does not open anything here, or it took too long; try again.")
NOT_REGISTERED = mark("The passkey could not be added; try again.")
TOO_MANY = mark("You have too many passkeys; remove one first.")
UNKNOWN = mark("There is no such passkey.")


class Passkeys:
    """Passkeys of technicians.

    Args:
        desk: what all parts work with; its origin's host is the relying party.
        throttle: books of tries.
        challenges: what authenticators sign.
        factors: told what changed.
        signing_in: makes the cookies.
    """

    def __init__(
        self,
        desk: Desk,
        throttle: Throttle,
        challenges: Challenges,
        factors: SecondFactors,
        signing_in: SigningIn,
    ) -> None:
        self._desk = desk
        self._throttle = throttle
        self._challenges = challenges
        self._factors = factors
        self._signing_in = signing_in
        self._party = urlsplit(desk.origin).hostname or ""

    async def of(self, technician_id: TechnicianId) -> list[PasskeyRow]:
        """Somebody's passkeys, the oldest first."""
        return await self._desk.store.read(lambda tx: factor_rows.passkeys_of(tx, technician_id))

    # Registering

    async def begin_registering(
        self, technician: Technician, company: Company
    ) -> tuple[SecretBytes, Options]:
        """A token, and what the browser is to ask an authenticator for.

        Raises:
            Refused: they have `AccountSettings.max_passkeys` already.
        """
        now, nonce = self._desk.now(), new_secret()

        def work(tx: Transaction) -> tuple[SecretBytes, list[PasskeyRow]]:
            known = factor_rows.passkeys_of(tx, technician.id)
            if len(known) >= self._desk.settings.max_passkeys:
                raise Refused(TOO_MANY)
            data = {"nonce": encode_base64url(nonce)}
            return self._challenges.make(tx, now, REGISTER, data, technician_id=technician.id), known

        token, known = await self._desk.store.write(work)
        options = webauthn.generate_registration_options(
            rp_id=self._party,
            rp_name=company.name,
            user_id=technician.id.encode(),
            user_name=technician.email,
            user_display_name=technician.name,
            challenge=bytes(nonce),
            timeout=CEREMONY_TIMEOUT,
            attestation=AttestationConveyancePreference.NONE,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=_descriptors(known),
        )
        return token, options_to_json_dict(options)

    async def register(
        self, technician: Technician, token: bytes, name: str, credential: Credential, *, cookie: bytes
    ) -> tuple[PasskeyRow, Changed]:
        """Adds a passkey.

        Args:
            technician: whose.
            token: of `begin_registering`, untrusted.
            name: what they call it.
            credential: untrusted.
            cookie: of the browser that asks.

        Returns:
            The passkey, and what the change brought: a first second factor brings recovery codes and signs
            the other browsers out.

        Raises:
            Refused: the token is dead, or the answer is not what was asked for.
        """
        now = self._desk.now()
        opened = await self._desk.store.write(lambda tx: self._challenges.take(tx, now, REGISTER, token))
        if opened is None or opened.technician_id != technician.id:
            raise Refused(NOT_REGISTERED)
        nonce = decode_base64url(opened.data["nonce"], 32)
        verified = await trio.to_thread.run_sync(self._check_registration, credential, nonce)
        row = PasskeyRow(
            id=new_id(),
            technician_id=technician.id,
            credential_id=verified.credential_id,
            public_key=verified.credential_public_key,
            sign_count=verified.sign_count,
            transports=_transports(credential),
            name=name,
            created_at=now,
        )

        def work(tx: Transaction) -> Changed:
            if factor_rows.passkey_by_credential(tx, row.credential_id) is not None:
                raise Refused(NOT_REGISTERED)
            is_first = not self._factors.ways(tx, technician.id)
            factor_rows.add_passkey(tx, row)
            audit(tx, now, technician.company_id, by=actor(technician.id), action="passkey_added")
            dead = self._factors.end_others(tx, technician.id, cookie=cookie) if is_first else []
            return Changed(recovery_codes=self._factors.ensure_recovery_codes(tx, technician.id), dead=dead)

        return row, await self._desk.store.write(work)

    async def remove(
        self, technician: Technician, company: Company, passkey_id: str, *, cookie: bytes
    ) -> Changed:
        """Forgets a passkey, and signs the other browsers out: its device may be stolen.

        Raises:
            LookupError: they have no such passkey.
            Refused: the company requires a second factor and this is the last.
        """
        now = self._desk.now()

        def work(tx: Transaction) -> Changed:
            if not factor_rows.remove_passkey(tx, technician.id, passkey_id):
                raise LookupError(UNKNOWN)
            audit(tx, now, technician.company_id, by=actor(technician.id), action="passkey_removed")
            return Changed(dead=self._factors.settle(tx, technician, company, cookie=cookie))

        return await self._desk.store.write(work)

    # Signing in

    async def begin_signing_in(self, half_done: bytes | None, visit: Visit) -> tuple[SecretBytes, Options]:
        """A token, and what the browser is to ask an authenticator for.

        Args:
            half_done: token of a sign-in that waits for a second factor, untrusted; None: anybody's passkey.
            visit: where it comes from.

        Raises:
            AuthError: `half_done` is dead.
            LimitExceeded: too many from this address.
        """
        self._throttle.take_start(visit)
        now, nonce = self._desk.now(), new_secret()

        def work(tx: Transaction) -> tuple[SecretBytes, list[PasskeyRow]] | None:
            technician_id, known = None, []
            if half_done is not None:
                half = self._challenges.look(tx, now, SECOND, half_done)
                if half is None or half.technician_id is None:
                    return None
                technician_id = half.technician_id
                known = factor_rows.passkeys_of(tx, technician_id)
            data = {"nonce": encode_base64url(nonce)}
            return self._challenges.make(tx, now, PASSKEY, data, technician_id=technician_id), known

        begun = await self._desk.store.write(work)
        if begun is None:
            raise AuthError(WRONG_PASSKEY)
        token, known = begun
        options = webauthn.generate_authentication_options(
            rp_id=self._party,
            challenge=bytes(nonce),
            timeout=CEREMONY_TIMEOUT,
            allow_credentials=_descriptors(known),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return token, options_to_json_dict(options)

    async def sign_in(self, token: bytes, credential: Credential, visit: Visit) -> SecretBytes:
        """A cookie for whoever holds a passkey.

        Args:
            token: of `begin_signing_in`, untrusted.
            credential: untrusted.
            visit: where it comes from.

        Raises:
            AuthError: dead token, unknown passkey, wrong answer, somebody shut out; all look the same.
        """
        now = self._desk.now()
        opened = await self._desk.store.write(lambda tx: self._challenges.take(tx, now, PASSKEY, token))
        known = await self._desk.store.read(
            lambda tx: factor_rows.passkey_by_credential(tx, _credential_id(credential))
        )
        if opened is None or known is None or opened.technician_id not in (None, known.technician_id):
            raise self._refusal()
        nonce = decode_base64url(opened.data["nonce"], 32)
        verified = await trio.to_thread.run_sync(self._check_authentication, credential, nonce, known)
        if verified is None:
            raise self._refusal()
        cookie = await self._desk.store.write(
            lambda tx: self._admit(tx, now, known, verified.new_sign_count, visit)
        )
        if cookie is None:
            raise self._refusal()
        return cookie

    def _admit(
        self, tx: Transaction, now: datetime, known: PasskeyRow, sign_count: int, visit: Visit
    ) -> SecretBytes | None:
        technician = working_technician(tx, known.technician_id)
        if technician is None or not factor_rows.use_passkey(tx, known.id, sign_count=sign_count, now=now):
            return None
        return self._signing_in.admit(tx, now, technician, way="passkey", agent=visit.agent)

    def _refusal(self) -> AuthError:
        self._desk.refused("sign_in_refused", reason="passkey")
        return AuthError(WRONG_PASSKEY)

    # Both run in a worker thread: what they parse comes from strangers, and signatures take a while.

    def _check_registration(self, credential: Credential, nonce: bytes) -> VerifiedRegistration:
        try:
            verified = webauthn.verify_registration_response(
                credential=dict(credential),
                expected_challenge=nonce,
                expected_rp_id=self._party,
                expected_origin=self._desk.origin,
                require_user_verification=True,
            )
        except (
            Exception
        ) as exc:  # a decoder of strangers' CBOR, JSON and certificates: it raises what it likes
            raise Refused(NOT_REGISTERED) from exc
        if len(verified.credential_id) > _MAX_CREDENTIAL_ID:
            raise Refused(NOT_REGISTERED)
        return verified

    def _check_authentication(
        self, credential: Credential, nonce: bytes, known: PasskeyRow
    ) -> VerifiedAuthentication | None:
        try:
            verified = webauthn.verify_authentication_response(
                credential=dict(credential),
                expected_challenge=nonce,
                expected_rp_id=self._party,
                expected_origin=self._desk.origin,
                credential_public_key=known.public_key,
                credential_current_sign_count=known.sign_count,
                require_user_verification=True,
            )
            handle = credential["response"].get("userHandle")
        except Exception:  # as above
            return None
        # The authenticator's own idea of whose key it is must be ours (WebAuthn §7.2 step 6).
        is_theirs = handle in (None, "", encode_base64url(known.technician_id.encode()))
        return verified if is_theirs else None


def _credential_id(credential: Credential) -> bytes:
    """The name of the credential that an answer claims; empty if it names none that could exist."""
    name = credential.get("id")
    try:
        return base64url_to_bytes(name) if isinstance(name, str) else b""
    except ValueError:
        return b""


def _descriptors(known: list[PasskeyRow]) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(
            id=row.credential_id,
            transports=[AuthenticatorTransport(transport) for transport in row.transports],
        )
        for row in known
    ]


def _transports(credential: Credential) -> tuple[str, ...]:
    """The transports the browser names, those we know of; they are hints, nothing depends on them."""
    response = credential.get("response")
    named = response.get("transports") if isinstance(response, Mapping) else None
    if not isinstance(named, list):
        return ()
    return tuple(sorted({name for name in named if isinstance(name, str)} & _TRANSPORTS))
