"""Moving older texts to the history log."""

import structlog

from tertulia.kit.metrics import HISTORY_BEHIND_S, HISTORY_MOVED
from tertulia.ports.history import Mover
from tertulia.roles.relay.settings import RelaySettings

log = structlog.stdlib.get_logger(__name__)


async def move_due(mover: Mover, settings: RelaySettings) -> int:
    """Move all that is due, a batch at a time; returns how many texts moved. Raises what the mover
    raises."""
    texts = 0
    while True:
        HISTORY_BEHIND_S.set((await mover.behind()).total_seconds())
        moved = await mover.move(limit=settings.move_batch)
        HISTORY_MOVED.labels("moved").inc(moved.texts)
        HISTORY_MOVED.labels("refused").inc(moved.refused)
        if moved.texts or moved.erased or moved.refused:
            log.debug("texts moved", texts=moved.texts, refused=moved.refused, erased=moved.erased)
        texts += moved.texts
        if not moved.more:
            return texts
