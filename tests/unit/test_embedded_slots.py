"""The queue before the model, without a model."""

import asyncio

import pytest

from tertulia.adapters.embedded.slots import Slots, TooManyWaitingError


def test_free_slot_is_given_at_once() -> None:
    slots = Slots(2, waiting=0)
    taken = [slots.enter("a").slot, slots.enter("b").slot]
    assert sorted(taken, key=str) == [0, 1]


def test_first_come_is_first_served() -> None:
    slots = Slots(1, waiting=9)
    holder, first, second = slots.enter(None), slots.enter(None), slots.enter(None)
    assert (first.ahead, second.ahead) == (0, 1)
    slots.leave(holder)
    assert (first.slot, second.slot, second.ahead) == (0, None, 0)


def test_background_goes_after_all_others() -> None:
    slots = Slots(1, waiting=9)
    holder = slots.enter(None)
    title, person = slots.enter(None, background=True), slots.enter(None)
    assert (title.ahead, person.ahead) == (1, 0)
    slots.leave(holder)
    assert person.slot == 0
    slots.leave(person)
    assert title.slot == 0


def test_background_never_takes_the_last_of_several_slots() -> None:
    slots = Slots(2, waiting=9)
    first, second = slots.enter(None, background=True), slots.enter(None, background=True)
    assert first.slot is not None
    assert second.slot is None
    assert slots.enter(None).slot is not None
    slots.leave(first)
    assert second.slot is not None


def test_conversation_gets_the_slot_it_had() -> None:
    slots = Slots(3, waiting=9)
    tickets = {name: slots.enter(name) for name in "abc"}
    had = {name: ticket.slot for name, ticket in tickets.items()}
    for name in "cab":
        slots.leave(tickets[name])
    assert {name: slots.enter(name).slot for name in "bca"} == had


def test_newcomer_gets_the_slot_that_was_used_longest_ago() -> None:
    slots = Slots(2, waiting=9)
    first, second = slots.enter("a"), slots.enter("b")
    slots_had = first.slot, second.slot
    slots.leave(second)
    slots.leave(first)
    assert slots.enter("new").slot == slots_had[1]


def test_leaving_the_queue_moves_the_others_up() -> None:
    slots = Slots(1, waiting=9)
    slots.enter(None)
    first, second = slots.enter(None), slots.enter(None)
    slots.leave(first)
    assert second.ahead == 0


def test_leaving_twice_is_leaving_once() -> None:
    slots = Slots(1, waiting=9)
    holder = slots.enter(None)
    slots.leave(holder)
    slots.leave(holder)
    assert slots.enter(None).slot == 0
    assert slots.enter(None).slot is None


def test_full_queue_refuses_and_forgets() -> None:
    slots = Slots(1, waiting=1)
    holder, waiting = slots.enter(None), slots.enter(None)
    with pytest.raises(TooManyWaitingError):
        slots.enter(None)
    assert slots.waiting == [waiting]
    slots.leave(holder)
    slots.leave(waiting)
    assert slots.idle


async def test_ticket_wakes_its_owner_only_for_news() -> None:
    slots = Slots(1, waiting=9)
    holder, ticket = slots.enter(None), slots.enter(None)
    moved = asyncio.create_task(ticket.moved())
    last = slots.enter(None)
    slots.leave(last)
    await asyncio.sleep(0)
    assert not moved.done()
    slots.leave(holder)
    await moved
    assert ticket.slot == 0
