"""The memory of recent turns: what it takes in truth, against what is computed."""

import asyncio
import gc
import os
from typing import Any, Final, cast

from bench.figures import Figure, at_most
from bench.processes import pss_mb
from bench.redis import server
from tertulia.adapters.keyfile.vault import MemoryVault
from tertulia.adapters.memory.recent_turns import MemoryRecentTurns
from tertulia.adapters.redis.link import open_link
from tertulia.adapters.redis.recent_turns import RedisRecentTurns
from tertulia.adapters.redis.seals import Seals
from tertulia.adapters.redis.settings import RedisSettings
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Author
from tertulia.kit.clock import SystemClock
from tertulia.kit.ids import new_id
from tertulia.ports.recent_turns import RecentMessage, RecentTurns

CONVERSATIONS: Final = 2_000
TURNS: Final = 20
LETTERS: Final = 400
UNBOUNDED: Final = 1 << 40
TOLERANCE: Final = 1.1


def measure() -> list[Figure]:
    """2,000 conversations of 20 turns of 400 letters, in this process and in Redis."""
    with server() as url, asyncio.Runner() as runner:
        return [runner.run(_memory()), runner.run(_redis(url))]


async def _memory() -> Figure:
    recent = MemoryRecentTurns(max_bytes=UNBOUNDED, max_messages=UNBOUNDED)
    before = _own_mb()
    await _fill(recent)
    taken = _own_mb() - before
    computed = CONVERSATIONS * (300 + 2 * TURNS * (190 + 49 + LETTERS)) / 1e6
    return _against("in memory", taken, computed, await recent.size_bytes() / 1e6)


async def _redis(url: str) -> Figure:
    async with open_link(RedisSettings(url=url)) as link:
        await link.trouble()
        recent = RedisRecentTurns(
            link,
            Seals(MemoryVault(), SystemClock()),
            max_bytes=UNBOUNDED,
            max_messages=UNBOUNDED,
            kept_s=3600,
        )
        before = await _redis_mb(url)
        await _fill(recent)
        taken = await _redis_mb(url) - before
        counted = await recent.size_bytes() / 1e6
    value = 110 + 2 * TURNS * (45 + LETTERS)
    step = 1 << (value.bit_length() - 3)
    computed = CONVERSATIONS * (300 + -(-value // step) * step) / 1e6
    return _against("in Redis", taken, computed, counted)


def _against(where: str, taken: float, computed: float, counted: float) -> Figure:
    return at_most(
        f"memory of recent turns {where}, against the computed",
        taken / computed,
        "times",
        TOLERANCE,
        note=f"{CONVERSATIONS:,} conversations of {TURNS} turns of {LETTERS} letters take "
        f"{taken:.1f} MB; computed {computed:.1f} MB; its own account {counted:.1f} MB",
    )


async def _fill(recent: RecentTurns) -> None:
    for _ in range(CONVERSATIONS):
        branch = tuple(
            RecentMessage(
                id=MessageId(new_id()),
                seq=number,
                author=Author.USER if number % 2 else Author.ASSISTANT,
                text=f"{number:0{LETTERS}}",
            )
            for number in range(1, 2 * TURNS + 1)
        )
        await recent.put(ConversationId(new_id()), branch)


def _own_mb() -> float:
    gc.collect()
    return pss_mb(os.getpid())


async def _redis_mb(url: str) -> float:
    import redis.asyncio

    async with cast("Any", redis.asyncio.Redis).from_url(url) as client:
        told = await client.info("memory")
    return float(told["used_memory"]) / 1e6
