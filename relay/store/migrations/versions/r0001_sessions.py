"""The first tables: companies, technicians and how they sign in, sessions, tickets, the audit log."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """From an empty database."""
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("company_id", sa.String(length=22), nullable=True),
        sa.Column("session_id", sa.String(length=22), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("fields", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_company_id"), "audit", ["company_id"], unique=False)
    op.create_index(op.f("ix_audit_session_id"), "audit", ["session_id"], unique=False)
    op.create_table(
        "companies",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("plan", sa.String(length=16), nullable=False),
        sa.Column("has_insight", sa.Boolean(), nullable=False),
        sa.Column("max_open_per_technician", sa.Integer(), nullable=False),
        sa.Column("max_open_per_company", sa.Integer(), nullable=False),
        sa.Column("session_lifetime", sa.Float(), nullable=False),
        sa.Column("preparation_timeout", sa.Float(), nullable=False),
        sa.Column("is_suspended", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "max_open_per_technician >= 1 AND max_open_per_company >= 1", name=op.f("ck_companies_limits")
        ),
        sa.CheckConstraint(
            "preparation_timeout BETWEEN 1 AND 86400", name=op.f("ck_companies_preparation_timeout")
        ),
        sa.CheckConstraint(
            "session_lifetime BETWEEN 1 AND 86400", name=op.f("ck_companies_session_lifetime")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_companies")),
    )
    op.create_table(
        "technicians",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("company_id", sa.String(length=22), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("is_disabled", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_technicians_company_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_technicians")),
        sa.UniqueConstraint("email", name=op.f("uq_technicians_email")),
    )
    op.create_index(op.f("ix_technicians_company_id"), "technicians", ["company_id"], unique=False)
    op.create_table(
        "cookies",
        sa.Column("cookie_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("technician_id", sa.String(length=22), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["technician_id"], ["technicians.id"], name=op.f("fk_cookies_technician_id")),
        sa.PrimaryKeyConstraint("cookie_hash", name=op.f("pk_cookies")),
    )
    op.create_index(op.f("ix_cookies_technician_id"), "cookies", ["technician_id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("company_id", sa.String(length=22), nullable=False),
        sa.Column("technician_id", sa.String(length=22), nullable=False),
        sa.Column("technician_name", sa.Text(), nullable=False),
        sa.Column("customer_email", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lapse_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifetime", sa.Float(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("end_reason", sa.String(length=32), nullable=True),
        sa.Column("removal", sa.String(length=16), nullable=False),
        sa.Column("activated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("computer", sa.Text(), nullable=False),
        sa.Column("os", sa.Text(), nullable=False),
        sa.Column("host_user", sa.Text(), nullable=False),
        sa.Column("host_key", sa.LargeBinary(length=32), nullable=True),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failed_attempt", sa.Integer(), nullable=False),
        sa.Column("paired_host_attempt", sa.Integer(), nullable=False),
        sa.Column("paired_viewer_attempt", sa.Integer(), nullable=False),
        sa.Column("host_ready", sa.Boolean(), nullable=False),
        sa.Column("funnel", sa.JSON(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("technician_slot", sa.Integer(), nullable=False),
        sa.Column("company_slot", sa.Integer(), nullable=False),
        sa.Column("invite_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("credential_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("wrapped", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name=op.f("ck_sessions_ended")),
        sa.CheckConstraint(
            "state IN ('prepared', 'waiting', 'active', 'ended')", name=op.f("ck_sessions_state")
        ),
        sa.CheckConstraint("attempts BETWEEN 0 AND 15", name=op.f("ck_sessions_attempts")),
        sa.CheckConstraint("code BETWEEN 1 AND 3 AND tries BETWEEN 0 AND 5", name=op.f("ck_sessions_tries")),
        sa.CheckConstraint("technician_slot >= 1 AND company_slot >= 1", name=op.f("ck_sessions_slots")),
        sa.ForeignKeyConstraint(["company_id"], ["companies.id"], name=op.f("fk_sessions_company_id")),
        sa.ForeignKeyConstraint(
            ["technician_id"], ["technicians.id"], name=op.f("fk_sessions_technician_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("credential_hash", name=op.f("uq_sessions_credential_hash")),
        sa.UniqueConstraint("invite_hash", name=op.f("uq_sessions_invite_hash")),
    )
    op.create_index(op.f("ix_sessions_technician_id"), "sessions", ["technician_id"], unique=False)
    op.create_index(
        "uq_sessions_open_company",
        "sessions",
        ["company_id", "company_slot"],
        unique=True,
        sqlite_where=sa.text("state != 'ended'"),
        postgresql_where=sa.text("state != 'ended'"),
    )
    op.create_index(
        "uq_sessions_open_technician",
        "sessions",
        ["technician_id", "technician_slot"],
        unique=True,
        sqlite_where=sa.text("state != 'ended'"),
        postgresql_where=sa.text("state != 'ended'"),
    )
    op.create_table(
        "sign_in_links",
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("technician_id", sa.String(length=22), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["technician_id"], ["technicians.id"], name=op.f("fk_sign_in_links_technician_id")
        ),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_sign_in_links")),
    )
    op.create_index(op.f("ix_sign_in_links_technician_id"), "sign_in_links", ["technician_id"], unique=False)
    op.create_table(
        "tickets",
        sa.Column("ticket_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("session_id", sa.String(length=22), nullable=False),
        sa.Column("technician_id", sa.String(length=22), nullable=False),
        sa.Column("kinds", sa.JSON(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_tickets_session_id")),
        sa.ForeignKeyConstraint(["technician_id"], ["technicians.id"], name=op.f("fk_tickets_technician_id")),
        sa.PrimaryKeyConstraint("ticket_hash", name=op.f("pk_tickets")),
    )
    op.create_index(op.f("ix_tickets_session_id"), "tickets", ["session_id"], unique=False)


def downgrade() -> None:
    """To an empty database."""
    op.drop_table("tickets")
    op.drop_table("sessions")
    op.drop_table("sign_in_links")
    op.drop_table("cookies")
    op.drop_table("technicians")
    op.drop_table("companies")
    op.drop_table("audit")
