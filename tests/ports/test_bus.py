"""What every adapter of Bus keeps, over a real store."""

import asyncio
from typing import cast

import pytest

from tertulia.domain.events import EVENTS, Event
from tertulia.ports.bus import Delivery, Retry
from tertulia.ports.store import StorageFullError, StoreUnavailableError
from tests.ports.buses import ATTEMPTS, EVENT, FUTURE, FutureEvent, Heard, Line


async def test_a_message_is_delivered_once(line: Line) -> None:
    heard = Heard()
    async with line.consuming(heard):
        ids = await line.send("k")
        [delivery] = await heard.until(1)
        await line.send("last")
        await heard.until(2)
    assert delivery.id == ids[0]
    assert (delivery.topic, delivery.key, delivery.attempts) == ("turns", "k", 1)
    assert delivery.event == EVENT
    async with line.consuming(heard):
        await line.send("k")
        await heard.until(3)
    assert len(set(heard.ids)) == 3


async def test_what_a_failed_unit_of_work_added_is_not_delivered(line: Line) -> None:
    heard = Heard()
    async with line.consuming(heard):
        with pytest.raises(ZeroDivisionError):
            await line.store.write(lambda tx: (tx.outbox.add("turns", "k", EVENT), 1 / 0))
        [sent] = await line.send("k")
        await heard.until(1)
    assert heard.ids == [sent]


async def test_messages_from_before_the_subscription_are_delivered(line: Line) -> None:
    heard = Heard()
    ids = await line.send("a", "b", "c")
    async with line.consuming(heard, concurrency=1):
        await heard.until(3)
    assert set(heard.ids) == set(ids)


async def test_other_topics_are_not_delivered(line: Line) -> None:
    heard = Heard()
    async with line.consuming(heard):
        await line.send("k", topic="others")
        [mine] = await line.send("k")
        await heard.until(1)
    assert heard.ids == [mine]


async def test_messages_of_a_key_are_handled_in_order_one_at_a_time(line: Line) -> None:
    heard = Heard()
    running: set[str] = set()

    async def handler(delivery: Delivery) -> None:
        assert delivery.key not in running
        running.add(delivery.key)
        await asyncio.sleep(0)
        running.remove(delivery.key)
        await heard(delivery)

    ids = await line.send(*"aabbaabbab")
    async with line.consuming(handler):
        await heard.until(10)
    for key, of_key in (("a", "0,1,4,5,8"), ("b", "2,3,6,7,9")):
        assert [d.id for d in heard.deliveries if d.key == key] == [
            ids[int(index)] for index in of_key.split(",")
        ]


async def test_a_message_that_failed_keeps_its_place(line: Line) -> None:
    heard = Heard()

    async def fails_once(delivery: Delivery) -> None:
        await heard(delivery)
        if len(heard.deliveries) == 1:
            raise ValueError

    first, second = await line.send("k", "k")
    async with line.consuming(fails_once):
        await heard.until(3)
    assert heard.ids == [first, first, second]


async def test_keys_run_side_by_side_up_to_the_concurrency(line: Line) -> None:
    heard = Heard()
    gate = asyncio.Event()

    async def handler(delivery: Delivery) -> None:
        await heard(delivery)
        await gate.wait()

    await line.send(*"abcde")
    async with line.consuming(handler, concurrency=3):
        await heard.until(3)
        other = Heard()
        async with line.consuming(other, topic="others"):
            await line.send("x", topic="others")
            await other.until(1)  # there was time enough to start a fourth
        assert len(heard.deliveries) == 3
        gate.set()
        await heard.until(5)


async def test_a_message_that_keeps_failing_becomes_a_dead_letter(line: Line) -> None:
    heard = Heard()

    async def fails(delivery: Delivery) -> None:
        await heard(delivery)
        msg = "what the person wrote"
        raise ValueError(msg)

    buried = Heard()
    [sent] = await line.send("k")
    async with line.consuming(fails, on_dead=buried):
        await buried.until(1)
        [after] = await line.send("k")  # its place is free now
        while after not in heard.ids:  # noqa: ASYNC110  a broker may bring the first once more
            await asyncio.sleep(0)
    assert [d.attempts for d in heard.deliveries[:ATTEMPTS]] == list(range(1, ATTEMPTS + 1))
    assert heard.ids[:ATTEMPTS] == [sent] * ATTEMPTS
    [letter] = await line.bus.dead(topic="turns")
    assert (letter.id, letter.kind, letter.attempts) == (sent, "turn_requested", ATTEMPTS)
    assert letter.reason == "ValueError"  # its type, never its message
    assert await line.bus.dead(topic="others") == []
    assert await line.bus.dead() == [letter]


async def test_a_dead_letter_can_be_replayed(line: Line) -> None:
    heard = Heard()
    [sent] = await line.send("k")
    broken = {sent}

    async def handler(delivery: Delivery) -> None:
        if delivery.id in broken:
            raise ValueError
        await heard(delivery)

    async with line.consuming(handler):
        await line.send("k")  # comes when the first has left its place
        await heard.until(1)
        broken.clear()
        assert await line.bus.replay([sent, "unknown"]) == 1
        [_, replayed] = await heard.until(2)
    assert (replayed.id, replayed.attempts) == (sent, 1)
    assert await line.bus.dead() == []
    assert await line.bus.replay([sent]) == 0


async def test_on_dead_that_fails_does_not_keep_the_message(line: Line) -> None:
    heard = Heard()
    [poison, healthy] = await line.send("k", "k")

    async def fails(delivery: Delivery) -> None:
        if delivery.id == poison:
            raise ValueError
        await heard(delivery)

    async with line.consuming(fails, on_dead=fails):
        await heard.until(1)
    assert heard.ids == [healthy]
    assert [letter.id for letter in await line.bus.dead()] == [poison]


async def test_asking_for_another_time_is_no_failed_attempt(line: Line) -> None:
    heard = Heard()
    times = 3 * ATTEMPTS

    async def busy(delivery: Delivery) -> None:
        await heard(delivery)
        if len(heard.deliveries) < times:
            raise Retry(0.001)

    await line.send("k")
    async with line.consuming(busy):
        await heard.until(times)
    assert {delivery.attempts for delivery in heard.deliveries} == {1}
    assert await line.bus.dead() == []


@pytest.mark.parametrize("trouble", [StoreUnavailableError, StorageFullError])
async def test_trouble_of_the_store_is_no_failed_attempt(
    line: Line, trouble: type[Exception]
) -> None:
    heard = Heard()

    async def handler(delivery: Delivery) -> None:
        await heard(delivery)
        if len(heard.deliveries) <= ATTEMPTS:
            raise trouble

    await line.send("k")
    async with line.consuming(handler):
        await heard.until(ATTEMPTS + 1)
    assert await line.bus.dead() == []


async def test_what_is_cancelled_is_handed_back_at_once_and_counts_no_attempt(line: Line) -> None:
    heard = Heard()

    async def endless(delivery: Delivery) -> None:
        await heard(delivery)
        await asyncio.Event().wait()

    for _ in range(2 * ATTEMPTS):
        await line.send("a", "b")
    for turn in range(1, 2 * ATTEMPTS):
        async with line.consuming(endless):
            await heard.until(2 * turn)
    assert {delivery.attempts for delivery in heard.deliveries} == {1}


async def test_a_handler_may_end_its_work_in_order_when_cancelled(line: Line) -> None:
    heard = Heard()

    async def orderly(delivery: Delivery) -> None:
        await heard(delivery)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await line.store.write(lambda _: None)

    [first, second] = await line.send("k", "k")
    async with line.consuming(orderly):
        await heard.until(1)
    assert heard.ids == [first]  # the next one is not begun
    async with line.consuming(heard):
        await heard.until(2)
    assert heard.ids == [first, second]


async def test_a_handler_that_meets_trouble_when_cancelled_is_not_called_again(line: Line) -> None:
    heard = Heard()

    async def unlucky(delivery: Delivery) -> None:
        await heard(delivery)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise StoreUnavailableError from None

    [sent] = await line.send("k")
    async with line.consuming(unlucky):
        await heard.until(1)
    assert heard.ids == [sent]
    async with line.consuming(heard):
        await heard.until(2)
    assert heard.ids == [sent, sent]


async def test_a_handler_that_hangs_is_cancelled_and_has_failed(line: Line) -> None:
    heard = Heard()

    async def hangs_once(delivery: Delivery) -> None:
        await heard(delivery)
        if len(heard.deliveries) == 1:
            await asyncio.Event().wait()

    await line.send("k")
    async with line.consuming(hangs_once):
        [_, again] = await heard.until(2)
    assert again.attempts == 2


async def test_a_message_that_kills_its_process_is_not_tried_for_ever(line: Line) -> None:
    """No handler of it ever comes to an end, so nobody reports a failure."""
    heard, buried = Heard(), Heard()
    [poison] = await line.send("k")
    for _ in range(line.lives):
        await line.take_and_die("turns")
    [healthy] = await line.send("k")
    async with line.consuming(heard, on_dead=buried):
        await buried.until(1)
        await heard.until(1)
    assert heard.ids == [healthy]
    [letter] = await line.bus.dead()
    assert (letter.id, letter.reason) == (poison, "exhausted")


async def test_a_message_of_another_version_waits_for_a_process_of_that_version(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard, patient = Heard(), line.bus_of(3600)
    unknown = await line.store.write(lambda tx: tx.outbox.add("turns", "k", FUTURE))
    [later] = await line.send("k")
    [other] = await line.send("j")
    async with line.consuming(heard, bus=patient):
        await heard.until(1)
    assert set(heard.ids) == {other}
    assert await patient.dead() == []
    monkeypatch.setitem(cast("dict[str, type[Event]]", EVENTS), FUTURE.kind, FutureEvent)
    async with line.consuming(heard, bus=patient):
        while later not in heard.ids:
            await heard.until(len(heard.ids) + 1)
    assert list(dict.fromkeys(heard.ids)) == [other, unknown, later]


async def test_a_message_that_no_version_knows_is_a_dead_letter_and_no_loop(line: Line) -> None:
    heard = Heard()
    unknown = await line.store.write(lambda tx: tx.outbox.add("turns", "k", FUTURE))
    async with line.consuming(heard):
        [known] = await line.send("k")
        await heard.until(1)
    assert heard.ids == [known]
    [letter] = await line.bus.dead()
    assert (letter.id, letter.kind, letter.reason) == (unknown, "future", "UnknownEventError")


async def test_what_waits_is_counted_by_topic(line: Line) -> None:
    await line.send("a", "b", "c")
    await line.send("a", topic="others")
    await line.settled()
    waiting = {depth.topic: depth.waiting for depth in await line.bus.depths()}
    assert waiting == {"turns": 3, "others": 1}
