"""Texts that lie in a history log, and conversations whose texts are to be erased there."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0003"
down_revision: Final = "0002"

_TEXT: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("messages", sa.Column("moved", sa.LargeBinary()))
    op.add_column("messages", sa.Column("due_us", sa.BigInteger()))
    op.create_index(
        "ix_messages_due",
        "messages",
        ["due_us"],
        sqlite_where=sa.text("due_us IS NOT NULL"),
        postgresql_where=sa.text("due_us IS NOT NULL"),
    )
    op.create_table(
        "erasures",
        sa.Column("conversation_id", _TEXT, nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("due_us", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("conversation_id", name="pk_erasures"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_erasures_due_us", "erasures", ["due_us"])
