"""Persisted turns: people who talk in conversations of their own, with nothing left unsaved."""

from typing import Final

from bench.figures import Figure, at_least, at_most
from bench.load import UUID_MARK, LoadPlan
from bench.processes import cpu_s, load, percentile, post, upstream
from bench.product import Product, product
from bench.relay import endpoint

USERS: Final = 32
TOKENS: Final = 64
PACE_MS: Final = 10
IDEAL: Final = USERS / (TOKENS * PACE_MS / 1000)
SECONDS: Final = 20.0


def measure() -> list[Figure]:
    """64 tokens of 10 ms from an endpoint: 32 people can have 50 turns a second at best."""
    with upstream(tokens=TOKENS, pace_ms=PACE_MS) as (port, _), product(endpoint(port)) as server:
        return turns(server)


def turns(server: Product) -> list[Figure]:
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
        port=server.port,
        connections=USERS,
        seconds=SECONDS,
        requests=requests,
        first="event: delta",
        whole='{"status":"complete"',
    )
    before = cpu_s(server.pid)
    result = load(plan)
    cpu_ms = (cpu_s(server.pid) - before) / max(1, result.answers) * 1000
    return [
        at_least(
            "persisted turns, 32 users, 64 tokens of 10 ms",
            result.per_s,
            "/s",
            45,
            bare=f"{IDEAL:.0f}/s",
            peers="Open WebUI 8.5/s, 1 to 9 % fail",
            note=f"{result.errors} errors, {cpu_ms:.1f} ms CPU each",
        ),
        at_most(
            "first text of a turn",
            percentile(result.first_ms, 0.5),
            "ms p50",
            50,
            bare=f"{PACE_MS} ms",
            peers="Open WebUI 1,400 ms",
            note=f"p99 {percentile(result.first_ms, 0.99):.0f} ms",
        ),
    ]
