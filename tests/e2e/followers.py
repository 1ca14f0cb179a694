"""Clients that keep their state in step with the feed: a snapshot, then events."""

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Protocol

import httpx
import msgspec
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

Thing = Mapping[str, Any]


@dataclass(slots=True)
class State:
    """All that a client can know, up to the change numbered `seq`."""

    seq: int = 0
    conversations: dict[str, Thing] = field(default_factory=dict[str, Thing])
    messages: dict[str, Thing] = field(default_factory=dict[str, Thing])

    def apply(self, change: Thing) -> None:
        """One `change` event."""
        conversation_id = str(change["conversation_id"])
        match change["kind"]:
            case "conversation" if change["conversation"] is not None:
                self.conversations[conversation_id] = change["conversation"]
            case "message" if change["message"] is not None:
                self.messages[str(change["message_id"])] = change["message"]
            case "conversation_erased":
                self.conversations.pop(conversation_id, None)
                gone = [
                    message_id
                    for message_id, message in self.messages.items()
                    if message["conversation_id"] == conversation_id
                ]
                for message_id in gone:
                    del self.messages[message_id]
            case _:
                pass  # it has gone since; a later change says so
        self.seq = int(change["seq"])

    def listed(self, *, archived: bool) -> list[str]:
        """The conversations in the order of the list: pinned first, then by latest change."""
        shown = [c for c in self.conversations.values() if c["archived"] is archived]
        shown.sort(key=lambda c: (c["pinned"], c["updated_at"], c["id"]), reverse=True)
        return [str(c["id"]) for c in shown]


def fetch(client: httpx.Client, *, limit: int = 3) -> tuple[State, dict[bool, list[str]]]:
    """A fresh fetch of everything, page by page, and the lists in the server's order. `seq` is
    the feed's head at the first page, so later events bring it up to date."""
    state = State(seq=-1)
    order: dict[bool, list[str]] = {False: [], True: []}
    for archived, ids in order.items():
        cursor: str | None = ""
        while cursor is not None:
            query: dict[str, Any] = {"archived": archived, "limit": limit}
            page = get(client, "/api/conversations", query | ({"cursor": cursor} if cursor else {}))
            state.seq = page["feed_seq"] if state.seq < 0 else state.seq
            state.conversations |= {c["id"]: c for c in page["items"]}
            ids += [c["id"] for c in page["items"]]
            cursor = page["next"]
    for conversation_id in list(state.conversations):
        after, more = 0, True
        while more:
            path = f"/api/conversations/{conversation_id}/messages"
            page = get(client, path, {"after": after, "limit": limit})
            state.messages |= {m["id"]: m for m in page["items"]}
            more = page["has_after"]
            after = page["items"][-1]["seq"] if page["items"] else after
    return state, order


def get(client: httpx.Client, path: str, query: Mapping[str, Any] | None = None) -> Any:
    answer = client.get(path, params=query, headers={"Accept": "application/json"})
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer.json()


def head(client: httpx.Client) -> int:
    """The number of the latest change."""
    return int(get(client, "/api/feed")["head"])


class Follower(Protocol):
    """A client; `state()` is what it knows now."""

    def state(self) -> State: ...

    def close(self) -> None: ...


class PagingFollower:
    """Asks for pages of changes when it is asked itself."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self._state = fetch(client)[0]

    def state(self) -> State:
        while True:
            page = get(self.client, "/api/feed", {"after": self._state.seq})
            assert not page["resync"]
            for change in page["items"]:
                self._state.apply(change)
            if self._state.seq >= page["head"]:
                return self._state

    def close(self) -> None:
        """It holds nothing open."""


class SocketFollower:
    """Applies events in a thread of its own, as they come by WebSocket."""

    def __init__(self, client: httpx.Client) -> None:
        self._lock = threading.Lock()
        self._state = fetch(client)[0]
        self._failure: BaseException | None = None
        url = str(client.base_url).replace("http", "ws", 1)
        self._open = ExitStack()
        self._socket = self._open.enter_context(
            connect(
                f"{url.rstrip('/')}/api/feed?after={self._state.seq}",
                additional_headers={"Authorization": client.headers["Authorization"]},
            )
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def state(self) -> State:
        assert self._failure is None, self._failure
        with self._lock:
            return deepcopy(self._state)

    def close(self) -> None:
        self._open.close()
        self._thread.join(5)

    def _run(self) -> None:
        try:
            for frame in self._socket:
                self._take(msgspec.json.decode(frame))
        except (ConnectionClosed, AssertionError) as error:
            self._failure = error

    def _take(self, frame: Thing) -> None:
        assert frame["event"] in {"change", "ping"}, frame
        if frame["event"] == "change":
            with self._lock:
                assert frame["data"]["seq"] == self._state.seq + 1, "a change is missing"
                assert frame["id"] == str(frame["data"]["seq"])
                self._state.apply(frame["data"])
