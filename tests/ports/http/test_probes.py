"""`/health`, `/ready`, `/metrics`."""

import asyncio

import pytest

from tertulia.adapters.http import probes
from tertulia.ports.http import Degraded
from tests.ports.http.edges import client, edge


async def fine() -> str | None:
    return None


async def missing() -> str | None:
    return "The disk is full."


async def absent() -> Degraded:
    return Degraded("Redis does not answer.")


async def never() -> str | None:
    await asyncio.Event().wait()
    return None


async def test_ready_when_every_check_is() -> None:
    async with client(edge(checks={"store": fine})) as http:
        answer = await http.get("/ready")
        assert answer.status_code == 200
        assert answer.json() == {"status": "ready", "missing": {}, "degraded": {}}


async def test_ready_though_something_is_done_without() -> None:
    async with client(edge(checks={"store": fine, "redis": absent})) as http:
        answer = await http.get("/ready")
        assert answer.status_code == 200
        assert answer.json() == {
            "status": "ready",
            "missing": {},
            "degraded": {"redis": "Redis does not answer."},
        }


async def test_not_ready_says_what_is_missing() -> None:
    async with client(edge(checks={"store": missing, "model": fine})) as http:
        answer = await http.get("/ready")
        assert answer.status_code == 503
        assert answer.json()["missing"] == {"store": "The disk is full."}


async def test_check_that_hangs_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "CHECK_TIMEOUT_S", 0.01)
    async with client(edge(checks={"model": never})) as http:
        answer = await http.get("/ready")
        assert answer.status_code == 503
        assert "model" in answer.json()["missing"]


async def test_alive_whatever_is_missing() -> None:
    async with client(edge(checks={"store": missing})) as http:
        assert (await http.get("/health")).status_code == 200


async def test_metrics_count_requests_by_route_and_never_by_address() -> None:
    async with client(edge()) as http:
        await http.get("/api/teapot")
        await http.get("/some/page/that/nobody/made")
        text = (await http.get("/metrics")).text
    assert 'tertulia_http_requests_total{method="GET",route="/api/teapot",status="409"}' in text
    assert "nobody" not in text
