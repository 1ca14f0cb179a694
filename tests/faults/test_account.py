"""The campaign's account sees what it is there to see."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

import msgspec
import pytest

from tests.e2e.api import Message, Turn
from tests.e2e.reading import Cut
from tests.faults.nothing_lost.campaign import Deaths
from tests.faults.nothing_lost.ledger import SentTurn
from tests.faults.nothing_lost.verify import (
    Account,
    check_conversation,
    check_deaths,
    check_erased,
    check_streams,
)


def message(seq: int, author: str, text: str, parent: int | None) -> Message:
    return Message(
        id=str(seq),
        conversation_id="c",
        parent_id=None if parent is None else str(parent),
        seq=seq,
        author=author,
        status="complete",
        epoch=1,
        text=text,
        revision=1,
    )


def history() -> list[Message]:
    return [
        message(1, "user", "one", None),
        message(2, "assistant", "one one", 1),
        message(3, "user", "two", 2),
        message(4, "assistant", "two two", 3),
    ]


def sent() -> list[SentTurn]:
    stored = history()
    return [
        SentTurn(
            conversation_id="c",
            request_id=text,
            text=text,
            said=text,
            model="echo/2/10",
            attempts=1,
            turn=Turn(message=stored[at], reply=stored[at + 1]),
            last_seen=stored[at + 1],
        )
        for at, text in ((0, "one"), (2, "two"))
    ]


FAULTS: Final[Mapping[str, Callable[[list[Message]], tuple[str, list[Message]]]]] = {
    "a message is lost": lambda stored: ("lost", stored[:2]),
    "a message is there twice": lambda stored: (
        "duplicates",
        [*stored, message(5, "user", "two", 4)],
    ),
    "a message has two replies": lambda stored: (
        "duplicates",
        [*stored, message(5, "assistant", "two two", 3)],
    ),
    "a message hangs elsewhere": lambda stored: (
        "inversions",
        [*stored[:2], message(3, "user", "two", 1), stored[3]],
    ),
    "numbers have a gap": lambda stored: (
        "inversions",
        [*stored[:3], message(5, "assistant", "two two", 3)],
    ),
    "a reply has no end": lambda stored: ("unfinished", last_reply(stored, "streaming", "")),
    "a cut reply is called complete": lambda stored: (
        "wrong_replies",
        last_reply(stored, "complete", "two"),
    ),
    "a reply says something else": lambda stored: (
        "wrong_replies",
        last_reply(stored, "interrupted", "three"),
    ),
    "a reply failed": lambda stored: ("wrong_replies", last_reply(stored, "failed", "")),
}


def last_reply(stored: list[Message], status: str, text: str) -> list[Message]:
    return [*stored[:3], msgspec.structs.replace(stored[3], status=status, text=text)]


def test_an_account_without_fault_has_no_problem() -> None:
    account = Account()
    check_conversation(account, sent(), history())
    assert not account.problems
    assert account.replies == {"complete": 2}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_of_a_history_is_counted(fault: str) -> None:
    account, turns = Account(), sent()
    count, stored = FAULTS[fault](history())
    seen = next((m for m in stored if m.author == "assistant" and m.parent_id == "3"), None)
    turns[1].last_seen = seen
    turns[1].turn = Turn(message=stored[2], reply=seen) if seen else turns[1].turn
    check_conversation(account, turns, stored)
    assert getattr(account, count) == 1
    assert account.problems


def test_a_reply_that_differs_from_what_the_client_saw_is_a_problem() -> None:
    account, turns = Account(), sent()
    turns[1].last_seen = history()[1]
    check_conversation(account, turns, history())
    assert account.wrong_replies == 1


def test_text_that_was_seen_and_not_kept_is_measured_by_pace_and_clock() -> None:
    turn = replace(sent()[0], said="word", model="echo/200/10")
    turn.reading.cuts = [
        Cut(epoch=1, held=500, kept=400, seen_s=0.2),
        Cut(epoch=1, held=500, kept=300, seen_s=0.2),
        Cut(epoch=1, held=500, kept=300, seen_s=0.4),
    ]
    account = Account()
    check_streams(account, [turn])
    assert account.cut_streams_with_loss == 3
    assert 390 < account.worst_text_lost_ms < 410
    assert len(account.problems) == 1


def test_a_crash_point_that_was_missed_and_a_slow_return_are_problems() -> None:
    account = Account()
    check_deaths(account, Deaths(kills=2, missed=["bus.after_take"]), [0.5, 11.0])
    assert len(account.problems) == 2


def test_a_conversation_that_is_there_after_it_was_erased_is_a_problem() -> None:
    account = Account()
    check_erased(account, {"gone": False, "back": True})
    assert account.erased == 2
    assert len(account.problems) == 1
