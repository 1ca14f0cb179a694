"""A lean load generator: one process, raw HTTP/1.1 over asyncio protocols, no parsing to speak of.

Each of `connections` keeps one request in flight for `seconds`. Reads its plan as JSON from
stdin and prints its result as JSON, so that its own CPU is another process's than the server's.
"""

import asyncio
import random
import sys
import time
from dataclasses import dataclass, field
from typing import Final, cast
from uuid import UUID

import msgspec

UUID_MARK: Final = b"@UUID@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@"
"""Replaced by a new UUID in every request; of the same length, so Content-Length holds."""


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """`ports` and `requests`, whole HTTP requests, are dealt to the connections in turn. An answer
    counts when its status is 2xx and it contains `whole`; `first` marks its first word. The
    connections begin within `ramp_s`, one after the other; with 0 all at once, and then they stay
    in step."""

    ports: list[int]
    connections: int
    seconds: float
    requests: list[str]
    ramp_s: float = 0
    whole: str = ""
    first: str = ""


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """`first_ms` and `whole_ms` are sorted times since the request was sent; `seconds` is how long
    a connection was at work on average, so that neither ramp nor tail counts."""

    answers: int
    errors: int
    seconds: float
    first_ms: list[float]
    whole_ms: list[float]
    error_sample: str = ""

    @property
    def per_s(self) -> float:
        return self.answers / self.seconds


@dataclass(slots=True)
class Tally:
    until: float
    answers: int = 0
    errors: int = 0
    error_sample: str = ""
    first: list[float] = field(default_factory=list[float])
    whole: list[float] = field(default_factory=list[float])


class Caller(asyncio.Protocol):
    """One connection: send, await the whole answer, send again."""

    def __init__(self, request: bytes, plan: LoadPlan, tally: Tally) -> None:
        self.request = request
        self.first_mark = plan.first.encode()
        self.whole_mark = plan.whole.encode()
        self.tally = tally
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.pieces = bytearray()
        self.expected = 0
        self.began = self.sent = self.worked_s = 0.0
        self.first_seen = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.began = time.perf_counter()
        self.send()

    def send(self) -> None:
        self.pieces.clear()
        self.expected = 0
        self.first_seen = not self.first_mark
        self.sent = time.perf_counter()
        request = self.request
        if UUID_MARK in request:
            new = str(UUID(int=random.getrandbits(128), version=4)).encode()
            request = request.replace(UUID_MARK, new)
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.pieces += data
        if not self.first_seen and self.first_mark in self.pieces:
            self.first_seen = True
            self.tally.first.append((time.perf_counter() - self.sent) * 1000)
        if self.is_whole():
            self.answered()

    def is_whole(self) -> bool:
        """By Content-Length, else by the last chunk of a chunked answer."""
        if not self.expected:
            head = self.pieces.find(b"\r\n\r\n")
            if head < 0:
                return False
            self.expected = -1
            for line in bytes(self.pieces[:head]).split(b"\r\n")[1:]:
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    self.expected = head + 4 + int(value)
        if self.expected < 0:
            return self.pieces.endswith(b"\r\n0\r\n\r\n")
        return len(self.pieces) >= self.expected

    def answered(self) -> None:
        now = time.perf_counter()
        self.worked_s = now - self.began
        if self.pieces.startswith(b"HTTP/1.1 2") and self.whole_mark in self.pieces:
            self.tally.answers += 1
            self.tally.whole.append((now - self.sent) * 1000)
        else:
            self.tally.errors += 1
            self.tally.error_sample = bytes(self.pieces[:600]).decode(errors="replace")
        if now < self.tally.until:
            self.send()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if time.perf_counter() < self.tally.until:
            self.tally.errors += 1
            self.tally.error_sample = f"connection lost: {exc}"
        if not self.done.done():
            self.done.set_result(None)


async def generate(plan: LoadPlan) -> LoadResult:
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    tally = Tally(until=started + plan.seconds)
    callers: list[Caller] = []
    for n in range(plan.connections):
        request = plan.requests[n % len(plan.requests)].encode()
        _, caller = await loop.create_connection(
            lambda request=request: Caller(request, plan, tally),
            "127.0.0.1",
            plan.ports[n % len(plan.ports)],
        )
        callers.append(caller)
        await asyncio.sleep(plan.ramp_s / plan.connections)
    await asyncio.gather(*(caller.done for caller in callers))
    return LoadResult(
        answers=tally.answers,
        errors=tally.errors,
        seconds=sum(caller.worked_s for caller in callers) / len(callers),
        first_ms=sorted(tally.first),
        whole_ms=sorted(tally.whole),
        error_sample=tally.error_sample,
    )


def main() -> None:
    import uvloop

    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=LoadPlan)
    result = uvloop.run(generate(plan))
    sys.stdout.buffer.write(msgspec.json.encode(result))


if __name__ == "__main__":
    main()
