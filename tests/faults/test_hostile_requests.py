"""What a client should not send: refused by name, and the server goes on."""

from collections.abc import Generator
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest

from tests.e2e.server import Server
from tests.faults.talk import begin, reply_of, texts

MIB: Final = 1024 * 1024


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with Server(tmp_path_factory.mktemp("hostile")) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Generator[httpx.Client]:
    with server.token_client() as client:
        yield client


def post(client: httpx.Client, content: bytes) -> tuple[int, str, str]:
    """Status, code and media type of a turn that is sent as these bytes."""
    headers = {"Content-Type": "application/json"}
    path = f"/api/conversations/{begin(client)}/turns"
    answer = client.post(path, content=content, headers=headers)
    media_type = answer.headers["content-type"]
    return answer.status_code, answer.json().get("code", ""), media_type


def turn(text: bytes) -> bytes:
    return b'{"id":"%s","text":"%s"}' % (str(uuid4()).encode(), text)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        pytest.param(turn(b"x" * 10 * MIB), 413, id="ten-megabytes"),
        pytest.param(turn(b"x" * 2 * MIB), 413, id="two-megabytes"),
        pytest.param(turn(b""), 400, id="empty"),
        pytest.param(turn(b" \\n\\t "), 400, id="blank"),
        pytest.param(turn(b"\xff\xfe broken \xc3"), 400, id="invalid-utf-8"),
        pytest.param(turn(b"\\ud800"), 400, id="half-a-surrogate-pair"),
        pytest.param(turn(b"unended")[:-2], 400, id="cut-json"),
        pytest.param(b"[" * 100_000, 400, id="deep-json"),
        pytest.param(b"", 400, id="no-body"),
        pytest.param(b'{"id":"x","text":"y"}', 400, id="bad-id"),
        pytest.param(b'{"id":["x"],"text":{"y":1}}', 400, id="wrong-types"),
    ],
)
def test_a_bad_turn_is_a_problem_document(
    client: httpx.Client, content: bytes, status: int
) -> None:
    answered, code, media_type = post(client, content)
    assert (answered, media_type) == (status, "application/problem+json")
    assert code


def test_ten_megabytes_without_a_length_are_refused(client: httpx.Client) -> None:
    def pieces() -> Generator[bytes]:
        yield turn(b"x" * MIB)[:-2]
        for _ in range(9):
            yield b"x" * MIB
        yield b'"}'

    path = f"/api/conversations/{begin(client)}/turns"
    headers = {"Content-Type": "application/json"}
    answer = client.post(path, content=pieces(), headers=headers)
    assert answer.status_code == 413


def test_the_longest_message_that_is_allowed_is_kept_to_the_last_byte(
    client: httpx.Client,
) -> None:
    text = "words and ñandús, " * (MIB // 20)
    conversation = begin(client)
    reply_of(client, conversation, text)
    assert texts(client, conversation) == [text]


def test_nothing_of_what_was_refused_is_kept_or_logged(
    client: httpx.Client, server: Server
) -> None:
    before: Any = client.get("/api/feed", headers={"Accept": "application/json"}).json()["head"]
    conversation = begin(client)
    headers = {"Content-Type": "application/json"}
    path = f"/api/conversations/{conversation}/turns"
    for content in (turn(b"seltsam-geheim \xff"), turn(b"seltsam-geheim" * MIB)):
        assert client.post(path, content=content, headers=headers).status_code >= 400
    assert texts(client, conversation) == []
    after: Any = client.get("/api/feed", headers={"Accept": "application/json"}).json()["head"]
    assert after == before + 1
    assert not [line for line in server.lines + server.errors if "seltsam" in line]
