"""Which queues there are, and how they are declared."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from pamqp.common import Arguments

from tertulia.domain.events import inference_worker

LIMIT_MARGIN: Final = 10  # we give up first, so that `on_dead` is told; this is the net below


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """`partitions` queues for a topic, one for a worker's; one queue of dead letters; one that
    holds the names of the topics, because AMQP lists no queues."""

    name: str
    partitions: int
    returns: int

    @property
    def dead(self) -> str:
        """The queue of dead letters."""
        return f"{self.name}.dead"

    @property
    def topics(self) -> str:
        """The queue of topic names."""
        return f"{self.name}.topics"

    def queues(self, topic: str) -> Sequence[str]:
        """The queues of a topic. A worker's has one consumer by nature."""
        if inference_worker(topic) is not None:
            return [f"{self.name}.{topic}"]
        return [f"{self.name}.{topic}.{number}" for number in range(self.partitions)]

    def queue_of(self, topic: str, key: str) -> str:
        """Where messages of a key go, always the same."""
        queues = self.queues(topic)
        digest = blake2b(key.encode(), digest_size=8).digest()
        return queues[int.from_bytes(digest, "big") % len(queues)]

    @property
    def arguments(self) -> Arguments:
        """Of a topic's queue.

        One consumer at a time keeps a key in order. What exceeds the delivery limit goes to the
        dead letters, and is kept until it has arrived there: that needs `at-least-once`, which
        needs `reject-publish`. No `x-expires`: it deletes a queue with what is in it, and
        dead-letters nothing.
        """
        return {
            "x-queue-type": "quorum",
            "x-single-active-consumer": True,
            "x-delivery-limit": self.returns + LIMIT_MARGIN,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": self.dead,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }


PLAIN: Final[Arguments] = {"x-queue-type": "quorum"}
"""Of the queues that nobody consumes: they are walked through."""
