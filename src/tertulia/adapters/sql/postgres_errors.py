"""What goes wrong on PostgreSQL, by its SQLSTATE, and what that means to whoever asked."""

from typing import Final

from tertulia.kit.errors import TertuliaError
from tertulia.ports.store import StorageFullError, StoreUnavailableError
from tertulia.ports.store_admin import DatabaseCorruptError

SERIALIZATION_FAILURE: Final = "40001"
DEADLOCK: Final = "40P01"
FOREIGN_KEY_VIOLATION: Final = "23503"
READ_ONLY: Final = "25006"
LOCK_TIMEOUT: Final = "55P03"
DISK_FULL: Final = "53100"
NO_RIGHTS: Final = "42501"
ABORTED: Final = "25P02"
UNKNOWN: Final = "08000"
CORRUPT: Final = frozenset({"XX001", "XX002"})

AGAIN: Final = frozenset({SERIALIZATION_FAILURE, DEADLOCK, FOREIGN_KEY_VIOLATION})
"""Other units of work were in the way: undone, this one may succeed. A foreign key is violated
only when what it points to was erased meanwhile."""

_GONE: Final = ("08", "57P", "57014")
"""The server ends or starts; also a statement that took too long."""


_BUSY: Final = "The database is busy: others hold what was wanted."
_SENTENCES: Final = {
    SERIALIZATION_FAILURE: _BUSY,
    DEADLOCK: _BUSY,
    LOCK_TIMEOUT: _BUSY,
    NO_RIGHTS: "The database's user lacks the rights for this.",
    "42P01": "The database lacks a table that was expected.",
    "53200": "The database's server has no memory left.",
    "53300": "The database's server has no connections left.",
}


class RefusedError(Exception):
    """The server refused a statement; the transaction can only be rolled back."""

    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


class ConnectionLostError(Exception):
    """The connection broke, or the server did not answer in time."""


def failure(sqlstate: str) -> RefusedError | ConnectionLostError:
    """For an error that the server reported."""
    return ConnectionLostError(sqlstate) if sqlstate.startswith(_GONE) else RefusedError(sqlstate)


def translated(error: RefusedError | ConnectionLostError) -> TertuliaError:
    """In the port's terms. Without the server's message, which may quote what people wrote."""
    if isinstance(error, ConnectionLostError):
        return StoreUnavailableError("The connection to the database broke.")
    if error.sqlstate == DISK_FULL:
        return StorageFullError()
    if error.sqlstate in CORRUPT:
        return DatabaseCorruptError()
    told = f"The database failed (SQLSTATE {error.sqlstate})."
    return StoreUnavailableError(_SENTENCES.get(error.sqlstate, told))
