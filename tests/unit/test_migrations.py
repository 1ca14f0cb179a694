"""Migrations only add, so that the version before goes on working beside; others are named."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import pytest
from sqlalchemy import Connection, MetaData, Table, UniqueConstraint, create_engine, insert, select

from tertulia.adapters.sql.migrate import CONTRACTS, FLOOR, REVISIONS, migrate

SOMETHING: Final = {str: "x", int: 7, bytes: b"x"}


@dataclass(frozen=True)
class Seen:
    """A database as the version before it finds it."""

    schema: MetaData
    rows: dict[str, list[dict[str, Any]]]


def test_revisions_are_in_the_order_of_their_names() -> None:
    assert sorted(REVISIONS) == list(REVISIONS)
    assert set(REVISIONS) >= CONTRACTS
    assert FLOOR in REVISIONS


def test_migrations_that_are_not_named_contracts_only_add() -> None:
    taken: dict[str, list[str]] = {}
    with create_engine("sqlite://").begin() as connection:
        migrate(connection, to=REVISIONS[0])
        fill(connection)
        for revision in REVISIONS[1:]:
            before = seen(connection)
            migrate(connection, to=revision)
            taken[revision] = taken_away(before, connection)
    assert {revision for revision, what in taken.items() if what} == CONTRACTS, taken


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("DROP TABLE inbox", "inbox"),
        ("ALTER TABLE accounts DROP COLUMN name", "accounts.name"),
        ("ALTER TABLE accounts RENAME COLUMN name TO title", "accounts.name"),
        ("CREATE UNIQUE INDEX one ON accounts (name)", "accounts: UNIQUE name"),
        ("UPDATE accounts SET name = 'y'", "accounts: rows"),
        ("DELETE FROM accounts", "accounts: rows"),
        ("CREATE TABLE a (id TEXT, account TEXT REFERENCES accounts (id))", None),
        ("ALTER TABLE accounts ADD COLUMN title TEXT", None),
        ("ALTER TABLE accounts ADD COLUMN title TEXT DEFAULT '' NOT NULL", None),
        ("CREATE INDEX some ON accounts (name)", None),
    ],
)
def test_what_is_taken_away_is_found(statement: str, found: str | None) -> None:
    with create_engine("sqlite://").begin() as connection:
        migrate(connection)
        fill(connection)
        before = seen(connection)
        connection.exec_driver_sql(statement)
        assert taken_away(before, connection) == ([found] if found else [])


def fill(connection: Connection) -> None:
    """A row in each table that has none."""
    for table in reflected(connection).sorted_tables:
        if connection.execute(select(table)).first() is None:
            row = {column.name: SOMETHING[column.type.python_type] for column in table.c}
            connection.execute(insert(table).values(row))


def seen(connection: Connection) -> Seen:
    schema = reflected(connection)
    return Seen(schema, {table.name: rows(connection, table) for table in schema.sorted_tables})


def taken_away(before: Seen, connection: Connection) -> list[str]:
    """What the version before would miss, or stumble over."""
    after, found = reflected(connection), list[str]()
    for table in before.schema.sorted_tables:
        now = after.tables.get(table.name)
        if now is None:
            found.append(table.name)
            continue
        gone = [column for column in table.c if not same(column, now.c.get(column.name))]
        found += [f"{table.name}.{column.name}" for column in gone]
        found += [f"{table.name}: {rule}" for rule in sorted(rules(now) - rules(table))]
        kept = [now.c[name] for name in (column.name for column in table.c) if name in now.c]
        if not gone and rows(connection, now, kept) != before.rows[table.name]:
            found.append(f"{table.name}: rows")
    return found


def reflected(connection: Connection) -> MetaData:
    schema = MetaData()
    schema.reflect(connection)
    for name in ("alembic_version", "meta"):
        if name in schema.tables:
            schema.remove(schema.tables[name])
    return schema


def same(column: Any, now: Any) -> bool:
    return now is not None and (repr(now.type), now.nullable, now.primary_key) == (
        repr(column.type),
        column.nullable,
        column.primary_key,
    )


def rules(table: Table) -> set[str]:
    """What a row has to keep."""
    unique = [c.columns for c in table.constraints if isinstance(c, UniqueConstraint)]
    unique += [index.columns for index in table.indexes if index.unique]
    named = {f"UNIQUE {names(columns)}" for columns in unique}
    return named | {f"REFERENCES {key.target_fullname}" for key in table.foreign_keys}


def names(columns: Iterable[Any]) -> str:
    return " ".join(column.name for column in columns)


def rows(
    connection: Connection, table: Table, columns: Iterable[Any] | None = None
) -> list[dict[str, Any]]:
    found = connection.execute(select(*(columns or table.c))).mappings()
    return [dict(row) for row in found]
