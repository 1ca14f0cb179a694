"""What the length of a conversation costs: adding a turn, opening it."""

import asyncio
import statistics
import time
from typing import Final
from uuid import uuid4

import aiohttp

from bench.figures import Figure, at_most
from bench.product import Product, product
from tests.e2e.api import Api

SIZES: Final = (10, 1_000, 5_000, 10_000)
ROUNDS: Final = 150
MODEL: Final = "echo/1/0"
TEXT: Final = "A message of usual length: " + "some words that say little, " * 6


def measure() -> list[Figure]:
    """The sizes take turns, so that whatever else the machine does hits all of them alike."""
    with product(MODEL) as server:
        return asyncio.run(Histories(server).measure())


class Histories:
    def __init__(self, server: Product) -> None:
        self.server = server
        self.append_ms: dict[int, list[float]] = {size: [] for size in SIZES}
        self.open_ms: dict[int, list[float]] = {size: [] for size in SIZES}

    async def measure(self) -> list[Figure]:
        """Build, measure in turns, compare."""
        async with aiohttp.ClientSession() as http:
            self.api = Api(http, f"http://127.0.0.1:{self.server.port}", self.server.token)
            async with asyncio.TaskGroup() as group:
                building = {size: group.create_task(self.build(size)) for size in SIZES}
            for _ in range(ROUNDS):
                for size, built in building.items():
                    await self.open(size, built.result())
                    await self.append(size, built.result())
        return self.figures()

    async def build(self, size: int) -> str:
        """A conversation of `size` messages, made turn by turn."""
        conversation = (await self.api.create_conversation(str(uuid4()))).id
        for _ in range(size // 2):
            turn = await self.api.send_turn(conversation, str(uuid4()), TEXT)
            await self.api.finished(turn.reply)
        return conversation

    async def append(self, size: int, conversation: str) -> None:
        started = time.perf_counter()
        turn = await self.api.send_turn(conversation, str(uuid4()), TEXT)
        self.append_ms[size].append((time.perf_counter() - started) * 1000)
        await self.api.finished(turn.reply)

    async def open(self, size: int, conversation: str) -> None:
        started = time.perf_counter()
        await self.api.request("GET", f"/api/conversations/{conversation}/messages?limit=50")
        self.open_ms[size].append((time.perf_counter() - started) * 1000)

    def figures(self) -> list[Figure]:
        append = {size: statistics.median(times) for size, times in self.append_ms.items()}
        opened = {size: statistics.median(times) for size, times in self.open_ms.items()}
        spread = ", ".join(f"{size:,}: {ms:.1f}" for size, ms in append.items())
        return [
            at_most(
                "append to a chat of 5,000, against one of 10",
                append[5_000] / append[10],
                "times",
                1.2,
                peers="Open WebUI 48 times (6.8 → 326 ms)",
                note=f"p50 ms {spread}; 10,000: {append[10_000] / append[10]:.2f} times",
            ),
            at_most(
                "open a chat of 5,000 (first page)",
                opened[5_000],
                "ms p50",
                15,
                peers="Open WebUI 180 ms",
                note="p50 ms " + ", ".join(f"{size:,}: {ms:.1f}" for size, ms in opened.items()),
            ),
        ]
