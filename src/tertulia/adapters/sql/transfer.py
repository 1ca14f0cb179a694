"""Copying a database row by row, from either kind into either kind.

Rows go over in the order of their primary keys, a batch to a transaction, so what is there tells
where to go on. What is sealed stays sealed: no key is needed. A target says of itself that it is
unfinished until every table has been compared with its source.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import Table, delete, func, insert, select, tuple_, update

from tertulia.adapters.sql.identity import UNFINISHED
from tertulia.adapters.sql.migrate import FLOOR_NAME
from tertulia.adapters.sql.schema import clock, meta, metadata
from tertulia.adapters.sql.statements import Connection, Row, Statement, given, integer
from tertulia.kit.errors import Kind, TertuliaError

COMPARED: Final = "compared"
"""What an unfinished copy says of itself once it was compared with its source: from then on it
differs, for it holds the texts that its source has in a history log."""

TOGETHER: Final = 200  # rows; what a page of long messages holds in memory stays below 100 MB
OnProgress = Callable[[str, int, int], None]
"""Table, rows done, rows in all."""

STATEMENTS: Final[list[Statement]] = []
"""Those of this module, compiled apart: a server needs none of them."""


class CopyDiffersError(TertuliaError):
    """The copy is not what its source is; begin again with an empty target."""

    code = "copy_differs"
    kind = Kind.CONFLICT


class Side(Protocol):
    """A database as one end of a copy."""

    @property
    def db(self) -> Connection: ...

    def unit(self) -> AbstractContextManager[object]:
        """One transaction around what is inside."""
        ...

    def renumber(self) -> None:
        """Let new rows of the outbox be numbered after those that were copied."""
        ...


def _statement(expression: Any) -> Statement:
    return Statement(lambda _: expression, STATEMENTS)


@dataclass(frozen=True, slots=True)
class _Tables:
    """The statements for one table."""

    name: str
    key: Sequence[int]
    columns: Sequence[str]
    first: Statement
    following: Statement
    last: Statement
    add: Statement
    count: Statement


def _of(table: Table) -> _Tables:
    key = list(table.primary_key.columns)
    columns = list(table.c)
    page = select(*columns).order_by(*key).limit(integer(TOGETHER))
    after = tuple_(*key) > tuple_(*(given(f"after_{column.name}") for column in key))
    return _Tables(
        name=table.name,
        key=[columns.index(column) for column in key],
        columns=[column.name for column in columns],
        first=_statement(page),
        following=_statement(page.where(after)),
        last=_statement(
            select(*columns).order_by(*(column.desc() for column in key)).limit(integer(1))
        ),
        add=_statement(insert(table).values({c.name: given(c.name) for c in columns})),
        count=_statement(select(func.count()).select_from(table)),
    )


_TABLES: Final = [_of(table) for table in metadata.sorted_tables if table not in {clock, meta}]
_META: Final = _of(meta)
_TIME: Final = _statement(select(clock.c.last_us))
_SET_TIME: Final = _statement(update(clock).values(last_us=given("to_us")))
_DISOWN: Final = _statement(delete(meta).where(meta.c.name == given("of_name")))


def copy_rows(source: Side, target: Side, on_progress: OnProgress) -> None:
    """Everything but what the database says of itself, from where an earlier copy broke off."""
    for table in _TABLES:
        total = _count(source, table)
        done = _count(target, table)
        [*last] = target.db.all(table.last, {})
        on_progress(table.name, done, total)
        for rows in _pages(source, table, last[0] if last else None):
            with target.unit():
                target.db.put_many(
                    table.add, [dict(zip(table.columns, row, strict=True)) for row in rows]
                )
            done += len(rows)
            on_progress(table.name, done, total)


def check_same(source: Side, target: Side) -> None:
    """Compare counts and hashes of every table; CopyDiffersError names the first that differs."""
    for table in _TABLES:
        ours, theirs = _digest(source, table), _digest(target, table)
        if ours != theirs:
            msg = (
                f"The table {table.name} of the copy ({theirs[0]} rows) is not what its source is "
                f"({ours[0]} rows); begin again with an empty target."
            )
            raise CopyDiffersError(msg)


def hand_over(source: Side, target: Side) -> None:
    """The last step: the target is what the source was."""
    target.renumber()
    [(last_us,)] = source.db.all(_TIME, {})
    rows = [row for row in source.db.all(_META.first, {}) if row[0] != FLOOR_NAME]
    with target.unit():
        target.db.put(_SET_TIME, {"to_us": last_us})
        for name in (UNFINISHED, COMPARED):
            target.db.put(_DISOWN, {"of_name": name})
        target.db.put_many(_META.add, [dict(zip(_META.columns, row, strict=True)) for row in rows])


def about(side: Side) -> dict[str, str]:
    """What a database says of itself."""
    return dict(side.db.all(_META.first, {}))


def mark_unfinished(db: Connection, source_id: str) -> None:
    """In a target that is being made."""
    db.put(_META.add, {"name": UNFINISHED, "value": source_id})


def mark_compared(target: Side) -> None:
    """In a target that is what its source is."""
    with target.unit():
        target.db.put(_META.add, {"name": COMPARED, "value": ""})


def _pages(side: Side, table: _Tables, last: Row | None) -> Iterator[list[Row]]:
    while True:
        if last is None:
            rows = side.db.all(table.first, {})
        else:
            after = {f"after_{table.columns[at]}": last[at] for at in table.key}
            rows = side.db.all(table.following, after)
        if not rows:
            return
        yield rows
        last = rows[-1]


def _count(side: Side, table: _Tables) -> int:
    [(count,)] = side.db.all(table.count, {})
    return count


def _digest(side: Side, table: _Tables) -> tuple[int, bytes]:
    digest, count = hashlib.sha256(), 0
    for rows in _pages(side, table, None):
        count += len(rows)
        for row in rows:
            digest.update(msgspec.msgpack.encode(row))
    return count, digest.digest()
