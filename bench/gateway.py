"""What the hop from a gateway to chat in another process costs."""

import shutil
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bench.figures import Figure
from bench.load import LoadPlan, LoadResult
from bench.processes import cpu_s, get, load, percentile, post, upstream
from tests.e2e.role import RoleProcess
from tests.e2e.server import tertulia

AT_ONCE: Final = 64
SECONDS: Final = 5.0
WARM_UP_S: Final = 1.0
BEHIND: Final = ("chat", "relay", "preprocess", "inference")


@dataclass(frozen=True)
class House:
    """The port that people use, all processes, and the line that signs in."""

    port: int
    pids: list[int]
    auth: str


@dataclass(frozen=True)
class Cost:
    """Of one answer: CPU of all processes, and how long it takes when it is alone."""

    cpu_ms: float
    alone_ms: float
    per_s: float


def measure() -> list[Figure]:
    """A read and a stream of 64 tokens, with the hop and without it."""
    with upstream(tokens=64) as (model, _):
        url = f"http://127.0.0.1:{model}/v1"
        with house(url, apart=False) as together:
            near = [costs(together, read(together)), costs(together, stream(together))]
        with house(url, apart=True) as separate:
            far = [costs(separate, read(separate)), costs(separate, stream(separate))]
    names = ("GET through a gateway", "64-token stream through a gateway")
    return [
        figure
        for name, one, other in zip(names, near, far, strict=True)
        for figure in told(name, one, other)
    ]


def told(name: str, near: Cost, far: Cost) -> list[Figure]:
    return [
        Figure(
            name=f"{name}: CPU added",
            value=far.cpu_ms - near.cpu_ms,
            unit="ms CPU",
            bare=f"{near.cpu_ms:.2f} ms in one process",
            note=f"{far.per_s:,.0f}/s at {AT_ONCE}; one process {near.per_s:,.0f}/s",
        ),
        Figure(
            name=f"{name}: time added",
            value=far.alone_ms - near.alone_ms,
            unit="ms",
            bare=f"{near.alone_ms:.2f} ms in one process",
            note="p50, one at a time",
        ),
    ]


def read(made: House) -> LoadPlan:
    return plan(made, get("/api/conversations", made.auth), '"items"')


def stream(made: House) -> LoadPlan:
    messages = [{"role": "user", "content": "Tell me a story of sixty-four words."}]
    body = {"model": "fake", "stream": True, "messages": messages}
    return plan(made, post("/v1/chat/completions", body, made.auth), "[DONE]")


def plan(made: House, request: str, whole: str) -> LoadPlan:
    return LoadPlan(
        ports=[made.port], connections=AT_ONCE, seconds=SECONDS, requests=[request], whole=whole
    )


def costs(made: House, wanted: LoadPlan) -> Cost:
    sound(load(changed(wanted, AT_ONCE, WARM_UP_S)))
    before = sum(map(cpu_s, made.pids))
    busy = sound(load(wanted))
    cpu_ms = (sum(map(cpu_s, made.pids)) - before) / busy.answers * 1000
    alone = sound(load(changed(wanted, 1, SECONDS)))
    return Cost(cpu_ms, percentile(alone.whole_ms, 0.5), busy.per_s)


def changed(wanted: LoadPlan, connections: int, seconds: float) -> LoadPlan:
    return LoadPlan(
        ports=wanted.ports,
        connections=connections,
        seconds=seconds,
        requests=wanted.requests,
        whole=wanted.whole,
    )


def sound(result: LoadResult) -> LoadResult:
    if result.errors:
        raise RuntimeError(result.error_sample)
    return result


@contextmanager
def house(model: str, *, apart: bool) -> Generator[House]:
    """All roles in one process, or a gateway before the others."""
    place = Path(tempfile.mkdtemp(prefix="tertulia-bench-"))
    inner, outer = place / "inner", place / "outer"
    inner.mkdir()
    outer.mkdir()
    token = tertulia("token", "create", "bench", home=inner).stdout.strip()
    shared = {
        "TERTULIA_MODEL": model,
        "TERTULIA_MASTER_FILE": str(inner / "master.key"),
        "TERTULIA_STORE_URL": f"sqlite:///{inner / 'tertulia.db'}",
    }
    try:
        with ExitStack() as stack:
            roles = BEHIND if apart else ("gateway", *BEHIND)
            running = [stack.enter_context(RoleProcess(roles, inner, shared))]
            if apart:
                leading = shared | {"TERTULIA_PEERS_CHAT": running[0].url}
                running.insert(0, stack.enter_context(RoleProcess(("gateway",), outer, leading)))
            pids = [each.process.pid for each in running if each.process]
            port = urlsplit(running[0].url).port or 0
            yield House(port, pids, f"Authorization: Bearer {token}\r\n")
    finally:
        shutil.rmtree(place)
