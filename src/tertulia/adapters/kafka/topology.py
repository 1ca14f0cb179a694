"""Which topics there are, and how they are made."""

from dataclasses import dataclass
from typing import Final

from tertulia.domain.events import inference_worker

LONGEST_BYTES: Final = 1_048_588  # Kafka's own default; more than a batch of ours
SEGMENT_BYTES: Final = 16_777_216  # what is done is dropped by whole segments


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """A topic of `partitions` for one of ours, of one partition for a worker's; its consumers are
    the group of the same name. One more topic holds the dead letters."""

    name: str
    partitions: int
    replication: int

    @property
    def dead(self) -> str:
        """The topic of dead letters."""
        return f"{self.name}.dead"

    @property
    def quorum(self) -> int:
        """How many nodes confirm a message: all copies but one, so that a node may be away."""
        return max(1, self.replication - 1)

    def name_of(self, topic: str) -> str:
        """Of the topic on Kafka, and of the group of its consumers."""
        return f"{self.name}.{topic}"

    def topic_of(self, name: str) -> str | None:
        """The inverse; None for the topics of others and for the dead letters."""
        mine, dot, topic = name.partition(".")
        return topic if mine == self.name and dot and name != self.dead else None

    def count(self, name: str) -> int:
        """The partitions of a topic when it is made."""
        topic = self.topic_of(name)
        return 1 if topic is None or inference_worker(topic) is not None else self.partitions

    def options(self, name: str) -> dict[str, str]:
        """Of a topic. Nothing expires: what is done is dropped by its consumers, and of dead
        letters the last word on each is kept."""
        return {
            "cleanup.policy": "compact" if name == self.dead else "delete",
            "retention.ms": "-1",
            "retention.bytes": "-1",
            "segment.bytes": str(SEGMENT_BYTES),
            "max.message.bytes": str(LONGEST_BYTES),
            "min.insync.replicas": str(self.quorum),
            # A node that missed confirmed messages never becomes the one that others follow.
            "unclean.leader.election.enable": "false",
        }
