"""What somebody does with the same account in another program."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx


class Person:
    """Calls the HTTP interface; every answer but a good one is an error."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def begin(self, *, model: str | None = None, title: str | None = None) -> str:
        """A new conversation; its id."""
        given = {"model": model, "title": title}
        body = {"id": str(uuid4()), **{name: value for name, value in given.items() if value}}
        return str(self._call("POST", "/api/conversations", body)["id"])

    def say(self, conversation_id: str, text: str) -> None:
        """Return when the whole answer is there."""
        path = f"/api/conversations/{conversation_id}/turns"
        body = {"id": str(uuid4()), "text": text}
        headers = {"Accept": "text/event-stream"}
        with self._client.stream("POST", path, json=body, headers=headers) as answer:
            answer.raise_for_status()
            for _ in answer.iter_bytes():
                pass

    def texts(self, conversation_id: str) -> list[str]:
        """Of all messages, on every branch, in the order of their making."""
        return [str(message["text"]) for message in self._messages(conversation_id)]

    def statuses(self, conversation_id: str) -> list[str]:
        """Of all messages, as `texts`."""
        return [str(message["status"]) for message in self._messages(conversation_id)]

    def change(self, conversation_id: str, **change: object) -> None:
        self._call("PATCH", f"/api/conversations/{conversation_id}", change)

    def erase(self, conversation_id: str) -> None:
        self._client.delete(f"/api/conversations/{conversation_id}").raise_for_status()

    def titles(self, *, archived: bool = False) -> list[str]:
        path = f"/api/conversations?limit=200&archived={str(archived).lower()}"
        return [str(one["title"]) for one in self._call("GET", path)["items"]]

    def _messages(self, conversation_id: str) -> list[dict[str, Any]]:
        path = f"/api/conversations/{conversation_id}/messages?limit=200"
        items: list[dict[str, Any]] = self._call("GET", path)["items"]
        return items

    def _call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        answer = self._client.request(method, path, json=body)
        answer.raise_for_status()
        return answer.json()
