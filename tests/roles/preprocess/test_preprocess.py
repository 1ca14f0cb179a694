"""What preprocessing does with a turn."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from tertulia.adapters.echo.model import EchoModel
from tertulia.domain.conversations import ASSISTANT
from tertulia.domain.events import (
    REPLIES,
    TURNS,
    ReplyFinished,
    ReplyRequested,
    inference_topic,
    workers_group,
)
from tertulia.domain.ids import CharacterId
from tertulia.domain.messages import GAVE_UP, Author, Labels, Message, Status
from tertulia.domain.routing import choose_worker
from tertulia.ports.bus import Delivery
from tertulia.ports.chat_model import ModelUnavailableError
from tertulia.ports.recent_turns import RecentMessage
from tertulia.ports.store import MessageChange
from tertulia.roles.preprocess.service import Preprocessing
from tests.roles.house import House, open_house, request_turn

DELIVERY_LEASE = timedelta(minutes=1)
LOCAL = inference_topic(ASSISTANT.id, "local")
POET = CharacterId("poet")


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


async def arrive(
    house: House,
    name: str = "local",
    capacity: int = 4,
    character_id: CharacterId = ASSISTANT.id,
) -> int:
    group = workers_group(character_id)
    fence = await house.leases.claim(group, name, capacity=capacity, ttl_s=10**6)
    assert fence is not None
    return fence


class Worker:
    """Notes what comes to a worker's queue."""

    def __init__(self, house: House, topic: str = LOCAL) -> None:
        self._house = house
        self._topic = topic
        self._heard: asyncio.Queue[Delivery] = asyncio.Queue()

    async def listen(self) -> None:
        async def note(delivery: Delivery) -> None:
            self._heard.put_nowait(delivery)

        await self._house.bus.subscribe(self._topic, note, concurrency=9)

    async def next(self) -> Delivery:
        async with asyncio.timeout(20):
            return await self._heard.get()

    @property
    def idle(self) -> bool:
        return self._heard.empty()


async def prepared(house: House, text: str) -> Message:
    """The message as it is when its turn has been routed."""
    await arrive(house)
    worker = Worker(house)
    async with house.running("preprocess") as group:
        listening = group.create_task(worker.listen())
        reply = await house.ask(text)
        delivery = await worker.next()
        listening.cancel()
    assert isinstance(delivery.event, ReplyRequested)
    assert delivery.event.reply_id == reply.id
    return await house.question(reply)


async def test_a_message_is_labelled_and_routed(house: House) -> None:
    message = await prepared(house, "hello hello world hello")
    assert message.labels == Labels(
        language="en", confidence=0.75, characters=23, words=4, tokens=4, changed=False
    )
    assert message.normalized is None


async def test_the_text_stays_as_written_beside_its_normal_form(house: House) -> None:
    written = "hello\r\nhello\u200b cafe\u0301"
    message = await prepared(house, written)
    assert message.text == written
    assert message.normalized == message.prompt_text == "hello\nhello café"
    assert message.labels is not None
    assert message.labels.changed
    assert message.labels.characters == len("hello\nhello café")


async def test_a_guess_without_confidence_is_no_label(house: House) -> None:
    message = await prepared(house, "hello to this great world")
    assert message.labels is not None
    assert message.labels.language is None
    assert message.labels.confidence == 0.2


async def test_tokens_are_estimated_when_the_model_cannot_be_asked(tmp_path: Path) -> None:
    class Away(EchoModel):
        async def count_tokens(self, model: str, texts: Sequence[str]) -> Sequence[int]:
            raise ModelUnavailableError(model=model, texts=len(texts))

    async with open_house(tmp_path, model=Away()) as house:
        message = await prepared(house, "hello hello world hello")
    assert message.labels is not None
    assert message.labels.tokens == 8


@pytest.mark.parametrize("character_id", [ASSISTANT.id, POET])
async def test_a_turn_waits_for_a_worker_of_its_character_and_counts_no_failed_attempt(
    house: House, character_id: CharacterId
) -> None:
    worker = Worker(house, inference_topic(character_id, "local"))
    await arrive(house, character_id=CharacterId("somebody else"))
    async with house.running("preprocess") as group:
        listening = group.create_task(worker.listen())
        conversation_id = await house.conversation(character_id=character_id)
        reply = await house.ask("hello", conversation_id=conversation_id)
        async with house.signals.subscribe(f"outbox:{TURNS}") as turned:
            while not await house.store.read(
                lambda tx: [d for d in tx.queue.depths() if d.topic == TURNS and d.waiting]
            ):
                await turned.wait(0.001)
        assert worker.idle
        assert (await house.now(reply)).status is Status.QUEUED
        await arrive(house, character_id=character_id)
        delivery = await worker.next()
        listening.cancel()
    assert isinstance(delivery.event, ReplyRequested)
    assert delivery.event.reply_id == reply.id
    assert await house.bus.dead() == []


async def test_a_conversation_goes_to_the_worker_of_its_hash(house: House) -> None:
    capacities = {"one": 1, "two": 3}
    for name, capacity in capacities.items():
        await arrive(house, name, capacity)
    workers = {name: Worker(house, inference_topic(ASSISTANT.id, name)) for name in capacities}
    async with house.running("preprocess") as group:
        listening = [group.create_task(worker.listen()) for worker in workers.values()]
        for _ in range(6):
            reply = await house.ask("hello")
            name = choose_worker(reply.conversation_id, capacities)
            assert name is not None
            delivery = await workers[name].next()
            assert delivery.key == reply.conversation_id
        for task in listening:
            task.cancel()


async def test_a_worker_with_too_much_in_hand_is_passed_over(house: House) -> None:
    fences = {name: await arrive(house, name) for name in ("one", "two")}
    workers = {name: Worker(house, inference_topic(ASSISTANT.id, name)) for name in fences}
    conversation_id = await house.conversation()
    usual = choose_worker(conversation_id, dict.fromkeys(fences, 4))
    assert usual is not None
    [other] = fences.keys() - {usual}
    group = workers_group(ASSISTANT.id)
    await house.leases.renew(group, usual, fences[usual], ttl_s=10**6, load=50)
    async with house.running("preprocess") as tasks:
        listening = tasks.create_task(workers[other].listen())
        await house.ask("hello", conversation_id=conversation_id)
        assert (await workers[other].next()).key == conversation_id
        listening.cancel()


async def test_a_message_that_is_asked_again_keeps_its_labels(house: House) -> None:
    """Regenerating a reply labels nothing anew."""
    message = await prepared(house, "hello world")
    worker = Worker(house)
    async with house.running("preprocess") as group:
        listening = group.create_task(worker.listen())
        replies = await house.store.read(
            lambda tx: tx.messages.page(message.conversation_id, before=None, after=None, limit=9)
        )
        await house.store.write(lambda tx: request_turn(tx, message, replies[-1]))
        await worker.next()
        listening.cancel()
    assert (await house.now(message)).revision == message.revision


@pytest.mark.parametrize(
    "change",
    [
        MessageChange(status=Status.CANCELLED),
        MessageChange(next_epoch=2),
        MessageChange(status=Status.FAILED, error_code="model_cut"),
    ],
)
async def test_a_turn_that_waits_for_nothing_is_dropped(
    house: House, change: MessageChange
) -> None:
    """Its reply was ended or asked for anew."""
    await arrive(house)
    reply = await house.ask("hello")
    await house.change(reply, change)
    async with house.running("preprocess"):
        await house.handled(TURNS)
    assert await waiting(house, LOCAL) == 0
    assert (await house.question(reply)).labels is None


async def test_a_reply_whose_worker_is_gone_is_routed_to_another(house: House) -> None:
    """Which ends it: nobody else would."""
    await arrive(house)
    reply = await house.ask("hello")
    await house.change(reply, MessageChange(status=Status.STREAMING))
    async with house.running("preprocess"):
        await house.handled(TURNS)
    assert await waiting(house, LOCAL) == 1


async def waiting(house: House, topic: str) -> int:
    depths = await house.store.read(lambda tx: tx.queue.depths())
    return sum(depth.waiting for depth in depths if depth.topic == topic)


async def test_a_turn_of_an_erased_conversation_is_dropped(house: House) -> None:
    await arrive(house)
    reply = await house.ask("hello")
    await house.store.write(lambda tx: tx.conversations.erase(reply.conversation_id))
    async with house.running("preprocess"):
        await house.handled(TURNS)
    assert await waiting(house, LOCAL) == 0
    assert await house.bus.dead() == []


async def test_a_delivery_that_comes_again_is_routed_once(house: House) -> None:
    await arrive(house)
    await house.ask("hello")
    service = Preprocessing(
        house.store, house.recent, house.model, house.languages, house.leases, house.preprocess
    )
    handled = asyncio.Event()

    async def twice(delivery: Delivery) -> None:
        await service.on_turn_requested(delivery)
        await service.on_turn_requested(delivery)
        handled.set()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(house.bus.subscribe(TURNS, twice, concurrency=1))
        await handled.wait()
        task.cancel()
    assert await waiting(house, LOCAL) == 1


async def given_up(house: House) -> tuple[Message, Delivery]:
    """A reply whose turn became a dead letter."""
    reply = await house.ask("hello")
    service = Preprocessing(
        house.store, house.recent, house.model, house.languages, house.leases, house.preprocess
    )
    heard: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()

    async def note(delivery: Delivery) -> None:
        heard.set_result(delivery)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(house.bus.subscribe(TURNS, note, concurrency=1))
        delivery = await heard
        await service.on_turn_given_up(delivery)
        task.cancel()
    return await house.now(reply), delivery


async def test_the_reply_to_a_dead_letter_has_failed_and_says_so(house: House) -> None:
    reply, _ = await given_up(house)
    assert (reply.status, reply.error_code) == (Status.FAILED, GAVE_UP)
    taken = await house.store.write(
        lambda tx: tx.queue.take([REPLIES], limit=9, lease=DELIVERY_LEASE)
    )
    [finished] = [message.event() for message in taken]
    assert isinstance(finished, ReplyFinished)
    assert (finished.reply_id, finished.status) == (reply.id, "failed")


async def test_a_replayed_dead_letter_revives_its_reply(house: House) -> None:
    await arrive(house)
    reply, _ = await given_up(house)
    question = await house.question(reply)
    worker = Worker(house)
    async with house.running("preprocess") as group:
        listening = group.create_task(worker.listen())
        await house.store.write(lambda tx: request_turn(tx, question, reply))
        await worker.next()
        listening.cancel()
    revived = await house.now(reply)
    assert (revived.status, revived.error_code) == (Status.QUEUED, None)


async def test_the_branch_in_memory_grows_by_the_message(house: House) -> None:
    message = await prepared(house, "hello\r\nworld")
    held = await house.recent.get(message.conversation_id, message.id)
    assert held == (RecentMessage(id=message.id, seq=1, author=Author.USER, text="hello\nworld"),)


async def test_what_memory_does_not_hold_is_not_invented(house: House) -> None:
    """A later message of a branch that is not held: the store will be asked."""
    first = await house.ask("hello")
    await house.change(first, MessageChange(status=Status.COMPLETE, text="hi"))
    async with house.running("preprocess"):
        await arrive(house)
        later = await house.ask("more", conversation_id=first.conversation_id, parent_id=first.id)
        await house.handled(TURNS)
    question = await house.question(later)
    assert await house.recent.get(first.conversation_id, question.id) is None
