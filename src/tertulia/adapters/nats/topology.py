"""Which streams, subjects and consumers there are, and how they are declared."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final
from urllib.parse import quote, unquote

from nats.js.api import (
    AckPolicy,
    ConsumerConfig,
    DiscardPolicy,
    RetentionPolicy,
    StorageType,
    StreamConfig,
)

from tertulia.domain.events import inference_worker

REPEATED_S: Final = 120.0
"""How long the server knows a message by its id. The relay carries anew within seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """One stream holds what waits, another the dead letters. A topic is `partitions` subjects, a
    worker's is one; each has one consumer, made when somebody consumes it first."""

    name: str
    partitions: int
    replicas: int

    @property
    def stream(self) -> str:
        """Of what waits."""
        return self.name

    @property
    def dead(self) -> str:
        """Of the dead letters. No `name` holds an underscore."""
        return f"{self.name}_dead"

    @property
    def dead_subject(self) -> str:
        """Where dead letters are published."""
        return f"{self.name}.dead"

    def subjects(self, topic: str) -> Sequence[str]:
        """The subjects of a topic. A worker's has one consumer by nature."""
        count = self.partitions if inference_worker(topic) is None else 1
        return [f"{self.name}.{_token(topic)}.{number}" for number in range(count)]

    def subject_of(self, topic: str, key: str) -> str:
        """Where messages of a key go, always the same."""
        subjects = self.subjects(topic)
        digest = blake2b(key.encode(), digest_size=8).digest()
        return subjects[int.from_bytes(digest, "big") % len(subjects)]

    def topic_of(self, subject: str) -> str:
        """The inverse of `subjects`."""
        return unquote(subject.split(".")[1].replace("=", "%"))

    def consumer_of(self, subject: str) -> str:
        """Its durable name."""
        return "_".join(subject.split(".")[1:])

    def streams(self) -> Sequence[StreamConfig]:
        """A work queue keeps a message until it is acknowledged, whether anybody consumes it or
        not. What is full refuses: the outbox keeps what is refused, and nothing is pushed out."""
        return [
            self._stream(self.stream, f"{self.name}.*.*", RetentionPolicy.WORK_QUEUE),
            self._stream(self.dead, self.dead_subject, RetentionPolicy.LIMITS),
        ]

    def consumer(
        self, subject: str, deliver_to: str, *, window: int, ack_s: float, heartbeat_s: float
    ) -> ConsumerConfig:
        """Pushes at most `window` messages that are not acknowledged. Deliveries are counted and
        not limited: what exceeds the server's limit would stay in the stream, told to nobody."""
        return ConsumerConfig(
            durable_name=self.consumer_of(subject),
            deliver_subject=deliver_to,
            filter_subject=subject,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ack_s,
            max_deliver=-1,
            max_ack_pending=window,
            idle_heartbeat=heartbeat_s,
        )

    def _stream(self, name: str, subject: str, retention: RetentionPolicy) -> StreamConfig:
        return StreamConfig(
            name=name,
            subjects=[subject],
            retention=retention,
            storage=StorageType.FILE,
            discard=DiscardPolicy.NEW,
            num_replicas=self.replicas,
            duplicate_window=REPEATED_S,
        )


def _token(topic: str) -> str:
    """One part of a subject, and of a consumer's name. The server takes such a name for a format:
    with `%` in it, acknowledgements are garbled."""
    return quote(topic, safe="").replace(".", "%2E").replace("%", "=")
