"""One thread's place at the database: a connection, made when it is needed and again when it
broke, and the units of work on it."""

import random
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

from sqlalchemy import case, update

from tertulia.adapters.sql.data_keys import DataKeys
from tertulia.adapters.sql.postgres_connection import PostgresConnection
from tertulia.adapters.sql.postgres_errors import (
    AGAIN,
    READ_ONLY,
    ConnectionLostError,
    RefusedError,
    translated,
)
from tertulia.adapters.sql.postgres_open import LIFE, Backoff, Line, Place, Statements
from tertulia.adapters.sql.schema import clock
from tertulia.adapters.sql.scope import Scope
from tertulia.adapters.sql.statements import given, statement
from tertulia.adapters.sql.timeline import Timeline
from tertulia.adapters.sql.unit import Unit
from tertulia.kit.crash_points import crash_point
from tertulia.ports.store import OutcomeUnknownError, StoreUnavailableError, Tx

T = TypeVar("T")

TRIES: Final = 6  # of a unit of work that others are in the way of; after some 0.3 s in all
PAUSE_S: Final = 0.01
OUTCOME_S: Final = 10.0  # a server that was killed is back by then
LOOK_AGAIN_S: Final = 0.1

TELL_US: Final = 1_000_000
"""How often a process tells its time to the others and takes over theirs. A row that every unit of
work writes would let them commit one after another only."""

_LAST: Final = clock.c.last_us
_TELL: Final = statement(
    update(clock)
    .values(last_us=case((given("now") > _LAST, given("now")), else_=_LAST))
    .returning(_LAST)
)

_STATUS: Final = b"SELECT " + LIFE + b", pg_xact_status($1::xid8)"


class SharedTimeline(Timeline):
    """Never backwards within a process, and across processes by what they tell each other every
    second, beside their units of work."""

    _told_us = 0

    def now(self, db: PostgresConnection) -> int:
        """Before a transaction; from any thread."""
        now_us = self.advance(0)
        if now_us - self._told_us < TELL_US:
            return now_us
        self._told_us = now_us
        [(last_us,)] = db.all(_TELL, {"now": now_us})
        return self.advance(last_us)


class Session:
    """For one thread at a time."""

    def __init__(
        self,
        place: Place,
        compiled: Statements,
        keys: DataKeys,
        timeline: SharedTimeline,
        backoff: Backoff,
        *,
        writes: bool,
    ) -> None:
        self._place = place
        self._compiled = compiled
        self._keys = keys
        self._timeline = timeline
        self._backoff = backoff
        self._writes = writes
        self._line: Line | None = None
        self._unit: Unit | None = None

    def write(self, work: Callable[[Any], T]) -> tuple[T, frozenset[str]]:
        """What `work` returns, and the channels to signal. Done again from the start when others
        were in its way or the connection broke before the commit."""
        return self._again(lambda line, unit: self._write(line, unit, work))

    def read(self, work: Callable[[Any], T]) -> T:
        return self._again(lambda line, unit: self._read(line, unit, work))

    def close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()

    def _again(self, attempt: Callable[[Line, Unit], T]) -> T:
        for tried in range(1, TRIES + 1):
            line, unit = self._open()
            try:
                return attempt(line, unit)
            except ConnectionLostError as error:
                self.close()
                if tried == TRIES:
                    raise translated(error) from error
            except RefusedError as error:
                if error.sqlstate == READ_ONLY:
                    self._refused_to_write(error)
                elif error.sqlstate not in AGAIN:
                    raise translated(error) from error
                if tried == TRIES:
                    raise translated(error) from error
                time.sleep(PAUSE_S * 2**tried * random.uniform(0.2, 1))  # noqa: S311  no secret
        raise AssertionError

    def _write(self, line: Line, unit: Unit, work: Callable[[Any], T]) -> tuple[T, frozenset[str]]:
        db, scope = line.db, unit.scope
        scope.start(self._timeline.now(db))
        db.begin(writes=True)
        try:
            result = work(cast("Tx", unit))
            scope.number_changes()
            crash_point("store.before_commit")
        except BaseException:
            self._leave(db)
            raise
        try:
            db.commit()
        except ConnectionLostError:
            if not self._committed(line.life, db.xid):
                raise
        except RefusedError:
            self._leave(db)
            raise
        crash_point("store.after_commit")
        return result, frozenset(scope.channels)

    def _read(self, line: Line, unit: Unit, work: Callable[[Any], T]) -> T:
        unit.scope.start(self._timeline.peek())
        line.db.begin(writes=False)
        try:
            return work(cast("Tx", unit))
        finally:
            self._leave(line.db)

    def _refused_to_write(self, error: RefusedError) -> None:
        if not self._writes:
            msg = "work given to Store.read must not write"
            raise TypeError(msg) from error
        self.close()  # a standby by now: another server may have taken over

    def _leave(self, db: PostgresConnection) -> None:
        try:
            db.leave()
        except ConnectionLostError:
            self.close()

    def _open(self) -> tuple[Line, Unit]:
        while self._line is None or self._unit is None:
            try:
                self._connect()
            except StoreUnavailableError:
                if not self._backoff.bearable:
                    raise
                time.sleep(PAUSE_S)
        return self._line, self._unit

    def _connect(self) -> None:
        self._backoff.check()
        try:
            line = Line(self._place, self._compiled)
        except StoreUnavailableError as error:
            self._backoff.failed(error.message)
            raise
        self._backoff.succeeded()
        self._line, self._unit = line, Unit(Scope(line.db, self._keys, writes=self._writes))

    def _committed(self, life: str | None, xid: int | None) -> bool:
        """Whether a transaction whose commit was not answered is done; OutcomeUnknownError when
        nobody can tell: in time, or because the server has lost its memory, or another one that
        may never have heard of it has taken over."""
        self.close()
        give_up = time.monotonic() + OUTCOME_S
        while life and xid is not None and time.monotonic() < give_up:
            try:
                line = Line(self._place, {})
            except StoreUnavailableError:
                time.sleep(LOOK_AGAIN_S)
                continue
            try:
                [(now_on, status)] = line.db.ask(_STATUS, str(xid).encode())
            except (ConnectionLostError, RefusedError):
                now_on, status = life, None
            finally:
                line.close()
            if now_on != life:
                break
            if status in {"committed", "aborted"}:
                return status == "committed"
            time.sleep(LOOK_AGAIN_S)
        raise OutcomeUnknownError
