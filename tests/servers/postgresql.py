"""PostgreSQL."""

import os
import pwd
import shutil
import signal
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import ClassVar

from tests.servers.process import Run, Server

# Where Debian and Homebrew keep what is not on the PATH.
FOLDERS = ("/usr/lib/postgresql/*/bin", "/opt/homebrew/opt/postgresql*/bin")


@cache
def binaries() -> Path | None:
    """The folder of the newest PostgreSQL's programs."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    found = [path for folder in FOLDERS for path in Path("/").glob(folder[1:])]
    return max(found, key=lambda path: float(path.parent.name), default=None)


class PostgreSQL(Server):
    """Survives `kill`, as nothing that the system holds is lost by that; not a power cut."""

    name = "postgresql"
    needs = "PostgreSQL (make servers)"
    settings: ClassVar[dict[str, str]] = {"fsync": "off", "full_page_writes": "off"}

    @classmethod
    def is_installed(cls) -> bool:
        return binaries() is not None

    @classmethod
    def user(cls) -> str | None:
        """PostgreSQL refuses to be run by root."""
        if os.geteuid() != 0:
            return None
        return "postgres" if "postgres" in {user.pw_name for user in pwd.getpwall()} else "nobody"

    @property
    def url(self) -> str:
        """Of the database `postgres`, as its superuser."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql://postgres@{self.address}/{database}"

    @contextmanager
    def database(self, template: str = "template1") -> Generator[str]:
        """The URL of a fresh database, dropped at the end with whoever is still connected."""
        name = f"test_{uuid.uuid4().hex}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.url_of(name)
        finally:
            if self.is_running:
                self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """Run one statement in the database `postgres`, outside of a transaction."""
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def prepare(self) -> None:
        command = [self._program("initdb"), "--pgdata=data", "--username=postgres", "--no-sync"]
        command += ["--auth=trust", "--encoding=UTF8", "--locale=C"]
        self.run_as_user(command)

    def run(self) -> Run:
        settings = {
            "listen_addresses": self.place.address,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "shared_buffers": "64MB",
            "jit": "off",
            **self.settings,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return Run(
            command=[self._program("postgres"), "-D", "data", *options],
            stop_signal=signal.SIGINT,  # does not wait until all clients have gone
        )

    def is_ready(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True

    @staticmethod
    def _program(name: str) -> Path:
        folder = binaries()
        assert folder is not None
        return folder / name


class DurablePostgreSQL(PostgreSQL):
    """Writes to the disk before it confirms, as in production."""

    settings: ClassVar[dict[str, str]] = {"fsync": "on", "synchronous_commit": "on"}


class FollowedPostgreSQL(DurablePostgreSQL):
    """Confirms what a standby has too (`standby_of`); without one it confirms nothing."""

    settings: ClassVar[dict[str, str]] = {
        **DurablePostgreSQL.settings,
        "synchronous_standby_names": "*",
    }


def standby_of(primary: PostgreSQL) -> type[PostgreSQL]:
    """A copy that follows `primary`, which must run, and may be read; it takes over by
    `SELECT pg_promote()`."""

    class Standby(DurablePostgreSQL):
        def prepare(self) -> None:
            options = ["--pgdata=data", "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
            self.run_as_user([self._program("pg_basebackup"), f"--dbname={primary.url}", *options])

    return Standby
