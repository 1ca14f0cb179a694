"""The feed of what a person can see: pages of changes as they come."""

from collections.abc import AsyncGenerator
from typing import Final

from tertulia.domain.access import Principal
from tertulia.domain.feed import FeedPage
from tertulia.ports.signals import Signals
from tertulia.ports.store import Store

PAGE: Final = 100

# Signals wake at once; this only bounds the wait should one be lost.
LOOK_AGAIN_S: Final = 5.0


async def feed_head(store: Store, principal: Principal) -> int:
    return await store.read(lambda tx: tx.feed.head(principal.user_id), brief=True)


async def feed_page(store: Store, principal: Principal, after: int, limit: int = PAGE) -> FeedPage:
    return await store.read(lambda tx: tx.feed.read(principal.user_id, after=after, limit=limit))


async def follow_feed(
    store: Store, signals: Signals, principal: Principal, after: int
) -> AsyncGenerator[FeedPage, None]:
    """Never empty pages, for ever. After `resync` it goes on from the head."""
    async with signals.subscribe(f"feed:{principal.user_id}") as subscription:
        while True:
            page = await feed_page(store, principal, after)
            if page.resync:
                after = page.head
            elif page.changes:
                after = page.changes[-1].seq
            else:
                await subscription.wait(LOOK_AGAIN_S)
                continue
            yield page
