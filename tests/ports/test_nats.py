"""NATS beyond the port: its traps."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from nats.aio.client import Client
from nats.errors import ConnectionClosedError
from nats.js.api import ConsumerConfig
from nats.js.errors import NotFoundError

from tertulia.adapters.broker_bus.bus import BrokerBus
from tertulia.adapters.nats.link import Link
from tertulia.ports.broker import Broker, Held
from tertulia.ports.bus import BusUnavailableError, Delivery
from tests.ports.brokers import WORKER, consuming, parcel
from tests.ports.buses import CLOCK, NAME, RETURNS, SETTINGS, Heard, nats_broker, push_to
from tests.roles.house import House, open_house
from tests.servers.fixtures import Private
from tests.servers.nats import NATS, SecureNATS

pytestmark = pytest.mark.server

WINDOW: Final = 14  # of a concurrency of 4
SUBJECT: Final = f"{NAME}.inference=2Eassistant=2Ew-1=2Epods.0"  # of WORKER


@pytest.fixture
async def broker(nats: NATS) -> AsyncGenerator[Broker]:
    async with nats_broker(nats.url) as opened:
        yield opened


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


@asynccontextmanager
async def beside(nats: NATS) -> AsyncGenerator[Any]:
    """JetStream as an operator sees it."""
    from nats.aio.client import Client

    client: Any = Client()
    await client.connect(nats.url)
    yield client.jetstream()
    await client.close()


class Idle:
    """Hands that take and do nothing."""

    def __init__(self) -> None:
        self.held: list[Held] = []
        self.more = asyncio.Event()

    def take(self, held: Held) -> None:
        self.held.append(held)
        self.more.set()

    async def give_up(self, share: str) -> None:
        del share

    async def until(self, count: int) -> list[Held]:
        while len(self.held) < count:
            self.more.clear()
            await self.more.wait()
        return self.held


async def test_streams_keep_what_nobody_consumes_and_refuse_when_they_are_full(
    nats: NATS, broker: Broker
) -> None:
    first, second = parcel(), parcel()
    assert await broker.publish([first]) == {first.id}
    async with beside(nats) as js:
        config = (await js.stream_info(NAME)).config
        assert (config.retention, config.storage, config.discard) == ("workqueue", "file", "new")
        assert not config.max_age
        config.max_msgs = 1
        await js.update_stream(config)
        assert await broker.publish([second]) == set()
        assert [depth.waiting for depth in await broker.depths()] == [1]
        config.max_msgs = -1
        await js.update_stream(config)
    assert await broker.publish([second]) == {second.id}


async def test_what_is_carried_again_is_kept_once(broker: Broker, house: House) -> None:
    """The relay does that when a confirmation was lost."""
    again, last = parcel(), parcel()
    for each in (again, again, last):
        assert await broker.publish([each]) == {each.id}
    heard = Heard()
    async with consuming(BrokerBus(broker, house.store, CLOCK, SETTINGS), heard):
        await heard.until(2)
    assert heard.ids == [again.id, last.id]


async def test_a_parcel_that_is_too_large_is_refused_and_keeps_nobody_back(
    nats: NATS, broker: Broker
) -> None:
    async with beside(nats) as js:
        limit = js._nc.max_payload
    large = replace(parcel("a"), data=b"x" * (limit + 1))
    small = parcel("b")
    assert await broker.publish([large, small]) == {small.id}


async def test_a_message_in_hand_is_not_handed_out_again_when_its_time_ran_out(
    nats: NATS, house: House
) -> None:
    """A process that is too busy to speak of it still has it."""
    heard = Heard()

    async def busy(delivery: Delivery) -> None:
        if not heard.deliveries:
            time.sleep(0.3)  # noqa: ASYNC251  nothing is said meanwhile: several times `ack_s`
            await asyncio.sleep(0.1)  # what came again has come
        await heard(delivery)

    async with nats_broker(nats.url, ack_s=0.1) as broker:
        first, second = parcel(), parcel()
        await broker.publish([first])
        async with consuming(BrokerBus(broker, house.store, CLOCK, SETTINGS), busy):
            await heard.until(1)
            await broker.publish([second])
            await heard.until(2)
        async with beside(nats) as js:
            consumers = await js.consumers_info(NAME)
    assert heard.ids == [first.id, second.id]
    assert max(each.delivered.consumer_seq for each in consumers) > 2, "it did come again"


async def test_no_more_is_pushed_than_a_process_can_take(nats: NATS, broker: Broker) -> None:
    for _ in range(3):
        await broker.publish([parcel(f"k{number}", WORKER) for number in range(WINDOW)])
    hands = Idle()
    consumer = asyncio.create_task(broker.consume(WORKER, hands, concurrency=4))
    held = await hands.until(WINDOW)
    async with beside(nats) as js:
        [info] = await js.consumers_info(NAME)
        assert (info.num_ack_pending, info.num_pending) == (WINDOW, 2 * WINDOW)
        assert info.config.max_deliver == -1, "what exceeds it would be told to nobody"
        for each in held[:3]:
            await each.done()
        await hands.until(WINDOW + 3)
    consumer.cancel()
    await asyncio.wait({consumer})


async def test_what_came_back_too_often_is_a_dead_letter(broker: Broker, house: House) -> None:
    """Nobody is told when the server itself stops delivering."""
    poison = parcel(topic=WORKER)
    await broker.publish([poison])
    for returns in range(RETURNS + 1):
        hands = Idle()
        consumer = asyncio.create_task(broker.consume(WORKER, hands, concurrency=4))
        [held] = await hands.until(1)
        assert held.returns == returns
        consumer.cancel()
        await asyncio.wait({consumer})
    bus, heard, buried = BrokerBus(broker, house.store, CLOCK, SETTINGS), Heard(), Heard()
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        task = group.create_task(bus.subscribe(WORKER, heard, concurrency=4, on_dead=buried))
        await buried.until(1)
        while not (letters := await bus.dead()):  # noqa: ASYNC110  nobody signals it
            await asyncio.sleep(0)
        task.cancel()
    assert heard.deliveries == []
    assert [(letter.id, letter.reason) for letter in letters] == [(poison.id, "exhausted")]


async def test_a_letter_that_two_people_replay_at_once_is_replayed_once(
    broker: Broker, house: House
) -> None:
    bus, heard, letter = BrokerBus(broker, house.store, CLOCK, SETTINGS), Heard(), parcel()

    async def fails(_: Delivery) -> None:
        raise ValueError

    await broker.publish([letter])
    async with consuming(bus, fails):
        while not await bus.dead():  # noqa: ASYNC110  nobody signals it
            await asyncio.sleep(0)
    assert sum(await asyncio.gather(bus.replay([letter.id]), bus.replay([letter.id]))) == 1
    last = parcel()
    await broker.publish([last])
    async with consuming(bus, heard):
        await heard.until(2)
    assert heard.ids == [letter.id, last.id]


async def test_a_topic_is_taken_over_from_a_process_that_hangs(
    nats: NATS, broker: Broker, house: House
) -> None:
    """Its connection stays open, so that for the server it is there."""
    from nats.aio.client import Client

    hung: Any = Client()
    taken = asyncio.Event()

    async def take(_: object) -> None:
        taken.set()
        await asyncio.Event().wait()

    await hung.connect(nats.url)
    sent = [parcel(topic=WORKER) for _ in range(3)]
    for each in sent:
        await broker.publish([each])
    await push_to(hung, SUBJECT, take)
    await taken.wait()
    heard = Heard()
    async with consuming(BrokerBus(broker, house.store, CLOCK, SETTINGS), heard, topic=WORKER):
        await heard.until(3)
    assert heard.ids == [each.id for each in sent]
    await hung.close()


async def test_a_process_that_leaves_while_it_is_asked_is_not_waited_for(
    nats: NATS, house: House
) -> None:
    """The question reaches its connection, but nobody there any more."""
    from nats.aio.client import Client

    leaving: Any = Client()
    await leaving.connect(nats.url)

    async def leave(message: Any) -> None:
        is_question = message.subject != SUBJECT and not message.headers
        if is_question:
            await subscription.unsubscribe()

    async with nats_broker(nats.url, answer_s=120) as broker:
        sent = parcel(topic=WORKER)
        await broker.publish([sent])
        subscription = await push_to(leaving, SUBJECT, leave)
        heard = Heard()
        async with (
            asyncio.timeout(30),
            consuming(BrokerBus(broker, house.store, CLOCK, SETTINGS), heard, topic=WORKER),
        ):
            await heard.until(1)
    assert heard.ids == [sent.id]
    await leaving.close()


async def test_a_topic_is_left_to_a_process_that_lives(nats: NATS, broker: Broker) -> None:
    await broker.publish([parcel(topic=WORKER)])
    first, second = Idle(), Idle()
    tasks = [asyncio.create_task(broker.consume(WORKER, first, concurrency=4))]
    await first.until(1)
    async with nats_broker(nats.url) as other:
        tasks.append(asyncio.create_task(other.consume(WORKER, second, concurrency=4)))
        async with beside(nats) as js:
            [before] = await js.consumers_info(NAME)
            await broker.publish([parcel(topic=WORKER)])
            await first.until(2)
            [after] = await js.consumers_info(NAME)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    assert before.created == after.created
    assert second.held == []


async def test_what_a_killed_server_brings_back_is_neither_counted_nor_delivered(
    nats: NATS, house: House
) -> None:
    """It may not have written down what was acknowledged."""
    sent, heard = [parcel() for _ in range(5)], Heard()

    async def effect(delivery: Delivery) -> None:
        if await house.store.write(lambda tx: tx.inbox.accept("test", delivery.id)):
            await heard(delivery)

    async with nats_broker(nats.url) as broker:
        bus = BrokerBus(broker, house.store, CLOCK, SETTINGS)
        async with consuming(bus, effect):
            for each in sent:
                await broker.publish([each])
            await heard.until(len(sent))
            while await bus.depths():  # noqa: ASYNC110  nobody signals it
                await asyncio.sleep(0.01)
            await asyncio.to_thread(nats.kill)
            await asyncio.to_thread(nats.start)
            last = parcel()
            while not await published(broker, last):  # noqa: ASYNC110  nobody signals it
                await asyncio.sleep(0.01)
            await heard.until(len(sent) + 1)
            while await bus.depths():  # noqa: ASYNC110  nobody signals it
                await asyncio.sleep(0.01)
    assert heard.ids == [each.id for each in [*sent, last]]


async def published(broker: Broker, each: Any) -> bool:
    try:
        return bool(await broker.publish([each]))
    except BusUnavailableError:
        return False


async def test_a_cluster_s_url_names_several_servers(nats: NATS) -> None:
    async with nats_broker(f"nats://127.0.0.1:1,{nats.address}") as broker:
        await broker.check()


async def test_it_signs_in_over_tls_and_tells_no_password(private: Private) -> None:
    server = private(SecureNATS)
    signed = "user:p%40ss@"
    async with nats_broker(server.secure_url(signed)) as broker:
        await broker.check()
        assert await broker.publish([parcel()])
    for url in (server.secure_url("user:wrong@"), server.secure_url("token@")):
        async with nats_broker(url) as broker:
            with pytest.raises(BusUnavailableError) as refused:
                await broker.check()
            assert "wrong" not in refused.value.message
    async with nats_broker(f"tls://{signed}{server.address}") as broker:
        with pytest.raises(BusUnavailableError):  # nobody vouches for its certificate
            await broker.check()


async def test_a_connection_that_nobody_says_is_lost_is_made_anew(nats: NATS) -> None:
    """As one that the server breaks off while it is made."""
    link = Link(nats.url, 20)
    first = await link.line()
    await first.client._close(Client.CLOSED, do_cbs=False)  # pyright: ignore[reportPrivateUsage]
    assert not first.lost.is_set()
    second = await link.line()
    assert second is not first
    assert second.client.is_connected
    await link.close()


async def test_who_waits_on_a_connection_that_nobody_says_is_lost_learns_of_it(nats: NATS) -> None:
    """As one that the driver fails to close in order."""
    link = Link(nats.url, 20)
    line = await link.line()
    waiting = asyncio.create_task(line.answer(asyncio.Event().wait()))
    await asyncio.sleep(0)
    await line.client._close(Client.CLOSED, do_cbs=False)  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(ConnectionClosedError):
        async with asyncio.timeout(5):
            await waiting
    await link.close()


async def test_a_consumer_that_the_server_cannot_describe_any_more_is_gone(
    nats: NATS, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when its stream is deleted while it is made; seen once, with a server 2.9."""
    link = Link(nats.url, 20)
    line = await link.line()

    async def nothing(*_: object, **__: object) -> dict[str, object]:
        return {"type": "io.nats.jetstream.api.v1.consumer_create_response"}

    monkeypatch.setattr(line.js, "_api_request", nothing)
    with pytest.raises(NotFoundError):
        await line.consumer("stream", ConsumerConfig(durable_name="name"))
    await link.close()
