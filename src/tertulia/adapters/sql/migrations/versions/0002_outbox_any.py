"""What waits in the outbox, of whatever topic, in order: what a relay takes."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"


def upgrade() -> None:
    op.create_index(
        "ix_outbox_any",
        "outbox",
        ["position"],
        sqlite_where=sa.text("state = 'ready'"),
        postgresql_where=sa.text("state = 'ready'"),
    )
