"""What becomes of a message after its handler: done, again, or dead."""

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

import structlog

from tertulia.adapters.outbox_bus.settings import OutboxBusSettings
from tertulia.ports.bus import Delivery, Handler, Retry
from tertulia.ports.store import QueuedMessage, Settlement, StorageFullError, StoreUnavailableError

EXHAUSTED: Final = "exhausted"
STORE_TROUBLE: Final = (StoreUnavailableError, StorageFullError)

Outcome = Literal["done", "again", "retry", "back", "dead"]

log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How to settle one message. `counted`: whether the attempt counts as a failed one."""

    message: QueuedMessage
    outcome: Outcome
    reason: str = ""
    delay_s: float = 0.0

    @property
    def settlement(self) -> Settlement:
        """In the queue's terms."""
        match self.outcome:
            case "done":
                return "done"
            case "dead":
                return "dead"
            case "again" | "retry" | "back":
                return "retry"

    @property
    def counted(self) -> bool:
        """Whether this was a failed attempt."""
        return self.outcome not in {"again", "back"}

    @property
    def delay(self) -> timedelta:
        """How long a retry waits."""
        return timedelta(seconds=self.delay_s)


def back(message: QueuedMessage) -> Verdict:
    """Nobody tried: due again at once."""
    return Verdict(message=message, outcome="back")


class Judge:
    """Calls the handler and turns what comes of it into a verdict; it raises nothing itself."""

    def __init__(
        self,
        handler: Handler,
        on_dead: Handler | None,
        settings: OutboxBusSettings,
        dice: random.Random,
    ) -> None:
        self._handler = handler
        self._on_dead = on_dead
        self._settings = settings
        self._dice = dice

    async def verdict(self, message: QueuedMessage) -> Verdict:
        """Handle one message; being cancelled means that it goes back."""
        if message.attempts > self._settings.attempts:
            # The process died under every attempt, or was killed: a poison message is not tried
            # for ever.
            return await self._give_up(message, EXHAUSTED)
        try:
            async with asyncio.timeout(self._settings.handling_max_s):
                await self._handler(_delivery(message))
        except Retry as again:
            return Verdict(message=message, outcome="again", delay_s=again.delay_s)
        except asyncio.CancelledError as error:
            return back(message) if _is_cancelled() else await self._failed(message, error)
        except Exception as error:  # noqa: BLE001  logged and counted below
            return await self._failed(message, error)
        return Verdict(message=message, outcome="done")

    async def _failed(self, message: QueuedMessage, error: BaseException) -> Verdict:
        if isinstance(error, STORE_TROUBLE):
            return self._pause(message, error)
        log.warning("handler failed", **_ids(message), exc_info=error)
        reason = type(error).__name__
        if message.attempts >= self._settings.attempts:
            return await self._give_up(message, reason)
        delay_s = self._settings.backoff_s * 2 ** (message.attempts - 1)
        delay_s = min(delay_s, self._settings.backoff_max_s) * self._dice.uniform(0.75, 1.25)
        return Verdict(message=message, outcome="retry", reason=reason, delay_s=delay_s)

    async def _give_up(self, message: QueuedMessage, reason: str) -> Verdict:
        try:
            if self._on_dead is not None:
                async with asyncio.timeout(self._settings.handling_max_s):
                    await self._on_dead(_delivery(message))
        except STORE_TROUBLE as error:
            return self._pause(message, error)
        except asyncio.CancelledError:
            return back(message)
        except Exception as error:
            log.exception("on_dead failed", **_ids(message), exc_info=error)
        log.error("dead letter", **_ids(message), reason=reason)
        return Verdict(message=message, outcome="dead", reason=reason)

    def _pause(self, message: QueuedMessage, error: BaseException) -> Verdict:
        """The store's trouble is not the message's: it waits, and no attempt is counted."""
        log.warning("store in trouble", **_ids(message), error=type(error).__name__)
        delay_s = self._settings.store_pause_s * self._dice.uniform(0.75, 1.25)
        return Verdict(message=message, outcome="again", delay_s=delay_s)


def _is_cancelled() -> bool:
    """Whether this task was told to stop, as opposed to a CancelledError out of the handler."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _delivery(message: QueuedMessage) -> Delivery:
    return Delivery(
        id=message.id,
        topic=message.topic,
        key=message.key,
        event=message.event,
        attempts=message.attempts,
    )


def _ids(message: QueuedMessage) -> dict[str, str | int]:
    return {"message_id": message.id, "topic": message.topic, "attempts": message.attempts}
