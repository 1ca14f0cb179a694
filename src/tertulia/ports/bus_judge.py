"""What becomes of a delivery after its handler, on whatever bus: done, again, or dead."""

import asyncio
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, Protocol

import structlog

from tertulia.domain.event_bodies import UnknownEventError, UnreadableEventError
from tertulia.ports.bus import Delivery, Handler, Retry
from tertulia.ports.store import StorageFullError, StoreUnavailableError

EXHAUSTED: Final = "exhausted"
UNKNOWN_AGAIN_S: Final = 5.0  # who knows it comes with another process, not with time
STORE_TROUBLE: Final = (StoreUnavailableError, StorageFullError)

Outcome = Literal["done", "again", "retry", "back", "dead"]

log = structlog.stdlib.get_logger(__name__)


class Patience(Protocol):
    """The settings of a bus that say how long and how often is tried; times in seconds."""

    @property
    def handling_max_s(self) -> float: ...

    @property
    def attempts(self) -> int: ...

    @property
    def backoff_s(self) -> float: ...

    @property
    def backoff_max_s(self) -> float: ...

    @property
    def store_pause_s(self) -> float: ...

    @property
    def unknown_s(self) -> float: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`again`: after `delay_s`, no attempt counted; `retry`: after `delay_s`, it failed; `back`:
    nobody tried, at once."""

    outcome: Outcome
    reason: str = ""
    delay_s: float = 0.0


BACK: Final = Judgement(outcome="back")


class Judge:
    """Calls the handler and turns what comes of it into a judgement; it raises nothing itself."""

    def __init__(
        self,
        handler: Handler,
        on_dead: Handler | None,
        patience: Patience,
        dice: random.Random,
    ) -> None:
        self._handler = handler
        self._on_dead = on_dead
        self._patience = patience
        self._dice = dice

    async def judge(self, delivery: Delivery, *, exhausted: bool = False) -> Judgement:
        """Handle one message; being cancelled means that it goes back. `exhausted`: its process
        died under every attempt, and a poison message is not tried for ever."""
        if exhausted:
            return await self._give_up(delivery, EXHAUSTED)
        try:
            async with asyncio.timeout(self._patience.handling_max_s):
                await self._handler(delivery)
        except Retry as again:
            return Judgement(outcome="again", delay_s=again.delay_s)
        except asyncio.CancelledError as error:
            return BACK if is_cancelled() else await self._failed(delivery, error)
        except Exception as error:  # noqa: BLE001  logged and counted below
            return await self._failed(delivery, error)
        return Judgement(outcome="done")

    def judge_unread(
        self,
        error: UnknownEventError | UnreadableEventError,
        kind: str,
        message_id: str,
        age: timedelta,
    ) -> Judgement:
        """Of a message that has no event here. What another version of Tertulia may know waits for
        a process of that version, no attempt counted, until it is `unknown_s` old."""
        reason = type(error).__name__
        left_s = self._patience.unknown_s - age.total_seconds()
        if isinstance(error, UnknownEventError) and left_s > 0:
            log.warning("message of another version waits", kind=kind, message_id=message_id)
            delay_s = min(left_s, UNKNOWN_AGAIN_S)
            return Judgement(outcome="again", reason=reason, delay_s=delay_s)
        log.error("dead letter", kind=kind, message_id=message_id, reason=reason)
        return Judgement(outcome="dead", reason=reason)

    async def _failed(self, delivery: Delivery, error: BaseException) -> Judgement:
        if isinstance(error, STORE_TROUBLE):
            return self._pause(delivery, error)
        log.warning("handler failed", **_ids(delivery), exc_info=error)
        reason = type(error).__name__
        if delivery.attempts >= self._patience.attempts:
            return await self._give_up(delivery, reason)
        delay_s = self._patience.backoff_s * 2 ** (delivery.attempts - 1)
        delay_s = min(delay_s, self._patience.backoff_max_s) * self._dice.uniform(0.75, 1.25)
        return Judgement(outcome="retry", reason=reason, delay_s=delay_s)

    async def _give_up(self, delivery: Delivery, reason: str) -> Judgement:
        try:
            if self._on_dead is not None:
                async with asyncio.timeout(self._patience.handling_max_s):
                    await self._on_dead(delivery)
        except STORE_TROUBLE as error:
            return self._pause(delivery, error)
        except asyncio.CancelledError:
            return BACK
        except Exception as error:
            log.exception("on_dead failed", **_ids(delivery), exc_info=error)
        log.error("dead letter", **_ids(delivery), reason=reason)
        return Judgement(outcome="dead", reason=reason)

    def _pause(self, delivery: Delivery, error: BaseException) -> Judgement:
        """The store's trouble is not the message's: it waits, and no attempt is counted."""
        log.warning("store in trouble", **_ids(delivery), error=type(error).__name__)
        delay_s = self._patience.store_pause_s * self._dice.uniform(0.75, 1.25)
        return Judgement(outcome="again", delay_s=delay_s)


def is_cancelled() -> bool:
    """Whether this task was told to stop, as opposed to a CancelledError out of the handler."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _ids(delivery: Delivery) -> dict[str, str | int]:
    return {"message_id": delivery.id, "topic": delivery.topic, "attempts": delivery.attempts}
