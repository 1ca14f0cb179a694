"""The schema: what migrations make is what the code expects, and every statement has its index."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Dialect, create_engine
from sqlalchemy.dialects.postgresql import psycopg as psycopg_dialect

from tertulia.adapters.sql.migrate import HEAD, REVISIONS, migrate
from tertulia.adapters.sql.postgres_connection import DIALECT as POSTGRES
from tertulia.adapters.sql.schema import metadata
from tertulia.adapters.sql.sqlite_connection import DIALECT
from tertulia.adapters.sql.statements import Statement, compile_all
from tertulia.adapters.sql.unit import Unit
from tests.ports import stores
from tests.ports.stores import on_sqlite
from tests.servers.postgresql import PostgreSQL

PSYCOPG: Final = psycopg_dialect.dialect()
SMALL: Final = {"accounts", "clock", "feed_heads", "branch", "oldest"}
"""What may be looked through: one row a person, or a part that has a bound."""
WHOLE: Final = {"conversations"}
"""What `doctor` looks through, for the versions of the master key in use."""


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    async with on_sqlite(tmp_path):
        pass
    return tmp_path / "t.db"


def test_migrations_make_the_schema_of_the_code() -> None:
    with create_engine("sqlite://").begin() as connection:
        migrate(connection)
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_named_revisions_are_those_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", "tertulia.adapters.sql:migrations")
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_heads() == [HEAD]
    assert tuple(s.revision for s in reversed(list(scripts.walk_revisions()))) == REVISIONS


@pytest.mark.server
def test_migrations_make_the_schema_of_the_code_on_postgresql(postgres: PostgreSQL) -> None:
    with postgres.database() as url:
        engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
        with engine.begin() as connection:
            migrate(connection)
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        engine.dispose()


@pytest.mark.server
def test_no_statement_looks_through_a_table_that_grows_on_postgresql(postgres: PostgreSQL) -> None:
    """With scans forbidden, one that has an index to go by does not show a scan."""
    scans: list[str] = []
    with stores.database(postgres) as url, psycopg.connect(url) as raw:
        raw.execute("SET enable_seqscan = off")
        raw.execute("SET plan_cache_mode = force_generic_plan")
        for number, compiled in enumerate(compile_all(POSTGRES).values()):
            raw.execute(f"PREPARE p{number} AS {compiled.sql}".encode())
            nulls = ", ".join("NULL" for _ in compiled.names)
            arguments = f"({nulls})" if nulls else ""
            plan = raw.execute(f"EXPLAIN EXECUTE p{number}{arguments}".encode()).fetchall()
            scans += [f"{step}: {compiled.sql}" for (step,) in plan if _is_seq_scan(step)]
    assert scans == []


def _is_seq_scan(step: str) -> bool:
    _, scan, table = step.partition("Seq Scan on ")
    return bool(scan) and table.split()[0] not in SMALL | WHOLE


@pytest.mark.parametrize("dialect", [DIALECT, PSYCOPG], ids=["sqlite", "postgresql"])
def test_every_statement_compiles_for_every_dialect(dialect: Dialect) -> None:
    assert Unit
    assert len(compile_all(dialect)) == len(Statement.known) > 50


def test_no_statement_looks_through_a_table_that_grows(database: Path) -> None:
    """Otherwise a turn would cost more every day."""
    scans: list[str] = []
    with closing(sqlite3.connect(database)) as raw:
        for compiled in compile_all(DIALECT).values():
            plan = raw.execute(f"EXPLAIN QUERY PLAN {compiled.sql}", Anything())
            scans += [f"{step}: {compiled.sql}" for *_, step in plan if _is_scan(step)]
    assert scans == []


def _is_scan(step: str) -> bool:
    words = step.split()
    return words[0] == "SCAN" and "INDEX" not in words and words[1] not in SMALL


class Anything(dict[str, None]):
    """A value for whatever parameter there is."""

    def __missing__(self, key: str) -> None:
        return None
