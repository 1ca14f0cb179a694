"""The topic of dead letters, and what waits in the others."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from tertulia.adapters.kafka.driver import Record, TopicPartition
from tertulia.adapters.kafka.link import Link, bookmarks
from tertulia.adapters.kafka.publishing import ATTEMPTS, DIED_US, REASON, Publisher
from tertulia.adapters.kafka.topology import Topology
from tertulia.kit.clock import from_us
from tertulia.ports.broker import Letter, Parcel

POLL_MS: Final = 200


class Shelf:
    """The letters are a compacted topic: the last record of a key is the letter, or takes it back.
    So listing them is reading the topic, and whoever lists disturbs nobody."""

    def __init__(self, link: Link, publisher: Publisher, topology: Topology) -> None:
        self._link = link
        self._publisher = publisher
        self._topology = topology
        self._counted = (0, 0)

    async def letters(self, limit: int) -> Sequence[Letter]:
        """See the port's `letters`."""
        found = [_letter(record) for record in (await self._read()).values()]
        return sorted(found, key=lambda letter: letter.died_at)[:limit]

    async def revive(self, choose: Callable[[bytes], Parcel | None]) -> int:
        """See the port's `revive`. One at a time: a letter is dropped once its parcel is kept."""
        revived = 0
        for key, record in (await self._read()).items():
            parcel = choose(record.value or b"")
            death = f"{key} {record.offset}"  # the same message may have died before
            if parcel and await self._publisher.publish([parcel], letter=death):
                await self._publisher.forget(key)
                revived += 1
        return revived

    async def topics(self) -> Sequence[str]:
        """Of the broker."""
        async with self._link.admin() as admin:
            found = map(self._topology.topic_of, await admin.list_topics())
        return sorted(topic for topic in found if topic)

    async def waiting(self, only: str | None = None) -> Mapping[str, int]:
        """How many messages of each topic are above its bookmarks. `only`: a name on Kafka."""
        async with self._link.admin() as admin:
            names = [n for n in await admin.list_topics() if self._topology.topic_of(n)]
            names = [name for name in names if only in {None, name}]
            marks: dict[TopicPartition, int] = {}
            for topic in await admin.describe_topics(names) if names else ():
                name, count = topic["topic"], len(topic["partitions"])
                committed = await bookmarks(admin, name)
                for place in (TopicPartition(name, number) for number in range(count)):
                    marks[place] = committed[place].offset if place in committed else 0
        counts = dict.fromkeys(names, 0)
        async with self._link.reader() as reader:
            begins = await reader.beginning_offsets(marks)
            for place, end in (await reader.end_offsets(marks)).items():
                counts[place.topic] += end - max(begins[place], marks[place])
        return {self._topology.topic_of(name) or "": count for name, count in counts.items()}

    async def dead(self) -> int:
        """How many letters there are. They are read again only when there are others."""
        await self._publisher.declare(self._topology.dead)
        place = TopicPartition(self._topology.dead, 0)
        async with self._link.reader() as reader:
            end = (await reader.end_offsets([place]))[place]
        if end != self._counted[0]:
            self._counted = (end, len(await self._read()))
        return self._counted[1]

    async def _read(self) -> dict[str, Record]:
        await self._publisher.declare(self._topology.dead)
        place = TopicPartition(self._topology.dead, 0)
        found: dict[str, Record] = {}
        async with self._link.reader() as reader:
            reader.assign([place])
            end = (await reader.end_offsets([place]))[place]
            reader.seek(place, (await reader.beginning_offsets([place]))[place])
            while await reader.position(place) < end:
                for record in (await reader.getmany(timeout_ms=POLL_MS)).get(place, ()):
                    key = (record.key or b"").decode()
                    found.pop(key, None)
                    if record.value is not None and REASON in dict(record.headers):
                        found[key] = record
        return found


def _letter(record: Record) -> Letter:
    headers = dict(record.headers)
    return Letter(
        data=record.value or b"",
        attempts=int(headers.get(ATTEMPTS) or 0),
        reason=(headers[REASON] or b"").decode(),
        died_at=from_us(int(headers.get(DIED_US) or 0)),
    )
