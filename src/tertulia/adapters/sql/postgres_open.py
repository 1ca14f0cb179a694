"""Connecting to PostgreSQL: is it there, is it ours, is its schema this version's?"""

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final, NoReturn

import psycopg
from psycopg import conninfo, pq

from tertulia.adapters.sql.identity import check_identity, write_identity
from tertulia.adapters.sql.migrate import FLOOR_NAME, can_serve, migrate
from tertulia.adapters.sql.postgres_connection import PostgresConnection, lock_number
from tertulia.adapters.sql.postgres_errors import (
    UNKNOWN,
    ConnectionLostError,
    RefusedError,
    translated,
)
from tertulia.adapters.sql.statements import Compiled, Statement
from tertulia.kit.errors import TertuliaError
from tertulia.ports.key_vault import KeyVault
from tertulia.ports.store import StoreUnavailableError
from tertulia.ports.store_admin import DatabaseForeignError

OLDEST: Final = 140000  # the oldest that is still maintained
MARGIN_S: Final = 2.0  # the server gives a statement up before this side gives the server up
IDLE_IN_TRANSACTION: Final = "60s"  # a process that hangs does not hold its locks for ever

SERVED: Final = lock_number("tertulia: the database is in use")
"""Every connection of a store shares this lock; whoever copies the database has it alone."""

MIGRATING: Final = lock_number("tertulia: the schema is being changed")

_DEFAULTS: Final = {
    "application_name": "tertulia",
    "client_encoding": "UTF8",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
    "target_session_attrs": "read-write",
}

_SET: Final = """
SELECT set_config('lock_timeout', $1, false),
  set_config('statement_timeout', $2, false),
  set_config('idle_in_transaction_session_timeout', $3, false),
  set_config('jit', 'off', false),
  set_config('synchronous_commit', CASE current_setting('synchronous_commit')
    WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)
"""

_REVISION: Final = """
SELECT to_regclass('alembic_version') IS NOT NULL, to_regclass('meta') IS NOT NULL,
  EXISTS (SELECT FROM pg_tables WHERE schemaname = current_schema())
"""

LIFE: Final = b"""substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) || ' ' ||
  (SELECT backend_start FROM pg_stat_activity WHERE backend_type = 'checkpointer')"""
"""Another one after a crash, a restart, or when a standby has taken over: ids of transactions that
were not yet on the disk are given out again then. NULL for a user who may not see it (pg_monitor
may)."""

Statements = Mapping[Statement, Compiled]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for a connection, for what others hold, and for an answer."""

    connect_s: int = 5
    busy_s: float = 5.0
    answer_s: float = 15.0


class Place:
    """A database of PostgreSQL by its URL, which is never shown: it may hold a password."""

    def __init__(self, url: str, patience: Patience) -> None:
        try:
            given = conninfo.conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            msg = "store.url is not a valid address: postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
            raise StoreUnavailableError(msg) from None
        self.patience: Final = patience
        # Where no host is given, a socket of this machine is meant.
        self._info: Final = {**_DEFAULTS, "connect_timeout": patience.connect_s, **given}
        self.conninfo: Final = conninfo.make_conninfo("", **self._info)

    def __str__(self) -> str:
        info = self._info
        where = f" at {info['host']}:{info.get('port') or 5432}" if info.get("host") else ""
        return f"{info.get('dbname') or 'of the user'}{where}"

    def connect(self) -> psycopg.Connection:
        """StoreUnavailableError says in one sentence why not."""
        try:
            raw = psycopg.connect(self.conninfo, autocommit=True, prepare_threshold=None)
        except psycopg.Error as error:
            self._explain(str(error))
        try:
            self._accept(raw)
        except psycopg.Error as error:
            raw.close()
            msg = f"The database {self} cannot be used ({type(error).__name__})."
            raise StoreUnavailableError(msg) from error
        except BaseException:
            raw.close()
            raise
        return raw

    def _accept(self, raw: psycopg.Connection) -> None:
        if raw.info.server_version < OLDEST:
            msg = f"PostgreSQL {OLDEST // 10000} or later is needed for the database {self}."
            raise StoreUnavailableError(msg)
        encoding = raw.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            msg = f"The database {self} is in {encoding}; make one with ENCODING 'UTF8'."
            raise StoreUnavailableError(msg)
        timeouts = (self.patience.busy_s, self.patience.answer_s)
        values = [*(str(round(seconds * 1000)) for seconds in timeouts), IDLE_IN_TRANSACTION]
        with psycopg.RawCursor(raw) as cursor:
            cursor.execute(_SET, values)

    def _explain(self, said: str) -> NoReturn:
        user = self._info.get("user") or "of this system"
        if "password" in said or "authentication failed" in said or "no pg_hba.conf entry" in said:
            msg = f"The database {self} does not let in the user {user}; check the password."
        elif "database" in said and "does not exist" in said:
            msg = f"There is no database {self}; make it with: createdb --encoding=UTF8"
        elif "role" in said and "does not exist" in said:
            msg = f"The database {self} knows no user {user}."
        elif "timeout" in said:
            msg = f"The database {self} did not answer within {self.patience.connect_s} s."
        else:
            msg = f"The database {self} cannot be reached."
        raise StoreUnavailableError(msg) from None


class Line:
    """A connection that serves."""

    def __init__(self, place: Place, compiled: Statements) -> None:
        self._raw = place.connect()
        try:
            patience_s = place.patience.answer_s + MARGIN_S
            self.db: Final = PostgresConnection(self._raw.pgconn, compiled, patience_s=patience_s)
            self._enter()
            self.db.prepare()
            self.life: Final[str | None] = self.db.ask(b"SELECT " + LIFE)[0][0]
        except (ConnectionLostError, RefusedError) as error:
            self.close()
            raise translated(error) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._raw.close()

    def _enter(self) -> None:
        """Hold off whoever would copy the database, or be held off."""
        [(entered,)] = self.db.ask(b"SELECT pg_try_advisory_lock_shared(%d)" % SERVED)
        if entered != "t":
            msg = "The database is being copied by `tertulia migrate` or `restore`."
            raise StoreUnavailableError(msg)


def own(raw: psycopg.Connection, place: Place) -> None:
    """Keep the database from being served for as long as the connection lasts.
    StoreUnavailableError when it is served."""
    with _explained():
        raw.execute("SET statement_timeout = 0")
        [(owned,)] = raw.execute("SELECT pg_try_advisory_lock(%s)", [SERVED]).fetchall()
    if not owned:
        msg = f"The database {place} is in use; stop what serves it."
        raise StoreUnavailableError(msg)


def prepare(place: Place, vault: KeyVault, compiled: Statements) -> None:
    """See that the database is ours, current and of our key; an empty one is made ours. Of any
    number of processes at once one does it. Errors as sqlite_open.prepare."""
    with closing(place.connect()) as raw:
        if can_serve(revision(raw), lambda: floor(raw)):
            _inside(raw, compiled, lambda db: check_identity(db, vault))
            return

        def finish(before: str | None) -> None:
            _inside(raw, compiled, lambda db: _identify(db, vault, before))

        upgrade(raw, finish)


def upgrade(raw: psycopg.Connection, finish: Callable[[str | None], None]) -> None:
    """Bring the schema to this version, all or nothing; `finish` is called in the same
    transaction with the revision that there was."""
    from sqlalchemy import StaticPool, create_engine
    from sqlalchemy.exc import DBAPIError

    engine = create_engine("postgresql+psycopg://", creator=lambda: raw, poolclass=StaticPool)
    raw.autocommit = False
    try:
        with _explained(), engine.begin() as connection:
            raw.execute("SET LOCAL lock_timeout = 0")  # others' migrations take what they take
            raw.execute("SET LOCAL statement_timeout = 0")
            raw.execute("SELECT pg_advisory_xact_lock(%s)", [MIGRATING])
            before = revision(raw)
            if not can_serve(before, lambda: floor(raw)):
                migrate(connection)
            finish(before)
        raw.autocommit = True
    except DBAPIError as error:
        state = getattr(error.orig, "sqlstate", None)
        raise translated(RefusedError(state or UNKNOWN)) from error
    finally:
        engine.dispose(close=False)


def revision(raw: psycopg.Connection) -> str | None:
    """The schema's revision; None for an empty database. DatabaseForeignError when what is in it
    is not Tertulia's."""
    with _explained():
        [(versioned, named, used)] = raw.execute(_REVISION.encode()).fetchall()
        if versioned and named:
            found = raw.execute("SELECT version_num FROM alembic_version").fetchone()
            return found[0] if found else None
    if used:
        msg = "The database holds something else than Tertulia's; name an empty one."
        raise DatabaseForeignError(msg)
    return None


def floor(raw: psycopg.Connection) -> str | None:
    """What the schema says of older versions (migrate.FLOOR_NAME); None when it says nothing."""
    with _explained():
        found = raw.execute("SELECT value FROM meta WHERE name = %s", [FLOOR_NAME]).fetchone()
    return found[0] if found else None


@contextmanager
def _explained() -> Generator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise translated(RefusedError(error.sqlstate or UNKNOWN)) from error


def _identify(db: PostgresConnection, vault: KeyVault, before: str | None) -> None:
    if before is None:
        write_identity(db, vault)
    check_identity(db, vault)


def _inside(
    raw: psycopg.Connection, compiled: Statements, work: Callable[[PostgresConnection], object]
) -> None:
    """Use a connection that is in psycopg's hands as ours for a moment."""
    db = PostgresConnection(raw.pgconn, compiled, patience_s=MARGIN_S * 10)
    try:
        db.prepare()
        work(db)
    except (ConnectionLostError, RefusedError) as error:
        raise translated(error) from error
    except TertuliaError:
        raise
    finally:
        if raw.pgconn.status == pq.ConnStatus.OK:
            raw.pgconn.exit_pipeline_mode()


class Backoff:
    """Who connects while the database is away: one now and then, the others are told at once."""

    FIRST_S: Final = 0.05
    LONGEST_S: Final = 2.0
    GRACE_S: Final = 1.0  # a connection that was thrown out is back in less, unnoticed

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._pause_s = self.FIRST_S
        self._until = 0.0
        self._since = 0.0
        self._why = ""

    def check(self) -> None:
        """StoreUnavailableError while nobody should try."""
        with self._lock:
            if self._why and self._monotonic() < self._until:
                raise StoreUnavailableError(self._why)

    def failed(self, why: str) -> None:
        """Several that fail together make one pause, not a longer one."""
        with self._lock:
            now = self._monotonic()
            if not self._why:
                self._since = now
            elif now >= self._until:
                self._pause_s = min(self._pause_s * 2, self.LONGEST_S)
            self._why = why
            self._until = max(self._until, now + self._pause_s)

    @property
    def bearable(self) -> bool:
        """Whether it is worth waiting rather than telling somebody."""
        with self._lock:
            return self._monotonic() - self._since < self.GRACE_S

    def succeeded(self) -> None:
        with self._lock:
            self._why = ""
            self._pause_s = self.FIRST_S
