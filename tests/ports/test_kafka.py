"""Kafka beyond the port: its traps, and several processes at one topic."""

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tertulia.adapters.broker_bus.bus import BrokerBus
from tertulia.adapters.kafka.broker import open_kafka
from tertulia.adapters.kafka.settings import KafkaSettings
from tertulia.domain.events import inference_topic
from tertulia.domain.ids import CharacterId
from tertulia.ports.broker import Broker, Parcel
from tertulia.ports.bus import BusUnavailableError, Delivery
from tests.ports import kafka_member
from tests.ports.brokers import WORKER, consuming, parcel
from tests.ports.buses import CLOCK, SETTINGS, Heard, kafka_broker
from tests.roles.house import House, open_house
from tests.servers.fixtures import Private
from tests.servers.kafka import Kafka, SecuredKafka

pytestmark = pytest.mark.server

driver: Any = import_module("aiokafka")  # it has no types
administration: Any = import_module("aiokafka.admin")
configs: Any = import_module("aiokafka.admin.config_resource")


@pytest.fixture
def name(kafka: Kafka) -> str:
    return kafka.prefix()


@pytest.fixture
async def broker(kafka: Kafka, name: str) -> AsyncGenerator[Broker]:
    async with kafka_broker(kafka.url, name=name) as opened:
        yield opened


@pytest.fixture
async def admin(kafka: Kafka) -> AsyncGenerator[Any]:
    client = administration.AIOKafkaAdminClient(bootstrap_servers=kafka.address)
    await client.start()
    yield client
    await client.close()


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


@pytest.fixture
def bus(broker: Broker, house: House) -> BrokerBus:
    return BrokerBus(broker, house.store, CLOCK, SETTINGS)


async def waiting(broker: Broker) -> Mapping[str, int]:
    return {depth.topic: depth.waiting for depth in await broker.depths()}


async def until_waiting(broker: Broker, expected: Mapping[str, int]) -> None:
    async with asyncio.timeout(30):
        while await waiting(broker) != expected:  # noqa: ASYNC110  nobody signals it
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("is_late", [False, True])
async def test_what_is_not_confirmed_in_time_is_kept_once(
    private: Private, *, is_late: bool
) -> None:
    """It is on its way when the broker dies, and is carried again when it is back; also when it
    was kept (late) before anybody asked again."""
    server, sent, after = private(Kafka), parcel(), parcel()
    async with kafka_broker(server.url, confirm_s=6) as broker:
        await carried(broker, parcel("first"))
        server.kill()
        for _ in range(2):
            with pytest.raises(BusUnavailableError):
                await broker.publish([sent])
        await asyncio.to_thread(server.start)
        if is_late:
            await until_waiting(broker, {"turns": 2})
        assert await carried(broker, sent) == {sent.id}
        assert await carried(broker, after) == {after.id}
        assert (await waiting(broker)) == {"turns": 3}


async def test_a_letter_is_sent_again_though_it_was_confirmed_late(
    private: Private, house: House, name: str
) -> None:
    server, heard, sent = private(Kafka), Heard(), parcel()
    broken = {sent.id}

    async def handler(delivery: Delivery) -> None:
        if delivery.id in broken:
            raise ValueError
        await heard(delivery)

    async with kafka_broker(server.url, name=name, confirm_s=2) as broker:
        await carried(broker, parcel("first"))
        server.kill()
        with pytest.raises(BusUnavailableError):
            await broker.publish([sent])
        await asyncio.to_thread(server.start)
        await until_waiting(broker, {"turns": 2})  # and nobody asks whether it was confirmed
        bus = BrokerBus(broker, house.store, CLOCK, SETTINGS)
        async with consuming(bus, handler):
            while not await bus.dead():  # noqa: ASYNC110  nobody signals it
                await asyncio.sleep(0.01)
            broken.clear()
            assert await bus.replay([sent.id]) == 1
            await heard.until(2)
    assert sent.id in heard.ids


async def carried(broker: Broker, sent: Parcel) -> frozenset[str]:
    """As the relay does it."""
    async with asyncio.timeout(60):
        while True:
            try:
                return await broker.publish([sent])
            except BusUnavailableError:
                await asyncio.sleep(0.1)


async def test_a_member_comes_back_to_its_group_as_the_one_it_was(
    private: Private, house: House, name: str
) -> None:
    """As another one it would wait until Kafka gives up on the first."""
    server, heard, group = private(Kafka), Heard(), f"{name}.turns"
    async with (
        kafka_broker(server.url, name=name, session_s=20) as broker,
        consuming(BrokerBus(broker, house.store, CLOCK, SETTINGS), heard),
    ):
        await carried(broker, parcel())
        await heard.until(1)
        before, lost = await members(server, group), times_lost()
        server.kill()
        async with asyncio.timeout(60):
            while times_lost() < lost + 3:  # noqa: ASYNC110  nobody signals it
                await asyncio.sleep(0.1)
        await asyncio.to_thread(server.start)
        await carried(broker, parcel())
        await heard.until(2)
        assert len(before) == 1
        assert await members(server, group) == before


def times_lost() -> float:
    return REGISTRY.get_sample_value("tertulia_bus_broker_lost_total", {"topic": "turns"}) or 0.0


async def members(server: Kafka, group: str) -> frozenset[str]:
    """Of a group, by the names that Kafka gave them."""
    admin = administration.AIOKafkaAdminClient(bootstrap_servers=server.address)
    await admin.start()
    [answer] = await admin.describe_consumer_groups([group])
    await admin.close()
    [(_, _, _, _, _, found, *_)] = answer.groups
    return frozenset(member[0] for member in found)


async def test_a_topic_that_was_deleted_is_consumed_when_it_is_back(
    admin: Any, broker: Broker, bus: BrokerBus, name: str
) -> None:
    heard, sent = Heard(), [parcel() for _ in range(4)]
    async with consuming(bus, heard):
        for each in sent[:3]:
            await broker.publish([each])
        await heard.until(3)
        await until_waiting(broker, {})
        await admin.delete_topics([f"{name}.turns"])
        assert await carried(broker, sent[3]) == {sent[3].id}
        await heard.until(4)
    assert heard.ids == [each.id for each in sent]


async def test_a_message_that_is_too_large_is_refused_alone(
    admin: Any, broker: Broker, name: str
) -> None:
    small, later = parcel("a"), parcel("a")
    await broker.publish([parcel("a")])
    limit = configs.ConfigResource(
        configs.ConfigResourceType.TOPIC, f"{name}.turns", {"max.message.bytes": "4000"}
    )
    await admin.alter_configs([limit])
    for length in (5_000, 2_000_000):  # for the broker; for the driver already
        large = Parcel(id=f"large-{length}", topic="turns", key="b", data=b"x" * length)
        assert large.id not in await broker.publish([large, small])
    assert await broker.publish([later]) == {later.id}


async def test_a_topic_that_kafka_refuses_holds_up_no_others(broker: Broker) -> None:
    assistant = CharacterId("assistant")
    first, refused = (parcel("k", inference_topic(assistant, worker)) for worker in ("a.b", "a_b"))
    other = parcel()
    assert await broker.publish([first, refused, other]) == {first.id, other.id}


async def test_topics_keep_what_is_not_done_whatever_its_age(
    admin: Any, broker: Broker, name: str
) -> None:
    await broker.publish([parcel(), parcel(topic=WORKER)])
    await broker.letters(limit=1)
    found = await admin.describe_topics([f"{name}.turns", f"{name}.{WORKER}", f"{name}.dead"])
    counts = {each["topic"]: len(each["partitions"]) for each in found}
    assert counts == {f"{name}.turns": 3, f"{name}.{WORKER}": 1, f"{name}.dead": 1}
    for topic in counts:
        options = await described(admin, topic)
        assert options["retention.ms"] == options["retention.bytes"] == "-1"
        assert options["unclean.leader.election.enable"] == "false"
        assert options["min.insync.replicas"] == "1"
        assert options["cleanup.policy"] == ("compact" if topic.endswith("dead") else "delete")


async def described(admin: Any, topic: str) -> dict[str, str]:
    kind = configs.ConfigResourceType.TOPIC
    [answer] = await admin.describe_configs([configs.ConfigResource(kind, topic)])
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}


async def test_what_is_done_is_dropped_by_kafka(
    kafka: Kafka, broker: Broker, bus: BrokerBus, name: str
) -> None:
    heard = Heard()
    place = driver.TopicPartition(f"{name}.{WORKER}", 0)
    async with (
        consuming(bus, heard, topic=WORKER),
        driver.AIOKafkaConsumer(bootstrap_servers=kafka.address) as reader,
    ):
        for _ in range(3):
            await broker.publish([parcel(topic=WORKER)])
        await heard.until(3)
        while (await reader.beginning_offsets([place]))[place] < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_hole_is_not_committed(broker: Broker, bus: BrokerBus) -> None:
    heard, gate, sent = Heard(), asyncio.Event(), [parcel(k, WORKER) for k in ("slow", "a", "b")]

    async def handler(delivery: Delivery) -> None:
        if delivery.key == "slow":
            await gate.wait()
        await heard(delivery)

    for each in sent:
        await broker.publish([each])
    async with consuming(bus, handler, topic=WORKER):
        await heard.until(2)
    assert await waiting(broker) == {WORKER: 3}
    gate.set()
    async with consuming(bus, handler, topic=WORKER):
        await heard.until(5)
        await until_waiting(broker, {})
    assert sorted(heard.ids[2:]) == sorted(each.id for each in sent)


async def test_a_handler_may_take_longer_than_a_session(kafka: Kafka, house: House) -> None:
    """Whoever does not poll for so long is put out of the group: we poll all the time."""
    heard, name, session_s = Heard(), kafka.prefix(), 1.0

    async def slow(delivery: Delivery) -> None:
        await asyncio.sleep(2 * session_s)
        await heard(delivery)

    settings = SETTINGS.model_copy(update={"handling_max_s": 30})
    async with kafka_broker(kafka.url, name=name, session_s=session_s) as broker:
        sent = [parcel(), parcel()]
        for each in sent:
            await broker.publish([each])
        async with consuming(BrokerBus(broker, house.store, CLOCK, settings), slow):
            await heard.until(2)
            await until_waiting(broker, {})
    assert heard.ids == [each.id for each in sent]


async def test_a_process_that_hung_commits_nothing_any_more(
    kafka: Kafka, broker: Broker, name: str
) -> None:
    await broker.publish([Parcel(id="1", topic=WORKER, key="k", data=b"one")])
    async with member(kafka, name) as hung:
        assert await told(hung) == "took 0 one"
        hung.send_signal(signal.SIGSTOP)
        async with member(kafka, name) as other:
            assert await told(other) == "took 1 one"
            hung.send_signal(signal.SIGCONT)
            await done(hung)
            assert await waiting(broker) == {WORKER: 1}
            other.kill()
    async with member(kafka, name) as survivor:
        assert (await told(survivor)).endswith("one")
        await done(survivor)
    assert await waiting(broker) == {}


async def test_what_a_killed_process_had_comes_again_and_is_counted(
    kafka: Kafka, broker: Broker, name: str
) -> None:
    await broker.publish([Parcel(id="1", topic=WORKER, key="k", data=b"one")])
    for lives in range(3):
        async with member(kafka, name) as mortal:
            assert await told(mortal) == f"took {lives} one"
            mortal.kill()
    async with member(kafka, name) as survivor:
        assert await told(survivor) == "took 3 one"
        await done(survivor)
    assert await waiting(broker) == {}


@asynccontextmanager
async def member(kafka: Kafka, name: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(kafka_member.__file__), kafka.url, name, WORKER),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    try:
        async with asyncio.timeout(60):
            yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def told(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def done(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    assert await process.wait() == 0


async def test_a_cluster_with_too_few_nodes_is_not_ready(kafka: Kafka, name: str) -> None:
    async with open_kafka(
        kafka.url, KafkaSettings(replication=3), name=name, confirm_s=5
    ) as broker:
        with pytest.raises(BusUnavailableError, match="1 of the 2 nodes"):
            await broker.check()
        with pytest.raises(BusUnavailableError, match="InvalidReplicationFactor"):
            await broker.publish([parcel()])


async def test_users_sign_in_over_tls(private: Private) -> None:
    server = private(SecuredKafka)
    settings = KafkaSettings(replication=1, mechanism="PLAIN", authorities=server.authorities)
    sent = parcel()
    async with open_kafka(server.url, settings, name="test", confirm_s=10) as broker:
        await broker.check()
        assert await broker.publish([sent]) == {sent.id}
    wrong = server.url.replace("secret", "wrong")
    for url, given in ((wrong, settings), (server.url, KafkaSettings(mechanism="PLAIN"))):
        async with open_kafka(url, given, name="test", confirm_s=5) as broker:
            with pytest.raises(BusUnavailableError) as raised:
                await broker.check()
            assert "wrong" not in raised.value.message
            assert "secret" not in raised.value.message
