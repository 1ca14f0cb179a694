"""Persisted turns: people who talk in conversations of their own, with nothing left unsaved."""

from typing import Final

from bench.figures import Figure, at_least, at_most
from bench.load import UUID_MARK, LoadPlan, LoadResult
from bench.processes import cpu_s, load, percentile, post, upstream
from bench.product import Product, product
from bench.relay import endpoint

USERS: Final = 32
TOKENS: Final = 64
PACE_MS: Final = 10
IDEAL: Final = USERS / (TOKENS * PACE_MS / 1000)
SECONDS: Final = 15.0


def measure() -> list[Figure]:
    """64 tokens of 10 ms from an endpoint: 32 people can have 50 turns a second at best."""
    with upstream(tokens=TOKENS, pace_ms=PACE_MS) as (port, _), product(endpoint(port)) as server:
        return turns(server)


def turns(server: Product) -> list[Figure]:
    """People do not press the key in the same moment, so the figures are of users that begin
    one after the other; what happens when all go in step is told beside them."""
    before = cpu_s(server.pid)
    result = talk(server, ramp_s=TOKENS * PACE_MS / 1000)
    cpu_ms = (cpu_s(server.pid) - before) / max(1, result.answers) * 1000
    in_step = talk(server, ramp_s=0)
    return [
        at_least(
            "persisted turns, 32 users, 64 tokens of 10 ms",
            result.per_s,
            "/s",
            45,
            bare=f"{IDEAL:.0f}/s",
            peers="Open WebUI 8.5/s, 1 to 9 % fail",
            note=f"{result.errors + in_step.errors} errors, {cpu_ms:.1f} ms CPU each; all in step "
            f"{in_step.per_s:.0f}/s",
        ),
        at_most(
            "first text of a turn",
            percentile(result.first_ms, 0.5),
            "ms p50",
            50,
            bare=f"{PACE_MS} ms",
            peers="Open WebUI 1,400 ms",
            note=f"p99 {percentile(result.first_ms, 0.99):.0f} ms; all in step p50 "
            f"{percentile(in_step.first_ms, 0.5):.0f} ms",
        ),
    ]


def talk(server: Product, *, ramp_s: float) -> LoadResult:
    """Every user in a new conversation, the next turn as soon as the last is answered."""
    headers = f"{server.auth}Accept: text/event-stream\r\n"
    requests = [
        post(
            f"/api/conversations/{server.conversation()}/turns",
            {"id": UUID_MARK.decode(), "text": "What is on your mind today?"},
            headers,
        )
        for _ in range(USERS)
    ]
    plan = LoadPlan(
        ports=[server.port],
        connections=USERS,
        seconds=SECONDS,
        requests=requests,
        ramp_s=ramp_s,
        first="event: delta",
        whole='{"status":"complete"',
    )
    return load(plan)
