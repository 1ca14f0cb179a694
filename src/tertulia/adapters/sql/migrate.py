"""Brings a database to this version's schema. Alembic is imported only when there is work."""

from typing import TYPE_CHECKING, Final

from tertulia.ports.store_admin import DatabaseNewerError

if TYPE_CHECKING:
    from sqlalchemy import Connection

REVISIONS: Final = ("0001", "0002", "0003")
"""Every revision in migrations/versions, oldest first. Naming them here lets a start find in one
query that nothing is to be done."""
HEAD: Final = REVISIONS[-1]


def is_current(revision: str | None) -> bool:
    """Whether a database of `revision` (None: empty) needs no migration. DatabaseNewerError when
    this version does not know it."""
    if revision is not None and revision not in REVISIONS:
        raise DatabaseNewerError(revision=revision)
    return revision == HEAD


def migrate(connection: "Connection") -> None:
    """Upgrade inside the transaction that `connection` is in."""
    import alembic.command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "tertulia.adapters.sql:migrations")
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, HEAD)
