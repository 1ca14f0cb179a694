"""Storage in trouble: a full disk, a read-only home, a database that another process holds.

Disks are real ones: each scenario of small_disk.py runs in a process with a file system of three
megabytes of its own (`unshare` makes it, without rights).
"""

import asyncio
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from tertulia.adapters.keyfile import MemoryVault
from tertulia.adapters.memory.signals import MemorySignals
from tertulia.adapters.sql.sqlite import open_sqlite_store
from tertulia.kit.clock import SystemClock
from tertulia.ports.store import StoreUnavailableError
from tests.conftest import Requires
from tests.faults.small_disk import SCENARIOS

ALONE: Final = ["unshare", "--user", "--map-root-user", "--mount"]
MOUNT: Final = 'mount -t tmpfs -o size=3m tmpfs "$0" && exec "$@"'
VAULT: Final = MemoryVault()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_small_disk(requires: Requires, tmp_path: Path, scenario: str) -> None:
    probe = subprocess.run([*ALONE, "true"], check=False, capture_output=True)
    requires(probe.returncode == 0, "user namespaces (unshare)")
    script = [sys.executable, "-m", "tests.faults.small_disk", scenario, tmp_path]
    ran = subprocess.run(
        [*ALONE, "sh", "-c", MOUNT, tmp_path, *script], check=False, capture_output=True, text=True
    )
    assert (ran.stdout, ran.returncode) == ("held\n", 0), ran.stderr


HOLD: Final = """
import sqlite3, sys
raw = sqlite3.connect(sys.argv[1], isolation_level=None)
raw.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def held_by_another_process(database: Path) -> Generator[subprocess.Popen[str]]:
    """Some other program sits on the write lock."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, database],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        yield process
        process.stdin.close()


async def test_a_locked_database_refuses_writes_and_goes_on_reading(tmp_path: Path) -> None:
    database = tmp_path / "t.db"
    async with open_sqlite_store(
        database, VAULT, MemorySignals(), SystemClock(), busy_timeout_s=0.1
    ) as store:
        owner = await store.write(lambda tx: tx.accounts.owner())
        with held_by_another_process(database):
            with pytest.raises(StoreUnavailableError, match="locked by another process"):
                await store.write(lambda tx: tx.accounts.owner())
            assert await store.read(lambda tx: tx.accounts.get(owner.id)) == owner
        assert await store.write(lambda tx: tx.accounts.owner()) == owner


async def test_a_write_waits_for_a_lock_that_is_given_back(tmp_path: Path) -> None:
    database = tmp_path / "t.db"
    async with open_sqlite_store(
        database, VAULT, MemorySignals(), SystemClock(), busy_timeout_s=60
    ) as store:
        with held_by_another_process(database) as other:
            waiting = asyncio.create_task(store.write(lambda tx: tx.accounts.owner()))
            await store.read(lambda tx: tx.now)
            assert not waiting.done()
            other.communicate()
        assert await waiting


async def test_a_start_on_a_locked_database_reads_without_waiting(tmp_path: Path) -> None:
    database = tmp_path / "t.db"
    async with open_sqlite_store(database, VAULT, MemorySignals(), SystemClock()) as store:
        owner = await store.write(lambda tx: tx.accounts.owner())
    with held_by_another_process(database):
        async with open_sqlite_store(
            database, VAULT, MemorySignals(), SystemClock(), busy_timeout_s=0.1
        ) as store:
            assert await store.read(lambda tx: tx.accounts.get(owner.id)) == owner


async def test_the_first_start_on_a_locked_file_is_one_sentence(tmp_path: Path) -> None:
    database = tmp_path / "t.db"
    with (
        held_by_another_process(database),
        pytest.raises(StoreUnavailableError, match="locked by another process"),
    ):
        async with open_sqlite_store(
            database, VAULT, MemorySignals(), SystemClock(), busy_timeout_s=0.1
        ):
            pass


async def test_too_many_pending_changes_are_refused(tmp_path: Path) -> None:
    """A bounded queue: a caller is told rather than made to wait for ever."""
    database = tmp_path / "t.db"
    async with open_sqlite_store(
        database, VAULT, MemorySignals(), SystemClock(), busy_timeout_s=60, most_pending=10
    ) as store:
        with held_by_another_process(database):
            waiting = [
                asyncio.create_task(store.write(lambda tx: tx.accounts.owner())) for _ in range(100)
            ]
            refused, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        results = await asyncio.gather(*waiting, return_exceptions=True)
    errors = [result for result in results if isinstance(result, StoreUnavailableError)]
    assert refused
    assert 80 <= len(errors) <= 90
    assert {error.message for error in errors} == {"Too many changes are waiting to be stored."}
