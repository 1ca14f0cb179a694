"""Opening a database: ours, sound, current, or one clear sentence."""

import asyncio
import hashlib
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from pathlib import Path
from typing import Final

import pytest

from tertulia.adapters.keyfile import MemoryVault
from tertulia.adapters.sql.inspection import inspect
from tertulia.adapters.sql.sqlite import SqliteStore, open_sqlite_store
from tertulia.adapters.sql.sqlite_connection import connect
from tertulia.ports.store import StoreUnavailableError
from tertulia.ports.store_admin import (
    DatabaseCorruptError,
    DatabaseForeignError,
    DatabaseNewerError,
    WrongKeyError,
)
from tests.ports.stores import HandClock, NotedSignals, conversation, message

VAULT = MemoryVault()


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A database with a conversation."""
    database = tmp_path / "t.db"
    async with opened(database) as store:
        owner = await store.write(lambda tx: tx.accounts.owner())
        made = await store.write(lambda tx: tx.conversations.create(conversation(owner.id)))
        for _ in range(50):
            await store.write(lambda tx: tx.messages.append(message(made.id, text="x" * 2000)))
    return database


def opened(
    database: str | Path,
    vault: MemoryVault = VAULT,
    *,
    busy_timeout_s: float = 0.05,
    checked_bytes: int = 10**9,
) -> AbstractAsyncContextManager[SqliteStore]:
    return open_sqlite_store(
        database,
        vault,
        NotedSignals(),
        HandClock(),
        busy_timeout_s=busy_timeout_s,
        checked_bytes=checked_bytes,
    )


def sql(database: Path, *statements: str) -> None:
    with closing(sqlite3.connect(database, isolation_level=None)) as raw:
        for statement in statements:
            raw.execute(statement)


def write(file: Path, content: bytes) -> None:
    file.write_bytes(content)


def digest(file: Path) -> bytes:
    return hashlib.sha256(file.read_bytes()).digest()


async def test_an_url_opens_the_same_file(path: Path) -> None:
    async with opened(f"sqlite:///{path}") as store:
        assert (await store.counts())["messages"] == 50


async def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    async with opened(path) as store:
        await store.write(lambda tx: tx.accounts.owner())
        modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert modes == {0o600}


def test_a_commit_is_durable_and_erased_bytes_are_overwritten(path: Path) -> None:
    wanted = {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "foreign_keys": 1}
    with closing(connect(path, busy_timeout_s=0, writes=True)) as raw:
        found = {name: raw.execute(f"PRAGMA {name}").fetchone()[0] for name in wanted}
    assert found == wanted


async def test_opening_again_changes_nothing(path: Path) -> None:
    before = digest(path)
    async with opened(path):
        pass
    assert digest(path) == before


async def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "t.db"
    write(file, b"no database at all, but long enough to be read" * 100)
    before = digest(file)
    with pytest.raises(DatabaseCorruptError):
        async with opened(file):
            pass
    assert digest(file) == before


@pytest.mark.parametrize(
    "statement", ["CREATE TABLE notes (text)", "PRAGMA application_id = 252006674"]
)
async def test_another_programs_database_is_refused_and_left_alone(
    tmp_path: Path, statement: str
) -> None:
    file = tmp_path / "t.db"
    sql(file, statement)
    before = digest(file)
    with pytest.raises(DatabaseForeignError, match=str(file)):
        async with opened(file):
            pass
    assert digest(file) == before


NEWER: Final = "UPDATE alembic_version SET version_num = '9999'"


async def test_a_newer_schema_that_only_adds_is_served_and_left_alone(path: Path) -> None:
    sql(path, NEWER, "ALTER TABLE accounts ADD COLUMN nickname TEXT", "CREATE TABLE later (id)")
    async with opened(path) as store:
        owner = await store.read(lambda tx: tx.accounts.owner())
        made = await store.write(lambda tx: tx.conversations.create(conversation(owner.id)))
        assert await store.read(lambda tx: tx.conversations.get(made.id)) is not None
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)
    assert inspect(path, VAULT).current


@pytest.mark.parametrize(
    "floor",
    [
        "UPDATE meta SET value = '9999' WHERE name = 'schema_floor'",
        "DELETE FROM meta WHERE name = 'schema_floor'",
    ],
    ids=["takes away", "does not say"],
)
async def test_a_newer_schema_that_takes_away_is_refused_and_left_alone(
    path: Path, floor: str
) -> None:
    sql(path, NEWER, floor)
    with pytest.raises(DatabaseNewerError):
        async with opened(path):
            pass
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)


async def test_another_key_is_refused(path: Path) -> None:
    with pytest.raises(WrongKeyError):
        async with opened(path, MemoryVault()):
            pass


def cut(file: Path) -> None:
    with file.open("r+b") as database:
        database.truncate(file.stat().st_size // 2)


def garble(file: Path) -> None:
    size = file.stat().st_size
    with file.open("r+b") as database:
        for page in range(2, size // 4096):
            database.seek(page * 4096)
            database.write(b"\xde\xad\xbe\xef" * 16)


def garble_header(file: Path) -> None:
    with file.open("r+b") as database:
        database.write(b"not any more")


def overwrite_page(file: Path, page: int) -> None:
    with file.open("r+b") as database:
        database.seek((page - 1) * 4096)
        database.write(b"\xff" * 4096)


@pytest.mark.parametrize("damage", [cut, garble, garble_header])
async def test_a_damaged_database_is_refused(path: Path, damage: Callable[[Path], None]) -> None:
    damage(path)
    with pytest.raises(DatabaseCorruptError):
        async with opened(path):
            pass


async def test_a_large_database_is_checked_by_doctor_only(path: Path) -> None:
    """A start must not read gigabytes; what it did not look at, `check` and use find."""
    with closing(sqlite3.connect(path)) as raw:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'ix_inbox_at_us'"
        (page,) = raw.execute(query).fetchone()
    overwrite_page(path, page)
    async with opened(path, checked_bytes=0) as store:
        assert await store.check() != []
        with pytest.raises(DatabaseCorruptError):
            await store.write(lambda tx: tx.inbox.accept("c", "m"))


async def test_a_sound_database_has_no_problems(path: Path) -> None:
    async with opened(path) as store:
        assert await store.check() == []


async def test_a_folder_that_is_missing_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="cannot be opened"):
        async with opened(tmp_path / "nowhere" / "t.db"):
            pass


async def test_a_folder_in_place_of_the_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="cannot be opened"):
        async with opened(tmp_path):
            pass


async def test_many_who_open_a_new_database_at_once_make_one(tmp_path: Path) -> None:
    async def use() -> str:
        async with opened(tmp_path / "t.db", busy_timeout_s=10) as store:
            return (await store.write(lambda tx: tx.accounts.owner())).id

    assert len(set(await asyncio.gather(*(use() for _ in range(5))))) == 1


async def test_rows_that_belong_to_nothing_are_a_problem(path: Path) -> None:
    sql(path, "PRAGMA foreign_keys = OFF", "DELETE FROM conversations")
    async with opened(path) as store:
        assert (await store.check())[0] == "A row of messages belongs to nothing."


START: Final = """
import asyncio, sys
from pathlib import Path
from tertulia.adapters.keyfile import Keyring, MemoryVault
from tertulia.adapters.memory.signals import MemorySignals
from tertulia.adapters.sql.inspection import inspect
from tertulia.adapters.sql.sqlite import open_sqlite_store
from tertulia.kit.clock import SystemClock

async def main():
    vault = MemoryVault(Keyring.from_text(sys.argv[2]))
    async with open_sqlite_store(sys.argv[1], vault, MemorySignals(), SystemClock()):
        print("alembic" in sys.modules)

asyncio.run(main())
"""


def test_alembic_is_loaded_for_the_first_start_only(tmp_path: Path) -> None:
    """It takes a fifth of a start, and is of no use to a database that is current."""
    command = [sys.executable, "-c", START, tmp_path / "t.db", VAULT.keyring.to_text()]
    starts = [subprocess.check_output(command, text=True) for _ in range(2)]
    assert starts == ["True\n", "False\n"]
