"""The relay of a model endpoint's answers at `/v1/chat/completions`."""

from typing import Final

from bench.figures import Figure, at_least, at_most
from bench.load import LoadPlan, LoadResult
from bench.processes import cpu_s, load, percentile, post, upstream
from bench.product import product

AT_ONCE: Final = 64
STREAMS: Final = 32
SECONDS: Final = 8.0
WARM_UP_S: Final = 1.0


def measure() -> list[Figure]:
    """Each with the bare limit of the same run: the same load on the endpoint itself."""
    with upstream(tokens=64) as (port, _), product(endpoint(port), ["--open"]) as server:
        figures = [json(port, server.port, server.pid), sse(port, server.port, server.pid)]
    with (
        upstream(tokens=64, pace_ms=10) as (port, _),
        product(endpoint(port), ["--open"]) as server,
    ):
        return [*figures, first_token(port, server.port)]


def endpoint(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1"


def completion(
    port: int, *, stream: bool, connections: int, seconds: float = SECONDS
) -> LoadResult:
    """Load with chat completions of 64 tokens."""
    body = {
        "model": "fake",
        "stream": stream,
        "messages": [{"role": "user", "content": "Tell me a story of sixty-four words."}],
    }
    plan = LoadPlan(
        ports=[port],
        connections=connections,
        seconds=seconds,
        requests=[post("/v1/chat/completions", body)],
        whole="[DONE]" if stream else "word63",
        first='"content":"word0' if stream else "",
    )
    result = load(plan)
    if result.errors:
        raise RuntimeError(result.error_sample)
    return result


def relayed(port: int, pid: int, *, stream: bool) -> tuple[LoadResult, float]:
    """The result, and the server's CPU milliseconds per answer."""
    completion(port, stream=stream, connections=AT_ONCE, seconds=WARM_UP_S)
    before = cpu_s(pid)
    result = completion(port, stream=stream, connections=AT_ONCE)
    return result, (cpu_s(pid) - before) / result.answers * 1000


def json(bare_port: int, port: int, pid: int) -> Figure:
    bare = completion(bare_port, stream=False, connections=AT_ONCE, seconds=2)
    result, cpu_ms = relayed(port, pid, stream=False)
    return at_least(
        "relay of a JSON answer, 64 at once",
        result.per_s,
        "/s",
        1500,
        bare=f"{bare.per_s:,.0f}/s",
        peers="Open WebUI 84/s, LiteLLM 137/s",
        note=f"{cpu_ms:.2f} ms CPU, p50 {percentile(result.whole_ms, 0.5):.0f} ms",
    )


def sse(bare_port: int, port: int, pid: int) -> Figure:
    bare = completion(bare_port, stream=True, connections=AT_ONCE, seconds=2)
    result, cpu_ms = relayed(port, pid, stream=True)
    return at_most(
        "relay of a 64-token stream, 64 at once",
        cpu_ms,
        "ms CPU",
        1.5,
        bare=f"{bare.per_s:,.0f}/s",
        peers="Open WebUI 13.5 ms CPU (74/s), LiteLLM 35 ms CPU (20/s)",
        note=f"{result.per_s:,.0f}/s",
    )


def first_token(bare_port: int, port: int) -> Figure:
    bare = completion(bare_port, stream=True, connections=STREAMS)
    result = completion(port, stream=True, connections=STREAMS)
    bare_ms, ours_ms = percentile(bare.first_ms, 0.5), percentile(result.first_ms, 0.5)
    return at_most(
        "time to first token added, 32 streams at 10 ms a token",
        ours_ms - bare_ms,
        "ms p50",
        20,
        bare=f"{bare_ms:.1f} ms",
        peers="Open WebUI 325 ms, LiteLLM 376 ms",
        note=f"p99 {percentile(result.first_ms, 0.99) - bare_ms:.1f} ms added",
    )
