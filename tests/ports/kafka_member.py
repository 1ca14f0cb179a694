"""A process that takes messages of a topic and keeps them: `kafka_member.py URL NAME TOPIC`.

Prints `took RETURNS DATA` for each, and is done with them once its standard input ends.
"""

import asyncio
import sys

from tertulia.ports.broker import Held
from tests.ports.buses import kafka_broker


class Keeping:
    """Hands that hold on."""

    def __init__(self) -> None:
        self._kept: list[Held] = []

    def take(self, held: Held) -> None:
        self._kept.append(held)
        sys.stdout.write(f"took {held.returns} {held.data.decode()}\n")
        sys.stdout.flush()

    async def give_up(self, share: str) -> None:
        """Nobody works on them."""

    async def done(self) -> None:
        for held in self._kept:
            await held.done()


async def main(url: str, name: str, topic: str) -> None:
    hands = Keeping()
    async with kafka_broker(url, name=name, session_s=1) as broker, asyncio.TaskGroup() as group:
        task = group.create_task(broker.consume(topic, hands, concurrency=1))
        await asyncio.to_thread(sys.stdin.read)
        await hands.done()
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
