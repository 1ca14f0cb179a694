"""What a worker leaves to others when it is told to stop, or cannot run its model."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from tertulia.adapters.echo.model import EchoModel
from tertulia.adapters.memory.leases import MemoryLeases
from tertulia.domain.conversations import ASSISTANT
from tertulia.domain.events import inference_topic, workers_group
from tertulia.domain.ids import CharacterId
from tertulia.domain.messages import Message, Status
from tertulia.ports.chat_model import ChatModel, ModelUnavailableError
from tertulia.ports.leases import Leases
from tertulia.roles.inference.errors import WorkerInTroubleError
from tertulia.roles.inference.service.desk import WAITING_ROOM
from tertulia.roles.inference.settings import InferenceSettings
from tests.roles.house import PATIENCE_S, House
from tests.roles.inference.reading import QUEUE, QUICK, Open
from tests.roles.inference.script import DONE, ScriptModel, Step

GROUP = workers_group(ASSISTANT.id)
THERE = inference_topic(ASSISTANT.id, "other")
ONE_PLACE = QUICK.model_copy(update={"capacity": 1})


class BrokenHereError(ModelUnavailableError):
    """This process cannot run the model."""

    local = True


async def come(leases: Leases, *, load: int = 0) -> None:
    """Another worker, of one place; it only has a queue."""
    fence = await leases.claim(GROUP, "other", capacity=1, ttl_s=600)
    assert fence is not None
    await leases.renew(GROUP, "other", fence, ttl_s=600, load=load)


async def waiting(house: House, topic: str) -> int:
    depths = await house.store.read(lambda tx: tx.queue.depths())
    return sum(depth.waiting + depth.leased for depth in depths if depth.topic == topic)


async def names(house: House) -> list[str]:
    return [member.name for member in await house.leases.members(GROUP)]


@asynccontextmanager
async def at_work(house: House) -> AsyncGenerator[None]:
    """The worker, with turns routed to it; leaving tells it to stop."""
    async with house.running("inference"):
        async with asyncio.timeout(PATIENCE_S):
            while "local" not in await names(house):  # noqa: ASYNC110  claims are not signalled
                await asyncio.sleep(0)
        yield


@dataclass(frozen=True, slots=True)
class Asked:
    first: Message
    others: list[Message]


async def asked(house: House, first: Status, others: int) -> Asked:
    """The first reply gets the place, the others wait behind it."""
    async with house.running("preprocess"):
        one = await house.ask("hello")
        await house.until(one, first)
        more = [await house.ask("hello") for _ in range(others)]
        await house.handled("turns")
    return Asked(one, more)


async def test_what_has_not_been_begun_goes_to_others_when_a_worker_is_told_to_stop(
    opened: Open,
) -> None:
    """Also what it had not read yet, and though nobody has room."""
    behind = WAITING_ROOM + 8
    async with opened(ScriptModel(["begun", asyncio.Event()]), ONE_PLACE) as house:
        async with at_work(house):
            turns = await asked(house, Status.STREAMING, behind)
            await come(house.leases, load=1)
        assert await names(house) == ["other"]
        assert (await waiting(house, QUEUE), await waiting(house, THERE)) == (0, behind)
        moved = [await house.now(reply) for reply in turns.others]
        assert {(reply.status, reply.epoch) for reply in moved} == {(Status.QUEUED, 2)}
        begun = await house.now(turns.first)
        assert (begun.status, begun.text, begun.epoch) == (Status.INTERRUPTED, "begun", 1)


async def test_what_the_model_had_not_answered_yet_goes_along(opened: Open) -> None:
    model = ScriptModel([asyncio.Event()])
    async with opened(model) as house:
        async with at_work(house), house.running("preprocess"):
            reply = await house.ask("hello")
            await model.asked(1)
            await come(house.leases)
        assert (await waiting(house, QUEUE), await waiting(house, THERE)) == (0, 1)
        assert (await house.now(reply)).epoch == 2


@dataclass
class Announcing(MemoryLeases):
    """Notes what had been left to others when a place was given up."""

    house: House
    left: list[int] = field(default_factory=list[int])

    def __post_init__(self) -> None:
        super().__init__(self.house.clock)

    async def release(self, group: str, name: str, fence: int) -> None:
        self.left.append(await waiting(self.house, THERE))
        await super().release(group, name, fence)


async def test_routers_are_told_before_its_work_goes(opened: Open) -> None:
    """Else they would send it more meanwhile."""
    async with opened(ScriptModel(["begun", asyncio.Event()]), ONE_PLACE) as opened_house:
        leases = Announcing(opened_house)
        house = replace(opened_house, leases=leases)
        async with at_work(house):
            await asked(house, Status.STREAMING, 2)
            await come(leases, load=1)
        assert leases.left[0] == 0
        assert await waiting(house, THERE) == 2


async def test_alone_its_work_waits_for_it_to_come_back(opened: Open) -> None:
    async with opened(ScriptModel(["begun", asyncio.Event()]), ONE_PLACE) as house:
        async with at_work(house):
            turns = await asked(house, Status.STREAMING, 3)
        assert await names(house) == []
        assert await waiting(house, QUEUE) == 3
        assert {(await house.now(reply)).epoch for reply in turns.others} == {1}


async def test_what_its_model_cannot_begin_is_left_to_others_and_then_it_goes(
    opened: Open,
) -> None:
    async with opened(ScriptModel([BrokenHereError()])) as house:
        await come(house.leases)
        with pytest.raises(ExceptionGroup) as ended:
            await working(house, QUICK.troubles)
        assert ended.group_contains(WorkerInTroubleError)
        assert await names(house) == ["other"]
        assert await waiting(house, THERE) == QUICK.troubles


async def working(house: House, asked: int) -> None:
    async with at_work(house):
        await ask_here(house, asked)
        await asyncio.Event().wait()


async def ask_here(house: House, count: int) -> list[Message]:
    """Requests in the worker's own queue, wherever a router would have sent them."""
    replies: list[Message] = []
    for _ in range(count):
        reply = await house.ask("hello")
        request = await house.requested(reply)
        await house.store.write(lambda tx, r=request: tx.outbox.add(QUEUE, r.conversation_id, r))
        replies.append(reply)
    return replies


async def test_alone_it_stays_and_says_what_is_wrong(opened: Open) -> None:
    steps: list[list[Step]] = [[BrokenHereError()] for _ in range(QUICK.troubles + 1)]
    async with opened(ScriptModel(*steps, ["well again", DONE])) as house, at_work(house):
        for reply in await ask_here(house, len(steps)):
            failed = await house.until(reply)
            assert (failed.status, failed.error_code) == (Status.FAILED, BrokenHereError.code)
        [reply] = await ask_here(house, 1)
        assert (await house.until(reply)).text == "well again"


async def test_a_reply_that_is_written_ends_the_trouble(opened: Open) -> None:
    bad: list[list[Step]] = [[BrokenHereError()] for _ in range(QUICK.troubles - 1)]
    async with opened(ScriptModel(*bad, ["a", DONE], *bad, ["b", DONE])) as house:
        await come(house.leases)
        async with at_work(house):
            for text in ("a", "b"):
                await ask_here(house, len(bad))
                await house.handled(QUEUE)
                [reply] = await ask_here(house, 1)
                assert (await house.until(reply)).text == text
            assert await names(house) == ["local", "other"]


async def test_what_no_worker_could_answer_fails_here(opened: Open) -> None:
    async with opened(ScriptModel([ModelUnavailableError()])) as house, at_work(house):
        await come(house.leases)
        [reply] = await ask_here(house, 1)
        assert (await house.until(reply)).status is Status.FAILED
        assert await waiting(house, THERE) == 0


async def test_what_broke_off_after_its_first_text_is_not_written_by_another(
    opened: Open,
) -> None:
    async with opened(ScriptModel(["so far", BrokenHereError()])) as house, at_work(house):
        await come(house.leases)
        [reply] = await ask_here(house, 1)
        cut = await house.until(reply)
        assert (cut.status, cut.text, cut.epoch) == (Status.INTERRUPTED, "so far", 1)


@pytest.mark.parametrize(
    ("model", "given", "capacity"),
    [
        pytest.param(EchoModel(slots=2), {}, 2, id="what the model has"),
        pytest.param(EchoModel(slots=2), {"slots": 5}, 5, id="what is set"),
        pytest.param(EchoModel(), {}, QUICK.capacity, id="as many as may be in hand"),
    ],
)
async def test_routers_are_told_how_many_replies_are_written_at_once(
    opened: Open, model: ChatModel, given: dict[str, int], capacity: int
) -> None:
    async with opened(model, QUICK.model_copy(update=given)) as house, at_work(house):
        [member] = await house.leases.members(GROUP)
        assert member.capacity == capacity


async def test_a_worker_serves_the_characters_that_it_is_told(opened: Open) -> None:
    poet = CharacterId("poet")
    only = QUICK.model_copy(update={"characters": (poet,)})
    async with opened(ScriptModel([DONE]), only) as house, house.running("inference"):
        async with asyncio.timeout(PATIENCE_S):
            while not await house.leases.members(workers_group(poet)):  # noqa: ASYNC110  claims are not signalled
                await asyncio.sleep(0)
        assert await names(house) == []


def test_a_character_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="assistant"):
        InferenceSettings(characters=("nobody",))
