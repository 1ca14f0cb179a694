"""The relay's schedule, and how long things are kept."""

from typing import ClassVar

from pydantic import Field

from tertulia.kit.settings import Settings


class RelaySettings(Settings):
    """Times of the relay."""

    section: ClassVar[str] = "relay"

    every_s: float = Field(default=30.0, gt=0)
    """Pause between two passes; shorter for a while after a worker has gone."""

    done_kept_s: float = Field(default=3600.0, ge=0)
    """How long messages that were handled stay in the outbox, for whoever looks into a problem."""

    inbox_kept_s: float = Field(default=7 * 86400.0, ge=86400.0)
    """How long a consumer remembers what it accepted: longer than a message can come again."""

    feed_kept_s: float = Field(default=30 * 86400.0, ge=60.0)
    """How long a client may stay away and still catch up by events instead of fetching anew."""

    stranded_s: float = Field(default=5.0, gt=0)
    """How long work waits, from when it was sent, for a worker who holds no lease until it goes to
    another: who starts again by the same name is back by then."""

    gone_s: float = Field(default=3600.0, gt=0)
    """How long a broker keeps the empty queue of a worker who holds no lease."""

    batch: int = Field(default=500, ge=1, le=10_000)
    """Rows per unit of work: others get their turn in between."""

    look_s: float = Field(default=2.0, gt=0)
    """How often to look for workers who have gone, and for rows to carry without a signal: only
    what a relay held that was killed, or whose signal was lost, waits for it."""

    away_s: float = Field(default=0.1, gt=0)
    """Pause when the broker cannot be reached; doubles with each time."""

    away_max_s: float = Field(default=2.0, gt=0)
    """The longest such pause: what a broker that is back takes to be noticed."""

    refused_s: float = Field(default=1.0, gt=0)
    """Pause until a message is carried again that the broker would not confirm."""

    move_every_s: float = Field(default=5.0, gt=0)
    """Pause between two looks for texts that are due to move to the history log."""

    move_batch: int = Field(default=50, ge=1, le=1000)
    """Texts that move together."""

    drain_pause_s: float = Field(default=5.0, gt=0)
    """How long the queue of a worker who is gone may give nothing until it counts as drained."""
