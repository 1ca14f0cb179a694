"""What is used of aiokafka, with the types that it has not."""

import asyncio
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, cast

from aiokafka import (  # pyright: ignore[reportMissingTypeStubs]
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRebalanceListener,
    OffsetAndMetadata,
    TopicPartition,
)
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete  # pyright: ignore[reportMissingTypeStubs]
from aiokafka.errors import (  # pyright: ignore[reportMissingTypeStubs]
    CommitFailedError,
    IllegalStateError,
    InvalidTopicError,
    KafkaError,
    ProducerClosed,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
    for_code,
)

__all__ = (
    "CommitFailedError",
    "ConsumerRebalanceListener",
    "IllegalStateError",
    "InvalidTopicError",
    "KafkaError",
    "NewTopic",
    "OffsetAndMetadata",
    "RecordsToDelete",
    "TopicAlreadyExistsError",
    "TopicPartition",
    "for_code",
)

BATCH_BYTES: Final = 65_536
METADATA_S: Final = 5.0  # a topic that was divided before it was all there is divided again
READ_MS: Final = 20  # a fetch that was begun at the wrong place is waited for

Headers = Sequence[tuple[str, bytes | None]]


class Record(Protocol):
    """As it was fetched; a value of None takes back what the key stood for."""

    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


class Producer(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def send(
        self, topic: str, value: bytes | None, key: bytes, *, headers: Headers
    ) -> asyncio.Future[object]: ...


class Consumer(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    def subscribe(self, topics: Sequence[str], *, listener: ConsumerRebalanceListener) -> None: ...
    def assign(self, partitions: Iterable[TopicPartition]) -> None: ...
    def seek(self, partition: TopicPartition, offset: int) -> None: ...
    def pause(self, *partitions: TopicPartition) -> None: ...
    def resume(self, *partitions: TopicPartition) -> None: ...
    async def position(self, partition: TopicPartition) -> int: ...
    async def getmany(
        self, *, timeout_ms: int, max_records: int | None = None
    ) -> Mapping[TopicPartition, Sequence[Record]]: ...
    async def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None: ...
    async def beginning_offsets(
        self, partitions: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, int]: ...
    async def end_offsets(
        self, partitions: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, int]: ...


class Admin(Protocol):
    async def start(self) -> None: ...
    async def close(self) -> None: ...
    async def create_topics(self, new_topics: Sequence[NewTopic]) -> Any: ...
    async def list_topics(self) -> Sequence[str]: ...
    async def describe_topics(self, topics: Sequence[str]) -> Sequence[Mapping[str, Any]]: ...
    async def describe_cluster(self) -> Mapping[str, Any]: ...
    async def list_consumer_group_offsets(
        self, group_id: str
    ) -> Mapping[TopicPartition, OffsetAndMetadata]: ...
    async def describe_consumer_groups(self, group_ids: Sequence[str]) -> Sequence[Any]: ...
    async def delete_topics(self, topics: Sequence[str]) -> Any: ...
    async def delete_records(
        self, records_to_delete: Mapping[TopicPartition, RecordsToDelete]
    ) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where Kafka is and how one gets in."""

    servers: Sequence[str]
    protocol: str
    mechanism: str
    user: str
    password: str = field(repr=False)
    ssl_context: ssl.SSLContext | None

    def producer(self, *, timeout_s: float) -> Producer:
        """Idempotent: what it sends again is kept once, and in its place."""
        made = AIOKafkaProducer(
            **self._options(timeout_s),
            enable_idempotence=True,
            acks="all",
            max_batch_size=BATCH_BYTES,
        )
        return cast("Producer", made)

    def consumer(self, *, group: str, session_s: float, rebalance_s: float) -> Consumer:
        """A member of a group."""
        made = AIOKafkaConsumer(
            **self._options(max(40.0, 2 * rebalance_s)),  # joining waits for the other members
            group_id=group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            metadata_max_age_ms=_ms(METADATA_S),
            session_timeout_ms=_ms(session_s),
            heartbeat_interval_ms=_ms(session_s / 5),
            rebalance_timeout_ms=_ms(rebalance_s),
            max_poll_interval_ms=_ms(session_s),  # we poll all the time, whatever handlers do
        )
        return cast("Consumer", made)

    def reader(self, *, timeout_s: float) -> Consumer:
        """One of its own, that leaves no mark."""
        made = AIOKafkaConsumer(
            **self._options(timeout_s), enable_auto_commit=False, fetch_max_wait_ms=READ_MS
        )
        return cast("Consumer", made)

    def admin(self, *, timeout_s: float) -> Admin:
        """For topics and groups."""
        return cast("Admin", AIOKafkaAdminClient(**self._options(timeout_s)))

    def _options(self, timeout_s: float) -> dict[str, Any]:
        return {
            "bootstrap_servers": list(self.servers),
            "request_timeout_ms": _ms(timeout_s),
            "security_protocol": self.protocol,
            "ssl_context": self.ssl_context,
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.user,
            "sasl_plain_password": self.password,
        }


async def drop(producer: Producer) -> None:
    """Stop it, without waiting for what it could not send yet: its own `stop` waits for ever."""
    inner = cast("Any", producer)
    if inner._sender.sender_task is not None:  # noqa: SLF001
        await inner._sender.close()  # noqa: SLF001  waits for the answer to what is under way
        inner._message_accumulator.fail_all(ProducerClosed())  # noqa: SLF001
    await producer.stop()


async def is_deserted(admin: Admin, group: str) -> bool:
    """Whether a group has no members."""
    [answer] = await admin.describe_consumer_groups([group])
    [(code, _, state, *_)] = answer.groups
    if code:
        raise for_code(code)
    return state in {"Empty", "Dead"}


async def delete(admin: Admin, topic: str) -> None:
    """Delete a topic; there may be none."""
    answer = await admin.delete_topics([topic])
    for _, code, *_ in answer.topic_error_codes:
        if code and for_code(code) is not UnknownTopicOrPartitionError:
            raise for_code(code)


async def join(
    consumer: Consumer, topic: str, listener: ConsumerRebalanceListener, *, member_id: str | None
) -> None:
    """Join the group for a topic and wait for a share of it. `member_id`: the one we had there;
    Kafka divides anew at once, instead of waiting until a member is gone that will not come back.
    """
    inner = cast("Any", consumer)
    if member_id is not None:
        inner._coordinator.member_id = member_id  # noqa: SLF001  one that is forgotten is replaced
    await inner._client._wait_on_metadata(topic)  # noqa: SLF001  whoever divides it must know it
    consumer.subscribe([topic], listener=listener)
    await inner._subscription.wait_for_assignment()  # noqa: SLF001


def member_id_of(consumer: Consumer) -> str | None:
    """None before it has joined a group."""
    coordinator = cast("Any", consumer)._coordinator  # noqa: SLF001
    return (coordinator and coordinator.member_id) or None


async def cut(consumer: Consumer) -> None:
    """Close its connections without saying good-bye."""
    await cast("Any", consumer)._client.close()  # noqa: SLF001


def _ms(seconds: float) -> int:
    return round(1000 * seconds)
