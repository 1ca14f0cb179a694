"""What must be true once the weather is clear and everything has come to rest."""

import json
from collections import Counter
from collections.abc import Iterator
from itertools import cycle, islice

from tertulia.domain.events import ReplyRequested, TurnRequested
from tertulia.domain.messages import GAVE_UP, Author, Message, Status
from tests.simulation.people import Page, Person, Talk, hold
from tests.simulation.world import World

_Attempt = tuple[str, int]
"""A reply and its epoch."""


async def at_rest(world: World, people: list[Person]) -> str:
    """What still moves; empty when nothing does."""
    ready = world.database.rows("SELECT topic FROM outbox WHERE state = 'ready'")
    if ready:
        return f"outbox: {sorted({topic for (topic,) in ready})}"
    waiting = (
        [depth.topic for depth in world.broker.waiting() if depth.waiting] if world.broker else []
    )
    if waiting:
        return f"broker: {waiting}"
    moving = world.database.rows(
        "SELECT id, status FROM messages WHERE status IN ('queued', 'streaming')"
    )
    if moving:
        return f"replies: {moving}"
    ghosts = [name for name, lives in (await world.workers()).items() if not lives]
    if ghosts:
        return f"leases of the dead: {ghosts}"
    heads = dict(world.database.rows("SELECT user_id, head FROM feed_heads"))
    behind = [person.name for person in people if person.page.seq != heads.get(person.name, 0)]
    return f"followers behind: {behind}" if behind else ""


async def judge(world: World, people: list[Person]) -> None:
    """BrokenPromiseError names the promise."""
    _judge_witness(world)
    for person in people:
        fresh = Page()
        fresh.seq = await person.snapshot(fresh)
        hold(person.page.conversations == fresh.conversations, "a follower's conversations")
        hold(person.page.messages == fresh.messages, "a follower's messages")
        hold(
            set(fresh.conversations) == {talk.id for talk in person.talks},
            "each conversation is there once",
        )
        for talk in person.talks:
            _judge_talk(person, talk, fresh)


def _judge_talk(person: Person, talk: Talk, fresh: Page) -> None:
    kept = [m for m in fresh.messages.values() if m.conversation_id == talk.id]
    kept.sort(key=lambda message: message.seq)
    hold([m.seq for m in kept] == list(range(1, len(kept) + 1)), "numbers have no gaps")
    from_person = [(m.text, m.id, m.seq) for m in kept if m.author is Author.USER]
    said = [(each.text, each.message_id, each.seq) for each in talk.said]
    hold(from_person == said, "what was said is there once, in its order, and nothing else")
    replies = {m.id: m for m in kept if m.author is Author.ASSISTANT}
    hold(set(replies) == set(talk.asked), "each turn has its reply, and only that")
    for reply in replies.values():
        _judge_reply(reply, talk)
        told = person.ends.get((reply.id, reply.epoch))
        now = (reply.status, reply.text)
        hold(told in {None, now} or told == (Status.FAILED, ""), "the end that was told stays")


def _judge_reply(reply: Message, talk: Talk) -> None:
    hold(reply.status.is_final, "each reply has an end")
    whole = echoed(talk.asked[reply.id], talk.models[reply.id])
    if reply.status is Status.COMPLETE:
        hold(reply.text == whole, f"only a whole reply is complete: {reply} {whole!r}")
    else:
        hold(whole.startswith(reply.text), "a cut reply is the beginning of the whole")
    if reply.status is Status.FAILED:
        hold(reply.error_code is not None, "a failure has a reason")


def _judge_witness(world: World) -> None:
    final = {status.value for status in Status if status.is_final}
    for reply, begun, before, after, error in world.database.rows("SELECT * FROM witness"):
        anew = after == Status.QUEUED and (begun or error == GAVE_UP)
        hold(before not in final or anew, f"an attempt ends once: {reply} {before} → {after}")
    dead = world.database.rows("SELECT id, kind, reason FROM outbox WHERE state = 'dead'")
    hold(all(reason for _, _, reason in dead), f"dead letters have a reason: {dead}")
    _judge_effects(world)


def _judge_effects(world: World) -> None:
    """Each request is routed at most once, however often it is delivered; handing it over takes
    its reply to the next epoch."""
    asked, routed, moved = Counter[_Attempt](), Counter[_Attempt](), handed_over(world)
    for kind, attempt in _requests(world):
        (asked if kind == TurnRequested.kind else routed)[attempt] += 1
    for attempt, count in routed.items():
        most = asked[attempt] + (attempt in moved)
        hold(count <= most, f"one request has one effect: {attempt} {count} times")


def handed_over(world: World) -> set[_Attempt]:
    """The attempts that began with a worker who left the reply to another."""
    first: dict[_Attempt, str] = {}
    for kind, attempt in _requests(world):
        first.setdefault(attempt, kind)
    return {
        (reply, epoch)
        for (reply, epoch), kind in first.items()
        if kind == ReplyRequested.kind and first.get((reply, epoch - 1))
    }


def _requests(world: World) -> Iterator[tuple[str, _Attempt]]:
    """Of turns and of replies, in the order in which they were committed."""
    for kind, body in world.database.rows(
        "SELECT kind, CAST(body AS TEXT) FROM outbox ORDER BY position"
    ):
        if kind in {TurnRequested.kind, ReplyRequested.kind}:
            request = json.loads(body)
            yield kind, (request["reply_id"], request["epoch"])


def echoed(text: str, model: str) -> str:
    """What the model says when nothing goes wrong."""
    if model == "echo":
        return text
    return " ".join(islice(cycle(text.split()), int(model.split("/")[1])))
