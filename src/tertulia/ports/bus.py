"""The bus: takes events from the outbox to the handlers of a topic."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tertulia.domain.events import Event
from tertulia.kit.errors import Kind, TertuliaError
from tertulia.ports.store import DeadMessage, QueuedMessage, TopicDepth


class BusUnavailableError(TertuliaError):
    """The broker does not answer; what it should have waits."""

    code = "bus_unavailable"
    kind = Kind.UNAVAILABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message on its way to a handler. `id` stays the same when it is delivered again."""

    id: str
    topic: str
    key: str
    event: Event
    attempts: int
    created_at: datetime
    """When its unit of work committed it."""


Handler = Callable[[Delivery], Awaitable[None]]


class Retry(Exception):  # noqa: N818  a verdict of the handler, not a mishap
    """Raised by a handler: deliver this again after `delay_s`, whatever its attempts."""

    def __init__(self, delay_s: float) -> None:
        super().__init__(f"again in {delay_s} s")
        self.delay_s = delay_s


class Bus(Protocol):
    """At least once, in order per key, ended by a dead-letter list.

    Publishing happens through a unit of work's outbox only. A message whose handler returns is
    done; one whose handler raises, or whose process dies, is delivered again with exponential
    backoff, and after the configured attempts it becomes a dead letter with the error's type as
    its reason. A message stays its handler's for as long as that runs; when it is lost (a lease
    that ran out, a broker that is gone) the handler is cancelled. Handlers are idempotent by
    means of the inbox. `dead`, `replay` and `depths` raise BusUnavailableError; a subscription
    waits for the broker to come back.
    """

    async def subscribe(
        self,
        topic: str,
        handler: Handler,
        *,
        concurrency: int,
        on_dead: Handler | None = None,
    ) -> None:
        """Handle messages of `topic`, at most `concurrency` at once, until cancelled. On
        cancellation handlers are cancelled, may end their work in order, and messages that they
        did not finish are handed back, which counts as no attempt. `on_dead` sees a message
        before it becomes a dead letter, so that whoever waits for its effect can be told."""
        ...

    async def dead(
        self, *, topic: str | None = None, limit: int = 100
    ) -> Sequence[DeadMessage]: ...

    async def replay(self, message_ids: Sequence[str]) -> int:
        """Make dead letters due again; returns how many there were."""
        ...

    async def depths(self) -> Sequence[TopicDepth]:
        """How much each topic holds that is not done, by topic. What a broker does not tell is
        0 or None."""
        ...


class Carrier(Protocol):
    """Takes messages out of the outbox to where consumers read."""

    @property
    def carries(self) -> bool:
        """False when consumers read the outbox itself: its rows must be left to them."""
        ...

    async def carry(self, messages: Sequence[QueuedMessage]) -> frozenset[str]:
        """Hand over; returns when the broker has answered, with the ids of those that it has
        confirmed to keep. The others may or may not arrive: carry them again. Messages of one
        topic and key arrive in the order of calls. BusUnavailableError when there is no answer."""
        ...

    async def topics(self) -> Sequence[str]:
        """Those that have a place there. BusUnavailableError."""
        ...

    async def remove(self, topic: str) -> bool:
        """Remove the place of a topic that nobody will use again, when it is empty; whether there
        is none now. BusUnavailableError."""
        ...

    async def check(self) -> None:
        """BusUnavailableError when messages cannot be handed over now."""
        ...
