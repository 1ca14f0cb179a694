"""The one connection on which a process asks Redis."""

import asyncio
from typing import TYPE_CHECKING

import uvloop

from tertulia.adapters.redis.line import Line
from tertulia.adapters.redis.link import _connector  # pyright: ignore[reportPrivateUsage]
from tertulia.adapters.redis.settings import RedisSettings
from tertulia.kit.tasks import beside
from tests.servers.redis import Redis

if TYPE_CHECKING:
    from redis.asyncio.connection import Connection


def test_a_connection_that_was_lost_a_moment_ago_is_made_anew(redis: Redis) -> None:
    """On the product's loop, writing to one raises RuntimeError."""
    made: list[Connection] = []
    connect = _connector(RedisSettings(url=redis.url))

    def noting() -> "Connection":
        made.append(connect())  # type: ignore[arg-type]
        return made[-1]

    async def story() -> None:
        line = Line(noting, timeout_s=20)
        async with asyncio.timeout(60), beside(line.run()):
            assert await line.command("PING") == b"PONG"
            made[-1]._writer.transport.abort()  # type: ignore[union-attr]
            assert await line.command("PING") == b"PONG"
        assert len(made) == 2

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())
