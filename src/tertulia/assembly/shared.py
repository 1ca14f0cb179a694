"""What processes share beside the store: in Redis when `redis.url` names one, else in memory."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tertulia.adapters.memory.settings import MemorySettings
from tertulia.adapters.redis.settings import RedisSettings
from tertulia.adapters.sql.settings import StoreSettings
from tertulia.kit.clock import Clock
from tertulia.ports.key_vault import KeyVault
from tertulia.ports.leases import Leases
from tertulia.ports.rate_limiter import RateLimiter
from tertulia.ports.recent_turns import RecentTurns
from tertulia.ports.signals import Signals
from tertulia.ports.token_stream import TokenStream

if TYPE_CHECKING:
    from tertulia.adapters.redis.link import Link
    from tertulia.adapters.redis.seals import Seals


@dataclass(frozen=True, slots=True)
class Shared:
    """This process's link to Redis; None when there is no Redis."""

    link: "Link | None"


@dataclass(frozen=True, slots=True)
class RedisKeys:
    """What seals that which goes into Redis."""

    seals: "Seals"


@asynccontextmanager
async def shared(settings: RedisSettings) -> AsyncGenerator[Shared]:
    if not settings.url:
        yield Shared(None)
        return
    from tertulia.adapters.redis.link import open_link

    async with open_link(settings) as link:
        yield Shared(link)


@asynccontextmanager
async def redis_keys(vault: KeyVault, clock: Clock) -> AsyncGenerator[RedisKeys]:
    from tertulia.adapters.redis.seals import Seals

    yield RedisKeys(Seals(vault, clock))


@asynccontextmanager
async def signals(shared: Shared, database: StoreSettings) -> AsyncGenerator[Signals]:
    """Without Redis, by the database that the processes share."""
    from tertulia.adapters.memory.signals import MemorySignals

    local = MemorySignals()
    if shared.link is not None:
        from tertulia.adapters.redis.signals import open_signals

        async with open_signals(shared.link, local) as opened:
            yield opened
    elif database.shared:
        from tertulia.adapters.sql.store import open_shared_signals

        async with open_shared_signals(database, local) as opened:
            yield opened
    else:
        yield local


@asynccontextmanager
async def leases(clock: Clock, shared: Shared) -> AsyncGenerator[Leases]:
    if shared.link is None:
        from tertulia.adapters.memory.leases import MemoryLeases

        yield MemoryLeases(clock)
        return
    from tertulia.adapters.redis.leases import RedisLeases

    yield RedisLeases(shared.link, clock)


@asynccontextmanager
async def rate_limiter(shared: Shared) -> AsyncGenerator[RateLimiter]:
    from tertulia.adapters.memory.rate_limiter import MemoryRateLimiter

    local = MemoryRateLimiter()
    if shared.link is None:
        yield local
        return
    from tertulia.adapters.redis.rate_limiter import RedisRateLimiter

    yield RedisRateLimiter(shared.link, local)


@asynccontextmanager
async def recent_turns(
    memory: MemorySettings, redis: RedisSettings, shared: Shared, keys: RedisKeys
) -> AsyncGenerator[RecentTurns]:
    if shared.link is None:
        from tertulia.adapters.memory.recent_turns import MemoryRecentTurns

        yield MemoryRecentTurns(
            max_bytes=memory.recent_turns_bytes, max_messages=memory.recent_turns_messages
        )
        return
    from tertulia.adapters.redis.recent_turns import RedisRecentTurns

    yield RedisRecentTurns(
        shared.link,
        keys.seals,
        max_bytes=redis.recent_turns_bytes,
        max_messages=memory.recent_turns_messages,
        kept_s=redis.recent_turns_kept_s,
    )


@asynccontextmanager
async def token_stream(
    clock: Clock, memory: MemorySettings, redis: RedisSettings, shared: Shared, keys: RedisKeys
) -> AsyncGenerator[TokenStream]:
    from tertulia.adapters.memory.token_stream import MemoryTokenStream

    local = MemoryTokenStream(
        clock, max_bytes=memory.token_stream_bytes, kept_s=memory.token_stream_kept_s
    )
    if shared.link is None:
        yield local
        return
    from tertulia.adapters.redis.token_stream import open_token_stream

    async with open_token_stream(
        shared.link,
        keys.seals,
        local,
        max_bytes=redis.token_stream_bytes,
        kept_s=redis.token_stream_kept_s,
    ) as opened:
        yield opened
