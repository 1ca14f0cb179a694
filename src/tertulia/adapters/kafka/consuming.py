"""Consuming the partitions of a topic that are ours."""

import asyncio
from collections.abc import Iterable
from typing import Final

import structlog

from tertulia.adapters.kafka.driver import (
    CommitFailedError,
    Consumer,
    ConsumerRebalanceListener,
    IllegalStateError,
    OffsetAndMetadata,
    Record,
    RecordsToDelete,
    TopicPartition,
    join,
    member_id_of,
)
from tertulia.adapters.kafka.link import Link, bookmarks, leave, start, translated
from tertulia.adapters.kafka.partition import WINDOW, Partition
from tertulia.adapters.kafka.publishing import ID, Publisher
from tertulia.adapters.kafka.topology import Topology
from tertulia.kit.metrics import BUS_BROKER_LOST
from tertulia.kit.tasks import uninterrupted
from tertulia.ports.broker import Hands, Letter
from tertulia.ports.bus import BusUnavailableError

AGAIN_S: Final = 0.2
AGAIN_MAX_S: Final = 2.0
POLL_MS: Final = 500
COMMIT_S: Final = 0.1  # what is done again after a crash, to be known from the inbox
LAST_COMMIT_S: Final = 2.0

log = structlog.stdlib.get_logger(__name__)


class _Taken:
    """Held (ports.broker)."""

    def __init__(self, record: Record, returns: int, place: TopicPartition, ours: "_Ours") -> None:
        self._offset = record.offset
        self._place = place
        self._ours = ours
        key = dict(record.headers).get(ID) or _name(place, record.offset).encode()
        self._key = key.decode(errors="replace")
        self.data = record.value or b""
        self.share = _name(place)
        self.returns = returns

    async def done(self) -> None:
        self._ours.finish(self._place, self._offset)

    async def bury(self, letter: Letter) -> None:
        await self._ours.publisher.bury(self._key, letter)
        await self.done()


class Consumption:
    """One subscription: a member of the topic's group, among which Kafka divides its partitions."""

    def __init__(
        self,
        link: Link,
        publisher: Publisher,
        topology: Topology,
        topic: str,
        hands: Hands,
        *,
        session_s: float,
        look_s: float,
    ) -> None:
        self._link = link
        self._publisher = publisher
        self._topic = topic
        self._name = topology.name_of(topic)
        self._hands = hands
        self._session_s = session_s
        self._look_s = look_s
        self._member_id: str | None = None

    async def run(self) -> None:
        """Until cancelled, over any number of connections."""
        pause_s = AGAIN_S
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await self._consume()
            except BusUnavailableError as error:
                BUS_BROKER_LOST.labels(self._topic).inc()
                log.warning("topic lost", topic=self._topic, error=error.message)
            if asyncio.get_running_loop().time() - began > AGAIN_MAX_S:
                pause_s = AGAIN_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, AGAIN_MAX_S)

    async def _consume(self) -> None:
        """Until Kafka, or our place in the group, is lost."""
        self._publisher.doubt(self._name)
        await self._publisher.declare(self._name)
        consumer = self._link.member(self._name)
        ours = _Ours(consumer, self._link, self._publisher, self._hands, self._session_s)
        try:
            with translated():
                await start(consumer)
                await join(consumer, self._name, ours, member_id=self._member_id)
            async with asyncio.TaskGroup() as group:
                group.create_task(ours.poll_for_ever())
                group.create_task(ours.commit_for_ever())
                group.create_task(ours.division_failed())
                group.create_task(self._look_for_ever(ours))
        except ExceptionGroup as errors:
            lost, others = errors.split(BusUnavailableError)
            raise others or (lost or errors).exceptions[0] from None
        finally:
            self._member_id = member_id_of(consumer) or self._member_id
            await uninterrupted(ours.end())

    async def _look_for_ever(self, ours: "_Ours") -> None:
        """Nobody says when a topic was deleted."""
        while True:
            await asyncio.sleep(self._look_s)
            async with self._link.admin() as admin:
                if self._name not in await admin.list_topics():
                    raise BusUnavailableError
            await ours.let_go_of_what_is_done()


class _Ours(ConsumerRebalanceListener):
    """The partitions that are ours, from one division of the topic to the next."""

    def __init__(
        self,
        consumer: Consumer,
        link: Link,
        publisher: Publisher,
        hands: Hands,
        session_s: float,
    ) -> None:
        self._consumer = consumer
        self._link = link
        self._hands = hands
        self._session_s = session_s
        self._partitions: dict[TopicPartition, Partition] = {}
        self._committed: dict[TopicPartition, tuple[int, str]] = {}
        self._dropped: dict[TopicPartition, int] = {}
        self._progress = asyncio.Event()
        self._failed = asyncio.get_running_loop().create_future()
        self._giving_back = asyncio.Lock()
        self._ended = False
        self.publisher = publisher

    async def poll_for_ever(self) -> None:
        """Whatever the handlers do: a member that does not poll is put out of its group."""
        while True:
            with translated():
                fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=WINDOW)
            for place, records in fetched.items():
                if self._is_ours(place) and not self._partitions[place].bring(records):
                    log.warning("partition begins anew", partition=_name(place))
                    raise BusUnavailableError
                self._hand_over(place)

    async def division_failed(self) -> None:
        """Returns never; BusUnavailableError when it was not to be learnt what is ours."""
        await self._failed

    def finish(self, place: TopicPartition, offset: int) -> None:
        """Done with a message; those that waited for room have some now."""
        partition = self._partitions.get(place)
        if partition is not None:
            partition.finish(offset)
            self._progress.set()
            self._hand_over(place)

    async def commit_for_ever(self) -> None:
        """As messages are done. BusUnavailableError when Kafka is silent for a session."""
        while True:
            await self._progress.wait()
            self._progress.clear()
            await self._commit(self._session_s)
            await asyncio.sleep(COMMIT_S)

    async def let_go_of_what_is_done(self) -> None:
        """Nothing expires by itself, so that nothing is lost."""
        done = {
            place: RecordsToDelete(offset)
            for place, (offset, _) in self._committed.items()
            if offset > self._dropped.get(place, 0)
        }
        if not done:
            return
        try:
            async with self._link.admin() as admin:
                await admin.delete_records(done)
        except BusUnavailableError as error:  # perhaps we may not; it costs space
            log.warning("done, and not dropped", error=error.message)
        else:
            self._dropped |= {place: each.before_offset for place, each in done.items()}

    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride] awaited
        self, revoked: object
    ) -> None:
        """Kafka waits for this until it gives them to others, and no longer than REBALANCE_S."""
        del revoked  # all
        await self._give_back()

    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride] awaited
        self, assigned: Iterable[TopicPartition]
    ) -> None:
        """What the driver calls; it would swallow what this raises."""
        try:
            with translated():
                async with asyncio.timeout(self._session_s / 2):
                    await self._take(list(assigned))
        except Exception as error:  # noqa: BLE001  raised by division_failed
            if not self._failed.done():
                self._failed.set_exception(error)

    async def end(self) -> None:
        """Give all back and leave the group."""
        self._ended = True
        self._failed.cancel()
        try:
            await self._give_back()
        finally:
            await leave(self._consumer)

    async def _take(self, places: list[TopicPartition]) -> None:
        if not places:
            return
        self._consumer.pause(*places)  # the driver fetches already, from wherever it thinks
        begins = await self._consumer.beginning_offsets(places)
        ends = await self._consumer.end_offsets(places)
        async with self._link.admin() as admin:
            found = await bookmarks(admin, places[0].topic)
        taken: dict[TopicPartition, Partition] = {}
        counted: dict[TopicPartition, tuple[int, str]] = {}
        for place in places:
            head, returns = begins[place], 0
            if place in found and head <= found[place].offset <= ends[place]:
                head, returns = found[place].offset, _count(found[place].metadata)
            taken[place] = Partition(head=head, returns=returns)
            if head < ends[place]:
                counted[place] = (head, str(returns + 1))
        if counted:
            await self._consumer.commit(_offsets(counted))
        if not self._ended:
            self._partitions, self._committed = taken, counted
            for place, partition in taken.items():
                self._consumer.seek(place, partition.head)
            self._consumer.resume(*places)

    async def _give_back(self) -> None:
        """The handlers end their work; what is done is committed, and nothing else."""
        async with self._giving_back:
            shares = [_name(place) for place in self._partitions]
            await asyncio.gather(*(self._hands.give_up(share) for share in shares))
            try:
                await self._commit(LAST_COMMIT_S, handed_back=True)
            except BusUnavailableError as error:
                log.warning("done, and not told", partitions=shares, error=error.message)
            finally:
                self._partitions = {}
                self._committed = {}

    async def _commit(self, within_s: float, *, handed_back: bool = False) -> None:
        marks = {p: each.bookmark(handed_back=handed_back) for p, each in self._partitions.items()}
        moved = {p: mark for p, mark in marks.items() if mark != self._committed.get(p)}
        if not moved:
            return
        try:
            with translated():
                async with asyncio.timeout(within_s):
                    await self._consumer.commit(_offsets(moved))
        except BusUnavailableError as error:
            if not isinstance(error.__cause__, CommitFailedError | IllegalStateError):
                raise
            # They are somebody else's by now, who does again what is not told.
            log.warning("partitions lost", partitions=[_name(place) for place in moved])
        else:
            self._committed |= moved

    def _is_ours(self, place: TopicPartition) -> bool:
        return place in self._partitions and not self._giving_back.locked() and not self._ended

    def _hand_over(self, place: TopicPartition) -> None:
        if not self._is_ours(place):
            return
        partition = self._partitions[place]
        for record, returns in partition.begin():
            self._hands.take(_Taken(record, returns, place, self))
        if partition.is_full:
            self._consumer.pause(place)
        else:
            self._consumer.resume(place)


def _name(place: TopicPartition, *rest: int) -> str:
    return "-".join(map(str, (place.topic, place.partition, *rest)))


def _count(note: str) -> int:
    return int(note) if note.isdecimal() else 0


def _offsets(
    marks: dict[TopicPartition, tuple[int, str]],
) -> dict[TopicPartition, OffsetAndMetadata]:
    return {place: OffsetAndMetadata(*mark) for place, mark in marks.items()}
