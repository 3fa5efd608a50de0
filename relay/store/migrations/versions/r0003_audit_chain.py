"""The audit log becomes a hash chain for each company, and retention finds what it must forget."""

import os
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

from relay.store.audit_chain import EMPTY, RELAY_CHAIN, SALT_BYTES, Head, append, hash_fields

revision = "0003"
down_revision = "0002"

PAGE_ROWS = 5000
"""Chained at once: a log of 100 000 rows takes some seconds and no memory to speak of."""

_rows = sa.table(
    "audit",
    sa.column("id", sa.Integer),
    sa.column("at", sa.DateTime(timezone=True)),
    sa.column("company_id", sa.String),
    sa.column("session_id", sa.String),
    sa.column("actor", sa.Text),
    sa.column("action", sa.String),
    sa.column("fields", sa.JSON),
    sa.column("number", sa.Integer),
    sa.column("salt", sa.LargeBinary),
    sa.column("fields_hash", sa.LargeBinary),
    sa.column("hash", sa.LargeBinary),
)


def upgrade() -> None:
    """From 0002. The rows that are there are chained in the order in which they were written."""
    chains = op.create_table(
        "audit_chains",
        sa.Column("chain", sa.String(length=22), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("signed_number", sa.Integer(), server_default="0", nullable=False),
        sa.Column("signed_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("signature", sa.LargeBinary(length=64), nullable=True),
        sa.PrimaryKeyConstraint("chain", name=op.f("pk_audit_chains")),
    )
    op.add_column("audit", sa.Column("number", sa.Integer(), nullable=True))
    op.add_column("audit", sa.Column("salt", sa.LargeBinary(length=16), nullable=True))
    op.add_column("audit", sa.Column("fields_hash", sa.LargeBinary(length=32), nullable=True))
    op.add_column("audit", sa.Column("hash", sa.LargeBinary(length=32), nullable=True))
    heads = _chain_all(op.get_bind())
    if heads:
        op.bulk_insert(
            chains,
            [{"chain": chain, "number": head.number, "hash": head.hash} for chain, head in heads.items()],
        )
    # SQLite makes the table anew for this.
    with op.batch_alter_table("audit", table_kwargs={"sqlite_autoincrement": True}) as table:
        table.alter_column("number", existing_type=sa.Integer(), nullable=False)
        table.alter_column("fields_hash", existing_type=sa.LargeBinary(length=32), nullable=False)
        table.alter_column("hash", existing_type=sa.LargeBinary(length=32), nullable=False)
    op.drop_index(op.f("ix_audit_company_id"), table_name="audit")
    op.create_index("uq_audit_chain", "audit", ["company_id", "number"], unique=True)
    _create_partial_index("ix_sessions_kept", "sessions", ["company_id", "ended_at"], "NOT is_forgotten")
    _create_partial_index("ix_sessions_receipt", "sessions", ["ended_at"], "wants_receipt")
    _create_partial_index("ix_uses_open", "uses", ["id"], "ended_at IS NULL")


def downgrade() -> None:
    """To 0002: the log without its chain."""
    op.drop_index("ix_uses_open", table_name="uses")
    op.drop_index("ix_sessions_receipt", table_name="sessions")
    op.drop_index("ix_sessions_kept", table_name="sessions")
    op.drop_index("uq_audit_chain", table_name="audit")
    op.create_index(op.f("ix_audit_company_id"), "audit", ["company_id"], unique=False)
    for column in ("hash", "fields_hash", "salt", "number"):
        op.drop_column("audit", column)
    op.drop_table("audit_chains")


def _create_partial_index(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def _chain_all(connection: sa.Connection) -> dict[str, Head]:
    """Gives every row its place; the heads of the chains then."""
    heads: dict[str, Head] = {}
    place = (
        sa.update(_rows)
        .where(_rows.c.id == sa.bindparam("key"))
        .values({name: sa.bindparam(f"new_{name}") for name in ("number", "salt", "fields_hash", "hash")})
    )
    last = 0
    while True:
        wanted = sa.select(_rows).where(_rows.c.id > last).order_by(_rows.c.id).limit(PAGE_ROWS)
        page = connection.execute(wanted).all()
        if not page:
            return heads
        connection.execute(place, [_place(row, heads) for row in page])
        last = page[-1].id


def _place(row: Any, heads: dict[str, Head]) -> dict[str, Any]:
    chain = RELAY_CHAIN if row.company_id is None else row.company_id
    salt = os.urandom(SALT_BYTES)
    fields_hash = hash_fields(salt, row.fields)
    head = heads[chain] = append(
        heads.get(chain, EMPTY),
        chain=chain,
        at=_in_utc(row.at),
        session_id=row.session_id,
        actor=row.actor,
        action=row.action,
        fields_hash=fields_hash,
    )
    return {
        "key": row.id,
        "new_number": head.number,
        "new_salt": salt,
        "new_fields_hash": fields_hash,
        "new_hash": head.hash,
    }


def _in_utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
