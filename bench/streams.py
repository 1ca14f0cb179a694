"""Very many readers at once: replies that are slow to come, each read by several streams."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final
from uuid import uuid4

from bench.figures import Figure, at_least
from bench.load import LoadPlan
from bench.processes import cpu_s, get, load, percentile, pss_mb
from bench.product import Product, product

READERS: Final = 5_000
REPLIES: Final = 125
TOKENS: Final = 45
PACE_S: Final = 1.0
RAMP_S: Final = 15.0
LOOK_S: Final = 5.0  # after the last reader came


def measure() -> list[Figure]:
    """One process on SQLite; a token of each reply a second."""
    with product() as server, ThreadPoolExecutor(1) as beside:
        conversations = [server.conversation(model()) for _ in range(REPLIES)]
        empty_mb = pss_mb(server.pid)
        requests = [ask(server, conversation) for conversation in conversations]
        plan = LoadPlan(
            ports=[server.port],
            connections=READERS,
            seconds=1,  # each reads its reply to the end, once
            requests=requests,
            ramp_s=RAMP_S,
            first="event: delta",
            whole='{"status":"complete"',
        )
        reading = beside.submit(load, plan)
        time.sleep(RAMP_S + LOOK_S)
        before, began = cpu_s(server.pid), time.monotonic()
        time.sleep(LOOK_S)
        cpu = (cpu_s(server.pid) - before) / (time.monotonic() - began)
        full_mb = pss_mb(server.pid)
        result = reading.result()
    if result.errors:
        raise RuntimeError(result.error_sample)
    return [
        at_least(
            "streams open at once",
            result.answers,
            "",
            READERS,
            note=f"{REPLIES} replies of a token a second; all read to their end, 0 errors",
        ),
        Figure(
            name="memory of an open stream",
            value=(full_mb - empty_mb) / READERS * 1000,
            unit="kB",
            note=f"with its share of the replies; the process {full_mb:,.0f} MB",
        ),
        Figure(
            name="CPU of a part to a reader",
            value=cpu / (READERS / PACE_S) * 1e6,
            unit="µs CPU",
            note=f"{READERS / PACE_S:,.0f} parts a second, one core {cpu:.0%} at work; first text "
            f"p50 {percentile(result.first_ms, 0.5):,.0f} ms",
        ),
    ]


def model() -> str:
    return f"echo/{TOKENS}/{PACE_S * 1000:.0f}"


def ask(server: Product, conversation: str) -> str:
    """Begin a reply; the request by which it is read."""
    body = {"id": str(uuid4()), "text": "one two three four"}
    turn = server.call("POST", f"/api/conversations/{conversation}/turns", body)
    path = f"/api/conversations/{conversation}/messages/{turn['reply']['id']}/stream"
    return get(path, server.auth)
