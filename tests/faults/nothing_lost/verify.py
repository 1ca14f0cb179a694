"""The account at the end: a fresh fetch of everything against what the clients sent and saw."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tertulia.domain.normalization import normalized
from tests.e2e.api import FINAL, Api, Message, ProblemError
from tests.e2e.echo_text import echoed
from tests.e2e.reading import Cut
from tests.faults.nothing_lost.client import GONE
from tests.faults.nothing_lost.ledger import Ledger, SentTurn

if TYPE_CHECKING:
    from tests.faults.nothing_lost.campaign import Deaths

SERVING_BOUND_S: Final = 10.0
TEXT_BOUND_MS: Final = 250.0
BATCH_MS: Final = 50.0
"""Tokens leave in batches of up to 50 ms, so what a reader saw may run ahead by one of them."""


@dataclass(slots=True)
class Account:
    """What was promised and what was found. `problems` is empty when every promise was kept."""

    turns: int = 0
    conversations: int = 0
    erased: int = 0
    requests: int = 0
    kills: int = 0
    kills_by_server: dict[str, int] = field(default_factory=dict[str, int])
    kills_by_point: dict[str, int] = field(default_factory=dict[str, int])
    points_missed: list[str] = field(default_factory=list[str])
    replies: dict[str, int] = field(default_factory=dict[str, int])
    lost: int = 0
    duplicates: int = 0
    inversions: int = 0
    unfinished: int = 0
    wrong_replies: int = 0
    cut_streams: int = 0
    cut_streams_with_loss: int = 0
    worst_text_lost_ms: float = 0.0
    worst_text_lost_seen_ms: float = 0.0
    worst_serving_s: float = 0.0
    median_serving_s: float = 0.0
    problems: list[str] = field(default_factory=list[str])
    duration_s: float = 0.0


async def verify(api: Api, ledger: Ledger, deaths: "Deaths") -> Account:
    """Fetch every conversation anew and compare."""
    account = Account(problems=list(ledger.problems))
    for conversation_id, sent in ledger.sent.items():
        before = ledger.erased.get(conversation_id)
        fetched = await api.messages(conversation_id) if before is None else before
        check_conversation(account, sent, fetched)
    check_erased(account, {erased: await _is_there(api, erased) for erased in ledger.erased})
    check_streams(account, ledger.turns())
    check_deaths(account, deaths, ledger.serving_s)
    return account


async def _is_there(api: Api, conversation_id: str) -> bool:
    try:
        await api.messages(conversation_id)
    except ProblemError as problem:
        return problem.status != GONE
    return True


def check_erased(account: Account, found: Mapping[str, bool]) -> None:
    """`found`: each conversation that was erased, and whether it is there."""
    account.erased = len(found)
    account.problems += [f"erased, and there again: {it}" for it, there in found.items() if there]


def check_conversation(account: Account, sent: list[SentTurn], fetched: list[Message]) -> None:
    """Each text once, in the order of sending, in one chain, each with its one reply."""
    account.conversations += 1
    account.turns += len(sent)
    account.requests += sum(turn.attempts for turn in sent)
    users = [m for m in fetched if m.author == "user"]
    replies = {m.parent_id: m for m in fetched if m.author == "assistant"}
    times = Counter(m.text for m in users)
    lost = [turn.text for turn in sent if times[turn.text] == 0]
    twice = [text for text, count in times.items() if count > 1]
    unasked = len(users) - sum(times[turn.text] for turn in sent)
    extra = len(fetched) - len(users) - len(replies) + unasked
    account.lost += len(lost)
    account.duplicates += len(twice) + extra
    account.problems += [f"lost: {text}" for text in lost]
    account.problems += [f"there twice: {text}" for text in twice]
    if extra:
        account.problems.append(f"{extra} messages too many in {sent[0].conversation_id}")
    if not lost and not twice:
        _check_order(account, sent, fetched, users, replies)


def _check_order(
    account: Account,
    sent: list[SentTurn],
    fetched: list[Message],
    users: list[Message],
    replies: dict[str | None, Message],
) -> None:
    wrong: list[str] = []
    if [m.seq for m in fetched] != list(range(1, len(fetched) + 1)):
        wrong.append("numbers have gaps or are out of order")
    if [m.text for m in users] != [turn.text for turn in sent]:
        wrong.append("messages stand in another order than they were sent in")
    leaf: str | None = None
    for turn, user in zip(sent, users, strict=True):
        reply = replies.get(user.id)
        if user.parent_id != leaf:
            wrong.append(f"{turn.text} does not follow the reply before it")
        if reply is None or reply.seq < user.seq:
            wrong.append(f"{turn.text} has no reply behind it")
            break
        leaf = reply.id
        _check_reply(account, turn, user, reply)
    account.inversions += len(wrong)
    account.problems += [f"{sent[0].conversation_id}: {what}" for what in wrong]


def _check_reply(account: Account, turn: SentTurn, user: Message, reply: Message) -> None:
    """One final state, the same that the client saw, and the text that this state promises."""
    account.replies[reply.status] = account.replies.get(reply.status, 0) + 1
    if reply.status not in FINAL:
        account.unfinished += 1
        account.problems.append(f"{turn.text}: its reply is still {reply.status}")
    answered = turn.turn
    if answered is None or (answered.message.id, answered.reply.id) != (user.id, reply.id):
        account.problems.append(f"{turn.text}: it was acknowledged as another message")
    wrong = _wrong_reply(turn, reply)
    if wrong is not None:
        account.wrong_replies += 1
        account.problems.append(f"{turn.text}: {wrong}")


def _wrong_reply(turn: SentTurn, reply: Message) -> str | None:
    whole = expected_reply(turn)
    # A message that was stopped before it was looked at stays as it was typed.
    text = normalized(reply.text or "")
    seen = turn.last_seen
    if seen is None or (seen.status, seen.text) != (reply.status, reply.text):
        return "its reply is not what the client saw at last"
    match reply.status:
        case "complete" if text != whole:
            return f"called complete, but not the whole reply: {text!r}"
        case "interrupted" | "cancelled" if not whole.startswith(text):
            return f"{reply.status} with a text that is not the reply's beginning: {text!r}"
        case "failed":
            return f"failed with {reply.error_code}"
        case "cancelled" if not turn.stopped:
            return "cancelled though nobody asked"
        case _:
            return None


def check_streams(account: Account, turns: list[SentTurn]) -> None:
    """What readers had seen of a reply when its server died, against what was kept."""
    for turn in turns:
        for cut in turn.reading.cuts:
            account.cut_streams += 1
            account.cut_streams_with_loss += cut.lost > 0
            seen_ms, pace_ms = cut.seen_s * 1000, text_lost_ms(cut, turn)
            account.worst_text_lost_seen_ms = max(account.worst_text_lost_seen_ms, seen_ms)
            account.worst_text_lost_ms = max(account.worst_text_lost_ms, pace_ms)
            # On a busy machine late words come in one burst, which the model's pace overstates;
            # a late reader overstates by its clock.
            lost_ms = min(seen_ms, pace_ms)
            if lost_ms > TEXT_BOUND_MS + BATCH_MS:
                account.problems.append(f"{turn.text}: {lost_ms:.0f} ms of its reply were lost")


def text_lost_ms(cut: Cut, turn: SentTurn) -> float:
    """The lost characters as the time in which the echo says them."""
    _, tokens, pace_ms = turn.model.split("/")
    whole = expected_reply(turn)
    return cut.lost / max(1.0, len(whole) / int(tokens)) * float(pace_ms)


def check_deaths(account: Account, deaths: "Deaths", serving_s: Sequence[float]) -> None:
    account.kills = deaths.kills
    account.kills_by_server = dict(sorted(deaths.by_server.items()))
    account.kills_by_point = dict(sorted(deaths.by_point.items()))
    account.points_missed = deaths.missed
    account.problems += [f"crash point never reached: {point}" for point in deaths.missed]
    account.worst_serving_s = max(serving_s)
    account.median_serving_s = sorted(serving_s)[len(serving_s) // 2]
    if account.worst_serving_s > SERVING_BOUND_S:
        account.problems.append(f"served again only after {account.worst_serving_s:.1f} s")


def expected_reply(turn: SentTurn) -> str:
    """What the echo says to it."""
    return echoed(turn.said, int(turn.model.split("/")[1]))
