"""What becomes of a reply when the process stops or dies, or the store is in trouble."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from tertulia.adapters.outbox_bus.settings import OutboxBusSettings
from tertulia.domain.events import TURNS, ReplyRequested
from tertulia.domain.messages import GAVE_UP, Message, Status
from tertulia.domain.streams import End, Position
from tertulia.domain.streams import Waiting as InLine
from tertulia.ports.chat_model import Waiting
from tertulia.ports.store import MessageChange, StorageFullError, StoreUnavailableError, Tx
from tests.ports.troubled_store import TroubledStore
from tests.roles.house import House, open_house
from tests.roles.inference.reading import QUEUE, QUICK, Open, followed
from tests.roles.inference.script import DONE, ScriptModel

T = TypeVar("T")


async def test_what_was_being_written_when_the_process_died_is_interrupted(opened: Open) -> None:
    """Its readers may have seen more than was saved, so it is not begun anew."""
    model = ScriptModel(["never", DONE])
    async with opened(model) as house:
        reply = await house.ask("hello")
        await house.change(reply, MessageChange(status=Status.STREAMING, text="saved"))
        async with house.running():
            stored = await house.until(reply)
    assert (stored.status, stored.text) == (Status.INTERRUPTED, "saved")
    assert model.requests == []


@pytest.mark.parametrize("status", [s for s in Status if s.is_final])
async def test_a_request_that_comes_again_after_the_end_changes_nothing(
    opened: Open, status: Status
) -> None:
    model = ScriptModel(["never", DONE])
    async with opened(model) as house, house.running():
        reply = await house.ask("hello")
        await house.until(reply)
        ended = await house.change(reply, MessageChange(status=status, text="kept"))
        await ask_again(house, reply)
        await house.handled(QUEUE)
        assert await house.now(reply) == ended


async def ask_again(house: House, reply: Message) -> None:
    """The request for its first attempt, as a bus delivers it anew."""
    request = ReplyRequested(
        conversation_id=reply.conversation_id,
        message_id=(await house.question(reply)).id,
        reply_id=reply.id,
        epoch=1,
    )
    await house.store.write(lambda tx: tx.outbox.add(QUEUE, reply.conversation_id, request))


async def test_readers_of_a_writer_that_died_behind_the_final_commit_are_let_go(
    opened: Open,
) -> None:
    """Its stream lives on elsewhere, without an end; the request comes again."""
    async with opened(ScriptModel(["never", DONE])) as house:
        reply = await house.ask("hello")
        await house.stream.begin(reply.id, reply.epoch, "shown")
        await house.change(reply, MessageChange(status=Status.COMPLETE, text="shown and stored"))
        await ask_again(house, reply)
        async with house.running("inference"):
            parts = [part async for part in followed(house, reply)]
    assert parts[-1] == End(Position(1, 5), Status.COMPLETE)


async def test_an_older_attempt_stops_silently(opened: Open) -> None:
    """Another has begun meanwhile: this one must neither write nor announce anything."""
    gate = asyncio.Event()
    model = ScriptModel(["old ", gate, "more", DONE])
    async with opened(model) as house, house.running():
        reply = await house.ask("hello")
        await house.until(reply, Status.STREAMING)
        await house.change(reply, MessageChange(next_epoch=2, status=Status.QUEUED))
        await house.handled(QUEUE)
        gate.set()
        assert model.running == 0
        now = await house.now(reply)
        assert (now.status, now.epoch, now.text) == (Status.QUEUED, 2, "old ")


@pytest.mark.parametrize("steps", range(8))
async def test_when_the_process_stops_a_reply_may_end_in_time(opened: Open, steps: int) -> None:
    """Whether its last words come sooner or later than the request to stop."""
    gate = asyncio.Event()
    settings = QUICK.model_copy(update={"drain_s": 20.0})
    async with opened(ScriptModel(["one ", gate, "two", DONE]), settings) as house:
        async with house.running():
            reply = await house.ask("hello")
            await house.until(reply, Status.STREAMING)
            gate.set()
            for _ in range(steps):
                await asyncio.sleep(0)
        stored = await house.now(reply)
        assert (stored.status, stored.text) == (Status.COMPLETE, "one two")


async def test_when_the_process_stops_a_reply_that_takes_longer_is_interrupted(
    opened: Open,
) -> None:
    model = ScriptModel(["one ", asyncio.Event(), DONE])
    async with opened(model) as house:
        async with house.running():
            reply = await house.ask("hello")
            await house.until(reply, Status.STREAMING)
        stored = await house.now(reply)
        assert (stored.status, stored.text) == (Status.INTERRUPTED, "one ")
        assert stored.error_code == "process_ended"
        assert model.running == 0
        await house.handled(QUEUE)


async def test_when_the_process_stops_a_reply_without_text_waits_for_the_next_start(
    opened: Open,
) -> None:
    model = ScriptModel([Waiting(1), asyncio.Event(), DONE], ["text", DONE])
    async with opened(model) as house:
        async with house.running():
            reply = await house.ask("hello")
            async for part in followed(house, reply):
                assert part == InLine(1)
                break
        assert (await house.now(reply)).status is Status.QUEUED
        async with house.running():
            stored = await house.until(reply)
    assert (stored.status, stored.text, stored.epoch) == (Status.COMPLETE, "text", 1)


async def test_a_request_that_is_given_up_ends_its_reply_and_its_replay_revives_it(
    tmp_path: Path,
) -> None:
    """Something that no retry mends, such as a value of the history that was altered."""

    class Broken(TroubledStore):
        broken = True

        async def read(self, work: Callable[[Tx], T], *, brief: bool = False) -> T:
            if self.broken and brief:
                raise ValueError
            return await super().read(work, brief=brief)

    bus = OutboxBusSettings(attempts=2, backoff_s=0.001)
    async with open_house(
        tmp_path, model=ScriptModel(["text", DONE]), inference=QUICK, bus=bus
    ) as house:
        await house.leases.claim("character:assistant", "local", capacity=1, ttl_s=1e6)
        reply = await house.ask("hello")
        async with house.running("preprocess"):
            await house.handled(TURNS)
        sound, house.store = house.store, Broken(house.store)
        await house.leases.release("character:assistant", "local", 1)
        async with house.running("inference"):
            failed = await house.until(reply)
            assert (failed.status, failed.error_code) == (Status.FAILED, GAVE_UP)
            await house.handled(QUEUE)
        house.store = sound
        [letter] = await house.bus.dead()
        assert letter.reason == "ValueError"
        async with house.running("inference"):
            assert await house.bus.replay([letter.id]) == 1
            revived = await house.until(reply, Status.COMPLETE)
            assert (revived.text, revived.error_code) == ("text", None)


@pytest.mark.parametrize("trouble", [StoreUnavailableError(), StorageFullError()])
async def test_a_store_in_trouble_before_the_first_text_only_delays_the_reply(
    tmp_path: Path, trouble: Exception
) -> None:
    model = ScriptModel(["text", DONE])
    bus = OutboxBusSettings(store_pause_s=0.001)
    async with open_house(tmp_path, model=model, inference=QUICK, bus=bus) as house:
        house.store = store = TroubledStore(house.store)
        async with house.running():
            reply = await house.ask("hello")
            store.trouble = trouble
            await store.writes(3)
            store.trouble = None
            stored = await house.until(reply)
    assert (stored.status, stored.text) == (Status.COMPLETE, "text")


async def test_a_full_disk_in_the_middle_cuts_the_reply_off(tmp_path: Path) -> None:
    """The model stops; what was saved is kept, and the person may go on once there is room."""
    more = asyncio.Event()
    model = ScriptModel(["saved ", more, "unsaved ", asyncio.Event(), DONE])
    bus = OutboxBusSettings(store_pause_s=0.001)
    settings = QUICK.model_copy(update={"store_patience_s": 0.0})
    async with open_house(tmp_path, model=model, inference=settings, bus=bus) as house:
        house.store = store = TroubledStore(house.store)
        async with house.running():
            reply = await house.ask("hello")
            await house.until(reply, Status.STREAMING)
            store.trouble = StorageFullError()
            more.set()
            await store.writes(4)
            assert model.running == 0
            assert (await house.now(reply)).status is Status.STREAMING
            store.trouble = None
            stored = await house.until(reply)
    assert stored.status is Status.INTERRUPTED
    assert stored.text == "saved "


async def test_a_full_disk_that_passes_keeps_all_of_the_text(tmp_path: Path) -> None:
    more = asyncio.Event()
    model = ScriptModel(["one ", more, "two", asyncio.Event(), DONE])
    async with open_house(tmp_path, model=model, inference=QUICK) as house:
        house.store = store = TroubledStore(house.store)
        async with house.running():
            reply = await house.ask("hello")
            await house.until(reply, Status.STREAMING)
            store.trouble = StorageFullError()
            more.set()
            await store.writes(2)
            store.trouble = None
            stored = await house.until(reply)
    assert (stored.status, stored.text) == (Status.INTERRUPTED, "one two")
    assert stored.error_code == "storage_full"
