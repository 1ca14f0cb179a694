"""The events of a live answer, the same over either transport."""

from typing import Any

import msgspec

from tests.e2e.sse import SseEvent
from tests.roles.asgi import Exchange

Heard = tuple[str, str | None, Any]
"""Name, position, data."""


async def heard(exchange: Exchange) -> Heard | None:
    """The next event of either transport; None at the end."""
    if exchange.status == 101:
        frame = await exchange.frame()
        return None if frame is None else (frame["event"], frame.get("id"), frame.get("data"))
    event = await exchange.event()
    return None if event is None else _heard(event)


def _heard(event: SseEvent) -> Heard:
    return event.event, event.id, msgspec.json.decode(event.data)
