"""`tertulia up` with a Redis: nothing fails when it is killed, emptied or not there yet."""

import time
from collections.abc import Generator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.e2e.server import Server, tertulia
from tests.ports.on_redis import Client
from tests.servers.redis import Redis

PATIENCE_S = 30.0
WORDS = [f"word{number}" for number in range(60)]


@pytest.fixture
def server(tmp_path: Path, redis: Redis) -> Generator[Server]:
    with Server(
        tmp_path / "home", model="echo/60/20", variables={"TERTULIA_REDIS_URL": redis.url}
    ) as server:
        yield server


def turn(browser: httpx.Client, conversation: str) -> Generator[str]:
    """The lines of a turn's stream."""
    with browser.stream(
        "POST",
        f"/api/conversations/{conversation}/turns",
        json={"id": str(uuid4()), "text": " ".join(WORDS)},
        headers={"Accept": "text/event-stream"},
    ) as answer:
        answer.raise_for_status()
        yield from answer.iter_lines()


def degraded(server: Server) -> dict[str, str]:
    answer = httpx.get(f"{server.url}/ready")
    assert answer.status_code == 200
    found: dict[str, str] = answer.json()["degraded"]
    return found


def texts(browser: httpx.Client, conversation: str) -> list[tuple[str, str]]:
    page = browser.get(f"/api/conversations/{conversation}/messages").json()
    return [(message["status"], message["text"]) for message in page["items"]]


def test_turns_go_on_while_redis_is_killed_emptied_and_started(
    server: Server, redis: Redis
) -> None:
    conversation = str(uuid4())
    with server.client() as browser:
        browser.post("/api/conversations", json={"id": conversation}).raise_for_status()
        assert degraded(server) == {}
        first = turn(browser, conversation)
        assert next(first)
        redis.kill()
        assert "event: end" in list(first)
        assert list(degraded(server)) == ["redis"]
        assert "event: end" in list(turn(browser, conversation))  # begun without it
        redis.start()
        with Client(redis) as client:
            client("FLUSHALL")
        deadline = time.monotonic() + PATIENCE_S
        while degraded(server):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert "event: end" in list(turn(browser, conversation))
        kept = texts(browser, conversation)
    whole = " ".join(WORDS)
    assert [status for status, _ in kept] == ["complete"] * 6
    assert all(whole in text or text in whole for _, text in kept)


def test_it_starts_without_redis_and_finds_it_later(tmp_path: Path, redis: Redis) -> None:
    redis.kill()
    variables = {"TERTULIA_REDIS_URL": redis.url}
    with Server(tmp_path / "home", variables=variables) as server:
        assert list(degraded(server)) == ["redis"]
        redis.start()
        conversation = str(uuid4())
        with server.client() as browser:
            browser.post("/api/conversations", json={"id": conversation}).raise_for_status()
            assert "event: end" in list(turn(browser, conversation))


def test_the_password_is_not_shown(tmp_path: Path) -> None:
    done = tertulia(
        "config", home=tmp_path, variables={"TERTULIA_REDIS_URL": "redis://ann:hunter2@h/0"}
    )
    assert "redis://ann:********@h/0" in done.stdout
    assert "hunter2" not in done.stdout
