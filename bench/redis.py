"""Token streams across processes: what they cost in memory, over Redis, and over bare redis-py.

Streams of a token each 10 ms. A reader's latency is from before the append to its part; CPU is
that of the processes that write and read together, for each token of one stream.
"""

import asyncio
import statistics
import subprocess
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

from bench.figures import Figure, at_most
from bench.processes import percentile
from tertulia.adapters.keyfile.vault import MemoryVault
from tertulia.adapters.memory.token_stream import MemoryTokenStream
from tertulia.adapters.redis.link import open_link
from tertulia.adapters.redis.seals import Seals
from tertulia.adapters.redis.settings import RedisSettings
from tertulia.adapters.redis.token_stream import open_token_stream
from tertulia.domain.ids import MessageId
from tertulia.domain.messages import Status
from tertulia.domain.streams import Delta, Position
from tertulia.kit.clock import SystemClock
from tertulia.ports.token_stream import TokenStream

STREAMS: Final = 32
STREAMS_EACH: Final = 8  # where each process has as many to read
COUNTS: Final = (1, 2, 4, 8)
FLAT: Final = 1.2
TOKENS: Final = 400
PACE_S: Final = 0.01
TEXT: Final = "token "
BOUND: Final = 64 << 20
PATIENCE_S: Final = 10.0


def measure() -> list[Figure]:
    """Each stream has one reader; the readers are in as many processes as is said."""
    import uvloop

    with (
        server() as url,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(_measure(url))


@contextmanager
def server() -> Generator[str]:
    """A Redis of our own, on a socket."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "redis"
        command = ["redis-server", "--port", "0", "--unixsocket", path, "--save", ""]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while not path.exists():
                time.sleep(0.01)
            yield f"unix://{path}"
        finally:
            process.terminate()
            process.wait()


async def _measure(url: str) -> list[Figure]:
    memory = await _memory()
    bare = await _bare(url)
    note = (
        f"in memory {memory.cpu_us:.0f} µs, p50 {memory.p50_ms:.2f} ms; "
        f"redis-py p50 {bare.p50_ms:.2f} ms"
    )
    divided = {count: await _redis(url, count, STREAMS) for count in COUNTS}
    one_load = {count: await _redis(url, count, count * STREAMS_EACH) for count in COUNTS}
    return [
        *(
            at_most(
                f"a token over Redis, {STREAMS} readers in {_others(count)}",
                result.cpu_us,
                "µs CPU",
                100,
                bare=f"{bare.cpu_us:.0f} µs (PUBLISH by redis-py)",
                note=f"{result.latency}; {note}",
            )
            for count, result in divided.items()
        ),
        *(
            at_most(
                f"the same, {STREAMS_EACH} readers in each of {_others(count)}, against one",
                result.cpu_us / one_load[COUNTS[0]].cpu_us,
                "times",
                FLAT,
                note=f"{result.cpu_us:.0f} µs CPU; {result.latency}",
            )
            for count, result in one_load.items()
            if count > COUNTS[0]
        ),
    ]


def _others(count: int) -> str:
    return f"{count} other process{'es' if count > 1 else ''}"


class Result:
    """Of one run."""

    def __init__(self, latencies_s: Sequence[float], cpu_s: float, streams: int) -> None:
        self.cpu_us = cpu_s / (streams * TOKENS) * 1e6
        self.p50_ms = statistics.median(latencies_s) * 1000
        self.p99_ms = percentile(sorted(each * 1000 for each in latencies_s), 0.99)

    @property
    def latency(self) -> str:
        return f"latency p50 {self.p50_ms:.2f} ms, p99 {self.p99_ms:.2f} ms"


async def _memory() -> Result:
    stream = MemoryTokenStream(SystemClock(), max_bytes=BOUND, kept_s=60)
    return await _run(stream, [stream], STREAMS)


async def _redis(url: str, count: int, streams: int) -> Result:
    """Links of one process stand for processes: what they do is the same, and is added up."""
    vault = MemoryVault()
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(_stream(url, vault)) for _ in range(count + 1)]
        return await _run(opened[0], opened[1:], streams)


@asynccontextmanager
async def _stream(url: str, vault: MemoryVault) -> AsyncGenerator[TokenStream]:
    local = MemoryTokenStream(SystemClock(), max_bytes=BOUND, kept_s=60)
    async with (
        open_link(RedisSettings(url=url)) as link,
        open_token_stream(
            link, Seals(vault, SystemClock()), local, max_bytes=BOUND, kept_s=60
        ) as opened,
    ):
        await link.trouble()
        yield opened


async def _run(writer: TokenStream, readers: Sequence[TokenStream], streams: int) -> Result:
    sent: dict[tuple[int, int], float] = {}
    latencies: list[float] = []
    ids = [MessageId(f"{time.time_ns()}-{number}") for number in range(streams)]

    async def write(number: int) -> None:
        for token in range(TOKENS):
            at = token * len(TEXT)
            sent[number, at + len(TEXT)] = time.perf_counter()
            await writer.append(ids[number], Position(1, at), TEXT)
            await asyncio.sleep(PACE_S)
        await writer.end(ids[number], 1, Status.COMPLETE)

    async def read(number: int) -> None:
        parts = await readers[number % len(readers)].read(ids[number], None)
        if parts is None:
            msg = "the stream is not held"
            raise RuntimeError(msg)
        latencies.extend(
            [
                time.perf_counter() - sent[number, part.at.offset]
                async for part in parts
                if isinstance(part, Delta)
            ]
        )

    for each in ids:
        await writer.begin(each, 1, "")
    return Result(latencies, await _timed(streams, write, read), streams)


async def _bare(url: str) -> Result:
    """One channel a stream, one connection that listens, a PUBLISH for each token."""
    from redis import asyncio as driver

    client: Any = cast("Any", driver.Redis).from_url(url)
    heard: Any = client.pubsub()
    latencies: list[float] = []
    await heard.subscribe(*(f"bare:{number}" for number in range(STREAMS)))

    async def write(number: int) -> None:
        for _ in range(TOKENS):
            await client.publish(f"bare:{number}", f"{time.perf_counter()} {TEXT}")
            await asyncio.sleep(PACE_S)

    async def read(number: int) -> None:
        if number:
            return
        count = 0
        while count < STREAMS * TOKENS:
            message = await heard.get_message(ignore_subscribe_messages=True, timeout=PATIENCE_S)
            if message is not None:
                count += 1
                latencies.append(time.perf_counter() - float(message["data"].split()[0]))

    cpu_s = await _timed(STREAMS, write, read)
    await heard.aclose()
    await client.aclose()
    return Result(latencies, cpu_s, STREAMS)


async def _timed(streams: int, *kinds: Callable[[int], Awaitable[None]]) -> float:
    """CPU seconds of this process while all streams are written and read."""
    began = time.process_time()
    await asyncio.gather(*(kind(number) for kind in reversed(kinds) for number in range(streams)))
    return time.process_time() - began
