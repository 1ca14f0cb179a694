"""What the relay drops, reclaims and counts."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from tertulia.adapters.outbox_bus.bus import NothingToCarry
from tertulia.domain.conversations import ASSISTANT
from tertulia.domain.events import (
    TURNS,
    ReplyRequested,
    TurnRequested,
    inference_topic,
    inference_worker,
    workers_group,
)
from tertulia.domain.ids import ConversationId, MessageId
from tertulia.domain.messages import Status
from tertulia.ports.bus import Delivery
from tertulia.ports.store import (
    DeadMessage,
    MessageChange,
    QueuedMessage,
    StoreUnavailableError,
    Tx,
)
from tertulia.roles.relay.errors import DeadLetterMissingError
from tertulia.roles.relay.role import make_passes
from tertulia.roles.relay.service.dead_letters import replay_dead
from tertulia.roles.relay.service.passing import RelayReport, run_once
from tertulia.roles.relay.settings import RelaySettings
from tests.ports.stores import HandClock, turn_requested
from tests.ports.troubled_store import TroubledStore
from tests.roles.house import House

LEASE = timedelta(minutes=1)
DAY = timedelta(days=1)
GONE = inference_topic(ASSISTANT.id, "gone")
SETTINGS = RelaySettings(batch=3)


async def relay(house: House, settings: RelaySettings = SETTINGS) -> RelayReport:
    return await run_once(
        house.store, house.bus, NothingToCarry(), house.leases, house.clock, settings
    )


async def take(house: House, topic: str = TURNS) -> list[QueuedMessage]:
    return list(await house.store.write(lambda tx: tx.queue.take([topic], limit=99, lease=LEASE)))


async def settle_all(house: House, settlement: str = "done") -> None:
    taken = await take(house)

    def work(tx: Tx) -> None:
        for message in taken:
            assert settlement in {"done", "dead"}
            if settlement == "done":
                tx.queue.settle(message.id, message.fence, "done")
            else:
                tx.queue.settle(message.id, message.fence, "dead", reason="ValueError")

    await house.store.write(work)


async def send(house: House, count: int = 1) -> list[str]:
    return await house.store.write(
        lambda tx: [tx.outbox.add(TURNS, f"k{n}", turn_requested()) for n in range(count)]
    )


async def test_done_messages_are_dropped_after_their_time_batch_by_batch(
    house: House, clock: HandClock
) -> None:
    await send(house, 7)
    await settle_all(house)
    assert (await relay(house)).outbox == 0
    clock.pass_time(timedelta(seconds=SETTINGS.done_kept_s + 1))
    await send(house)
    report = await relay(house)
    assert report.outbox == 7
    assert [depth.waiting for depth in report.depths] == [1]


async def test_dead_letters_and_waiting_messages_are_never_dropped(
    house: House, clock: HandClock
) -> None:
    await send(house)
    await settle_all(house, "dead")
    await send(house)
    clock.pass_time(1000 * DAY)
    report = await relay(house)
    assert report.outbox == 0
    assert [(d.topic, d.waiting, d.dead) for d in report.depths] == [(TURNS, 1, 1)]


async def test_what_consumers_accepted_is_remembered_for_a_week(
    house: House, clock: HandClock
) -> None:
    for number in range(5):
        await house.store.write(lambda tx, n=number: tx.inbox.accept("c", f"m{n}"))
    clock.pass_time(6 * DAY)
    assert (await relay(house)).inbox == 0
    clock.pass_time(2 * DAY)
    assert (await relay(house)).inbox == 5


async def test_a_client_that_stayed_away_too_long_has_to_resync(
    house: House, clock: HandClock
) -> None:
    await house.conversation()
    owner = await house.store.write(lambda tx: tx.accounts.owner())
    clock.pass_time(31 * DAY)
    await house.conversation()
    assert (await relay(house)).feed == 1
    page = await house.store.read(lambda tx: tx.feed.read(owner.id, after=0, limit=9))
    assert page.resync
    late = await house.store.read(lambda tx: tx.feed.read(owner.id, after=1, limit=9))
    assert [change.seq for change in late.changes] == [2]


def reply_requested(number: int = 1) -> ReplyRequested:
    return ReplyRequested(
        conversation_id=ConversationId(f"c{number}"),
        message_id=MessageId(f"m{number}"),
        reply_id=MessageId(f"r{number}"),
        epoch=number,
    )


async def strand(house: House, *keys: str, topic: str = GONE) -> None:
    def work(tx: Tx) -> None:
        for number, key in enumerate(keys, 1):
            tx.outbox.add(topic, key, reply_requested(number))

    await house.store.write(work)


async def arrive(house: House, name: str) -> None:
    group = workers_group(ASSISTANT.id)
    await house.leases.claim(group, name, capacity=1, ttl_s=10**6)


async def test_work_of_a_worker_who_is_gone_is_routed_anew(house: House, clock: HandClock) -> None:
    await strand(house, "a", "a", "b", "a", "b")
    await arrive(house, "other")
    clock.pass_time(timedelta(seconds=SETTINGS.stranded_s + 1))
    report = await relay(house)
    assert (report.reclaimed, report.stranded) == (5, False)
    assert await take(house, GONE) == []
    events = [message.event() for message in await take(house)]
    assert all(isinstance(event, TurnRequested) for event in events)
    assert {(e.conversation_id, e.epoch) for e in events} == {(f"c{n}", n) for n in range(1, 6)}
    assert (await relay(house)).reclaimed == 0


@pytest.mark.parametrize(
    ("worker", "waited_s"),
    [
        ("gone", 31.0),  # it lives
        (None, 31.0),  # nobody is there to take it over
        ("other", SETTINGS.stranded_s - 1),  # it may be about to come back
    ],
)
async def test_work_that_has_a_worker_or_nowhere_to_go_stays(
    house: House, clock: HandClock, worker: str | None, waited_s: float
) -> None:
    await strand(house, "a")
    if worker is not None:
        await arrive(house, worker)
    clock.pass_time(timedelta(seconds=waited_s))
    report = await relay(house)
    assert (report.reclaimed, report.stranded) == (0, worker == "other")
    [message] = await take(house, GONE)
    assert message.attempts == 1


async def test_work_in_somebody_s_hands_is_left_alone(house: House, clock: HandClock) -> None:
    await strand(house, "a")
    await arrive(house, "other")
    await take(house, GONE)
    clock.pass_time(timedelta(seconds=31))
    assert (await relay(house)).reclaimed == 0


async def test_what_waits_is_told_to_the_operator(house: House, clock: HandClock) -> None:
    await send(house, 3)
    await settle_all(house, "dead")
    await send(house, 2)
    clock.pass_time(timedelta(seconds=42))
    await relay(house)

    def depth(state: str) -> float | None:
        return REGISTRY.get_sample_value("tertulia_queue_depth", {"topic": TURNS, "state": state})

    assert (depth("waiting"), depth("leased"), depth("dead")) == (2, 0, 3)
    oldest_s = REGISTRY.get_sample_value("tertulia_queue_oldest_seconds", {"topic": TURNS})
    assert oldest_s == pytest.approx(42, abs=0.01)


async def test_a_pass_may_be_repeated_at_once(house: House, clock: HandClock) -> None:
    """An outside cron may run beside the role."""
    await send(house, 7)
    await settle_all(house)
    clock.pass_time(DAY)
    reports = await asyncio.gather(relay(house), relay(house))
    assert sum(report.outbox for report in reports) == 7


async def test_a_store_in_trouble_costs_a_pass_and_not_the_role(house: House) -> None:
    store = TroubledStore(house.store)
    store.trouble = StoreUnavailableError()
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(
            make_passes(
                store,
                house.bus,
                NothingToCarry(),
                house.leases,
                house.clock,
                RelaySettings(every_s=0.001),
            )
        )
        await store.writes(2)
        store.trouble = None
        await store.writes(6)
        assert not task.done()
        task.cancel()


async def bury(house: House, count: int) -> list[DeadMessage]:
    await send(house, count)
    await settle_all(house, "dead")
    return list(await house.bus.dead())


async def test_dead_letters_are_replayed_all_or_by_topic_or_by_id(house: House) -> None:
    letters = await bury(house, 3)
    assert await replay_dead(house.bus, topic="others") == 0
    assert await replay_dead(house.bus, message_ids=[letters[0].id] * 2) == 1
    assert await replay_dead(house.bus, topic=TURNS) == 2
    assert await replay_dead(house.bus) == 0
    assert len(await take(house)) == 3


async def test_an_id_that_is_no_dead_letter_is_named_an_error_and_the_others_are_replayed(
    house: House,
) -> None:
    [letter] = await bury(house, 1)
    with pytest.raises(DeadLetterMissingError) as raised:
        await replay_dead(house.bus, message_ids=[letter.id, "unknown"])
    assert raised.value.data == {"asked": 2, "replayed": 1}
    assert [message.id for message in await take(house)] == [letter.id]


async def test_a_replayed_letter_comes_to_its_handler(house: House) -> None:
    [letter] = await bury(house, 1)
    heard = asyncio.get_running_loop().create_future()

    async def handler(delivery: Delivery) -> None:
        heard.set_result(delivery.id)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        task = group.create_task(house.bus.subscribe(TURNS, handler, concurrency=1))
        await replay_dead(house.bus)
        assert await heard == letter.id
        task.cancel()


@pytest.mark.parametrize("worker", ["local", "pod-3.workers", "a.b.c"])
def test_a_worker_s_queue_names_it(worker: str) -> None:
    assert inference_worker(inference_topic(ASSISTANT.id, worker)) == (ASSISTANT.id, worker)
    assert inference_worker(TURNS) is None


async def test_a_waiting_reply_is_routed_anew_under_a_new_epoch(
    house: House, clock: HandClock
) -> None:
    """A worker who comes back with the old request in hand must find that it is not its."""
    queued, begun = await house.ask("a"), await house.ask("b")
    await house.change(begun, MessageChange(status=Status.STREAMING))
    for reply in (queued, begun):
        request = replace(
            reply_requested(), conversation_id=reply.conversation_id, reply_id=reply.id
        )
        await house.store.write(
            lambda tx, event=request: tx.outbox.add(GONE, event.conversation_id, event)
        )
    await settle_all(house)  # what the two turns asked for first
    await arrive(house, "other")
    clock.pass_time(timedelta(seconds=SETTINGS.stranded_s + 1))
    assert (await relay(house)).reclaimed == 2
    assert (await house.now(queued)).epoch == 2
    assert (await house.now(begun)).epoch == 1, "its readers hold this epoch; it is ended"
    events = [message.event() for message in await take(house)]
    assert {(e.reply_id, e.epoch) for e in events if isinstance(e, TurnRequested)} == {
        (queued.id, 2),
        (begun.id, 1),
    }
