"""Conversations: made once, listed by cursor, changed, erased, exported."""

import asyncio

import pytest

from tertulia.domain.access import Principal
from tertulia.domain.ids import ConversationId, MessageId, UserId
from tertulia.domain.messages import Author
from tertulia.kit.ids import new_id
from tertulia.ports.recent_turns import RecentMessage
from tertulia.ports.store import PAGE_CHARACTERS
from tertulia.roles.chat.service.export_conversation import every_message, shown_branch
from tests.roles.serving import Json, Serving


async def listed(served: Serving, **query: object) -> Json:
    params = {name: str(value) for name, value in query.items()}
    answer = await served.client.get("/api/conversations", params=params)
    assert answer.status_code == 200
    return answer.json()


async def changed(served: Serving, conversation: Json, **change: object) -> Json:
    answer = await served.client.patch(f"/api/conversations/{conversation['id']}", json=change)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_same_request_again_gives_the_same_conversation(served: Serving) -> None:
    body = {"id": new_id(), "title": "Plans"}
    first = await served.client.post("/api/conversations", json=body)
    second = await served.client.post("/api/conversations", json=body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert len((await listed(served))["items"]) == 1


async def test_concurrent_requests_make_one_conversation(served: Serving) -> None:
    body = {"id": new_id()}
    answers = await asyncio.gather(
        *(served.client.post("/api/conversations", json=body) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]


async def test_same_id_with_another_body_is_refused(served: Serving) -> None:
    conversation = await served.conversation(title="Plans")
    answer = await served.client.post(
        "/api/conversations", json={"id": conversation["id"], "title": "Other plans"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "request_id_reused")


async def test_id_of_a_strangers_conversation_cannot_be_taken(served: Serving) -> None:
    conversation = await served.conversation()
    async with served.bearing(await served.stranger()) as stranger:
        answer = await stranger.post("/api/conversations", json={"id": conversation["id"]})
        assert (answer.status_code, answer.json()["code"]) == (422, "request_id_reused")
        assert (await stranger.get("/api/conversations")).json()["items"] == []


async def test_id_is_the_same_in_any_spelling(served: Serving) -> None:
    wanted = new_id()
    first = await served.client.post("/api/conversations", json={"id": wanted.upper()})
    again = await served.client.post("/api/conversations", json={"id": wanted})
    assert first.json()["id"] == wanted
    assert again.status_code == 200


async def test_pages_hold_every_conversation_once_in_order(served: Serving) -> None:
    made = [(await served.conversation())["id"] for _ in range(7)]
    await changed(served, {"id": made[0]}, pinned=True)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await listed(served, limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [made[0], *reversed(made[1:])]


async def test_archived_ones_are_listed_apart(served: Serving) -> None:
    kept, away = await served.conversation(), await served.conversation()
    await changed(served, away, archived=True)
    assert [item["id"] for item in (await listed(served))["items"]] == [kept["id"]]
    assert [item["id"] for item in (await listed(served, archived="true"))["items"]] == [away["id"]]


async def test_change_touches_only_what_it_names(served: Serving) -> None:
    conversation = await served.conversation(title="Plans", model="echo")
    renamed = await changed(served, conversation, title="  Better plans ")
    assert renamed["title"] == "Better plans"
    assert renamed["model"] == "echo"
    assert renamed["revision"] > conversation["revision"]
    untitled = await changed(served, conversation, title=None, model=None)
    assert (untitled["title"], untitled["model"]) == (None, None)


async def test_change_to_what_it_is_already_is_no_change(served: Serving) -> None:
    conversation = await served.conversation(title="Plans")
    head = (await listed(served))["feed_seq"]
    assert await changed(served, conversation, title="Plans", pinned=False) == conversation
    assert (await listed(served))["feed_seq"] == head


@pytest.mark.parametrize(
    "change",
    [
        {"title": ""},
        {"title": "  "},
        {"title": "x" * 201},
        {"title": "two\nlines"},
        {"title": "nul\0"},
        {"title": 5},
        {"pinned": None},
        {"pinned": "perhaps"},
        {"leaf_id": None},
        {"colour": "red"},
    ],
)
async def test_change_of_another_form_is_refused(served: Serving, change: Json) -> None:
    conversation = await served.conversation()
    answer = await served.client.patch(f"/api/conversations/{conversation['id']}", json=change)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    [name] = change
    assert answer.json()["errors"][0]["field"] == name


async def test_branch_is_chosen_by_a_message_of_this_conversation(served: Serving) -> None:
    conversation, other = await served.conversation(), await served.conversation()
    first, second = await served.turn(conversation), await served.turn(conversation)
    foreign = await served.turn(other)
    leaf = first["reply"]["id"]
    assert (await changed(served, conversation, leaf_id=leaf))["leaf_id"] == leaf
    assert leaf != second["reply"]["id"]
    answer = await served.client.patch(
        f"/api/conversations/{conversation['id']}", json={"leaf_id": foreign["reply"]["id"]}
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "message_not_found")


async def test_erased_conversation_is_not_kept_at_hand(served: Serving) -> None:
    conversation = await served.conversation()
    conversation_id = ConversationId(conversation["id"])
    leaf_id = MessageId(new_id())
    at_hand = RecentMessage(id=leaf_id, seq=1, author=Author.USER, text="secret plans")
    await served.recent.put(conversation_id, (at_hand,))
    await served.client.delete(f"/api/conversations/{conversation_id}")
    assert await served.recent.get(conversation_id, leaf_id) is None
    assert await served.recent.size_bytes() == 0


async def test_the_streams_of_an_erased_conversation_are_forgotten(served: Serving) -> None:
    conversation = await served.conversation()
    turn = await served.turn(conversation, "a secret")
    reply = await served.scribe.begin(turn["reply"])
    await served.scribe.stream(reply, 0, "an answer")
    await served.client.delete(f"/api/conversations/{conversation['id']}")
    assert await served.scribe.streams.read(reply.id, None) is None


async def test_erased_conversation_is_gone_for_every_request(served: Serving) -> None:
    conversation = await served.conversation()
    turn = await served.turn(conversation, "a secret")
    path = f"/api/conversations/{conversation['id']}"
    assert (await served.client.delete(path)).status_code == 204
    for gone in (path, f"{path}/messages", f"{path}/messages/{turn['reply']['id']}"):
        assert (await served.client.get(gone)).status_code == 404
    again = await served.client.post("/api/conversations", json={"id": conversation["id"]})
    assert (again.status_code, again.json()["code"]) == (404, "conversation_not_found")


async def test_export_as_json_holds_every_branch(served: Serving) -> None:
    conversation = await served.conversation(title='Plans / "2026"')
    first = await served.turn(conversation, "one")
    await served.scribe.write(first["reply"], "eins")
    await served.turn(conversation, "another first", parent_id=None)
    answer = await served.client.get(f"/api/conversations/{conversation['id']}/export")
    disposition = answer.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="Plans  2026.json"')
    assert [message["text"] for message in answer.json()["messages"]] == [
        "one",
        "eins",
        "another first",
        "",
    ]


async def test_export_as_markdown_shows_the_branch(served: Serving) -> None:
    conversation = await served.conversation(title="Plans")
    turn = await served.turn(conversation, "one")
    await served.scribe.write(turn["reply"], "eins")
    await served.turn(conversation, "two")
    path = f"/api/conversations/{conversation['id']}/export?format=markdown"
    answer = await served.client.get(path)
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    lines = [line for line in answer.text.splitlines() if line and not line.startswith("*")]
    assert lines == [
        "# Plans", "## You", "one", "## Assistant", "eins", "## You", "two",
        "## Assistant (queued)",
    ]  # fmt: skip


async def test_long_export_is_whole_and_read_page_by_page(served: Serving) -> None:
    conversation = await served.conversation()
    long = "x" * (PAGE_CHARACTERS + 1)
    said = [f"{number}{long}" for number in range(3)]
    for text in said:
        turn = await served.turn(conversation, text)
        await served.scribe.write(turn["reply"], "yes")
    path = f"/api/conversations/{conversation['id']}/export"
    messages = (await served.client.get(path)).json()["messages"]
    assert [message["seq"] for message in messages] == [1, 2, 3, 4, 5, 6]
    assert [message["text"] for message in messages[::2]] == said
    shown = (await served.client.get(f"{path}?format=markdown")).text
    assert [line for line in shown.splitlines() if line.endswith("xx")] == said
    me = Principal(user_id=UserId(served.owner_id), via="session", credential_id="")
    for pages in (every_message, shown_branch):
        read = [len(page) async for page in pages(served.scribe.store, me, conversation["id"])]
        assert sum(read) == 6
        assert max(read) == 2


async def test_conversation_without_messages_can_be_exported(served: Serving) -> None:
    conversation = await served.conversation()
    for form in ("json", "markdown"):
        path = f"/api/conversations/{conversation['id']}/export?format={form}"
        assert (await served.client.get(path)).status_code == 200
