"""What the model is shown of a conversation."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

from tertulia.domain.conversations import ASSISTANT
from tertulia.domain.ids import ConversationId
from tertulia.domain.messages import Message, Status
from tertulia.ports.chat_model import ChatRequest
from tertulia.ports.store import MessageChange, Store, Tx
from tertulia.roles.inference.settings import InferenceSettings
from tests.roles.house import House, open_house
from tests.roles.inference.script import DONE, NAME, ScriptModel

QUICK = InferenceSettings(batch_s=0, checkpoint_s=0, titles=False)
T = TypeVar("T")


async def talk(house: House, *questions: str, cid: ConversationId | None = None) -> list[Message]:
    """One turn after the other; the replies."""
    replies: list[Message] = []
    for question in questions:
        reply = await house.ask(
            question,
            conversation_id=cid,
            parent_id=replies[-1].id if replies else None,
        )
        cid = reply.conversation_id
        replies.append(await house.until(reply))
    return replies


def shown(request: ChatRequest) -> list[tuple[str, str]]:
    return [(message.role, message.content) for message in request.messages]


async def test_the_model_is_shown_the_branch_after_the_system_prompt(tmp_path: Path) -> None:
    model = ScriptModel(["one", DONE], ["two", DONE])
    async with open_house(tmp_path, model=model, inference=QUICK) as house, house.running():
        await talk(house, "first", "second")
    assert shown(model.requests[1]) == [
        ("system", ASSISTANT.system_prompt),
        ("user", "first"),
        ("assistant", "one"),
        ("user", "second"),
    ]


async def test_other_branches_are_not_shown(tmp_path: Path) -> None:
    model = ScriptModel(["one", DONE])
    async with open_house(tmp_path, model=model, inference=QUICK) as house, house.running():
        first, _ = await talk(house, "first", "second")
        other = await house.ask(
            "instead", conversation_id=first.conversation_id, parent_id=first.id
        )
        await house.until(other)
    assert [content for _, content in shown(model.requests[2])[1:]] == ["first", "one", "instead"]


async def test_the_model_reads_the_normal_form(tmp_path: Path) -> None:
    model = ScriptModel(["one", DONE])
    async with open_house(tmp_path, model=model, inference=QUICK) as house, house.running():
        await talk(house, "hid\u200bden")
    assert shown(model.requests[0])[1] == ("user", "hidden")


async def test_a_message_of_nothing_that_can_be_seen_is_answered_too(tmp_path: Path) -> None:
    model = ScriptModel(["one", DONE])
    async with open_house(tmp_path, model=model, inference=QUICK) as house, house.running():
        [reply] = await talk(house, "\u200b\u2060")
    assert reply.status is Status.COMPLETE
    assert shown(model.requests[0])[1:] == [("user", "")]


async def test_turns_alternate_although_a_reply_failed(tmp_path: Path) -> None:
    model = ScriptModel([DONE], ["answer", DONE])
    async with open_house(tmp_path, model=model, inference=QUICK) as house, house.running():
        await talk(house, "first", "second")
    assert shown(model.requests[1])[1:] == [("user", "first\n\nsecond")]


async def test_the_next_turn_asks_no_history_of_the_store(tmp_path: Path) -> None:
    class Watched:
        """Counts the reads of more than a few rows."""

        def __init__(self, store: Store) -> None:
            self._store = store
            self.long_reads = 0

        async def write(self, work: Callable[[Tx], T]) -> T:
            return await self._store.write(work)

        async def read(self, work: Callable[[Tx], T], *, brief: bool = False) -> T:
            self.long_reads += not brief
            return await self._store.read(work, brief=brief)

    model = ScriptModel(["one", DONE])
    async with open_house(tmp_path, model=model, inference=QUICK) as house:
        watched = house.store = Watched(house.store)
        async with house.running():
            replies = await talk(house, "first")
            before = watched.long_reads
            asked = await house.ask(
                "second", conversation_id=replies[0].conversation_id, parent_id=replies[0].id
            )
            await model.asked(2)
            assert watched.long_reads == before
            await house.until(asked)
    assert len(model.requests[1].messages) == 4


async def test_without_memory_the_history_comes_from_the_store(tmp_path: Path) -> None:
    model = ScriptModel(["one", DONE])
    async with open_house(tmp_path, model=model, inference=QUICK) as house, house.running():
        first, second = await talk(house, "first", "second")
        await house.recent.forget(first.conversation_id)
        third = await house.ask("third", conversation_id=first.conversation_id, parent_id=second.id)
        await house.until(third)
    assert len(shown(model.requests[2])) == 6


async def test_a_cached_branch_follows_a_reply_that_went_on(tmp_path: Path) -> None:
    model = ScriptModel(["half"], [" whole", DONE], ["next", DONE])
    async with open_house(tmp_path, model=model, inference=QUICK) as house, house.running():
        [cut] = await talk(house, "first")
        done = await house.until(await house.again(cut))
        later = await house.ask("more", conversation_id=cut.conversation_id, parent_id=done.id)
        await house.until(later)
    assert shown(model.requests[2])[2] == ("assistant", "half whole")


WINDOW = InferenceSettings(batch_s=0, checkpoint_s=0, titles=False, reply_tokens=20)


async def test_what_does_not_fit_is_left_out_and_told(tmp_path: Path) -> None:
    model = ScriptModel(["a " * 20, DONE], window_tokens=200)
    async with open_house(tmp_path, model=model, inference=WINDOW) as house, house.running():
        replies = await talk(house, *("q " * 20 for _ in range(6)))
    reports = [reply.context for reply in replies]
    for number, (report, request) in enumerate(zip(reports, model.requests, strict=True)):
        assert report is not None
        assert report.included + report.left_out == 2 * number + 1
        assert report.prompt_tokens + 20 <= report.window_tokens == 200
        assert request.messages[0].content == ASSISTANT.system_prompt
        assert request.messages[1].role == "user"
        assert request.max_tokens == 20
    assert reports[0] is not None
    assert reports[0].left_out == 0
    assert reports[-1] is not None
    assert reports[-1].left_out > 0


async def test_after_a_cut_prompts_grow_at_their_end_only(tmp_path: Path) -> None:
    model = ScriptModel(["a", DONE], window_tokens=260)
    async with open_house(tmp_path, model=model, inference=WINDOW) as house, house.running():
        await talk(house, *(f"question {n}" for n in range(16)))
    prompts = [shown(request) for request in model.requests]
    grew = sum(later[: len(earlier)] == earlier for earlier, later in pairwise(prompts))
    cuts = len(prompts) - 1 - grew
    assert 1 <= cuts <= 5  # each buys room for several turns


async def test_a_message_that_does_not_fit_at_all_fails_its_reply(tmp_path: Path) -> None:
    model = ScriptModel(["a", DONE], window_tokens=200)
    async with open_house(tmp_path, model=model, inference=WINDOW) as house, house.running():
        [reply] = await talk(house, "q " * 200)
    assert (reply.status, reply.error_code) == (Status.FAILED, "prompt_too_long")
    assert model.requests == []


async def test_a_branch_longer_than_is_read_tells_how_much_came_before(tmp_path: Path) -> None:
    short = QUICK.model_copy(update={"branch_messages": 3})
    model = ScriptModel(["a", DONE])
    async with open_house(tmp_path, model=model, inference=short) as house, house.running():
        replies = await talk(house, "one", "two", "three")
        await house.recent.forget(replies[0].conversation_id)
        last = await house.ask(
            "four", conversation_id=replies[0].conversation_id, parent_id=replies[-1].id
        )
        done = await house.until(last)
    assert done.context is not None
    assert (done.context.included, done.context.left_out) == (3, 4)


async def test_the_model_is_the_reply_s_or_the_conversation_s_or_the_first_on_offer(
    tmp_path: Path,
) -> None:
    model = ScriptModel(["a", DONE])
    async with open_house(tmp_path, model=model, inference=QUICK) as house, house.running():
        cid = await house.conversation(model="of-the-conversation")
        for conversation_id, name in ((cid, "of-the-reply"), (cid, None), (None, None)):
            reply = await house.ask("hello", conversation_id=conversation_id, model=name)
            stored = await house.until(reply)
            assert stored.model == model.requests[-1].model
    names: Sequence[str] = [request.model for request in model.requests]
    assert names == ["of-the-reply", "of-the-conversation", NAME]


async def test_tokens_are_counted_once(tmp_path: Path) -> None:
    counted: list[str] = []

    class Counting(ScriptModel):
        async def count_tokens(self, model: str, texts: Sequence[str]) -> Sequence[int]:
            counted.extend(texts)
            return await super().count_tokens(model, texts)

    model = Counting(["one", DONE], ["two", DONE])
    async with open_house(tmp_path, model=model, inference=QUICK) as house, house.running():
        await talk(house, "first", "second", "third")
    # Preprocessing counts each message when it comes in, the prompts what they have not met.
    assert sorted(counted) == sorted(
        [ASSISTANT.system_prompt, *["first", "second", "third"] * 2, "one", "two"]
    )


async def test_a_change_of_the_text_is_counted_anew(tmp_path: Path) -> None:
    model = ScriptModel(["one", DONE])
    async with open_house(tmp_path, model=model, inference=QUICK) as house, house.running():
        [first] = await talk(house, "first")
        await house.change(first, MessageChange(text="one and much more"))
        await house.recent.forget(first.conversation_id)
        later = await house.ask("more", conversation_id=first.conversation_id, parent_id=first.id)
        done = await house.until(later)
    assert done.context is not None
    assert shown(model.requests[1])[2] == ("assistant", "one and much more")
