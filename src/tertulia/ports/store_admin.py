"""Care of the store: what `doctor`, `backup` and `key rotate` need of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from tertulia.kit.errors import Kind, TertuliaError
from tertulia.ports.store import StoreUnavailableError


class DatabaseCorruptError(StoreUnavailableError):
    """The database is damaged; restore a backup (tertulia restore)."""

    code = "database_corrupt"


class DatabaseNewerError(StoreUnavailableError):
    """The database was made by a newer Tertulia; install that version or a later one."""

    code = "database_newer"


class DatabaseForeignError(StoreUnavailableError):
    """The file is not a database of Tertulia."""

    code = "database_foreign"


class DatabaseUnfinishedError(StoreUnavailableError):
    """The database is a copy that was not finished; run the same `tertulia migrate` again."""

    code = "database_unfinished"


class WrongKeyError(TertuliaError):
    """The database was written with another master key; put the right key file back."""

    code = "key_wrong"
    kind = Kind.UNAVAILABLE


class StoreAdmin(Protocol):
    """Every method may be called while the store serves, also from another process."""

    @property
    def revision(self) -> str:
        """The schema's version."""
        ...

    async def check(self) -> Sequence[str]:
        """Look through the whole database; one sentence for each problem."""
        ...

    async def counts(self) -> Mapping[str, int]:
        """Rows by table, and `unrewrapped`: conversations whose data key an older version of
        the master key wraps."""
        ...

    async def rewrap(self, *, limit: int) -> int:
        """Wrap up to `limit` data keys anew that an older master key wraps; returns how many
        were left to do before. When it returns 0 after KeyVault.rotate, in whichever process,
        no older version is in use."""
        ...

    async def copy(self, target: Path) -> int:
        """A consistent, compact copy of the database, as a SQLite file, in the empty file
        `target`, with the texts that are in the history log. Returns how many the log has lost."""
        ...
