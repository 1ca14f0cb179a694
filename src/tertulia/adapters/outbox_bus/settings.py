"""How the embedded bus leases, retries and gives up."""

from typing import ClassVar

from pydantic import Field

from tertulia.kit.settings import Settings


class OutboxBusSettings(Settings):
    """Times of the embedded bus."""

    section: ClassVar[str] = "outbox_bus"

    lease_s: float = Field(default=30.0, gt=0)
    """How long a message belongs to whoever took it; renewed at a third of this."""

    handling_max_s: float = Field(default=3600.0, gt=0)
    """A handler that takes longer is taken for hung: cancelled, counted as a failed attempt."""

    attempts: int = Field(default=6, ge=1)
    """Failed attempts until a message becomes a dead letter."""

    backoff_s: float = Field(default=0.5, gt=0)
    """Pause after the first failed attempt; doubles with each one, give or take a quarter."""

    backoff_max_s: float = Field(default=60.0, gt=0)
    """The longest such pause."""

    store_pause_s: float = Field(default=1.0, gt=0)
    """Pause when the store is in trouble: a full or busy disk seldom recovers sooner."""

    unknown_s: float = Field(default=1200.0, ge=0)
    """How old a message gets that this version does not know, so that another version may take
    it in a rolling update, until it becomes a dead letter; those of its key wait behind it."""

    poll_s: float = Field(default=5.0, gt=0)
    """How often to look without a signal: a safety net, nothing waits for it."""
