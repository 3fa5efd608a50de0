"""What a support company needs: roles, second factors, brand, mail, colleagues, automation."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """From 0001. Whoever was there before there were roles could do everything: they become owners."""
    op.create_table(
        "company_logos",
        sa.Column("company_id", sa.String(length=22), nullable=False),
        sa.Column("media_type", sa.String(length=32), nullable=False),
        sa.Column("image", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_company_logos_company_id")),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_company_logos")),
    )
    op.create_table(
        "company_mail_servers",
        sa.Column("company_id", sa.String(length=22), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("sealed_server", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["companies.id"], name=op.f("fk_company_mail_servers_company_id")
        ),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_company_mail_servers")),
    )
    op.create_table(
        "identity_providers",
        sa.Column("company_id", sa.String(length=22), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text(), nullable=False),
        sa.Column("sealed_client_secret", sa.LargeBinary(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["company_id"], ["companies.id"], name=op.f("fk_identity_providers_company_id")
        ),
        sa.PrimaryKeyConstraint("company_id", name=op.f("pk_identity_providers")),
    )
    op.create_table(
        "webhooks",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("company_id", sa.String(length=22), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_number", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_webhooks_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
    )
    op.create_index(op.f("ix_webhooks_company_id"), "webhooks", ["company_id"], unique=False)
    op.create_table(
        "api_tokens",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("company_id", sa.String(length=22), nullable=False),
        sa.Column("technician_id", sa.String(length=22), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_api_tokens_company_id")),
        sa.ForeignKeyConstraint(
            ["technician_id"], ["technicians.id"], name=op.f("fk_api_tokens_technician_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_api_tokens_token_hash")),
    )
    op.create_index(op.f("ix_api_tokens_company_id"), "api_tokens", ["company_id"], unique=False)
    op.create_index(op.f("ix_api_tokens_technician_id"), "api_tokens", ["technician_id"], unique=False)
    op.create_table(
        "challenges",
        sa.Column("challenge_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("technician_id", sa.String(length=22), nullable=True),
        sa.Column("company_id", sa.String(length=22), nullable=True),
        sa.Column("sealed_data", sa.LargeBinary(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_challenges_company_id")),
        sa.ForeignKeyConstraint(
            ["technician_id"], ["technicians.id"], name=op.f("fk_challenges_technician_id")
        ),
        sa.PrimaryKeyConstraint("challenge_hash", name=op.f("pk_challenges")),
    )
    op.create_index(op.f("ix_challenges_technician_id"), "challenges", ["technician_id"], unique=False)
    op.create_table(
        "idempotency_keys",
        sa.Column("technician_id", sa.String(length=22), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("request_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["technician_id"], ["technicians.id"], name=op.f("fk_idempotency_keys_technician_id")
        ),
        sa.PrimaryKeyConstraint("technician_id", "key_hash", name=op.f("pk_idempotency_keys")),
    )
    op.create_table(
        "identities",
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("technician_id", sa.String(length=22), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["technician_id"], ["technicians.id"], name=op.f("fk_identities_technician_id")
        ),
        sa.PrimaryKeyConstraint("issuer", "subject", name=op.f("pk_identities")),
    )
    op.create_index(op.f("ix_identities_technician_id"), "identities", ["technician_id"], unique=False)
    op.create_table(
        "passkeys",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("technician_id", sa.String(length=22), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(length=1023), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("transports", sa.JSON(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["technician_id"], ["technicians.id"], name=op.f("fk_passkeys_technician_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkeys_credential_id")),
    )
    op.create_index(op.f("ix_passkeys_technician_id"), "passkeys", ["technician_id"], unique=False)
    op.create_table(
        "recovery_codes",
        sa.Column("code_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("technician_id", sa.String(length=22), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["technician_id"], ["technicians.id"], name=op.f("fk_recovery_codes_technician_id")
        ),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_recovery_codes")),
    )
    op.create_index(
        op.f("ix_recovery_codes_technician_id"), "recovery_codes", ["technician_id"], unique=False
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("webhook_id", sa.String(length=22), nullable=False),
        sa.Column("event", sa.String(length=32), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'failed')", name=op.f("ck_webhook_deliveries_state")
        ),
        sa.ForeignKeyConstraint(
            ["webhook_id"], ["webhooks.id"], name=op.f("fk_webhook_deliveries_webhook_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
    )
    op.create_index(
        "ix_webhook_deliveries_waiting",
        "webhook_deliveries",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        op.f("ix_webhook_deliveries_webhook_id"), "webhook_deliveries", ["webhook_id"], unique=False
    )
    op.create_table(
        "mails",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("company_id", sa.String(length=22), nullable=False),
        sa.Column("session_id", sa.String(length=22), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("sealed_content", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('waiting', 'sent', 'outbox', 'failed', 'withdrawn')", name=op.f("ck_mails_state")
        ),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_mails_company_id")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_mails_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mails")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_mails_company_id"), "mails", ["company_id"], unique=False)
    op.create_index(
        "ix_mails_waiting",
        "mails",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(op.f("ix_mails_session_id"), "mails", ["session_id"], unique=False)
    op.create_table(
        "shares",
        sa.Column("session_id", sa.String(length=22), nullable=False),
        sa.Column("technician_id", sa.String(length=22), nullable=False),
        sa.Column("technician_name", sa.Text(), nullable=False),
        sa.Column("access", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("access IN ('view', 'full')", name=op.f("ck_shares_access")),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_shares_session_id")),
        sa.ForeignKeyConstraint(["technician_id"], ["technicians.id"], name=op.f("fk_shares_technician_id")),
        sa.PrimaryKeyConstraint("session_id", "technician_id", name=op.f("pk_shares")),
    )
    op.create_index(op.f("ix_shares_technician_id"), "shares", ["technician_id"], unique=False)
    op.create_table(
        "uses",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("session_id", sa.String(length=22), nullable=False),
        sa.Column("company_id", sa.String(length=22), nullable=False),
        sa.Column("technician_id", sa.String(length=22), nullable=False),
        sa.Column("technician_name", sa.Text(), nullable=False),
        sa.Column("tool", sa.String(length=16), nullable=False),
        sa.Column("access", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("is_estimated", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_uses_session_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_uses")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_uses_session_id"), "uses", ["session_id"], unique=False)
    op.add_column("companies", sa.Column("colour", sa.String(length=7), server_default="", nullable=False))
    op.add_column(
        "companies", sa.Column("requires_reason", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column(
        "companies",
        sa.Column("requires_second_factor", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.add_column(
        "companies", sa.Column("retention_days", sa.Integer(), server_default="365", nullable=False)
    )
    op.add_column("cookies", sa.Column("id", sa.String(length=22), nullable=True))
    op.add_column("cookies", sa.Column("created_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("cookies", sa.Column("agent", sa.Text(), server_default="", nullable=False))
    op.add_column(
        "cookies", sa.Column("way", sa.String(length=16), server_default="password", nullable=False)
    )
    op.create_index(op.f("ix_cookies_id"), "cookies", ["id"], unique=False)
    op.add_column(
        "sessions", sa.Column("wants_receipt", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column(
        "sessions", sa.Column("is_forgotten", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column(
        "sign_in_links", sa.Column("purpose", sa.String(length=16), server_default="sign_in", nullable=False)
    )
    op.add_column(
        "technicians", sa.Column("role", sa.String(length=16), server_default="technician", nullable=False)
    )
    op.add_column("technicians", sa.Column("created_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("technicians", sa.Column("signed_in_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("technicians", sa.Column("sealed_totp_secret", sa.LargeBinary(), nullable=True))
    op.add_column(
        "technicians",
        sa.Column("totp_confirmed_at", sa.DateTime(timezone=True), nullable=True),
    )
    op.add_column(
        "technicians", sa.Column("totp_last_step", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.add_column("tickets", sa.Column("access", sa.String(length=8), server_default="full", nullable=False))
    op.add_column("tickets", sa.Column("reason", sa.Text(), server_default="", nullable=False))
    op.add_column("tickets", sa.Column("asked_by_hash", sa.LargeBinary(length=32), nullable=True))
    op.execute("UPDATE technicians SET role = 'owner'")


def downgrade() -> None:
    """To 0001."""
    op.drop_column("tickets", "asked_by_hash")
    op.drop_column("tickets", "reason")
    op.drop_column("tickets", "access")
    op.drop_column("technicians", "totp_last_step")
    op.drop_column("technicians", "totp_confirmed_at")
    op.drop_column("technicians", "sealed_totp_secret")
    op.drop_column("technicians", "signed_in_at")
    op.drop_column("technicians", "created_at")
    op.drop_column("technicians", "role")
    op.drop_column("sign_in_links", "purpose")
    op.drop_column("sessions", "is_forgotten")
    op.drop_column("sessions", "wants_receipt")
    op.drop_index(op.f("ix_cookies_id"), table_name="cookies")
    op.drop_column("cookies", "way")
    op.drop_column("cookies", "agent")
    op.drop_column("cookies", "created_at")
    op.drop_column("cookies", "id")
    op.drop_column("companies", "retention_days")
    op.drop_column("companies", "requires_second_factor")
    op.drop_column("companies", "requires_reason")
    op.drop_column("companies", "colour")
    op.drop_index(op.f("ix_uses_session_id"), table_name="uses")
    op.drop_table("uses")
    op.drop_index(op.f("ix_shares_technician_id"), table_name="shares")
    op.drop_table("shares")
    op.drop_index(op.f("ix_mails_session_id"), table_name="mails")
    op.drop_index(op.f("ix_mails_due_at"), table_name="mails")
    op.drop_index(op.f("ix_mails_company_id"), table_name="mails")
    op.drop_table("mails")
    op.drop_index(op.f("ix_webhook_deliveries_webhook_id"), table_name="webhook_deliveries")
    op.drop_index(op.f("ix_webhook_deliveries_due_at"), table_name="webhook_deliveries")
    op.drop_table("webhook_deliveries")
    op.drop_index(op.f("ix_recovery_codes_technician_id"), table_name="recovery_codes")
    op.drop_table("recovery_codes")
    op.drop_index(op.f("ix_passkeys_technician_id"), table_name="passkeys")
    op.drop_table("passkeys")
    op.drop_index(op.f("ix_identities_technician_id"), table_name="identities")
    op.drop_table("identities")
    op.drop_table("idempotency_keys")
    op.drop_index(op.f("ix_challenges_technician_id"), table_name="challenges")
    op.drop_table("challenges")
    op.drop_index(op.f("ix_api_tokens_technician_id"), table_name="api_tokens")
    op.drop_index(op.f("ix_api_tokens_company_id"), table_name="api_tokens")
    op.drop_table("api_tokens")
    op.drop_index(op.f("ix_webhooks_company_id"), table_name="webhooks")
    op.drop_table("webhooks")
    op.drop_table("identity_providers")
    op.drop_table("company_mail_servers")
    op.drop_table("company_logos")
