"""A judgement in the queue's terms."""

from dataclasses import dataclass
from datetime import timedelta

from tertulia.ports.bus import Delivery
from tertulia.ports.bus_judge import BACK, Judgement
from tertulia.ports.store import QueuedMessage, Settlement


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How to settle one message. `counted`: whether the attempt counts as a failed one."""

    message: QueuedMessage
    judgement: Judgement

    @property
    def settlement(self) -> Settlement:
        """In the queue's terms."""
        match self.judgement.outcome:
            case "done":
                return "done"
            case "dead":
                return "dead"
            case "again" | "retry" | "back":
                return "retry"

    @property
    def counted(self) -> bool:
        """Whether this was a failed attempt."""
        return self.judgement.outcome not in {"again", "back"}

    @property
    def delay(self) -> timedelta:
        """How long a retry waits."""
        return timedelta(seconds=self.judgement.delay_s)


def back(message: QueuedMessage) -> Verdict:
    """Nobody tried: due again at once."""
    return Verdict(message=message, judgement=BACK)


def delivery(message: QueuedMessage) -> Delivery:
    """What the handler sees of it. UnknownEventError and UnreadableEventError when it cannot."""
    return Delivery(
        id=message.id,
        topic=message.topic,
        key=message.key,
        event=message.event(),
        attempts=message.attempts,
        created_at=message.created_at,
    )
