"""Dead letters, given another chance."""

from collections.abc import Sequence
from typing import Final

from tertulia.ports.bus import Bus
from tertulia.roles.relay.errors import DeadLetterMissingError

DEAD_AT_ONCE: Final = 10_000


async def replay_dead(
    bus: Bus, *, message_ids: Sequence[str] | None = None, topic: str | None = None
) -> int:
    """Make dead letters due again, those of `message_ids` or else all (of a topic); returns how
    many. DeadLetterMissingError when some of the ids are none; the others are replayed."""
    if message_ids is None:
        letters = await bus.dead(topic=topic, limit=DEAD_AT_ONCE)
        return await bus.replay([letter.id for letter in letters])
    wanted = list(dict.fromkeys(message_ids))
    count = await bus.replay(wanted)
    if count < len(wanted):
        raise DeadLetterMissingError(asked=len(wanted), replayed=count)
    return count
