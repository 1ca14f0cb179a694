"""The least that an authenticated request costs."""

from typing import Final

from bench.figures import Figure, at_most
from bench.load import LoadPlan
from bench.processes import cpu_s, get, load, percentile
from bench.product import product

AT_ONCE: Final = 64
SECONDS: Final = 6.0


def measure() -> list[Figure]:
    """`GET /api/session` with a token."""
    with product() as server:
        request = get("/api/session", server.auth)
        plan = LoadPlan(
            ports=[server.port],
            connections=AT_ONCE,
            seconds=SECONDS,
            requests=[request],
            whole='"user"',
        )
        load(plan)
        before = cpu_s(server.pid)
        result = load(plan)
        cpu_ms = (cpu_s(server.pid) - before) / max(1, result.answers) * 1000
    return [
        at_most(
            "trivial authenticated GET",
            cpu_ms,
            "ms CPU",
            0.3,
            bare="32,000/s",
            peers="Open WebUI 2.4 ms CPU (340/s)",
            note=f"{result.per_s:,.0f}/s at 64, p50 {percentile(result.whole_ms, 0.5):.1f} ms, "
            f"{result.errors} errors",
        )
    ]
