"""Who writes a reply that finds no place at its worker."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from tertulia.adapters.memory.leases import MemoryLeases
from tertulia.domain.conversations import ASSISTANT
from tertulia.domain.events import ReplyRequested, inference_topic, workers_group
from tertulia.domain.messages import Message, Status
from tertulia.kit.clock import SystemClock
from tertulia.kit.ids import new_id
from tertulia.ports.bus import Delivery
from tertulia.ports.leases import LeasesUnavailableError, Member
from tertulia.ports.store import MessageChange
from tertulia.roles.inference.service.colleagues import Colleagues
from tertulia.roles.inference.service.desk import Desk
from tests.roles.house import PATIENCE_S, House, within
from tests.roles.inference.reading import QUEUE, QUICK, Open
from tests.roles.inference.script import DONE, ScriptModel

GROUP = workers_group(ASSISTANT.id)
ONE_PLACE = QUICK.model_copy(update={"capacity": 1})
OTHER = QUICK.model_copy(update={"worker": "other"})


async def requested(house: House) -> tuple[Message, ReplyRequested]:
    reply = await house.ask("hello")
    return reply, await house.requested(reply)


async def send(house: House, request: ReplyRequested) -> None:
    await house.store.write(lambda tx: tx.outbox.add(QUEUE, request.conversation_id, request))


async def test_what_finds_no_place_is_written_once_by_a_worker_with_room(opened: Open) -> None:
    gate = asyncio.Event()
    here, there = ScriptModel(["here", gate, DONE]), ScriptModel(["there", DONE])
    async with opened(here, ONE_PLACE) as house:
        other = replace(house, model=there, inference=OTHER)
        async with other.running("inference"):
            async with asyncio.timeout(PATIENCE_S):
                while not await house.leases.members(GROUP):  # noqa: ASYNC110  claims are not signalled
                    await asyncio.sleep(0)
            async with house.running("inference"):
                first, request = await requested(house)
                await send(house, request)
                await house.until(first, Status.STREAMING)
                second, request = await requested(house)
                await send(house, request)
                moved = await house.until(second)
                assert (moved.status, moved.text, moved.epoch) == (Status.COMPLETE, "there", 2)
                gate.set()
                stayed = await house.until(first)
                assert (stayed.status, stayed.text, stayed.epoch) == (Status.COMPLETE, "here", 1)
                await send(house, request)  # as after an answer to the bus that got lost
                await house.handled(QUEUE)
                assert await house.now(second) == moved
    assert (len(here.requests), len(there.requests)) == (1, 1)


class WatchedLeases(MemoryLeases):
    """Lets a test wait until the desk has looked around; `away`: it cannot be told who is there."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.away = False
        self._looks = 0
        self._looked = asyncio.Event()

    async def members(self, group: str) -> Sequence[Member]:
        self._looks += 1
        self._looked.set()
        if self.away:
            raise LeasesUnavailableError(group=group)
        return await super().members(group)

    async def look(self) -> None:
        """Returns once a look that began after this has come to nothing, and the next begins."""
        until = self._looks + 2
        async with asyncio.timeout(PATIENCE_S):
            while self._looks < until:
                self._looked.clear()
                await self._looked.wait()


class BrokenHandlerError(Exception):
    pass


@dataclass(kw_only=True)
class Counter:
    """A desk with one place, at which everybody sits until `leave` is set."""

    house: House
    broken: bool = False
    leases: WatchedLeases = field(default_factory=WatchedLeases)
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    seated: asyncio.Event = field(default_factory=asyncio.Event)
    handled: list[str] = field(default_factory=list[str])
    """The replies that got the place, in order."""
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        colleagues = Colleagues(self.house.store, self.leases, ASSISTANT.id, "local")
        self.desk = Desk(self._handle, colleagues, 1, look_s=0.001)

    async def bring(self, request: ReplyRequested) -> None:
        """Returns once the request is handled, here or by having gone elsewhere."""
        delivery = Delivery(
            id=new_id(),
            topic=QUEUE,
            key=request.conversation_id,
            event=request,
            attempts=1,
            created_at=self.house.clock.now(),
        )
        await within(self.desk.on_reply_requested(delivery))

    async def claim(self, worker: str, *, load: int, capacity: int = 4) -> int:
        """A worker's place among the others, and what it tells of itself."""
        fence = await self.leases.claim(GROUP, worker, capacity=capacity, ttl_s=600)
        assert fence is not None
        await self.tell(worker, fence, load=load)
        return fence

    async def tell(self, worker: str, fence: int, *, load: int) -> None:
        await self.leases.renew(GROUP, worker, fence, ttl_s=600, load=load)

    async def queued(self, worker: str) -> int:
        topic = inference_topic(ASSISTANT.id, worker)
        depths = await self.house.store.read(lambda tx: tx.queue.depths())
        return sum(depth.waiting for depth in depths if depth.topic == topic)

    async def _handle(self, delivery: Delivery) -> None:
        assert isinstance(delivery.event, ReplyRequested)
        if self.broken:
            raise BrokenHandlerError
        self.handled.append(delivery.event.reply_id)
        self.seated.set()
        await self.leave.wait()


@asynccontextmanager
async def taken(house: House) -> AsyncGenerator[Counter]:
    """A counter at whose place somebody sits; leaving it, everybody has been seen to."""
    counter = Counter(house=house)
    async with asyncio.TaskGroup() as group:
        group.create_task(counter.bring((await requested(house))[1]))
        await within(counter.seated.wait())
        yield counter
        counter.leave.set()


@asynccontextmanager
async def waiting(counter: Counter, *requests: ReplyRequested) -> AsyncGenerator[None]:
    """They find no place; leaving, the place is free and they have been seen to."""
    async with asyncio.TaskGroup() as group:
        for request in requests:
            group.create_task(counter.bring(request))
        await counter.leases.look()
        yield
        counter.leave.set()


async def test_what_waits_goes_as_soon_as_somebody_has_room(opened: Open) -> None:
    async with opened(ScriptModel([DONE])) as house, taken(house) as counter:
        fence = await counter.claim("other", load=4)
        reply, request = await requested(house)
        bringing = asyncio.create_task(counter.bring(request))
        await counter.leases.look()
        assert counter.desk.in_hand == 2, "routers are told of those who wait as well"
        await counter.tell("other", fence, load=3)
        await bringing
        assert await counter.queued("other") == 1
        assert (await house.now(reply)).epoch == 2
        assert counter.desk.in_hand == len(counter.handled) == 1


async def test_what_nobody_has_room_for_gets_the_next_place(opened: Open) -> None:
    async with opened(ScriptModel([DONE])) as house, taken(house) as counter:
        await counter.claim("other", load=4)
        reply, request = await requested(house)
        async with waiting(counter, request):
            assert reply.id not in counter.handled
        assert counter.handled[1:] == [reply.id]
        assert await counter.queued("other") == 0
        assert (await house.now(reply)).epoch == 1


async def test_what_cannot_be_told_of_others_keeps_work_here(opened: Open) -> None:
    async with opened(ScriptModel([DONE])) as house, taken(house) as counter:
        await counter.claim("other", load=0)
        counter.leases.away = True
        reply, request = await requested(house)
        async with waiting(counter, request):
            pass
        assert counter.handled[1:] == [reply.id]


async def test_nobody_hands_over_to_itself(opened: Open) -> None:
    """Its own load is as old as the others' when it is read from the leases."""
    async with opened(ScriptModel([DONE])) as house, taken(house) as counter:
        await counter.claim("local", load=0)
        reply, request = await requested(house)
        async with waiting(counter, request):
            pass
        assert counter.handled[1:] == [reply.id]
        assert await counter.queued("local") == 0


async def test_what_was_sent_counts_until_it_can_be_told(opened: Open) -> None:
    async with opened(ScriptModel([DONE])) as house, taken(house) as counter:
        await counter.claim("other", load=3)
        first, second = [(await requested(house))[1] for _ in "ab"]
        async with waiting(counter, first, second):
            while not await counter.queued("other"):
                await counter.leases.look()
            await counter.leases.look()
        assert await counter.queued("other") == 1
        assert len(counter.handled) == 2


@pytest.mark.parametrize(
    "since",
    [
        pytest.param(MessageChange(status=Status.STREAMING, text="so far"), id="begun"),
        pytest.param(MessageChange(epoch=1, next_epoch=2), id="another's by now"),
        pytest.param(MessageChange(status=Status.CANCELLED), id="over"),
    ],
)
async def test_only_a_reply_that_waits_for_this_request_is_handed_over(
    opened: Open, since: MessageChange
) -> None:
    """What else there is to do is for the handler to judge."""
    async with opened(ScriptModel([DONE])) as house, taken(house) as counter:
        await counter.claim("other", load=0)
        reply, request = await requested(house)
        changed = await house.change(reply, since)
        async with waiting(counter, request):
            pass
        assert counter.handled[1:] == [reply.id]
        assert await counter.queued("other") == 0
        assert await house.now(reply) == changed


@pytest.mark.parametrize("waits", [True, False])
async def test_what_is_cancelled_while_the_worker_stays_goes_back_to_its_queue(
    opened: Open, *, waits: bool
) -> None:
    """Its queue is in other hands, or will be again in a moment."""
    async with opened(ScriptModel([DONE])) as house:
        counter = Counter(house=house)
        await counter.claim("other", load=4)
        bringing = [
            asyncio.create_task(counter.bring((await requested(house))[1]))
            for _ in range(1 + waits)
        ]
        await within(counter.seated.wait())
        if waits:
            await counter.leases.look()
        bringing[-1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await bringing[-1]
        assert await counter.queued("other") == 0
        counter.leave.set()
        await asyncio.wait(bringing)


async def test_a_handler_that_fails_leaves_its_place(opened: Open) -> None:
    async with opened(ScriptModel([DONE])) as house:
        counter = Counter(house=house, broken=True)
        for _ in range(2):
            with pytest.raises(BrokenHandlerError):
                await counter.bring((await requested(house))[1])
        assert counter.desk.in_hand == 0
