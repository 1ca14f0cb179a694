"""Brings a database to this version's schema. Alembic is imported only when there is work."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert

from tertulia.adapters.sql.schema import meta
from tertulia.ports.store_admin import DatabaseNewerError

if TYPE_CHECKING:
    from sqlalchemy import Connection

REVISIONS: Final = ("0001", "0002", "0003")
"""Every revision in migrations/versions, oldest first. Naming them here lets a start find in one
query that nothing is to be done."""
HEAD: Final = REVISIONS[-1]

CONTRACTS: Final[frozenset[str]] = frozenset()
"""Those that take away something that older versions need. All others only add."""
FLOOR: Final = max(CONTRACTS, default=REVISIONS[0])
FLOOR_NAME: Final = "schema_floor"
"""Among what a database says of itself: the oldest revision whose version can work on it."""


def is_current(revision: str | None) -> bool:
    """Whether a database of `revision` (None: empty) needs no migration. DatabaseNewerError when
    this version does not know it."""
    if revision is not None and revision not in REVISIONS:
        raise DatabaseNewerError(revision=revision)
    return revision == HEAD


def can_serve(revision: str | None, floor: Callable[[], str | None]) -> bool:
    """Whether this version can work on a database of `revision` as it is, whose `floor` is asked
    for when a newer version made it. DatabaseNewerError when that took away what this one needs."""
    if revision is None or revision in REVISIONS:
        return revision == HEAD
    lowest = floor()
    if lowest is None or lowest > HEAD:
        raise DatabaseNewerError(revision=revision)
    return True


def migrate(connection: "Connection", to: str = HEAD) -> None:
    """Upgrade inside the transaction that `connection` is in."""
    import alembic.command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "tertulia.adapters.sql:migrations")
    config.attributes["connection"] = connection
    alembic.command.upgrade(config, to)
    connection.execute(delete(meta).where(meta.c.name == FLOOR_NAME))
    connection.execute(insert(meta).values(name=FLOOR_NAME, value=FLOOR))
