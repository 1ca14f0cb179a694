"""Replies whose readers come back three times, each time at another gateway."""

import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import aiohttp

from bench.figures import Figure, at_least, at_most
from bench.fleet import SERVERS, servers
from bench.processes import percentile
from tests.e2e.api import Api
from tests.e2e.cutter import CUTS, TEXT, Cutter, begin
from tests.e2e.echo_text import echoed
from tests.e2e.fleet import fleet

STREAMS: Final = 1_000
AT_ONCE: Final = 16
TOKENS: Final = 60
PACE_MS: Final = 15
WHOLE: Final = "whole"
ROLES: Final = {"gateway": 3, "chat": 2, "relay": 1, "preprocess": 1, "inference": 1}


def measure() -> list[Figure]:
    """1,000 replies of 0.9 s over PostgreSQL, RabbitMQ and Redis, three gateways before them."""
    if not all(kind.is_installed() for kind in SERVERS):
        return []
    with tempfile.TemporaryDirectory(prefix="tertulia-bench-") as folder, ExitStack() as stack:
        urls = stack.enter_context(servers()).urls
        made = stack.enter_context(fleet(Path(folder), urls, ROLES))
        resumed_ms, ends = asyncio.run(_read(made.doors, made.token))
    resumed_ms.sort()
    return [
        at_least(
            "streams cut three times, the same byte for byte",
            ends.pop(WHOLE),
            f"of {STREAMS:,}",
            STREAMS,
            note=f"each of the {CUTS} times at another of three gateways; half by WebSocket"
            + "".join(f"; {count} {end}" for end, count in ends.items()),
        ),
        at_most(
            "a stream's first words after it was cut",
            percentile(resumed_ms, 0.99),
            "ms p99",
            500,
            note=f"p50 {percentile(resumed_ms, 0.5):.0f} ms over {len(resumed_ms):,} times; "
            f"a token comes each {PACE_MS} ms",
        ),
    ]


async def _read(doors: Sequence[str], token: str) -> tuple[list[float], Counter[str]]:
    """How long each resumption took, and how many streams had which end."""
    room, chance = asyncio.Semaphore(AT_ONCE), random.Random(1)  # noqa: S311  the same each time
    resumed_s: list[float] = []
    expected = echoed(TEXT, TOKENS)
    ends = Counter({WHOLE: 0})

    async def one(api: Api, number: int) -> None:
        async with room:
            reply = await begin(api, f"echo/{TOKENS}/{PACE_MS}")
            cutter = Cutter(api, chance, resumed_s)
            transport = "sse" if number % 2 else "websocket"
            reading = await cutter.read(reply, expected, transport)
            stored = await api.message(reply)
            if reading.text == expected == stored.text:
                ends[WHOLE] += 1
            else:
                ends[f"{stored.status}, {reading.resets} resets"] += 1

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http, asyncio.TaskGroup() as group:
        for number in range(STREAMS):
            group.create_task(one(Api(http, doors, token), number))
    return [each * 1000 for each in resumed_s], ends
