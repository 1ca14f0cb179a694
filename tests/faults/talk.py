"""Turns over plain HTTP, for tests in which something goes wrong."""

from typing import Any
from uuid import uuid4

import httpx

from tests.e2e.sse import SseParser


def begin(client: httpx.Client) -> str:
    """A new conversation's id."""
    conversation_id = str(uuid4())
    answer = client.post("/api/conversations", json={"id": conversation_id})
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return conversation_id


def send(
    client: httpx.Client, conversation_id: str, text: str, model: str | None = None
) -> httpx.Response:
    """The answer to a turn, whatever it is."""
    body = {"id": str(uuid4()), "text": text} | ({"model": model} if model else {})
    return client.post(f"/api/conversations/{conversation_id}/turns", json=body)


def reply_of(client: httpx.Client, conversation_id: str, text: str) -> Any:
    """The reply to a turn in its final state."""
    answer = send(client, conversation_id, text)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return finished(client, answer.json()["reply"])


def finished(client: httpx.Client, reply: Any) -> Any:
    """The message that ends the reply's stream."""
    path = f"/api/conversations/{reply['conversation_id']}/messages/{reply['id']}"
    parser = SseParser()
    with client.stream("GET", f"{path}/stream") as answer:
        for piece in answer.iter_raw():
            for event in parser.feed(piece):
                if event.event == "end":
                    return client.get(path).json()
    msg = "the stream ended without an end"
    raise AssertionError(msg)


def texts(client: httpx.Client, conversation_id: str) -> list[str]:
    """What a person said in a conversation."""
    page = client.get(f"/api/conversations/{conversation_id}/messages", params={"limit": 200})
    return [m["text"] for m in page.json()["items"] if m["author"] == "user"]
