"""What every adapter of RateLimiter keeps."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

import pytest

from tertulia.adapters.memory.rate_limiter import MemoryRateLimiter
from tertulia.ports.rate_limiter import RateLimiter
from tests.ports.on_redis import InTurn, processes, server

# Windows are long, so that no test sees the end of one.
WINDOW_S = 10**9


@asynccontextmanager
async def memory(_: pytest.FixtureRequest) -> AsyncGenerator[RateLimiter]:
    yield MemoryRateLimiter()


@asynccontextmanager
async def redis(request: pytest.FixtureRequest) -> AsyncGenerator[RateLimiter]:
    async with processes(server(request), 2) as opened:
        yield cast("RateLimiter", InTurn([process.limiter() for process in opened]))


ADAPTERS = [memory, redis]


@pytest.fixture(params=ADAPTERS, ids=lambda opener: opener.__name__)
async def limiter(request: pytest.FixtureRequest) -> AsyncGenerator[RateLimiter]:
    async with request.param(request) as opened:
        yield opened


async def test_uses_within_the_limit_pass_and_the_next_does_not(limiter: RateLimiter) -> None:
    for _ in range(3):
        assert await limiter.hit("k", limit=3, per_s=WINDOW_S) is None
    wait_s = await limiter.hit("k", limit=3, per_s=WINDOW_S)
    assert wait_s is not None
    assert 0 < wait_s <= WINDOW_S


async def test_keys_are_counted_apart(limiter: RateLimiter) -> None:
    assert await limiter.hit("a", limit=1, per_s=WINDOW_S) is None
    assert await limiter.hit("b", limit=1, per_s=WINDOW_S) is None
    assert await limiter.hit("a", limit=1, per_s=WINDOW_S) is not None


async def test_a_refused_use_does_not_count(limiter: RateLimiter) -> None:
    assert await limiter.hit("k", limit=1, per_s=WINDOW_S) is None
    assert await limiter.hit("k", limit=1, per_s=WINDOW_S) is not None
    assert await limiter.hit("k", limit=2, per_s=WINDOW_S) is None


async def test_a_limit_of_none_refuses_all(limiter: RateLimiter) -> None:
    assert await limiter.hit("k", limit=0, per_s=WINDOW_S) is not None
