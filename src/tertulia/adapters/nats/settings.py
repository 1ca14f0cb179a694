"""How topics are laid out on NATS JetStream."""

from typing import ClassVar

from pydantic import Field

from tertulia.kit.settings import Settings


class NatsSettings(Settings):
    """NATS JetStream as the bus."""

    section: ClassVar[str] = "nats"

    partitions: int = Field(default=8, ge=1, le=256)
    """Parts of a topic that several processes share: at most so many of them work on it. Change it
    only while nothing waits, or messages of a key may overtake each other once."""

    share_s: float = Field(default=6.0, ge=0.1)
    """After how long a silent process's share of the partitions goes to the others; looked after
    at a third of this."""

    replicas: int = Field(default=1, ge=1, le=5)
    """Servers of the cluster that keep each message, when the streams are made."""

    ack_s: float = Field(default=30.0, ge=0.1)
    """After how long a message comes again that its process does not speak of; every third of it
    a process says what it still has in hand."""

    heartbeat_s: float = Field(default=2.0, ge=0.1)
    """How often the server says that a consumer is still ours; after nearly three times this
    without a word it is taken for lost."""

    answer_s: float = Field(default=10.0, ge=0.1)
    """How long a process that holds a part of a topic may take to answer another that has come to
    take it over; one that hangs loses it."""
