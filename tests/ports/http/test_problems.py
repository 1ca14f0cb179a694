"""How errors are told: problem documents that never quote what was sent."""

import pytest
from inline_snapshot import snapshot

from tests.ports.http.edges import client, edge

PROBLEM = "application/problem+json"


async def test_error_is_a_problem_document_with_its_data() -> None:
    async with client(edge()) as http:
        answer = await http.get("/api/teapot")
        assert answer.status_code == 409
        assert answer.headers["content-type"] == PROBLEM
        assert answer.json() == snapshot(
            {
                "type": "/problems/teapot",
                "title": "Teapot",
                "status": 409,
                "detail": "It is a teapot.",
                "code": "teapot",
                "cups": 3,
            }
        )


async def test_wrong_field_is_named_and_not_quoted() -> None:
    async with client(edge()) as http:
        answer = await http.post("/api/echo", json={"text": "x", "count": "canary"})
        assert answer.status_code == 400
        assert answer.json()["code"] == "invalid_request"
        assert answer.json()["errors"] == snapshot(
            [
                {
                    "field": "count",
                    "problem": (
                        "Input should be a valid integer, unable to parse string as an integer"
                    ),
                }
            ]
        )
        assert "canary" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b'{"text": "\xff"}',
        b'{"text": "\\ud800"}',
        b'{"\\ud800": 1}',
        b'{"text": "x", "count": 1e999}',
        b'{"text": "x", "count": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b"\x00",
    ],
)
async def test_body_that_is_no_proper_json_is_the_clients_mistake(body: bytes) -> None:
    async with client(edge()) as http:
        headers = {"content-type": "application/json"}
        answer = await http.post("/api/echo", content=body, headers=headers)
        assert answer.status_code == 400
        assert answer.json()["code"] == "invalid_request"


async def test_unforeseen_failure_tells_its_request_id_and_nothing_else(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with client(edge()) as http:
        answer = await http.get("/api/broken")
        assert answer.status_code == 500
        assert answer.headers["content-type"] == PROBLEM
        assert answer.json()["code"] == "internal"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]
        assert "what somebody wrote" not in answer.text
    assert "request failed" in capsys.readouterr().out


async def test_unknown_path_and_wrong_method_are_problems_too() -> None:
    async with client(edge()) as http:
        missing = await http.get("/api/nothing")
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
        wrong = await http.delete("/api/echo")
        assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
        assert wrong.headers["allow"] == "POST"
