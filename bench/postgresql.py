"""Durable messages a second on PostgreSQL, beside what its driver does with nothing around it."""

import asyncio
import os
import tempfile
import threading
import time
from pathlib import Path
from typing import Final

import psycopg

from bench.figures import Figure, at_least
from bench.store import SECONDS, TEXT, WRITERS, begin, write
from tertulia.adapters.keyfile.vault import MemoryVault
from tertulia.adapters.memory.signals import MemorySignals
from tertulia.adapters.sql.postgres import WRITERS as CONNECTIONS
from tertulia.adapters.sql.postgres import open_postgres_store
from tertulia.kit.clock import SystemClock
from tests.servers.postgresql import DurablePostgreSQL
from tests.servers.session import Session

BARE_ROWS: Final = "CREATE TABLE bare (id bigserial PRIMARY KEY, text text)"


def measure() -> list[Figure]:
    """One unit of work a message, 64 writers at once, each awaiting its commit."""
    if not DurablePostgreSQL.is_installed():
        return []
    with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as folder:
        session = Session(Path(folder), os.getpid())
        with session.private(DurablePostgreSQL) as server, server.database() as url:
            per_s = asyncio.run(messages_per_s(url))
            bare = inserts_per_s(server.url)
    return [
        at_least(
            f"durable messages on PostgreSQL, 64 writers over {CONNECTIONS} connections",
            per_s,
            "/s",
            500,
            bare=f"{bare:,.0f} bare inserts/s of psycopg over as many",
            note="fsync and synchronous_commit on, the server on the same machine",
        )
    ]


async def messages_per_s(url: str, writers: int = CONNECTIONS) -> float:
    vault, signals = MemoryVault(), MemorySignals()
    async with open_postgres_store(url, vault, signals, SystemClock(), writers=writers) as store:
        conversations = [await begin(store) for _ in range(WRITERS)]
        started = time.perf_counter()
        until = started + SECONDS
        counts = await asyncio.gather(*(write(store, cid, until) for cid in conversations))
        return sum(counts) / (time.perf_counter() - started)


def inserts_per_s(url: str, connections: int = CONNECTIONS) -> float:
    """A commit per row, prepared, a thread a connection: what is possible without a feed."""
    counts: list[int] = []

    def insert() -> None:
        count = 0
        with psycopg.connect(url, autocommit=True, prepare_threshold=0) as connection:
            while time.perf_counter() < until:
                connection.execute("INSERT INTO bare (text) VALUES (%s)", [TEXT])
                count += 1
        counts.append(count)

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(BARE_ROWS)
    threads = [threading.Thread(target=insert) for _ in range(connections)]
    until = time.perf_counter() + SECONDS / 2
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts) / (SECONDS / 2)
