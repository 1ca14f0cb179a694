"""The real store's statements on SQLite in memory, run where they are asked for."""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeVar, cast

from tertulia.adapters.keyfile.vault import MemoryVault
from tertulia.adapters.sql.data_keys import DataKeys
from tertulia.adapters.sql.identity import write_identity
from tertulia.adapters.sql.scope import Scope
from tertulia.adapters.sql.sqlite_connection import DIALECT, SqliteConnection
from tertulia.adapters.sql.sqlite_open import make_schema
from tertulia.adapters.sql.statements import Compiled, Statement, compile_all
from tertulia.adapters.sql.timeline import Timeline
from tertulia.adapters.sql.unit import Unit
from tertulia.kit.clock import Clock
from tertulia.ports.signals import Signals
from tertulia.ports.store import Tx

T = TypeVar("T")

_WITNESS: Final = """
CREATE TABLE witness (reply TEXT, begun INTEGER, before TEXT, after TEXT, error TEXT);
CREATE TRIGGER witness_states AFTER UPDATE OF status ON messages
WHEN old.status IS NOT new.status
BEGIN
  INSERT INTO witness
  VALUES (new.id, new.epoch > old.epoch, old.status, new.status, old.error_code);
END;
"""
"""States are watched by the database itself, so no change can pass by the witness. `begun`: with a
new attempt."""


@cache
def _vault() -> MemoryVault:
    return MemoryVault()


@cache
def template() -> bytes:
    """A fresh database, made once: a migration takes longer than a simulation. Asked for before a
    simulation begins, so that no seed's random bytes go into it."""
    raw = sqlite3.connect(":memory:", isolation_level=None)
    db = SqliteConnection(raw, compile_all(DIALECT))
    make_schema(raw, lambda: write_identity(db, _vault()))
    raw.executescript(_WITNESS)
    return raw.serialize()


class Database:
    """What every process shares. Units of work run one after the other: what runs beside each other
    is everything between them."""

    def __init__(self) -> None:
        self.raw: Final = sqlite3.connect(":memory:", isolation_level=None)
        self.raw.deserialize(template())
        self.raw.execute("PRAGMA foreign_keys = ON")

    def add_person(self, user_id: str) -> None:
        self.raw.execute("INSERT INTO accounts VALUES (?, ?, 0)", (user_id, user_id))

    def rows(self, query: str) -> Sequence[tuple[Any, ...]]:
        """What a witness may look at."""
        return self.raw.execute(query).fetchall()

    def close(self) -> None:
        self.raw.close()


class InlineStore:
    """Store of one process: own clock, own keys at hand, own signals; the shared database."""

    def __init__(
        self,
        database: Database,
        signals: Signals,
        clock: Clock,
        twist: Callable[[Unit], None] | None = None,
    ) -> None:
        self._raw = database.raw
        self._signals = signals
        self._timeline = Timeline(clock)
        self._unit = Unit(
            Scope(SqliteConnection(self._raw, _compiled()), DataKeys(_vault()), writes=True)
        )
        if twist is not None:
            twist(self._unit)

    def write(self, work: Callable[[Tx], T]) -> T:
        scope = self._unit.scope
        self._raw.execute("BEGIN")
        try:
            last_us: int = self._raw.execute("SELECT last_us FROM clock").fetchone()[0]
            scope.start(self._timeline.advance(last_us))
            result = work(cast("Tx", self._unit))
            scope.number_changes()
            self._raw.execute("UPDATE clock SET last_us = ?", (scope.now_us,))
        except BaseException:
            self._raw.execute("ROLLBACK")
            raise
        self._raw.execute("COMMIT")
        if scope.channels:
            self._signals.publish(frozenset(scope.channels))
        return result

    def read(self, work: Callable[[Tx], T]) -> T:
        self._unit.scope.start(self._timeline.peek())
        self._raw.execute("BEGIN")
        try:
            return work(cast("Tx", self._unit))
        finally:
            self._raw.execute("ROLLBACK")


class NearStore:
    """Store, for whoever wants no faults."""

    def __init__(self, store: InlineStore) -> None:
        self._store = store

    async def write(self, work: Callable[[Tx], T]) -> T:
        """See the port."""
        return self._store.write(work)

    async def read(self, work: Callable[[Tx], T], *, brief: bool = False) -> T:
        """See the port."""
        del brief
        return self._store.read(work)


@cache
def _compiled() -> Mapping[Statement, Compiled]:
    return compile_all(DIALECT)
