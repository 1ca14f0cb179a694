"""Statements over libpq's pipeline mode: what needs no answer travels with what does.

A round trip costs more than most statements (a switch of threads here, one of processes there),
so BEGIN, locks, inserts and updates wait for the next statement whose rows are wanted, or for
COMMIT. Every statement is prepared when the connection is opened.
"""

import hashlib
import select
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from psycopg import OperationalError, pq
from sqlalchemy.dialects.postgresql import psycopg

from tertulia.adapters.sql.postgres_errors import ABORTED, UNKNOWN, ConnectionLostError, failure
from tertulia.adapters.sql.statements import Compiled, Params, Row, Statement

DIALECT: Final = psycopg.dialect(paramstyle="numeric_dollar")

_TEXT, _BINARY = pq.Format.TEXT, pq.Format.BINARY
_ENDED: Final = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)
_READ: Final = select.POLLIN
_WRITE: Final = select.POLLIN | select.POLLOUT

_BEGIN_WRITING: Final = b"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"
_BEGIN_READING: Final = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_XID: Final = b"SELECT pg_current_xact_id()"
_ALONE: Final = b"SELECT pg_advisory_xact_lock($1::bigint)"
_AMONG: Final = b"SELECT pg_advisory_xact_lock_shared($1::bigint)"


def _integer(value: bytes) -> int:
    return int.from_bytes(value, signed=True)


_LOADERS: Final[Mapping[int, Callable[[bytes], Any]]] = {
    16: _integer,  # bool
    17: bytes,  # bytea
    20: _integer,  # int8
    21: _integer,  # int2
    23: _integer,  # int4
    25: bytes.decode,  # text
    1043: bytes.decode,  # varchar
    5069: _integer,  # xid8
}


class PostgresConnection:
    """Connection (statements.py), and the transactions around it. For one thread at a time.

    `patience_s`: how long to wait for an answer. After ConnectionLostError it is of no use.
    """

    def __init__(
        self, raw: pq.abc.PGconn, compiled: Mapping[Statement, Compiled], *, patience_s: float
    ) -> None:
        self.raw: Final = raw
        self.xid: int | None = None
        self._compiled = compiled
        self._patience_ms = round(patience_s * 1000)
        self._loaders: dict[Statement, list[Callable[[bytes], Any]]] = {}
        self._plans: dict[Statement, bytes] = {}
        self._sent = 0
        self._left = 0  # batches whose outcome nobody waits for
        self._asked_xid = False
        self._poll = select.poll()
        raw.nonblocking = 1
        raw.enter_pipeline_mode()

    def prepare(self) -> None:
        """Prepare every statement; once."""
        for number, (statement, compiled) in enumerate(self._compiled.items()):
            name = b"s%d" % number
            self.raw.send_prepare(name, compiled.sql.encode())
            self._plans[statement] = name
            self._sent += 1
        if self._sent:
            self._answer()

    def begin(self, *, writes: bool) -> None:
        self.xid = None
        self._asked_xid = writes
        self._send(_BEGIN_WRITING if writes else _BEGIN_READING)
        if writes:
            self._send(_XID)

    def commit(self) -> None:
        """Returns once it is durable. ConnectionLostError means that it is not known; then `xid`
        is that of the transaction. RefusedError: nothing was changed."""
        if self._asked_xid:
            self._answer()
        self._send(b"COMMIT")
        result = self._answer()
        if result.command_status != b"COMMIT":  # the work went on after an error
            raise failure(ABORTED)

    def leave(self) -> None:
        """Roll back, without waiting for it."""
        try:
            self._send(b"ROLLBACK")
            self.raw.pipeline_sync()
            self._flush()
        except OperationalError as error:
            raise ConnectionLostError from error
        self._sent = 0
        self._left += 1
        self._asked_xid = False

    def one(self, statement: Statement, params: Params) -> Row | None:
        rows = self.all(statement, params)
        return rows[0] if rows else None

    def all(self, statement: Statement, params: Params) -> list[Row]:
        self.put(statement, params)
        result = self._answer()
        loaders = self._loaders.get(statement)
        if loaders is None:
            loaders = [_LOADERS[result.ftype(column)] for column in range(result.nfields)]
            self._loaders[statement] = loaders
        value = result.get_value
        columns = list(enumerate(loaders))
        return [
            tuple(
                None if (raw := value(row, column)) is None else load(raw)
                for column, load in columns
            )
            for row in range(result.ntuples)
        ]

    def run(self, statement: Statement, params: Params) -> int:
        self.put(statement, params)
        return self._answer().command_tuples or 0

    def put(self, statement: Statement, params: Params) -> None:
        compiled = self._compiled[statement]
        given: Mapping[str, Any] = params
        if compiled.constants:
            given = {**compiled.constants, **params}
        values: list[bytes | None] = []
        formats: list[int] = []
        for name in compiled.names:
            value = given[name]
            if isinstance(value, bytes):
                values.append(value)
                formats.append(_BINARY)
            else:
                values.append(None if value is None else str(value).encode())
                formats.append(_TEXT)
        try:
            self.raw.send_query_prepared(self._plans[statement], values, formats, _BINARY)
        except OperationalError as error:
            raise ConnectionLostError from error
        self._sent += 1

    def put_many(self, statement: Statement, rows: Sequence[Params]) -> None:
        for row in rows:
            self.put(statement, row)

    def alone(self, name: str) -> None:
        self._send(_ALONE, str(lock_number(name)).encode())

    def among(self, name: str) -> None:
        self._send(_AMONG, str(lock_number(name)).encode())

    def ask(self, sql: bytes, *params: bytes) -> list[Row]:
        """Rows of a statement that is not known beforehand, as text."""
        self._send(sql, *params, form=_TEXT)
        result = self._answer()
        return [
            tuple(
                None if (raw := result.get_value(row, column)) is None else raw.decode()
                for column in range(result.nfields)
            )
            for row in range(result.ntuples)
        ]

    def _send(self, sql: bytes, *params: bytes, form: int = _BINARY) -> None:
        try:
            self.raw.send_query_params(sql, params, result_format=form)
        except OperationalError as error:
            raise ConnectionLostError from error
        self._sent += 1

    def _answer(self) -> pq.abc.PGresult:
        """The result of what was sent last, once everything sent before has succeeded."""
        try:
            self.raw.pipeline_sync()
            self._flush()
            while self._left:
                self._batch()
                self._left -= 1
            results = self._batch()
        except OperationalError as error:
            raise ConnectionLostError from error
        sent, self._sent = self._sent, 0
        for result in results:
            if result.status not in _ENDED:
                state = result.error_field(pq.DiagnosticField.SQLSTATE)
                raise failure(state.decode() if state else UNKNOWN)
        if len(results) != sent:
            raise ConnectionLostError
        if self._asked_xid:
            xid = results[1].get_value(0, 0)
            self.xid = _integer(xid) if xid else None
            self._asked_xid = False
        return results[-1]

    def _batch(self) -> list[pq.abc.PGresult]:
        """The results up to the next synchronization."""
        results: list[pq.abc.PGresult] = []
        while True:
            while self.raw.is_busy():
                self._wait(_READ)
                self.raw.consume_input()
            result = self.raw.get_result()
            if result is None:
                if self.raw.status == pq.ConnStatus.BAD:
                    raise ConnectionLostError
            elif result.status == pq.ExecStatus.PIPELINE_SYNC:
                return results
            else:
                results.append(result)

    def _flush(self) -> None:
        while self.raw.flush():
            if self._wait(_WRITE) & _READ:
                self.raw.consume_input()

    def _wait(self, event: int) -> int:
        self._poll.register(self.raw.socket, event)
        ready = self._poll.poll(self._patience_ms)
        if not ready:
            msg = "the server did not answer in time"
            raise ConnectionLostError(msg)
        return ready[0][1]


def lock_number(name: str) -> int:
    """The advisory lock that stands for a name: 64 bits, so that two names never meet."""
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), signed=True)
