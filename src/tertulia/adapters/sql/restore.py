"""Restoring a backup: everything is checked on a draft before a name is given or changed."""

import shutil
import sqlite3
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from typing import Final

from sqlalchemy import delete, update

from tertulia.adapters.sql.backup import (
    NO_LINKS,
    BackupDamagedError,
    TargetExistsError,
    draft_of,
    extract,
    place_new,
    read_backup,
)
from tertulia.adapters.sql.data_keys import DataKeys
from tertulia.adapters.sql.identity import check_identity, check_keys
from tertulia.adapters.sql.migrate import is_current
from tertulia.adapters.sql.relocation import relocate
from tertulia.adapters.sql.schema import credentials, feed_heads
from tertulia.adapters.sql.sqlite_connection import DIALECT, SqliteConnection, connect, translated
from tertulia.adapters.sql.sqlite_open import check_ours, quick_check, revision
from tertulia.adapters.sql.statements import compile_all, given, statement, text
from tertulia.kit.folders import sync_folder
from tertulia.ports.key_vault import KeyVault
from tertulia.ports.store_admin import DatabaseForeignError

NEW_LIFE: Final = 10**9
"""How far a restore moves every feed ahead, so that a cursor from the life after the backup is too
old, never one of the numbers that are given out again."""

_NEW_NUMBERS: Final = statement(
    update(feed_heads).values(
        head=feed_heads.c.head + given("life"), dropped=feed_heads.c.head + given("life")
    )
)
_SIGN_OUT: Final = statement(
    delete(credentials).where(credentials.c.kind.in_([text("link"), text("session")]))
)


def restore(file: Path, database: Path, vault: KeyVault, *, replace: bool = False) -> Path | None:
    """Put the database of the backup `file` at `database`.

    The caller holds the home alone. Refused, with nothing changed: a damaged backup
    (BackupDamagedError), one of a newer version (DatabaseNewerError), one that the keys of `vault`
    do not open (WrongKeyError, KeyMissingError), and an existing database (TargetExistsError)
    unless `replace`; that one is kept, and its new path is returned. Atomic: after a power cut
    there is the old database or the new one.
    """
    about = read_backup(file)
    if not replace and database.exists():
        msg = f"The database {database} exists already; --replace keeps it aside."
        raise TargetExistsError(msg)
    with draft_of(database) as draft:
        extract(file, about, draft)
        _check(draft, vault)
        if not database.exists():
            _drop_leftovers(database)
            place_new(draft, database)
            return None
        kept = _keep(database)
        draft.replace(database)
        sync_folder(database.parent)
        return kept


def restore_elsewhere(file: Path, url: str, vault: KeyVault, folder: Path) -> None:
    """Put the database of the backup `file` into the empty database of PostgreSQL `url`, by way
    of a draft in `folder`. Refused as `restore`; TargetTakenError when it is not empty. When it
    breaks off the target is served by nobody; the same call goes on."""
    about = read_backup(file)
    with draft_of(folder / "restored.db") as draft:
        extract(file, about, draft)
        _check(draft, vault)
        relocate(f"sqlite:///{draft}", url, on_progress=lambda _table, _done, _total: None)


def _check(draft: Path, vault: KeyVault) -> None:
    compiled = compile_all(DIALECT)
    try:
        with closing(connect(draft, busy_timeout_s=0, writes=True)) as raw:
            check_ours(raw, draft)
            found = revision(raw)
            is_current(found)
            if found is None or quick_check(raw):
                raise BackupDamagedError
            db = SqliteConnection(raw, compiled)
            check_identity(db, vault)
            check_keys(db, DataKeys(vault))
            raw.execute("PRAGMA journal_mode = DELETE")
            db.run(_NEW_NUMBERS, {"life": NEW_LIFE})
            db.run(_SIGN_OUT, {})  # whoever signed out since the backup stays signed out
    except DatabaseForeignError:
        raise BackupDamagedError from None
    except sqlite3.Error as error:
        raise translated(error) from error


def _drop_leftovers(database: Path) -> None:
    """The log of a database that is gone must not be replayed into another one."""
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)


def _keep(database: Path) -> Path:
    """Give the present database a second name; what its log holds goes into it, or along."""
    with suppress(sqlite3.Error), closing(connect(database, busy_timeout_s=0, writes=True)) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    kept = _second_name(database)
    log = database.with_name(database.name + "-wal")
    if log.exists():
        log.replace(kept.with_name(kept.name + "-wal"))
    _drop_leftovers(database)
    sync_folder(database.parent)
    return kept


def _second_name(database: Path) -> Path:
    """The first free one of `tertulia.db.replaced-1`, `-2` and so on."""
    for number in count(1):
        kept = database.with_name(f"{database.name}.replaced-{number}")
        try:
            kept.hardlink_to(database)
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            if kept.exists():
                continue
            shutil.copy2(database, kept)
        return kept
    raise AssertionError
