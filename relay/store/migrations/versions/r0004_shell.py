"""A company says whether its technicians may have a shell on the computers they help."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """From 0003. Who has the Dashboard has the shell too, until somebody switches it off."""
    op.add_column(
        "companies", sa.Column("allows_shell", sa.Boolean(), server_default=sa.true(), nullable=False)
    )


def downgrade() -> None:
    """To 0003."""
    op.drop_column("companies", "allows_shell")
