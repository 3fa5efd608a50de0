"""The tables. A change here needs a migration in `relay/store/migrations/versions/`; a test compares them.

Secrets are stored as SHA-256 (``…_hash``), passwords as argon2id; what the relay itself must be able to read
again is encrypted under its key file (``sealed_…``, `relay.auth.Sealer`). Security codes and access passwords
never come here, but for a mail that waits to be sent. ``sessions.wrapped`` is the pairing key, encrypted by
the technician's browser under a key that the relay does not have.

Two partial unique indexes hold the limits (DESIGN §9): an open session occupies a slot 1 … N of its
technician and one of its company, and no slot can be occupied twice. A predicate cannot use the clock, so
overdue sessions are ended in the same transaction before a slot is chosen.
"""

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    false,
    text,
    true,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """Aware datetimes in UTC, in and out; SQLite would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuses naive times: which zone they mean would be a guess."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("The store takes aware datetimes only.")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What the database says, with the zone it was stored in."""
        return None if value is None else value.replace(tzinfo=UTC) if value.tzinfo is None else value


ID = String(22)
HASH = LargeBinary(32)
IS_OPEN = text("state != 'ended'")
IS_USED = text("ended_at IS NULL")
IS_KEPT = text("NOT is_forgotten")
IS_WAITING = text("state = 'waiting'")
WANTS_RECEIPT = text("wants_receipt")

companies = Table(
    "companies",
    metadata,
    Column("id", ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("phone", Text, nullable=False),
    Column("plan", String(16), nullable=False),
    Column("has_insight", Boolean, nullable=False),
    Column("max_open_per_technician", Integer, nullable=False),
    Column("max_open_per_company", Integer, nullable=False),
    Column("session_lifetime", Float, nullable=False),
    Column("preparation_timeout", Float, nullable=False),
    Column("colour", String(7), nullable=False, server_default=""),
    Column("requires_reason", Boolean, nullable=False, server_default=false()),
    Column("allows_shell", Boolean, nullable=False, server_default=true()),
    Column("requires_second_factor", Boolean, nullable=False, server_default=false()),
    Column("retention_days", Integer, nullable=False, server_default="365"),
    Column("is_suspended", Boolean, nullable=False),
    CheckConstraint("max_open_per_technician >= 1 AND max_open_per_company >= 1", name="limits"),
    CheckConstraint("session_lifetime BETWEEN 1 AND 86400", name="session_lifetime"),
    CheckConstraint("preparation_timeout BETWEEN 1 AND 86400", name="preparation_timeout"),
)

company_logos = Table(
    "company_logos",
    metadata,
    Column("company_id", ID, ForeignKey("companies.id"), primary_key=True),
    Column("media_type", String(32), nullable=False),
    Column("image", LargeBinary, nullable=False),
)

company_mail_servers = Table(
    "company_mail_servers",
    metadata,
    Column("company_id", ID, ForeignKey("companies.id"), primary_key=True),
    Column("sender", Text, nullable=False),
    Column("sealed_server", LargeBinary, nullable=False),
)

identity_providers = Table(
    "identity_providers",
    metadata,
    Column("company_id", ID, ForeignKey("companies.id"), primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("client_id", Text, nullable=False),
    Column("sealed_client_secret", LargeBinary, nullable=False),
    Column("label", Text, nullable=False),
)

technicians = Table(
    "technicians",
    metadata,
    Column("id", ID, primary_key=True),
    Column("company_id", ID, ForeignKey("companies.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False, unique=True),
    Column("language", String(8), nullable=False),
    Column("role", String(16), nullable=False, server_default="technician"),
    Column("password_hash", Text),
    Column("is_disabled", Boolean, nullable=False),
    # Not part of the record. A secret without `totp_confirmed_at` is being set up and decides nothing yet.
    Column("created_at", UtcDateTime),
    Column("signed_in_at", UtcDateTime),
    Column("sealed_totp_secret", LargeBinary),
    Column("totp_confirmed_at", UtcDateTime),
    Column("totp_last_step", BigInteger, nullable=False, server_default="0"),
)

passkeys = Table(
    "passkeys",
    metadata,
    Column("id", ID, primary_key=True),
    Column("technician_id", ID, ForeignKey("technicians.id"), nullable=False, index=True),
    Column("credential_id", LargeBinary(1023), nullable=False, unique=True),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("transports", JSON, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("code_hash", HASH, primary_key=True),
    Column("technician_id", ID, ForeignKey("technicians.id"), nullable=False, index=True),
    Column("used_at", UtcDateTime),
)

identities = Table(
    "identities",
    metadata,
    Column("issuer", Text, primary_key=True),
    Column("subject", Text, primary_key=True),
    Column("technician_id", ID, ForeignKey("technicians.id"), nullable=False, index=True),
    Column("created_at", UtcDateTime, nullable=False),
)

challenges = Table(
    "challenges",
    metadata,
    # A sign-in that is half done: a second factor or an identity provider's answer is awaited.
    Column("challenge_hash", HASH, primary_key=True),
    Column("purpose", String(16), nullable=False),
    Column("technician_id", ID, ForeignKey("technicians.id"), index=True),
    Column("company_id", ID, ForeignKey("companies.id")),
    Column("sealed_data", LargeBinary, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
)

cookies = Table(
    "cookies",
    metadata,
    Column("cookie_hash", HASH, primary_key=True),
    Column("technician_id", ID, ForeignKey("technicians.id"), nullable=False, index=True),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    # What its owner reads in the list of signed-in browsers; a migrated one has no id and ends by itself.
    Column("id", ID, index=True),
    Column("created_at", UtcDateTime),
    Column("agent", Text, nullable=False, server_default=""),
    Column("way", String(16), nullable=False, server_default="password"),
)

sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("token_hash", HASH, primary_key=True),
    Column("technician_id", ID, ForeignKey("technicians.id"), nullable=False, index=True),
    Column("purpose", String(16), nullable=False, server_default="sign_in"),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("id", ID, primary_key=True),
    Column("company_id", ID, ForeignKey("companies.id"), nullable=False, index=True),
    Column("technician_id", ID, ForeignKey("technicians.id"), nullable=False, index=True),
    Column("token_hash", HASH, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("technician_id", ID, ForeignKey("technicians.id"), primary_key=True),
    Column("key_hash", HASH, primary_key=True),
    Column("request_hash", HASH, nullable=False),
    # None while the first request with the key is being answered.
    Column("status", Integer),
    Column("answer", Text),
    Column("created_at", UtcDateTime, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", ID, primary_key=True),
    Column("company_id", ID, ForeignKey("companies.id"), nullable=False),
    Column("technician_id", ID, ForeignKey("technicians.id"), nullable=False, index=True),
    Column("technician_name", Text, nullable=False),
    Column("customer_email", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("language", String(8), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("lapse_at", UtcDateTime, nullable=False),
    Column("lifetime", Float, nullable=False),
    Column("state", String(16), nullable=False),
    Column("end_reason", String(32)),
    Column("removal", String(16), nullable=False),
    Column("activated_at", UtcDateTime),
    Column("expires_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("computer", Text, nullable=False),
    Column("os", Text, nullable=False),
    Column("host_user", Text, nullable=False),
    Column("host_key", LargeBinary(32)),
    Column("code", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failed_attempt", Integer, nullable=False),
    Column("paired_host_attempt", Integer, nullable=False),
    Column("paired_viewer_attempt", Integer, nullable=False),
    Column("host_ready", Boolean, nullable=False),
    Column("funnel", JSON, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("wants_receipt", Boolean, nullable=False, server_default=false()),
    Column("is_forgotten", Boolean, nullable=False, server_default=false()),
    # Not part of the record: what nobody but the queries may see.
    Column("technician_slot", Integer, nullable=False),
    Column("company_slot", Integer, nullable=False),
    Column("invite_hash", HASH, nullable=False, unique=True),
    Column("credential_hash", HASH, unique=True),
    Column("wrapped", LargeBinary),
    CheckConstraint("state IN ('prepared', 'waiting', 'active', 'ended')", name="state"),
    CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name="ended"),
    CheckConstraint("code BETWEEN 1 AND 3 AND tries BETWEEN 0 AND 5", name="tries"),
    CheckConstraint("attempts BETWEEN 0 AND 15", name="attempts"),
    CheckConstraint("technician_slot >= 1 AND company_slot >= 1", name="slots"),
    Index(
        "uq_sessions_open_technician",
        "technician_id",
        "technician_slot",
        unique=True,
        sqlite_where=IS_OPEN,
        postgresql_where=IS_OPEN,
    ),
    Index(
        "uq_sessions_open_company",
        "company_id",
        "company_slot",
        unique=True,
        sqlite_where=IS_OPEN,
        postgresql_where=IS_OPEN,
    ),
    Index("ix_sessions_kept", "company_id", "ended_at", sqlite_where=IS_KEPT, postgresql_where=IS_KEPT),
    Index("ix_sessions_receipt", "ended_at", sqlite_where=WANTS_RECEIPT, postgresql_where=WANTS_RECEIPT),
)

tickets = Table(
    "tickets",
    metadata,
    Column("ticket_hash", HASH, primary_key=True),
    Column("session_id", ID, ForeignKey("sessions.id"), nullable=False, index=True),
    Column("technician_id", ID, ForeignKey("technicians.id"), nullable=False),
    Column("kinds", JSON, nullable=False),
    Column("access", String(8), nullable=False, server_default="full"),
    Column("reason", Text, nullable=False, server_default=""),
    # Hash of the cookie or API token that asked for it: when that dies, so does what came of the ticket.
    Column("asked_by_hash", HASH),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
)

shares = Table(
    "shares",
    metadata,
    # Colleagues who were let into a session, until it ends.
    Column("session_id", ID, ForeignKey("sessions.id"), primary_key=True),
    Column("technician_id", ID, ForeignKey("technicians.id"), primary_key=True, index=True),
    Column("technician_name", Text, nullable=False),
    Column("access", String(8), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    CheckConstraint("access IN ('view', 'full')", name="access"),
)

uses = Table(
    "uses",
    metadata,
    # Who used which tool in a session, from when to when: one row for each tool of each attached viewer.
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("session_id", ID, ForeignKey("sessions.id"), nullable=False, index=True),
    Column("company_id", ID, nullable=False),
    Column("technician_id", ID, nullable=False),
    Column("technician_name", Text, nullable=False),
    Column("tool", String(16), nullable=False),
    Column("access", String(8), nullable=False),
    Column("reason", Text, nullable=False),
    Column("began_at", UtcDateTime, nullable=False),
    Column("ended_at", UtcDateTime),
    # The last sign of life; the end of a use whose relay was killed is estimated by it.
    Column("seen_at", UtcDateTime, nullable=False),
    Column("is_estimated", Boolean, nullable=False, server_default=false()),
    Index("ix_uses_open", "id", sqlite_where=IS_USED, postgresql_where=IS_USED),
    sqlite_autoincrement=True,
)

mails = Table(
    "mails",
    metadata,
    # The outbox: what waits for a mail server, and what became of it. The content goes once it is sent.
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("company_id", ID, ForeignKey("companies.id"), nullable=False, index=True),
    Column("session_id", ID, ForeignKey("sessions.id"), index=True),
    Column("kind", String(16), nullable=False),
    Column("sealed_content", LargeBinary),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("detail", Text, nullable=False),
    CheckConstraint("state IN ('waiting', 'sent', 'outbox', 'failed', 'withdrawn')", name="state"),
    Index("ix_mails_waiting", "due_at", sqlite_where=IS_WAITING, postgresql_where=IS_WAITING),
    sqlite_autoincrement=True,
)

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", ID, primary_key=True),
    Column("company_id", ID, ForeignKey("companies.id"), nullable=False, index=True),
    Column("url", Text, nullable=False),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("events", JSON, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    # How far it has got in its company's audit log, from which its events come.
    Column("seen_number", Integer, nullable=False),
    # Tries that failed since the last one that did not, and when the first of them was.
    Column("failures", Integer, nullable=False),
    Column("failing_since", UtcDateTime),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("id", ID, primary_key=True),
    Column("webhook_id", ID, ForeignKey("webhooks.id"), nullable=False, index=True),
    Column("event", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("last_status", Integer),
    Column("detail", Text, nullable=False),
    CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name="state"),
    Index(
        "ix_webhook_deliveries_waiting",
        "due_at",
        sqlite_where=IS_WAITING,
        postgresql_where=IS_WAITING,
    ),
)

audit = Table(
    "audit",
    metadata,
    # No foreign keys: the log outlives what it tells of. Rows are only ever added, each to the chain of its
    # company; retention empties `fields` and `salt`; the chain needs neither (`relay.store.audit_chain`).
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("company_id", ID),
    Column("session_id", ID, index=True),
    Column("actor", Text, nullable=False),
    Column("action", String(32), nullable=False),
    Column("fields", JSON, nullable=False),
    Column("number", Integer, nullable=False),
    Column("salt", LargeBinary(16)),
    Column("fields_hash", HASH, nullable=False),
    Column("hash", HASH, nullable=False),
    Index("uq_audit_chain", "company_id", "number", unique=True),
    sqlite_autoincrement=True,
)

audit_chains = Table(
    "audit_chains",
    metadata,
    # The head of each chain, by company ("": rows about none), and as it was when the relay last signed it.
    Column("chain", ID, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("hash", HASH, nullable=False),
    Column("signed_number", Integer, nullable=False, server_default="0"),
    Column("signed_hash", HASH),
    Column("signed_at", UtcDateTime),
    Column("signature", LargeBinary(64)),
)
