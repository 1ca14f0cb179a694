"""How text reaches readers and the store: at once, and right behind."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tertulia.adapters.memory.token_stream import MemoryTokenStream
from tertulia.domain.messages import Message, Status
from tertulia.domain.streams import Delta
from tertulia.ports.store import MessageChange, StaleEpochError, StoreUnavailableError
from tertulia.roles.inference.service.pen import Pen
from tertulia.roles.inference.settings import InferenceSettings
from tests.ports.stores import HandClock
from tests.ports.troubled_store import TroubledStore
from tests.roles.house import House, open_house, within

QUICK = InferenceSettings(batch_s=0, checkpoint_s=0)
BOUND = timedelta(seconds=QUICK.unsaved_max_s)


@dataclass(kw_only=True)
class Desk:
    """A pen over a reply, with a store that can be held up."""

    house: House
    store: TroubledStore
    stream: MemoryTokenStream
    clock: HandClock
    reply: Message
    pen: Pen

    async def shown(self) -> str:
        """What a reader has by now."""
        await settle()
        parts = await self.stream.read(self.reply.id, None)
        assert parts is not None
        task = asyncio.ensure_future(anext(aiter(parts)))
        await settle()
        if not task.done():
            task.cancel()
            return ""
        part = task.result()
        assert isinstance(part, Delta)
        return part.text

    async def saved(self) -> str:
        return (await self.house.now(self.reply)).text

    async def until_saved(self, text: str) -> None:
        """Returns once this is stored, and the pen knows."""
        async with (
            asyncio.timeout(20),
            self.house.signals.subscribe(f"reply:{self.reply.id}") as changed,
        ):
            while await self.saved() != text:
                await changed.wait()
            while self.pen.saved < len(text):  # noqa: ASYNC110  it is told to nobody else
                await asyncio.sleep(0)


async def settle() -> None:
    """Let everything that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def at_desk(
    directory: Path, *, text: str = "", inference: InferenceSettings = QUICK
) -> AsyncGenerator[Desk]:
    """A pen whose `show` and `save` run."""
    clock = HandClock()
    async with open_house(directory, clock=clock) as house:
        reply = await house.ask("hello")
        if text:
            reply = await house.change(reply, MessageChange(text=text))
        store = TroubledStore(house.store)
        pen = Pen(store, house.stream, clock, inference, reply)
        await house.stream.begin(reply.id, reply.epoch, reply.text)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(pen.show()), group.create_task(pen.save())]
            yield Desk(
                house=house, store=store, stream=house.stream, clock=clock, reply=reply, pen=pen
            )
            for task in tasks:
                task.cancel()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncGenerator[Desk]:
    async with at_desk(tmp_path) as opened:
        yield opened


async def test_the_first_text_is_shown_once_it_is_saved(desk: Desk) -> None:
    await desk.store.hold()
    starting = asyncio.ensure_future(desk.pen.start("first", "model"))
    assert await desk.shown() == ""
    await desk.store.admit()
    await within(starting)
    assert await desk.shown() == await desk.saved() == "first"
    assert (await desk.house.now(desk.reply)).status is Status.STREAMING


async def test_later_text_is_shown_without_waiting_for_the_store(desk: Desk) -> None:
    await desk.pen.start("first", "model")
    await desk.store.hold()
    desk.pen.write(" second")
    assert await desk.shown() == "first second"
    assert await desk.saved() == "first"
    desk.pen.write(" third")
    assert await desk.shown() == "first second third"
    await desk.store.admit()


async def test_text_is_held_back_while_older_text_is_unsaved_for_too_long(desk: Desk) -> None:
    """What a crash can take from a reader was shown within the bound."""
    await desk.pen.start("first", "model")
    await desk.store.hold()
    desk.pen.write(" second")
    assert await desk.shown() == "first second"
    desk.clock.pass_time(BOUND * 0.9)
    desk.pen.write(" third")
    assert await desk.shown() == "first second third"
    desk.clock.pass_time(BOUND * 0.2)
    desk.pen.write(" fourth")
    assert await desk.shown() == "first second third"
    await desk.store.admit()
    await desk.until_saved("first second third fourth")
    assert await desk.shown() == "first second third fourth"


async def test_the_age_of_unsaved_text_counts_from_when_it_was_shown(desk: Desk) -> None:
    """A checkpoint under way excuses no text that was shown after it began, nor does it make
    that text older than it is."""
    await desk.pen.start("a", "model")
    await desk.store.hold()
    desk.pen.write("b")
    await within(desk.store.writes(1))  # the checkpoint of "b" is under way
    desk.clock.pass_time(BOUND * 0.6)
    desk.pen.write("c")
    assert await desk.shown() == "abc"
    await desk.store.admit(1)
    await desk.until_saved("ab")
    desk.clock.pass_time(BOUND * 0.6)
    desk.pen.write("d")
    assert await desk.shown() == "abcd"
    desk.clock.pass_time(BOUND * 0.6)
    desk.pen.write("e")
    assert await desk.shown() == "abcd"
    await desk.store.admit()
    await desk.until_saved("abcde")


async def test_all_that_is_written_is_saved(desk: Desk) -> None:
    await desk.pen.start("one", "model")
    for word in (" two", " three", " ñandú 🎉"):
        desk.pen.write(word)
        await settle()
    await desk.until_saved("one two three ñandú 🎉")
    assert desk.pen.text == await desk.shown() == "one two three ñandú 🎉"
    assert desk.pen.length == len(desk.pen.text)


async def test_a_pen_goes_on_from_kept_text(tmp_path: Path) -> None:
    async with at_desk(tmp_path, text="kept ") as desk:
        assert not desk.pen.begun
        await desk.pen.start("new", "model")
        assert desk.pen.begun
        assert await desk.shown() == await desk.saved() == desk.pen.text == "kept new"


async def test_a_request_to_stop_is_heard_with_the_next_checkpoint(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        reply = await house.ask("hello")
        pen = Pen(house.store, house.stream, house.clock, QUICK, reply)
        await house.stream.begin(reply.id, 1, "")
        await pen.start("one", "model")
        assert not await pen.stop_requested()
        await house.change(reply, MessageChange(stop_requested=True))
        assert await pen.stop_requested()
        pen.write(" two")
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            showing = group.create_task(pen.show())
            assert await pen.save()
            showing.cancel()


@pytest.mark.parametrize(
    "change",
    [
        MessageChange(next_epoch=2),
        MessageChange(status=Status.CANCELLED),
        MessageChange(status=Status.STREAMING),
    ],
)
async def test_a_pen_does_not_start_what_is_not_its_own(
    tmp_path: Path, change: MessageChange
) -> None:
    async with open_house(tmp_path) as house:
        reply = await house.ask("hello")
        pen = Pen(house.store, house.stream, house.clock, QUICK, reply)
        await house.change(reply, change)
        with pytest.raises(StaleEpochError):
            await pen.start("text", "model")
        assert (await house.now(reply)).text == ""


async def test_a_store_in_trouble_is_given_time_but_not_for_ever(tmp_path: Path) -> None:
    inference = QUICK.model_copy(update={"store_patience_s": 5.0})
    clock = HandClock()
    async with open_house(tmp_path, clock=clock) as house:
        reply = await house.ask("hello")
        store = TroubledStore(house.store)
        pen = Pen(store, house.stream, clock, inference, reply)
        await house.stream.begin(reply.id, 1, "")
        await pen.start("one", "model")
        store.trouble = StoreUnavailableError()
        pen.write(" two")
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            showing = group.create_task(pen.show())
            saving = group.create_task(caught(pen.save()))
            await store.writes(2)
            assert not saving.done()
            clock.pass_time(timedelta(seconds=5))
            assert isinstance(await saving, StoreUnavailableError)
            showing.cancel()


async def caught(coroutine) -> Exception | None:  # type: ignore[no-untyped-def]
    try:
        await coroutine
    except StoreUnavailableError as error:
        return error
    return None


@given(words=st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=12))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_whatever_is_written_is_shown_and_saved_as_it_is(
    tmp_path_factory: pytest.TempPathFactory, words: Sequence[str]
) -> None:
    words = [word.encode(errors="replace").decode() for word in words]
    async with at_desk(tmp_path_factory.mktemp("desk")) as desk:
        await desk.pen.start(words[0], "model")
        for word in words[1:]:
            desk.pen.write(word)
            await asyncio.sleep(0)
        await desk.until_saved("".join(words))
        assert await desk.shown() == "".join(words)
