"""People at their pages: careful clients, who repeat what was not answered and believe nothing that
does not fit what they hold."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from random import Random
from typing import Final, TypeVar

from tertulia.domain.access import Principal
from tertulia.domain.conversations import Conversation
from tertulia.domain.feed import FeedPage
from tertulia.domain.ids import UserId
from tertulia.domain.messages import Message, Status
from tertulia.domain.streams import Delta, Position, Reset, Waiting
from tertulia.kit.ids import new_id
from tertulia.ports.store import StoreUnavailableError, Tx
from tertulia.roles.chat.errors import NotContinuableError
from tertulia.roles.chat.service.access import access_message
from tertulia.roles.chat.service.change_conversation import ConversationChange, change_conversation
from tertulia.roles.chat.service.create_conversation import NewConversation, create_conversation
from tertulia.roles.chat.service.follow_feed import follow_feed
from tertulia.roles.chat.service.follow_reply import Ended, Step
from tertulia.roles.chat.service.list_conversations import list_conversations
from tertulia.roles.chat.service.list_messages import list_messages
from tertulia.roles.chat.service.request_turn import Turn, TurnRequest, request_turn
from tertulia.roles.chat.service.rewrite_reply import continue_reply, regenerate
from tertulia.roles.chat.service.stop_reply import stop_reply
from tests.simulation.world import AwayError, Ports, Process, World

T = TypeVar("T")

AGAIN_S: Final = 0.3
STEPS: Final = 4
MODELS: Final = ("echo", "echo/6/30", "echo/20/40", "echo/40/100")
ALL: Final = 500


class BrokenPromiseError(AssertionError):
    """The product did what it promises never to do."""


def hold(kept: object, promise: str) -> None:
    if not kept:
        raise BrokenPromiseError(promise)


@dataclass(frozen=True, slots=True)
class Said:
    """A turn that was acknowledged: what was sent, and what came of it."""

    text: str
    message_id: str
    reply_id: str
    seq: int


@dataclass(slots=True)
class Talk:
    """A conversation as its person remembers it."""

    id: str
    said: list[Said] = field(default_factory=list[Said])
    models: dict[str, str] = field(default_factory=dict[str, str])
    """What each reply was asked of: reply → the text it echoes, with the model's name."""
    asked: dict[str, str] = field(default_factory=dict[str, str])


class Page:
    """A page that follows the feed: it shows what it fetched, changed by what it was told."""

    def __init__(self) -> None:
        self.seq = 0
        self.conversations: dict[str, Conversation] = {}
        self.messages: dict[str, Message] = {}

    def apply(self, page: FeedPage) -> None:
        hold(not page.resync, "a cursor that is kept is known")
        for change in page.changes:
            hold(change.seq == self.seq + 1, "the feed has no gaps and nothing twice")
            self.seq = change.seq
            if change.conversation is not None:
                self.conversations[change.conversation_id] = change.conversation
            if change.message is not None:
                self.messages[change.message.id] = change.message


class Person:
    """Does what the seed says, in conversations of their own."""

    def __init__(self, name: str, world: World, seed: int) -> None:
        self._world = world
        self._dice = Random(f"{name} {seed}")  # noqa: S311  no secret
        self.name: Final = name
        self.who: Final = Principal(user_id=UserId(name), via="session", credential_id=name)
        self.talks: Final[list[Talk]] = []
        self.ends: Final[dict[tuple[str, int], tuple[Status, str]]] = {}
        """What a reader of each attempt was told of its end."""
        self.page: Final = Page()
        self._readers: set[asyncio.Task[None]] = set()

    async def live(self) -> None:
        """Until everything that was begun has come to its end."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._dice.randint(1, 2)):
                group.create_task(self._converse(group))

    async def follow(self) -> None:
        """Keep the page up to date, until cancelled."""
        self.page.seq = await self.snapshot(self.page)
        while True:
            try:
                await self._replica().serve(self._follow_on)
            except (AwayError, StoreUnavailableError):
                await asyncio.sleep(AGAIN_S)

    async def snapshot(self, page: Page) -> int:
        """Fetch everything; the number of the change to go on after."""
        listed = await self._ask(
            lambda p: list_conversations(p.store, self.who, archived=False, cursor=None, limit=ALL)
        )
        for conversation in listed.items:
            page.conversations[conversation.id] = conversation
            found = await self._ask(
                lambda p, cid=conversation.id: list_messages(
                    p.store, self.who, cid, before=None, after=None, limit=ALL
                )
            )
            page.messages.update({message.id: message for message in found.items})
        return listed.feed_seq

    async def _follow_on(self, ports: Ports) -> None:
        pages = follow_feed(ports.store, ports.signals, self.who, self.page.seq)
        async with aclosing(pages):
            async for page in pages:
                self.page.apply(page)
                if self._world.weather.loses():
                    return

    async def _converse(self, group: asyncio.TaskGroup) -> None:
        new = NewConversation(id=new_id())
        made, _ = await self._twice(lambda p: create_conversation(p.store, self.who, new))
        talk = Talk(made.id)
        self.talks.append(talk)
        reply: Message | None = None
        for step in range(self._dice.randint(2, STEPS)):
            act = self._dice.choice(("turn", "turn", "turn", "regenerate", "edit", "rename"))
            if reply is None or act == "turn":
                reply = await self._turn(talk, step)
            elif act == "edit":
                reply = await self._turn(talk, step, at_root=True)
            elif act == "regenerate":
                reply = await self._regenerate(talk, reply)
            else:
                change = ConversationChange(title=f"{self.name}'s {step}")
                await self._ask(
                    lambda p, c=change: change_conversation(p.store, self.who, talk.id, c)
                )
            await self._attend(talk, reply, group)

    async def _attend(self, talk: Talk, reply: Message, group: asyncio.TaskGroup) -> None:
        """Read it to its end, or look at it later; stop it; go on with it when it broke off."""
        reading = group.create_task(self._read(reply))
        if self._dice.random() < 0.2:
            await asyncio.sleep(self._dice.uniform(0, 1.5))
            await self._ask(lambda p: stop_reply(p.store, self.who, talk.id, reply.id))
        if self._dice.random() < 0.3:
            await asyncio.sleep(self._dice.uniform(0, 2))
            return
        await reading
        if self._dice.random() < 0.5:
            await self._continue(talk, reply, group)

    async def _continue(self, talk: Talk, reply: Message, group: asyncio.TaskGroup) -> None:
        request = new_id()
        try:
            again = await self._twice(
                lambda p: continue_reply(p.store, self.who, talk.id, reply.id, request)
            )
        except NotContinuableError:
            return
        await group.create_task(self._read(again.reply))

    async def _turn(self, talk: Talk, step: int, *, at_root: bool = False) -> Message:
        text = f"{self.name} says {step} {self._dice.randbytes(4).hex()} hello"
        request = TurnRequest(
            id=new_id(), text=text, at_leaf=not at_root, model=self._dice.choice(MODELS)
        )
        turn = await self._twice(lambda p: request_turn(p.store, self.who, talk.id, request))
        hold(turn.message.text == text, "an answer is about what was asked")
        self.note(f"said {turn.message.id}: {turn.reply.id}")
        talk.said.append(Said(text, turn.message.id, turn.reply.id, turn.message.seq))
        talk.asked[turn.reply.id] = text
        talk.models[turn.reply.id] = request.model or ""
        return turn.reply

    async def _regenerate(self, talk: Talk, reply: Message) -> Message:
        request, model = new_id(), self._dice.choice(MODELS)
        turn = await self._twice(
            lambda p: regenerate(
                p.store, self.who, talk.id, reply.id, request_id=request, model=model
            )
        )
        talk.asked[turn.reply.id] = talk.asked[reply.id]
        talk.models[turn.reply.id] = model
        return turn.reply

    async def _twice(self, use: Callable[[Ports], Awaitable[T]]) -> T:
        """One request with an id of its own; now and then sent twice at the same time."""
        if self._dice.random() >= 0.3:
            return await self._ask(use)
        one, other = await asyncio.gather(self._ask(use), self._ask(use), return_exceptions=True)
        for answer in (one, other):
            if isinstance(answer, BaseException):
                raise answer
        hold(_same(one, other), "a repeated request has the same answer")
        return one  # type: ignore[return-value]

    async def _ask(self, use: Callable[[Ports], Awaitable[T]]) -> T:
        while True:
            try:
                return await self._replica().serve(use)
            except (AwayError, StoreUnavailableError):
                await asyncio.sleep(self._dice.uniform(0, AGAIN_S))

    def _replica(self) -> Process:
        return self._dice.choice(self._world.chats)

    async def _read(self, reply: Message) -> None:
        reading = _Reading(self, reply)
        while not reading.ended:
            try:
                await self._replica().serve(reading.read)
            except (AwayError, StoreUnavailableError):
                await asyncio.sleep(AGAIN_S)

    def note(self, what: str) -> None:
        """For the trace."""
        self._world.weather.trace.note(self.name, what)

    def leaves(self) -> bool:
        """Whether a reader cuts its own connection here."""
        return self._world.weather.bad and self._dice.random() < 0.05


class _Reading:
    """One reader of one reply, over any number of connections."""

    def __init__(self, person: Person, reply: Message) -> None:
        self._person = person
        self._reply = reply
        self._at: Position | None = None
        self._text = ""
        self.ended = False

    async def read(self, ports: Ports) -> None:
        reply, who = self._reply, self._person.who

        def look(tx: Tx) -> Message:
            return access_message(tx, who, reply.conversation_id, reply.id)[1]

        async with aclosing(ports.reader.follow(reply, self._at, look)) as steps:
            async for step in steps:
                self._take(step)
                if self.ended or self._person.leaves():
                    return

    def _take(self, step: Step) -> None:
        match step:
            case Delta(at, text):
                fits = self._at is None or self._at.epoch == at.epoch
                hold(fits and at.offset == len(self._text) + len(text), "a delta fits what is held")
                self._at, self._text = at, self._text + text
            case Reset(at, text):
                hold(at.offset == len(text), "a reset says all of it")
                self._at, self._text = at, text
            case Ended(_, message):
                hold(message.status.is_final, "an end is final")
                hold(message.text == self._text, "a stream's text is the stored text")
                told = (message.status, message.text)
                known = self._person.ends.setdefault((message.id, message.epoch), told)
                hold(known == told, "every reader is told the same end")
                self._person.note(f"read {message.id} to its end: {message.status}")
                self.ended = True
            case Waiting():
                pass


def _same(one: object, other: object) -> bool:
    """Whether two answers to one request name the same things."""
    match one, other:
        case Turn(), Turn():
            return (one.message.id, one.reply.id) == (other.message.id, other.reply.id)
        case (Conversation() as mine, bool() as made), (Conversation() as same, bool() as made_too):
            return mine.id == same.id and made + made_too <= 1
        case _:
            return False
