"""Turns: made once per request id, whatever happens to the request."""

import asyncio
from pathlib import Path

import pytest

from tertulia.domain.events import TURNS
from tertulia.kit.ids import new_id
from tertulia.ports.store import PAGE_CHARACTERS
from tertulia.roles.chat.settings import ChatSettings
from tests.roles.serving import Json, Options, Serving, serving


def turns_of(conversation: Json) -> str:
    return f"/api/conversations/{conversation['id']}/turns"


async def history(served: Serving, conversation: Json, **query: int) -> Json:
    path = f"/api/conversations/{conversation['id']}/messages"
    answer = await served.client.get(path, params=query)
    assert answer.status_code == 200
    return answer.json()


async def waiting(served: Serving) -> int:
    depths = await served.store.read(lambda tx: tx.queue.depths())
    return sum(depth.waiting for depth in depths if depth.topic == TURNS)


async def test_turn_makes_message_reply_and_event(served: Serving) -> None:
    conversation = await served.conversation(model="echo")
    turn = await served.turn(conversation, "  hello\n")
    message, reply = turn["message"], turn["reply"]
    assert (message["seq"], message["author"], message["text"]) == (1, "user", "  hello\n")
    assert (message["status"], message["parent_id"]) == ("complete", None)
    assert (reply["seq"], reply["author"], reply["status"]) == (2, "assistant", "queued")
    assert (reply["parent_id"], reply["model"], reply["text"]) == (message["id"], "echo", None)
    shown = await served.client.get(f"/api/conversations/{conversation['id']}")
    assert shown.json()["leaf_id"] == reply["id"]
    assert await waiting(served) == 1


async def test_repeated_turn_gives_the_same_in_its_present_state(served: Serving) -> None:
    conversation = await served.conversation()
    body = {"id": new_id(), "text": "hello"}
    first = await served.client.post(turns_of(conversation), json=body)
    await served.scribe.write(first.json()["reply"], "hi")
    again = await served.client.post(turns_of(conversation), json=body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["message"] == first.json()["message"]
    assert again.json()["reply"]["id"] == first.json()["reply"]["id"]
    assert again.json()["reply"]["text"] == "hi"
    assert await waiting(served) == 1


async def test_concurrent_repetitions_make_one_turn(served: Serving) -> None:
    conversation = await served.conversation()
    body = {"id": new_id(), "text": "hello"}
    answers = await asyncio.gather(
        *(served.client.post(turns_of(conversation), json=body) for _ in range(10))
    )
    assert sorted(answer.status_code for answer in answers) == [200] * 9 + [201]
    assert len({answer.json()["reply"]["id"] for answer in answers}) == 1
    assert len((await history(served, conversation))["items"]) == 2


@pytest.mark.parametrize(
    "other",
    [{"text": "good bye"}, {"parent_id": None}, {"model": "echo"}],
    ids=["text", "parent", "model"],
)
async def test_same_id_with_another_body_is_refused(served: Serving, other: Json) -> None:
    conversation = await served.conversation()
    body = {"id": new_id(), "text": "hello"}
    await served.client.post(turns_of(conversation), json=body)
    answer = await served.client.post(turns_of(conversation), json=body | other)
    assert (answer.status_code, answer.json()["code"]) == (422, "request_id_reused")
    assert len((await history(served, conversation))["items"]) == 2


async def test_same_id_in_another_conversation_is_refused(served: Serving) -> None:
    one, other = await served.conversation(), await served.conversation()
    body = {"id": new_id(), "text": "hello"}
    await served.client.post(turns_of(one), json=body)
    answer = await served.client.post(turns_of(other), json=body)
    assert answer.status_code == 422


async def test_same_id_of_another_person_is_another_request(served: Serving) -> None:
    body = {"id": new_id(), "text": "hello"}
    mine = await served.conversation()
    await served.client.post(turns_of(mine), json=body)
    async with served.bearing(await served.stranger()) as stranger:
        theirs = (await stranger.post("/api/conversations", json={"id": new_id()})).json()
        assert (await stranger.post(turns_of(theirs), json=body)).status_code == 201


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u2003"])
async def test_empty_message_is_refused(served: Serving, text: str) -> None:
    conversation = await served.conversation()
    answer = await served.client.post(turns_of(conversation), json={"id": new_id(), "text": text})
    assert (answer.status_code, answer.json()["code"]) == (400, "message_empty")


async def test_message_of_ten_megabytes_is_refused(served: Serving) -> None:
    conversation = await served.conversation()
    answer = await served.client.post(
        turns_of(conversation), json={"id": new_id(), "text": "x" * 10_000_000}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "message_too_large")
    assert (await history(served, conversation))["items"] == []


async def test_message_is_measured_in_bytes(tmp_path: Path) -> None:
    async with serving(tmp_path, Options(chat=ChatSettings(max_message_bytes=10))) as served:
        conversation = await served.conversation()
        await served.turn(conversation, "x" * 10)
        answer = await served.client.post(
            turns_of(conversation), json={"id": new_id(), "text": "é" * 6}
        )
        assert (answer.status_code, answer.json()["limit_bytes"]) == (413, 10)


@pytest.mark.parametrize("text", ["nul \0 inside", "\u202e", "🧑‍🚀 e\u0301", "a\r\nb", "\ufeff"])
async def test_text_comes_back_as_it_was(served: Serving, text: str) -> None:
    conversation = await served.conversation()
    turn = await served.turn(conversation, text + "!")
    assert (await served.message(turn["message"]))["text"] == text + "!"


async def test_turn_follows_the_branch_that_is_shown(served: Serving) -> None:
    conversation = await served.conversation()
    first = await served.turn(conversation)
    second = await served.turn(conversation)
    assert second["message"]["parent_id"] == first["reply"]["id"]


async def test_edit_makes_a_branch_beside_the_old_message(served: Serving) -> None:
    conversation = await served.conversation()
    first = await served.turn(conversation)
    second = await served.turn(conversation)
    root = await served.turn(conversation, "edited first", parent_id=None)
    assert root["message"]["parent_id"] is None
    edited = await served.turn(conversation, "edited second", parent_id=first["reply"]["id"])
    assert edited["message"]["parent_id"] == second["message"]["parent_id"]
    assert [m["seq"] for m in (await history(served, conversation))["items"]] == [*range(1, 9)]


async def test_message_cannot_follow_a_persons_or_a_foreign_message(served: Serving) -> None:
    one, other = await served.conversation(), await served.conversation()
    turn, foreign = await served.turn(one), await served.turn(other)
    wrong = [
        (turn["message"]["id"], 400, "parent_invalid"),
        (foreign["reply"]["id"], 404, "message_not_found"),
        ("no id", 404, "message_not_found"),
    ]
    for parent_id, status, code in wrong:
        answer = await served.client.post(
            turns_of(one), json={"id": new_id(), "text": "x", "parent_id": parent_id}
        )
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_turns_are_limited_per_person(tmp_path: Path) -> None:
    async with serving(tmp_path, Options(chat=ChatSettings(turns_per_minute=2))) as served:
        conversation = await served.conversation()
        await served.turn(conversation)
        await served.turn(conversation)
        answer = await served.client.post(
            turns_of(conversation), json={"id": new_id(), "text": "x"}
        )
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert int(answer.headers["retry-after"]) >= 1


async def test_history_is_paged_both_ways(served: Serving) -> None:
    conversation = await served.conversation()
    for _ in range(5):
        await served.turn(conversation)

    async def seqs(**query: int) -> tuple[list[int], bool, bool]:
        page = await history(served, conversation, **query)
        return [m["seq"] for m in page["items"]], page["has_before"], page["has_after"]

    assert await seqs(limit=4) == ([7, 8, 9, 10], True, False)
    assert await seqs(limit=4, before=7) == ([3, 4, 5, 6], True, True)
    assert await seqs(limit=4, before=3) == ([1, 2], False, True)
    assert await seqs(limit=4, before=1) == ([], False, True)
    assert await seqs(limit=4, before=11) == ([7, 8, 9, 10], True, False)
    assert await seqs(limit=4, after=0) == ([1, 2, 3, 4], False, True)
    assert await seqs(limit=4, after=4) == ([5, 6, 7, 8], True, True)
    assert await seqs(limit=4, after=8) == ([9, 10], True, False)
    assert await seqs(limit=4, after=10) == ([], True, False)
    assert await seqs(limit=200) == ([*range(1, 11)], False, False)


async def test_history_of_long_messages_comes_in_short_pages(served: Serving) -> None:
    conversation = await served.conversation()
    for _ in range(3):
        await served.turn(conversation, "x" * (PAGE_CHARACTERS + 1))

    async def seqs(**query: int) -> tuple[list[int], bool, bool]:
        page = await history(served, conversation, limit=200, **query)
        return [m["seq"] for m in page["items"]], page["has_before"], page["has_after"]

    assert await seqs() == ([5, 6], True, False)
    assert await seqs(before=5) == ([3, 4], True, True)
    assert await seqs(before=3) == ([1, 2], False, True)
    assert await seqs(after=0) == ([1], False, True)
    assert await seqs(after=1) == ([2, 3], True, True)
    assert await seqs(after=5) == ([6], True, False)


async def test_empty_conversation_has_an_empty_page(served: Serving) -> None:
    page = await history(served, await served.conversation())
    assert (page["items"], page["has_before"], page["has_after"]) == ([], False, False)
