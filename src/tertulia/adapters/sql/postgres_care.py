"""Care of a PostgreSQL database: what it holds, and whether it keeps what it is told."""

from pathlib import Path
from typing import cast

from tertulia.adapters.sql.identity import check_keys
from tertulia.adapters.sql.postgres_connection import PostgresConnection
from tertulia.adapters.sql.postgres_open import Place
from tertulia.adapters.sql.rewrap import count_unrewrapped
from tertulia.adapters.sql.schema import metadata
from tertulia.adapters.sql.scope import Scope
from tertulia.kit.errors import TamperedError
from tertulia.ports.key_vault import KeyMissingError

_SAFETY = {
    "fsync": "after a power cut the database may be damaged",
    "full_page_writes": "after a power cut the database may be damaged",
}


def problems(scope: Scope) -> list[str]:
    """One sentence for each."""
    db = cast("PostgresConnection", scope.db)
    found: list[str] = []
    for name, danger in _SAFETY.items():
        [(value,)] = db.ask(b"SELECT current_setting($1)", name.encode())
        if value != "on":
            found.append(f"The server runs with {name} = {value}: {danger}.")
    broken = db.ask(b"SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid")
    found += [f"The index {name} is not valid; run: REINDEX INDEX {name}" for (name,) in broken]
    try:
        check_keys(db, scope.keys)
    except (KeyMissingError, TamperedError) as error:
        found.append(error.message)
    return found


def counts(scope: Scope) -> dict[str, int]:
    """Rows by table, and `unrewrapped`."""
    db = cast("PostgresConnection", scope.db)
    found = {
        table: int(db.ask(f"SELECT count(*) FROM {table}".encode())[0][0])  # noqa: S608  our own names
        for table in metadata.tables
    }
    return {**found, "unrewrapped": count_unrewrapped(scope)}


def copy(place: Place, target: Path) -> None:
    raise NotImplementedError
