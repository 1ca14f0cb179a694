"""The feed: every change once and in order, from any number on."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from tertulia.kit.ids import new_id
from tertulia.roles.gateway import service
from tests.roles.asgi import Exchange, opened
from tests.roles.chat.hearing import Heard, heard
from tests.roles.serving import Json, Serving

pytestmark = pytest.mark.parametrize("transport", ["sse", "websocket"])


@asynccontextmanager
async def feeding(
    served: Serving,
    transport: str,
    after: int | None = None,
    headers: dict[str, str] | None = None,
) -> AsyncGenerator[Exchange]:
    path = "/api/feed" + (f"?after={after}" if after is not None else "")
    sent = {"authorization": f"Bearer {served.token}", **(headers or {})}
    kind = "http" if transport == "sse" else "websocket"
    assert served.app is not None
    async with opened(served.app, path, kind=kind, headers=sent) as exchange:
        assert await exchange.started() == (200 if transport == "sse" else 101)
        if transport == "sse":
            assert await exchange.chunk() == b"retry: 1000\n\n"
        yield exchange


async def changes(exchange: Exchange, count: int) -> list[Json]:
    found: list[Json] = []
    for _ in range(count):
        name, position, data = await heard(exchange) or ("", None, {})
        assert name == "change"
        assert position == str(data["seq"])
        found.append(data)
    return found


async def head_of(served: Serving) -> int:
    return (await served.client.get("/api/conversations")).json()["feed_seq"]


async def test_change_comes_as_it_happens_with_what_changed(
    served: Serving, transport: str
) -> None:
    async with feeding(served, transport, after=0) as feed:
        conversation = await served.conversation(title="Plans")
        [made] = await changes(feed, 1)
        assert (made["seq"], made["kind"]) == (1, "conversation")
        assert made["conversation"] == conversation
        turn = await served.turn(conversation)
        seen = await changes(feed, 3)
        assert [change["seq"] for change in seen] == [2, 3, 4]
        messages = {c["message_id"]: c["message"] for c in seen if c["kind"] == "message"}
        assert messages == {turn[part]["id"]: turn[part] for part in ("message", "reply")}


async def test_feed_goes_on_after_any_number(served: Serving, transport: str) -> None:
    conversation = await served.conversation()
    for title in ("one", "two", "three"):
        path = f"/api/conversations/{conversation['id']}"
        await served.client.patch(path, json={"title": title})
    async with feeding(served, transport, after=2) as feed:
        assert [change["seq"] for change in await changes(feed, 2)] == [3, 4]


async def test_without_a_number_it_begins_now(served: Serving, transport: str) -> None:
    await served.conversation(title="before")
    async with feeding(served, transport) as feed:
        later = await served.conversation(title="later")
        [change] = await changes(feed, 1)
        assert change["conversation"] == later


async def test_unknown_number_asks_to_begin_anew(served: Serving, transport: str) -> None:
    await served.conversation()
    async with feeding(served, transport, after=999) as feed:
        assert await heard(feed) == ("resync", "1", {"head": 1})
        await served.conversation()
        assert [change["seq"] for change in await changes(feed, 1)] == [2]


async def test_erased_conversation_is_told_and_leaves_nothing(
    served: Serving, transport: str
) -> None:
    conversation = await served.conversation(title="a secret")
    await served.turn(conversation, "a secret")
    await served.client.delete(f"/api/conversations/{conversation['id']}")
    head = await head_of(served)
    async with feeding(served, transport, after=0) as feed:
        seen: list[Heard | None] = []
        while not seen or (seen[-1] or ("", "", None))[1] != str(head):
            seen.append(await heard(feed))
    assert "a secret" not in str(seen)
    name, _, last = seen[-1] or ("", None, {})
    assert (name, last["kind"]) == ("change", "conversation_erased")
    assert last["conversation_id"] == conversation["id"]


async def test_nobody_hears_of_anothers_changes(served: Serving, transport: str) -> None:
    token = await served.stranger()
    headers = {"authorization": f"Bearer {token}"}
    async with (
        served.bearing(token) as stranger,
        feeding(served, transport, after=0, headers=headers) as feed,
    ):
        mine = await served.conversation(title="mine")
        theirs = await stranger.post("/api/conversations", json={"id": new_id()})
        [change] = await changes(feed, 1)
        assert change["conversation"] == theirs.json() != mine


async def test_listener_whose_credential_is_revoked_is_sent_away(
    served: Serving, transport: str
) -> None:
    secret = await service.create_token(served.store, served.owner_id, "short")
    headers = {"authorization": f"Bearer {secret.text}"}
    async with feeding(served, transport, after=0, headers=headers) as feed:
        await service.revoke_token(served.store, served.owner_id, secret.credential.id)
        await served.conversation(title="not for them")
        name, _, data = await heard(feed) or ("", None, {})
        assert (name, data["code"]) == ("error", "signed_out")
        assert await heard(feed) is None
        assert feed.close_code == (4401 if transport == "websocket" else None)


async def test_page_of_changes_can_be_fetched(served: Serving, transport: str) -> None:
    conversation = await served.conversation()
    cursor = {"after": "0"} if transport == "sse" else {}
    headers = {"accept": "application/json"} | ({} if cursor else {"last-event-id": "0"})
    answer = await served.client.get("/api/feed", params=cursor, headers=headers)
    page = answer.json()
    assert (page["head"], page["resync"]) == (1, False)
    assert [change["conversation"] for change in page["items"]] == [conversation]
