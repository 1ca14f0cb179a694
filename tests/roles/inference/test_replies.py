"""What becomes of a reply."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest

from tertulia.adapters.outbox_bus.bus import OutboxBus
from tertulia.adapters.outbox_bus.settings import OutboxBusSettings
from tertulia.domain.events import REPLIES, TURNS, Event, ReplyFinished
from tertulia.domain.messages import Status
from tertulia.domain.streams import Delta, End, Part, Position, Reset
from tertulia.domain.streams import Waiting as InLine
from tertulia.ports.bus import Delivery, Handler
from tertulia.ports.chat_model import (
    ChatRequest,
    Chunk,
    Finished,
    ModelCutError,
    ModelNotFoundError,
    ModelRefusedError,
    ModelUnavailableError,
    Waiting,
)
from tertulia.ports.store import MessageChange
from tests.roles.house import open_house, request_turn
from tests.roles.inference.reading import QUEUE, QUICK, Open, followed, texts
from tests.roles.inference.script import DONE, NAME, ScriptModel, Step


async def test_a_reply_is_streamed_stored_and_announced(opened: Open) -> None:
    model = ScriptModel(["one ", "two ", "three", DONE])
    async with opened(model) as house, house.running():
        reply = await house.ask("hello there")
        parts = [part async for part in followed(house, reply)]
        stored = await house.now(reply)
    assert texts(parts) == stored.text == "one two three"
    assert parts[-1] == End(Position(1, 13), Status.COMPLETE)
    assert (stored.status, stored.model, stored.usage) == (Status.COMPLETE, NAME, DONE.usage)
    assert stored.context is not None
    assert (stored.context.included, stored.context.left_out) == (1, 0)


async def test_whoever_sees_the_end_finds_it_stored(opened: Open) -> None:
    async with opened(ScriptModel(["text", DONE])) as house, house.running():
        reply = await house.ask("hello")
        async for part in followed(house, reply):
            if isinstance(part, End):
                assert (await house.now(reply)).status is part.status


async def test_the_first_text_is_shown_when_it_is_stored_and_not_before(opened: Open) -> None:
    gate = asyncio.Event()
    async with opened(ScriptModel(["first", gate, DONE])) as house, house.running():
        reply = await house.ask("hello")
        async for part in followed(house, reply):
            if isinstance(part, Delta):
                stored = await house.now(reply)
                assert (stored.status, stored.text) == (Status.STREAMING, "first")
                gate.set()


async def test_a_place_in_line_is_shown_and_the_reply_stays_queued(opened: Open) -> None:
    gate = asyncio.Event()
    model = ScriptModel([Waiting(2), gate, Waiting(0), "text", DONE])
    async with opened(model) as house, house.running():
        reply = await house.ask("hello")
        parts: list[Part] = []
        async for part in followed(house, reply):
            if part == InLine(2):
                assert (await house.now(reply)).status is Status.QUEUED
                gate.set()
            parts.append(part)
    assert parts[0] == InLine(2)
    assert texts(parts) == "text"


async def test_a_stop_reaches_the_model_and_keeps_the_text(opened: Open) -> None:
    model = ScriptModel(["some ", "text", asyncio.Event(), DONE])
    async with opened(model) as house, house.running():
        reply = await house.ask("hello")
        await house.until(reply, Status.STREAMING)
        await house.change(reply, MessageChange(stop_requested=True))
        stopped = await house.until(reply)
        assert (stopped.status, stopped.text) == (Status.CANCELLED, "some text")
        assert model.running == 0
        parts = [part async for part in followed(house, reply)]
        assert parts[-1] == End(Position(1, 9), Status.CANCELLED)


async def test_a_stop_before_the_first_text_reaches_the_model_too(opened: Open) -> None:
    """The chat role ends a queued reply itself."""
    begun = asyncio.Event()

    class Slow(ScriptModel):
        async def stream(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
            begun.set()
            async for chunk in super().stream(request):
                yield chunk

    model = Slow([asyncio.Event(), DONE])
    async with opened(model) as house, house.running():
        reply = await house.ask("hello")
        await begun.wait()
        await house.change(reply, MessageChange(status=Status.CANCELLED))
        parts = [part async for part in followed(house, reply)]
        assert parts == [End(Position(1, 0), Status.CANCELLED)]
        await house.handled(QUEUE)
        assert model.running == 0
        assert (await house.now(reply)).status is Status.CANCELLED


async def test_an_erased_conversation_stops_the_model_and_lets_readers_go(opened: Open) -> None:
    model = ScriptModel(["some ", asyncio.Event(), DONE])
    async with opened(model) as house, house.running():
        reply = await house.ask("hello")
        await house.until(reply, Status.STREAMING)
        await house.store.write(lambda tx: tx.conversations.erase(reply.conversation_id))
        house.signals.publish(frozenset({f"reply:{reply.id}"}))
        parts = [part async for part in followed(house, reply)]
        assert isinstance(parts[-1], End)
        await house.handled(QUEUE)
        assert model.running == 0
        assert await house.bus.dead() == []


@pytest.mark.parametrize(
    ("script", "status", "text", "code"),
    [
        ([ModelRefusedError()], Status.FAILED, "", "model_refused"),
        ([ModelNotFoundError()], Status.FAILED, "", "model_not_found"),
        (["half ", ModelRefusedError()], Status.INTERRUPTED, "half ", "model_refused"),
        (["half ", ModelCutError()], Status.INTERRUPTED, "half ", "model_cut"),
        (["half "], Status.INTERRUPTED, "half ", "model_cut"),  # ended without saying so
        (["half", Finished("length")], Status.INTERRUPTED, "half", "reply_limit"),
        ([DONE], Status.FAILED, "", "empty_reply"),
        (["half ", ValueError("secret")], Status.INTERRUPTED, "half ", "internal_error"),
        ([ValueError("secret")], Status.FAILED, "", "internal_error"),
        (["x" * 400_001, "y", DONE], Status.INTERRUPTED, "x" * 400_001, "reply_limit"),
    ],
)
async def test_an_answer_that_is_not_whole_is_never_shown_as_complete(
    opened: Open, script: Sequence[Step], status: Status, text: str, code: str
) -> None:
    model = ScriptModel(script)
    async with opened(model) as house, house.running():
        reply = await house.ask("hello")
        stored = await house.until(reply)
        assert (stored.status, stored.text, stored.error_code) == (status, text, code)
        parts = [part async for part in followed(house, reply)]
        assert texts(parts) == text
        assert isinstance(parts[-1], End)
        assert parts[-1].status is status
        assert len(model.requests) == 1
        assert await house.bus.dead() == []


async def test_a_passing_failure_before_the_first_text_is_tried_again(opened: Open) -> None:
    model = ScriptModel([ModelUnavailableError()], ["text", DONE])
    settings = QUICK.model_copy(update={"retry_within_s": 20.0})
    async with opened(model, settings) as house, house.running():
        stored = await house.until(await house.ask("hello"))
    assert (stored.status, stored.text) == (Status.COMPLETE, "text")
    assert len(model.requests) == 2


async def test_a_failure_after_the_first_text_is_not_tried_again(opened: Open) -> None:
    """Readers have seen text that another answer would not begin with."""
    model = ScriptModel(["half ", ModelCutError()], ["other", DONE])
    settings = QUICK.model_copy(update={"retry_within_s": 20.0})
    async with opened(model, settings) as house, house.running():
        stored = await house.until(await house.ask("hello"))
    assert (stored.status, stored.text) == (Status.INTERRUPTED, "half ")
    assert len(model.requests) == 1


async def test_models_that_cannot_be_listed_fail_the_reply(opened: Open) -> None:
    model = ScriptModel(["text", DONE])
    model.unready = ModelUnavailableError()
    async with opened(model) as house, house.running():
        stored = await house.until(await house.ask("hello"))
    assert (stored.status, stored.error_code) == (Status.FAILED, "model_unavailable")


async def test_half_characters_are_replaced_and_stored(opened: Open) -> None:
    async with opened(ScriptModel(["a\ud83d", "b", DONE])) as house, house.running():
        stored = await house.until(await house.ask("hello"))
    assert stored.text == "a\ufffdb"


async def test_a_reply_goes_on_from_its_text(opened: Open) -> None:
    model = ScriptModel(["one ", ModelCutError()], ["two", DONE])
    async with opened(model) as house, house.running():
        cut = await house.until(await house.ask("hello"))
        done = await house.until(await house.again(cut))
        parts = await house.parts(cut)
    assert (done.status, done.text, done.epoch) == (Status.COMPLETE, "one two", 2)
    assert done.error_code is None
    assert [(m.role, m.content) for m in model.requests[1].messages[1:]] == [
        ("user", "hello"),
        ("assistant", "one "),
    ]
    assert parts[-1] == End(Position(2, 7), Status.COMPLETE)


async def test_a_reader_of_the_first_attempt_is_told_to_start_over(opened: Open) -> None:
    model = ScriptModel(["one ", ModelCutError()], ["two", DONE])
    async with opened(model) as house, house.running():
        cut = await house.until(await house.ask("hello"))
        await house.until(await house.again(cut))
        parts = await house.parts(cut, Position(1, 4))
    assert parts[0] == Reset(Position(2, 7), "one two")


async def test_a_reply_that_has_text_and_fails_again_keeps_it(opened: Open) -> None:
    model = ScriptModel(["one ", ModelCutError()], [ModelRefusedError()])
    async with opened(model) as house, house.running():
        cut = await house.until(await house.ask("hello"))
        again = await house.until(await house.again(cut))
    assert (again.status, again.text, again.epoch) == (Status.INTERRUPTED, "one ", 2)
    assert again.error_code == "model_refused"


async def test_a_whole_answer_may_have_nothing_to_add_to_what_was_kept(opened: Open) -> None:
    model = ScriptModel(["one", ModelCutError()], [DONE])
    async with opened(model) as house, house.running():
        cut = await house.until(await house.ask("hello"))
        again = await house.until(await house.again(cut))
    assert (again.status, again.text) == (Status.COMPLETE, "one")


async def test_many_conversations_are_answered_side_by_side(opened: Open) -> None:
    gate = asyncio.Event()
    model = ScriptModel(["text", gate, DONE])
    async with opened(model) as house, house.running():
        replies = [await house.ask(f"hello {n}") for n in range(8)]
        for reply in replies:
            await house.until(reply, Status.STREAMING)
        gate.set()
        for reply in replies:
            assert (await house.until(reply)).status is Status.COMPLETE


async def test_replies_of_a_conversation_are_written_one_after_the_other(opened: Open) -> None:
    """A turn that follows a running reply is answered with all of it in view."""
    gate = asyncio.Event()
    model = ScriptModel(["first ", gate, "whole", DONE], ["second", DONE])
    async with opened(model) as house, house.running():
        first = await house.ask("one")
        await house.until(first, Status.STREAMING)
        second = await house.ask("two", conversation_id=first.conversation_id, parent_id=first.id)
        await house.handled(TURNS)
        assert len(model.requests) == 1
        gate.set()
        await house.until(second)
    assert [m.content for m in model.requests[1].messages[1:]] == ["one", "first whole", "two"]


async def test_the_end_is_announced_once(tmp_path: Path) -> None:
    """Also when the request comes again."""
    async with open_house(tmp_path, model=ScriptModel(["text", DONE]), inference=QUICK) as house:
        events: list[Event] = []

        class Announcements(OutboxBus):
            """Takes the place of titles."""

            async def subscribe(
                self,
                topic: str,
                handler: Handler,
                *,
                concurrency: int,
                on_dead: Handler | None = None,
            ) -> None:
                async def note(delivery: Delivery) -> None:
                    events.append(delivery.event)

                handler = note if topic == REPLIES else handler
                await super().subscribe(topic, handler, concurrency=concurrency, on_dead=on_dead)

        house.bus = Announcements(house.store, house.signals, house.clock, OutboxBusSettings())
        async with house.running():
            reply = await house.ask("hello")
            await house.until(reply)
            question = await house.question(reply)
            await house.store.write(lambda tx: request_turn(tx, question, reply))
            for topic in (TURNS, QUEUE, REPLIES):
                await house.handled(topic)
    assert events == [
        ReplyFinished(
            conversation_id=reply.conversation_id, reply_id=reply.id, epoch=1, status="complete"
        )
    ]
