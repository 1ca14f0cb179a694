"""What every answer carries and leaves behind."""

import pytest

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
