"""Commands to Redis over one connection: what is asked at the same time shares a round trip."""

import asyncio
import hashlib
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

import structlog

from tertulia.kit.errors import TertuliaError

if TYPE_CHECKING:
    from redis.asyncio.connection import AbstractConnection

MOST_TOGETHER: Final = 512  # about 3 ms of work for Redis, so that nobody waits longer for others
MOST_PENDING: Final = 20_000
AGAIN_S: Final = (0.05, 1.0)  # first and longest pause between two attempts to connect
COMPLAIN_EVERY_S: Final = 10.0

Argument = str | bytes | int | float

log = structlog.stdlib.get_logger(__name__)


class RedisTroubleError(TertuliaError):
    """Redis did not do what it was asked."""

    code = "redis_trouble"


class RedisAwayError(RedisTroubleError):
    """Redis does not answer."""

    code = "redis_away"


class RedisRefusedError(RedisTroubleError):
    """Redis refused a command; its memory may be full."""

    code = "redis_refused"


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script, atomic in Redis. It may be run twice when a connection breaks at the wrong
    moment, so a second run must change nothing."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        # The digest by which Redis names scripts.
        object.__setattr__(self, "sha", hashlib.sha1(self.text.encode()).hexdigest())  # noqa: S324


@dataclass(slots=True)
class _Call:
    command: tuple[Argument, ...]
    answered: asyncio.Future[Any]
    script: Script | None
    tries: int = 0


class Line:
    """One exchange is under way at a time; everything asked meanwhile goes into the next.

    While Redis is away calls fail at once, and `run` tries to connect again, with growing pauses.
    A call whose connection breaks is tried once more on the next one.
    """

    def __init__(self, connect: Callable[[], "AbstractConnection"], *, timeout_s: float) -> None:
        self._connect = connect
        self._timeout_s = timeout_s
        self._pending: deque[_Call] = deque()
        self._under_way: deque[_Call] = deque()
        self._asked = asyncio.Event()
        self._back: list[Callable[[], None]] = []
        self._complained_at = -math.inf
        self.away: str | None = None
        """Why Redis cannot be asked; None when it can, or when nobody has tried yet."""

    def on_back(self, callback: Callable[[], None]) -> None:
        """Call it whenever a connection was made."""
        self._back.append(callback)

    async def run_script(self, script: Script, *arguments: Argument) -> Any:
        """The script's answer; its arguments are ARGV, its keys are made of them."""
        command = ("EVALSHA", script.sha, 0, *arguments)
        return await self._ask(_Call(command, self._future(), script))

    async def command(self, *command: Argument) -> Any:
        """The answer to one command."""
        return await self._ask(_Call(command, self._future(), None))

    async def run(self) -> None:
        """Serve until cancelled."""
        pause_s = AGAIN_S[0]
        try:
            while True:
                connection = self._connect()
                try:
                    await self._open(connection)
                    pause_s = AGAIN_S[0]
                    await self._talk(connection)
                except troubles() as error:
                    self._broken(error)
                finally:
                    await connection.disconnect(nowait=True)
                if self.away is not None:
                    await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311  no secret
                    pause_s = min(pause_s * 2, AGAIN_S[1])
        finally:
            self.away = "The process is ending."
            self._fail(self.away)

    async def _ask(self, call: _Call) -> Any:
        if self.away is not None or len(self._pending) >= MOST_PENDING:
            raise RedisAwayError(self.away)
        self._pending.append(call)
        self._asked.set()
        return await call.answered

    async def _open(self, connection: "AbstractConnection") -> None:
        async with asyncio.timeout(self._timeout_s):
            await connection.connect()
        if self.away is not None:
            log.info("redis is back")
            self.away = None
        for callback in self._back:
            callback()

    async def _talk(self, connection: "AbstractConnection") -> None:
        while True:
            while not self._pending:
                self._asked.clear()
                await self._asked.wait()
            count = min(len(self._pending), MOST_TOGETHER)
            calls = self._under_way = deque(self._pending.popleft() for _ in range(count))
            async with asyncio.timeout(self._timeout_s):
                packed = connection.pack_commands([call.command for call in calls])
                await connection.send_packed_command(packed, check_health=False)
                while calls:
                    found = await answer(connection)
                    self._resolve(calls.popleft(), found)

    def _resolve(self, call: _Call, found: Any) -> None:
        if not isinstance(found, Exception):
            if not call.answered.done():  # else its caller was cancelled and has left
                call.answered.set_result(found)
            return
        import redis.exceptions

        if call.script is not None and isinstance(found, redis.exceptions.NoScriptError):
            call.command = ("EVAL", call.script.text, *call.command[2:])
            self._pending.append(call)
            return
        self._complain(found)
        _refuse(call, RedisRefusedError())

    def _broken(self, error: Exception) -> None:
        """What was not answered is tried once more, unless Redis has kept silent."""
        calls, self._under_way = self._under_way, deque()
        silent = isinstance(error, TimeoutError)
        for call in reversed(calls):
            call.tries += 1
            if not silent and call.tries == 1:
                self._pending.appendleft(call)
            else:
                _refuse(call, RedisAwayError())
        if silent or not calls or any(call.tries > 1 for call in calls):
            self._fail(f"Redis does not answer ({type(error).__name__}).")

    def _fail(self, reason: str) -> None:
        if self.away is None:
            log.warning("redis is away", reason=reason)
        self.away = reason
        while self._pending:
            _refuse(self._pending.popleft(), RedisAwayError(reason))
        for call in self._under_way:
            _refuse(call, RedisAwayError(reason))

    def _complain(self, error: Exception) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._complained_at > COMPLAIN_EVERY_S:
            self._complained_at = now
            log.error("redis refused a command", error=type(error).__name__, reason=str(error)[:80])

    def _future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()


def troubles() -> tuple[type[Exception], ...]:
    """What a connection raises when it is no good any more."""
    import redis.exceptions

    return (
        redis.exceptions.ConnectionError,
        redis.exceptions.TimeoutError,
        redis.exceptions.ReadOnlyError,
        OSError,  # TimeoutError is one
        RuntimeError,  # what was written to a connection that was lost a moment ago
    )


async def answer(connection: "AbstractConnection") -> Any:
    """An answer, or the error with which Redis refused the command."""
    import redis.exceptions

    try:
        return cast("Any", await connection.read_response(timeout=math.inf))
    except redis.exceptions.ReadOnlyError:
        raise
    except redis.exceptions.ResponseError as error:
        return error


def _refuse(call: _Call, error: RedisTroubleError) -> None:
    if not call.answered.done():
        call.answered.set_exception(error)
