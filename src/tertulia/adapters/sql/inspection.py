"""Looking at a database without changing it: neither upgraded nor created."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tertulia.adapters.sql.data_keys import DataKeys
from tertulia.adapters.sql.identity import check_identity, check_keys
from tertulia.adapters.sql.migrate import can_serve
from tertulia.adapters.sql.sqlite_connection import DIALECT, SqliteConnection, connect, translated
from tertulia.adapters.sql.sqlite_open import check_ours, floor, revision
from tertulia.adapters.sql.statements import compile_all
from tertulia.ports.key_vault import KeyVault

BUSY_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """`revision` is the schema's (None: empty), `current` whether this version
    can work on it as it is, `problems` what is damaged."""

    revision: str | None
    current: bool
    problems: Sequence[str]


def inspect(path: Path, vault: KeyVault) -> Inspection:
    """Read the whole database. Raises what opening it raises (ports/store_admin.py)."""
    try:
        with closing(connect(path, busy_timeout_s=BUSY_TIMEOUT_S, writes=False)) as raw:
            check_ours(raw, path)
            found = revision(raw)
            current = can_serve(found, lambda: floor(raw))
            problems = _problems(raw)
            if current and not problems:
                db = SqliteConnection(raw, compile_all(DIALECT))
                check_identity(db, vault)
                check_keys(db, DataKeys(vault))
            return Inspection(revision=found, current=current, problems=problems)
    except sqlite3.Error as error:
        raise translated(error) from error


def _problems(raw: sqlite3.Connection) -> list[str]:
    rows: list[tuple[str]] = raw.execute("PRAGMA integrity_check(10)").fetchall()
    lost: list[tuple[str]] = raw.execute("PRAGMA foreign_key_check").fetchall()
    return [row[0] for row in rows if row[0] != "ok"] + [
        f"a row of {row[0]} belongs to nothing" for row in lost
    ]
