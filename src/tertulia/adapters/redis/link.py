"""A process's link to Redis: one connection to ask on, one to hear on."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tertulia.adapters.redis.hearing import Hearing
from tertulia.adapters.redis.line import Line, RedisTroubleError
from tertulia.adapters.redis.settings import RedisSettings
from tertulia.kit.errors import TertuliaError
from tertulia.kit.tasks import beside

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection


class RedisDriverMissingError(TertuliaError):
    """The driver for Redis is not installed; install tertulia[redis]."""

    code = "redis_driver_missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What the adapters of a process share."""

    line: Line
    hearing: Hearing
    prefix: str

    def key(self, *parts: str) -> str:
        """The name of a key or of a channel."""
        return ":".join((self.prefix, *parts))

    async def trouble(self) -> str | None:
        """One sentence while Redis does not answer."""
        try:
            await self.line.command("PING")
        except RedisTroubleError as error:
            return error.message
        return None


async def version(link: Link) -> str:
    """What Redis says that it is; RedisTroubleError when it does not answer."""
    said: bytes = await link.line.command("INFO", "server")
    found = dict(line.split(":", 1) for line in said.decode().splitlines() if ":" in line)
    return found["redis_version"]


@asynccontextmanager
async def open_link(settings: RedisSettings) -> AsyncGenerator[Link]:
    """Open even while Redis is away: it is waited for in the background."""
    connect = _connector(settings)
    link = Link(
        line=Line(connect, timeout_s=settings.timeout_s),
        hearing=Hearing(connect, timeout_s=settings.timeout_s),
        prefix=settings.prefix,
    )
    async with beside(link.line.run(), link.hearing.run()):
        yield link


def _connector(settings: RedisSettings) -> Callable[[], "AbstractConnection"]:
    try:
        from redis.asyncio.connection import Connection, parse_url
    except ModuleNotFoundError as error:
        raise RedisDriverMissingError from error
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    address: dict[str, Any] = {**parse_url(settings.url)}
    kind: Callable[..., AbstractConnection] = address.pop("connection_class", Connection)

    def connect() -> "AbstractConnection":
        return kind(
            **{
                **address,
                "protocol": 2,
                "client_name": settings.prefix,
                "socket_connect_timeout": settings.timeout_s,
                "socket_timeout": None,  # an exchange has a time limit as a whole
                "retry": Retry(NoBackoff(), 0),
            }
        )

    return connect
