"""HistoryLog over Cassandra."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar

from tertulia.adapters.cassandra.driver import errors
from tertulia.adapters.cassandra.line import Line
from tertulia.adapters.cassandra.schema import ERASE, FETCH, KEEP, bucket
from tertulia.adapters.cassandra.settings import MessagesSettings
from tertulia.kit.clock import Clock
from tertulia.ports.history import HistoryLog, HistoryUnavailableError, TextKey

T = TypeVar("T")

AT_ONCE: Final = 32
"""Statements on their way; more do not go faster, and a node has 128 threads for writing."""

TOGETHER: Final = 10
"""Texts that one statement fetches: 10 long ones (100 kB) fit into an answer many times."""

LARGEST_BYTES: Final = 1024 * 1024
"""A larger text stays in the store: Cassandra is not made for cells beyond some megabytes."""


class CassandraHistory:
    """HistoryLog (ports/history.py)."""

    def __init__(self, line: Line) -> None:
        self._line = line

    async def keep(self, texts: Mapping[TextKey, bytes]) -> frozenset[TextKey]:
        fitting = {key: text for key, text in texts.items() if len(text) <= LARGEST_BYTES}
        kept = await _together(self._keep(key, text) for key, text in fitting.items())
        if kept and not any(kept):
            raise HistoryUnavailableError
        return frozenset(key for key, done in zip(fitting, kept, strict=True) if done)

    async def fetch(self, keys: Sequence[TextKey]) -> Mapping[TextKey, bytes]:
        by_partition: dict[tuple[str, int], list[TextKey]] = {}
        for key in keys:
            by_partition.setdefault((key.conversation_id, bucket(key.seq)), []).append(key)
        parts = await _together(
            self._fetch(partition, some)
            for partition, wanted in by_partition.items()
            for some in (wanted[i : i + TOGETHER] for i in range(0, len(wanted), TOGETHER))
        )
        return {key: text for part in parts for key, text in part.items()}

    async def erase(self, conversation_id: str, last_seq: int) -> None:
        partitions = range(bucket(last_seq) + 1)
        await _together(self._line.run(ERASE, [conversation_id, each]) for each in partitions)

    async def check(self) -> None:
        await self._line.run(FETCH, ["", 0, [(0, b"")]])

    async def _keep(self, key: TextKey, text: bytes) -> bool:
        values = [key.conversation_id, bucket(key.seq), key.seq, key.digest, text]
        try:
            await self._line.run(KEEP, values)
        except (HistoryUnavailableError, errors.DriverException):
            return False
        return True

    async def _fetch(
        self, partition: tuple[str, int], keys: Sequence[TextKey]
    ) -> dict[TextKey, bytes]:
        wanted = [(key.seq, key.digest) for key in keys]
        rows = await self._line.run(FETCH, [*partition, wanted])
        return {
            TextKey(conversation_id=partition[0], seq=row.seq, digest=row.digest): row.body
            for row in rows
        }


@asynccontextmanager
async def open_cassandra(settings: MessagesSettings, clock: Clock) -> AsyncGenerator[HistoryLog]:
    """The cluster is reached when it is first asked, so a start needs none."""
    line = Line(settings, clock)
    try:
        yield CassandraHistory(line)
    finally:
        await line.close()


async def _together(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """A few at a time; in order. The first error comes out when all have ended."""
    slots = asyncio.Semaphore(AT_ONCE)
    failures: list[Exception] = []

    async def one(each: Coroutine[Any, Any, T]) -> list[T]:
        try:
            async with slots:
                return [await each]
        except (HistoryUnavailableError, errors.DriverException) as error:
            failures.append(error)
            return []

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(each)) for each in work]
    if failures:
        raise failures[0]
    return [result for task in tasks for result in task.result()]
