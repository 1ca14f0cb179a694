"""How topics are laid out on RabbitMQ."""

from typing import ClassVar

from pydantic import Field

from tertulia.kit.settings import Settings


class RabbitmqSettings(Settings):
    """RabbitMQ as the bus."""

    section: ClassVar[str] = "rabbitmq"

    partitions: int = Field(default=8, ge=1, le=256)
    """Queues of a topic that several processes share: at most so many of them work on it. Change
    it only while nothing waits, or messages of a key may overtake each other once."""

    share_s: float = Field(default=6.0, ge=0.1)
    """After how long a silent process's share of the partitions goes to the others; looked after
    at a third of this."""

    look_s: float = Field(default=15.0, gt=0)
    """How often to see whether the broker still knows a consumer, and to renew one that gets
    nothing: it does not always tell when a queue was deleted and made anew."""
