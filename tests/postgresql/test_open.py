"""Opening: what there must be, what is said when there is not, many at once."""

import asyncio
import hmac
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import psycopg
import pytest
from sqlalchemy import create_engine

from tertulia.adapters.keyfile import Keyring, MemoryVault
from tertulia.adapters.sql.migrate import HEAD, REVISIONS, migrate
from tertulia.adapters.sql.postgres import open_postgres_store
from tertulia.adapters.sql.postgres_care import inspect
from tertulia.adapters.sql.postgres_open import Patience, Place
from tertulia.kit.clock import SystemClock
from tertulia.ports.store import StoreUnavailableError
from tertulia.ports.store_admin import DatabaseForeignError, DatabaseNewerError, WrongKeyError
from tests.ports.stores import KEYRING, NotedSignals, conversation
from tests.servers.fixtures import Private
from tests.servers.postgresql import PostgreSQL

pytestmark = pytest.mark.server

PROCESSES = 10


async def open_it(url: str, keyring: Keyring = KEYRING) -> dict[str, int]:
    vault = MemoryVault(keyring)
    async with open_postgres_store(
        url, vault, NotedSignals(), SystemClock(), patience=Patience(connect_s=2)
    ) as store:
        return dict(await store.counts())


def change(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def test_processes_that_start_at_once_make_one_database(postgres: PostgreSQL) -> None:
    program = """
import asyncio, sys
from tertulia.adapters.keyfile import Keyring, MemoryVault
from tertulia.adapters.sql.migrate import HEAD, REVISIONS, migrate
from tertulia.adapters.sql.postgres import open_postgres_store
from tertulia.kit.clock import SystemClock
from tests.ports.stores import NotedSignals

async def main(url, key):
    vault = MemoryVault(Keyring.from_text(key))
    async with open_postgres_store(url, vault, NotedSignals(), SystemClock()) as store:
        print((await store.write(lambda tx: tx.accounts.owner())).id)

asyncio.run(main(*sys.argv[1:]))
"""
    with postgres.database() as url, ThreadPoolExecutor(PROCESSES) as threads:

        def start(_: int) -> str:
            command = [sys.executable, "-c", program, url, "0" * 64]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            return done.stdout

        assert len(set(threads.map(start, range(PROCESSES)))) == 1
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT count(*) FROM accounts").fetchone() == (1,)


def test_processes_that_start_at_once_upgrade_a_database_once(postgres: PostgreSQL) -> None:
    with postgres.database() as url, ThreadPoolExecutor(PROCESSES) as threads:
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        with engine.begin() as connection:
            migrate(connection, to=REVISIONS[0])
        engine.dispose()
        key_check = hmac.digest(MemoryVault(KEYRING).derive(b"key check"), b"an id", "sha256")
        with psycopg.connect(url) as raw:
            raw.execute("INSERT INTO meta VALUES ('database_id', 'an id')")
            raw.execute("INSERT INTO meta VALUES ('key_check', %s)", [key_check.hex()])

        def start(_: int) -> dict[str, int]:
            return asyncio.run(open_it(url))

        opened = list(threads.map(start, range(PROCESSES)))
        with psycopg.connect(url) as raw:
            assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [(HEAD,)]
    assert len(opened) == PROCESSES


NEWER: Final = "UPDATE alembic_version SET version_num = '9999'"


async def test_a_newer_schema_that_only_adds_is_served(url: str) -> None:
    """Also by those that were serving when it came."""
    vault = MemoryVault(KEYRING)
    async with open_postgres_store(url, vault, NotedSignals(), SystemClock()) as before:
        owner = await before.write(lambda tx: tx.accounts.owner())
        change(url, NEWER, "ALTER TABLE accounts ADD COLUMN nickname text")
        change(url, "ALTER TABLE conversations ADD COLUMN colour text DEFAULT 'blue' NOT NULL")
        async with open_postgres_store(url, vault, NotedSignals(), SystemClock()) as after:
            for store in (before, after):
                made = conversation(owner.id)
                await store.write(lambda tx, made=made: tx.conversations.create(made))
                assert await store.read(lambda tx, made=made: tx.conversations.get(made.id))
                assert (await store.read(lambda tx: tx.accounts.owner())).id == owner.id
    assert inspect(Place(url, Patience()), vault).current


async def test_a_newer_schema_is_not_copied_in_part(url: str, tmp_path: Path) -> None:
    change(url, NEWER)
    vault = MemoryVault(KEYRING)
    async with open_postgres_store(url, vault, NotedSignals(), SystemClock()) as store:
        with pytest.raises(DatabaseNewerError):
            await store.copy(tmp_path / "copy.db")


@pytest.mark.parametrize(
    "floor",
    [
        "UPDATE meta SET value = '9999' WHERE name = 'schema_floor'",
        "DELETE FROM meta WHERE name = 'schema_floor'",
    ],
    ids=["takes away", "does not say"],
)
async def test_a_newer_schema_that_takes_away_is_refused(url: str, floor: str) -> None:
    change(url, NEWER, floor)
    with pytest.raises(DatabaseNewerError):
        await open_it(url)


async def test_a_database_of_somebody_else_is_left_alone(postgres: PostgreSQL) -> None:
    with postgres.database() as url:
        change(url, "CREATE TABLE recipes (name text)")
        with pytest.raises(DatabaseForeignError):
            await open_it(url)
        with psycopg.connect(url) as connection:
            tables = connection.execute(
                "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
            ).fetchone()
    assert tables == (1,)


async def test_another_master_key_is_refused(url: str) -> None:
    with pytest.raises(WrongKeyError):
        await open_it(url, Keyring.fresh())


async def test_a_database_that_cannot_hold_every_letter_is_refused(postgres: PostgreSQL) -> None:
    postgres.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    try:
        with pytest.raises(StoreUnavailableError, match=r"LATIN1.*UTF8"):
            await open_it(postgres.url_of("latin"))
    finally:
        postgres.execute("DROP DATABASE latin WITH (FORCE)")


async def test_a_user_without_rights_is_told_so(url: str, postgres: PostgreSQL) -> None:
    change(url, "DROP ROLE IF EXISTS guest", "CREATE ROLE guest LOGIN")
    try:
        with pytest.raises(StoreUnavailableError, match="lacks the rights"):
            await open_it(url.replace("postgres@", "guest@"))
    finally:
        postgres.execute("DROP ROLE guest")


async def test_a_server_that_hangs_is_given_up_in_time(private: Private) -> None:
    server = private(PostgreSQL)
    server.freeze()
    with pytest.raises(StoreUnavailableError, match="did not answer within 2 s"):
        await open_it(server.url)


async def test_a_server_that_stops_answering_does_not_hold_a_unit_of_work_for_ever(
    private: Private,
) -> None:
    server = private(PostgreSQL)
    patience = Patience(connect_s=2, answer_s=0.2)
    async with open_postgres_store(
        server.url, MemoryVault(KEYRING), NotedSignals(), SystemClock(), patience=patience
    ) as store:
        await store.write(lambda tx: tx.accounts.owner())
        server.freeze()
        with pytest.raises(StoreUnavailableError):
            async with asyncio.timeout(60):
                await store.read(lambda tx: tx.accounts.owner())
        server.thaw()
        await store.write(lambda tx: tx.accounts.owner())
