"""What every answer carries and leaves behind."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs
from uvicorn.protocols.utils import ClientDisconnected

from tertulia.adapters.http.observing import Observer
from tertulia.adapters.http.settings import HttpSettings
from tertulia.kit.ids import new_id
from tests.ports.http.edges import client, edge

PATHS = ["/health", "/docs", "/openapi.json", "/api/teapot", "/api/broken", "/api/none", "/page"]


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_carries_security_headers_and_an_id(path: str) -> None:
    async with client(edge()) as http:
        headers = (await http.get(path)).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-request-id"]


async def test_refusals_carry_them_too() -> None:
    async with client(edge()) as http:
        answer = await http.get("/health", headers={"host": "evil.example"})
    assert answer.headers["content-security-policy"]
    assert answer.headers["x-request-id"]


async def test_request_leaves_one_line_with_its_id() -> None:
    with capture_logs() as lines:
        async with client(edge()) as http:
            answer = await http.post("/api/echo?canary=1", json={"text": "canary"})
    [line] = lines
    assert line.pop("ms") >= 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "request_id": answer.headers["x-request-id"],
        "method": "POST",
        "route": "/api/echo",
        "status": 200,
    }


async def test_ids_in_the_path_are_logged_and_nothing_else_of_it() -> None:
    thing = new_id()
    with capture_logs() as lines:
        async with client(edge()) as http:
            await http.get(f"/api/things/{thing}")
            await http.get("/api/things/canary")
    assert [line.get("thing") for line in lines] == [thing, None]
    assert "canary" not in str(lines)


async def test_reading_that_goes_well_is_logged_for_who_looks_closely_only() -> None:
    with capture_logs() as lines:
        async with client(edge()) as http:
            await http.get("/health")
            await http.get("/api/teapot")
            await http.post("/api/echo", json={"text": "x"})
    assert [line["log_level"] for line in lines] == ["debug", "info", "info"]


async def test_client_that_leaves_before_its_socket_is_open_is_no_failure() -> None:
    async def let_in(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    async def left() -> Message:
        return {"type": "websocket.disconnect"}

    async def refused(_: Message) -> None:
        raise ClientDisconnected

    observer = Observer(let_in, edge=True, access_log=False, leaving=asyncio.Event())
    with capture_logs() as lines:
        await observer({"type": "websocket", "headers": []}, left, refused)
    assert lines == []


async def test_log_of_requests_can_be_turned_off() -> None:
    with capture_logs() as lines:
        async with client(edge(settings=HttpSettings(access_log=False))) as http:
            await http.get("/api/teapot")
    assert lines == []
