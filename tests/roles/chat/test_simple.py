"""`/chat/history` and `/chat/message`, to the letter of their contract."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tertulia.domain.messages import Status
from tertulia.kit.ids import new_id
from tertulia.ports.store import PAGE_CHARACTERS, Store, StoreUnavailableError, Tx
from tertulia.roles.chat.settings import ChatSettings
from tests.roles.serving import Json, Options, Serving, serving

T = TypeVar("T")


async def answer_next(served: Serving, after: int, text: str, status: Status) -> None:
    """Write the reply to the next message of anybody after that change of the feed."""
    async with served.signals.subscribe(f"feed:{served.owner_id}") as changed:
        while True:
            page = await served.client.get(
                "/api/feed", params={"after": after}, headers={"accept": "application/json"}
            )
            for change in page.json()["items"]:
                message = change["message"]
                if message and message["status"] == "queued":
                    await served.scribe.write(message, text, status)
                    return
            await changed.wait(5)


async def said(
    served: Serving, message: str, answer: str, status: Status = Status.COMPLETE
) -> tuple[int, Json]:
    after = (await served.client.get("/api/conversations")).json()["feed_seq"]
    async with asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(answer_next(served, after, answer, status))
        sent = await served.client.post("/chat/message", json={"message": message})
        await writing
    return sent.status_code, sent.json()


async def test_message_is_answered(served: Serving) -> None:
    assert await said(served, "hello", "hi") == (200, {"status": "Success", "response": "hi"})


async def test_history_holds_what_was_said_oldest_first(served: Serving) -> None:
    assert (await served.client.get("/chat/history")).json() == []
    for number in range(3):
        await said(served, f"question {number}", f"answer {number}")
    answer = await served.client.get("/chat/history")
    assert answer.status_code == 200
    assert answer.json() == [
        {"user": f"question {number}", "AI": f"answer {number}"} for number in range(3)
    ]
    assert "link" not in answer.headers


async def test_history_is_paged_backwards_by_its_link(served: Serving) -> None:
    for number in range(5):
        await said(served, str(number), f"answer {number}")
    seen: list[list[str]] = []
    path = "/chat/history?limit=2"
    while True:
        answer = await served.client.get(path)
        seen.append([exchange["user"] for exchange in answer.json()])
        if "link" not in answer.headers:
            break
        path, _, relation = answer.headers["link"].partition(">; ")
        assert relation == 'rel="next"'
        path = path.removeprefix("<")
    assert seen == [["3", "4"], ["1", "2"], ["0"]]


async def test_long_exchanges_come_in_short_pages_and_whole(served: Serving) -> None:
    long = "x" * (PAGE_CHARACTERS + 1)
    conversation = await served.conversation()
    for number in range(3):
        turn = await served.turn(conversation, f"{number}{long}")
        await served.scribe.write(turn["reply"], f"{number}{long}")
    seen: list[str] = []
    path = f"/chat/history?limit=200&conversation={conversation['id']}"
    while True:
        answer = await served.client.get(path)
        [exchange] = answer.json()
        assert exchange["user"] == exchange["AI"]
        seen.append(exchange["user"][0])
        if "link" not in answer.headers:
            break
        path = answer.headers["link"].partition(">; ")[0].removeprefix("<")
    assert seen == ["2", "1", "0"]


async def test_cut_answer_is_an_error_and_is_not_shown_as_whole(served: Serving) -> None:
    status, body = await said(served, "hello", "Half of", Status.INTERRUPTED)
    assert (status, body["status"]) == (500, "error")
    assert set(body) == {"status", "message"}
    history = (await served.client.get("/chat/history")).json()
    assert history == [{"user": "hello", "AI": "Half of [interrupted]"}]


async def test_simple_conversation_is_one_and_can_be_seen_elsewhere(served: Serving) -> None:
    await said(served, "one", "1")
    await said(served, "two", "2")
    [conversation] = (await served.client.get("/api/conversations")).json()["items"]
    other = await served.conversation()
    turn = await served.turn(other, "elsewhere")
    await served.scribe.write(turn["reply"], "there")
    named = await served.client.get("/chat/history", params={"conversation": other["id"]})
    assert named.json() == [{"user": "elsewhere", "AI": "there"}]
    same = await served.client.get("/chat/history", params={"conversation": conversation["id"]})
    assert same.json() == (await served.client.get("/chat/history")).json()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"{}", b'{"message": 5}', b'{"message": null}', b'{"message": ""}',
        b'{"message": " "}', b'{"msg": "x"}', b'{"message": "\\ud800"}', b'{"message": "\xff"}',
    ],
)  # fmt: skip
async def test_wrong_message_is_400_in_the_contracts_form(served: Serving, content: bytes) -> None:
    answer = await served.client.post(
        "/chat/message", content=content, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["status"] == "error"
    assert set(answer.json()) == {"status", "message"}


async def test_other_refusals_have_the_contracts_form_too(served: Serving) -> None:
    large = await served.client.post("/chat/message", json={"message": "x" * 10_000_000})
    assert (large.status_code, set(large.json())) == (413, {"status", "message"})
    async with served.anonymous() as nobody:
        unknown = await nobody.post("/chat/message", json={"message": "x"})
        assert (unknown.status_code, unknown.json()["status"]) == (401, "error")
        history = await nobody.get("/chat/history")
        assert (history.status_code, set(history.json())) == (401, {"message"})


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x"])
async def test_wrong_limit_is_400(served: Serving, query: str) -> None:
    answer = await served.client.get(f"/chat/history?{query}")
    assert (answer.status_code, set(answer.json())) == (400, {"message"})


async def test_unknown_place_in_the_history_is_404(served: Serving) -> None:
    await said(served, "hello", "hi")
    answer = await served.client.get("/chat/history", params={"before": new_id()})
    assert (answer.status_code, set(answer.json())) == (404, {"message"})


class FailingStore:
    """A store whose longer reads fail; who calls is still known."""

    def __init__(self, store: Store, error: Exception) -> None:
        self._store = store
        self._error = error

    async def write(self, work: Callable[[Tx], T]) -> T:
        return await self._store.write(work)

    async def read(self, work: Callable[[Tx], T], *, brief: bool = False) -> T:
        if brief:
            return await self._store.read(work, brief=True)
        raise self._error


@pytest.mark.parametrize("error", [StoreUnavailableError(), RuntimeError("boom")])
async def test_failure_of_the_history_is_500_in_the_contracts_words(
    tmp_path: Path, error: Exception
) -> None:
    options = Options(around_store=lambda store: FailingStore(store, error))
    async with serving(tmp_path, options) as served:
        answer = await served.client.get("/chat/history")
        assert answer.status_code == 500
        assert answer.json() == {"message": "Failed to fetch chat history."}


async def test_answer_that_takes_too_long_is_an_error_and_is_kept(tmp_path: Path) -> None:
    async with serving(tmp_path, Options(chat=ChatSettings(answer_timeout_s=0.01))) as served:
        answer = await served.client.post("/chat/message", json={"message": "hello"})
        assert (answer.status_code, answer.json()["status"]) == (500, "error")
        history = (await served.client.get("/chat/history")).json()
        assert history == [{"user": "hello", "AI": "[queued]"}]


async def test_restart_ends_waiting_for_an_answer(served: Serving) -> None:
    served.chat_http.draining.set()
    answer = await served.client.post("/chat/message", json={"message": "hello"})
    assert answer.status_code == 500
    assert "restarting" in answer.json()["message"]


async def test_open_server_needs_no_token_for_the_simple_interface(tmp_path: Path) -> None:
    async with serving(tmp_path, Options(open=True)) as served, served.anonymous() as nobody:
        after = (await served.client.get("/api/conversations")).json()["feed_seq"]
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(answer_next(served, after, "hi", Status.COMPLETE))
            answer = await nobody.post("/chat/message", json={"message": "hello"})
        assert answer.json() == {"status": "Success", "response": "hi"}
        assert (await nobody.get("/chat/history")).json() == [{"user": "hello", "AI": "hi"}]
        [own] = (await served.client.get("/api/conversations")).json()["items"]
        other = await nobody.get("/chat/history", params={"conversation": own["id"]})
        assert other.status_code == 404
