"""What is refused before any route sees it."""

from collections.abc import AsyncGenerator

import pytest

from tertulia.adapters.http.settings import HttpSettings
from tests.ports.http.edges import client, edge
from tests.roles.asgi import opened

SMALL = HttpSettings(max_body_bytes=1024)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8420", "localhost", "LOCALHOST:1", "[::1]:8420", "a.localhost"],
)
async def test_loopback_names_are_answered(host: str) -> None:
    async with client(edge()) as http:
        assert (await http.get("/health", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "[::1", "192.168.0.1", "localhost.evil"]
)
async def test_other_names_are_refused(host: str) -> None:
    async with client(edge()) as http:
        answer = await http.get("/health", headers={"host": host})
        assert answer.status_code == 403
        assert answer.json()["code"] == "foreign_host"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://[::1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_page_of_another_origin_cannot_change_anything(headers: dict[str, str]) -> None:
    async with client(edge()) as http:
        answer = await http.post("/api/echo", json={"text": "x"}, headers=headers)
        assert answer.status_code == 403
        assert answer.json()["code"] == "foreign_origin"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://127.0.0.1"},
        {"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
        # A page cannot send this without our leave, which we never give.
        {"origin": "http://evil.example", "authorization": "Bearer tt_x"},
    ],
)
async def test_own_pages_and_programs_can(headers: dict[str, str]) -> None:
    async with client(edge()) as http:
        answer = await http.post("/api/echo", json={"text": "x"}, headers=headers)
        assert answer.status_code == 200


async def test_reading_from_another_origin_is_left_to_the_browser() -> None:
    async with client(edge()) as http:
        answer = await http.get("/health", headers={"origin": "http://evil.example"})
        assert answer.status_code == 200
        assert "access-control-allow-origin" not in answer.headers


async def test_page_of_another_origin_cannot_open_a_socket() -> None:
    headers = {"origin": "http://evil.example"}
    async with opened(edge(), "/api/feed", kind="websocket", headers=headers) as socket:
        assert await socket.started() == 403


async def test_large_body_is_refused_before_it_is_read() -> None:
    app = edge(settings=SMALL)
    headers = {"content-length": "10485760"}
    async with opened(app, "/api/echo", method="POST", headers=headers, body=b"") as request:
        assert await request.started() == 413
        assert b'"code":"message_too_large"' in await request.body()


async def test_large_body_without_a_length_is_refused_when_it_grows_too_large() -> None:
    async with client(edge(settings=SMALL)) as http:

        async def grown() -> AsyncGenerator[bytes]:
            for _ in range(20):
                yield b" " * 100

        answer = await http.post("/api/raw", content=grown())
        assert answer.status_code == 413
        assert answer.json()["limit_bytes"] == 1024


async def test_body_of_just_the_limit_is_taken() -> None:
    async with client(edge(settings=SMALL)) as http:
        assert (await http.post("/api/raw", content=b"x" * 1024)).json() == 1024
        assert (await http.post("/api/raw", content=b"x" * 1025)).status_code == 413
