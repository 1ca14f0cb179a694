"""Care of a PostgreSQL database: what it holds, and whether it keeps what it is told."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import cast

from tertulia.adapters.sql.data_keys import DataKeys
from tertulia.adapters.sql.identity import check_identity, check_keys
from tertulia.adapters.sql.inspection import Inspection
from tertulia.adapters.sql.migrate import can_serve, is_current
from tertulia.adapters.sql.postgres_connection import DIALECT, PostgresConnection
from tertulia.adapters.sql.postgres_errors import ConnectionLostError, RefusedError, translated
from tertulia.adapters.sql.postgres_open import Line, Place, floor, revision
from tertulia.adapters.sql.rewrap import count_unrewrapped
from tertulia.adapters.sql.schema import metadata
from tertulia.adapters.sql.scope import Scope
from tertulia.adapters.sql.sqlite_connection import connect
from tertulia.adapters.sql.sqlite_connection import translated as translated_sqlite
from tertulia.adapters.sql.sqlite_open import make_schema
from tertulia.adapters.sql.statements import compile_all
from tertulia.adapters.sql.transfer import STATEMENTS, copy_rows, hand_over
from tertulia.adapters.sql.transfer_sides import PostgresSide, SqliteSide
from tertulia.kit.errors import TamperedError
from tertulia.ports.key_vault import KeyMissingError, KeyVault

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


def inspect(place: Place, vault: KeyVault) -> Inspection:
    """Look at the database without changing it. Raises what opening it raises."""
    with closing(place.connect()) as raw:
        found = revision(raw)
        if not can_serve(found, lambda: floor(raw)):
            return Inspection(revision=found, current=False, problems=())
    line = Line(place, compile_all(DIALECT))
    try:
        check_identity(line.db, vault)
        scope = Scope(line.db, DataKeys(vault), writes=False)
        return Inspection(revision=found, current=True, problems=problems(scope))
    except (ConnectionLostError, RefusedError) as error:
        raise translated(error) from error
    finally:
        line.close()


def copy(place: Place, target: Path) -> None:
    """One snapshot of the database, while it is served, as a SQLite database in `target`.
    DatabaseNewerError when a newer version has added to it what would be missing there."""
    with closing(place.connect()) as raw:
        is_current(revision(raw))
    line = Line(place, compile_all(DIALECT, STATEMENTS))
    try:
        with closing(connect(target, busy_timeout_s=0, writes=True)) as raw:
            source, copied = PostgresSide(line.db), SqliteSide(raw)
            line.db.begin(writes=False)
            make_schema(raw, lambda: None)
            raw.execute("PRAGMA synchronous = OFF")  # whoever makes the backup syncs the file
            copy_rows(source, copied, lambda _table, _done, _total: None)
            hand_over(source, copied)
    except sqlite3.Error as error:
        raise translated_sqlite(error) from error
    except (ConnectionLostError, RefusedError) as error:
        raise translated(error) from error
    finally:
        line.close()
