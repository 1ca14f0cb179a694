"""Named places where a test can make the process die as if by `kill -9`.

Set `TERTULIA_CRASH_AT=<name>` or `<name>:<count>` before the process starts: it then dies when it
passes that place for the first (or `count`-th) time, without unwinding, flushing or closing
anything. Unset, as in every real installation, passing a place costs one comparison.
"""

import os
import signal
from dataclasses import dataclass
from typing import Final

VARIABLE: Final = "TERTULIA_CRASH_AT"

CRASH_POINTS: Final = frozenset(
    {
        "chat.before_turn_commit",
        "chat.after_turn_commit",  # durable, the client has no answer yet
        "chat.after_stop_commit",
        "store.before_commit",  # in the writer thread, a group of units of work is pending
        "store.after_commit",  # durable, nobody knows
        "bus.after_take",  # leased, no handler runs yet
        "bus.before_settle",  # handled, still leased
        "bus.after_settle",
        "preprocess.before_commit",
        "preprocess.after_commit",  # routed, the turn's message is not settled
        "inference.before_start_commit",
        "inference.after_start_commit",  # `streaming`, nothing shown
        "inference.after_first_text",  # shown, nothing after it saved
        "inference.before_checkpoint",
        "inference.after_checkpoint",
        "inference.before_final_commit",  # all shown, not all saved
        "inference.after_final_commit",  # saved, no reader knows the end
        "titles.before_commit",
        "titles.after_commit",
        "relay.after_carry",  # the broker has it, the outbox does not know
        "relay.after_prune",
        "history.before_keep",
        "history.after_keep",  # the log has the texts, the store has them too
        "history.after_move",
        "history.after_erase",  # gone from the log, the note of it is still there
    }
)
"""Every place there is. A test that means to hit each one walks through this set."""

ONLY_WITH_A_BROKER: Final = frozenset({"relay.after_carry"})
"""Those that a process whose outbox is its bus never passes."""

ONLY_WITH_A_LOG: Final = frozenset(
    {"history.before_keep", "history.after_keep", "history.after_move", "history.after_erase"}
)
"""Those that a process without a history log never passes."""


@dataclass(slots=True)
class _Armed:
    name: str
    left: int


def _parse(value: str) -> _Armed | None:
    if not value:
        return None
    name, _, count = value.partition(":")
    if name not in CRASH_POINTS:
        msg = f"{VARIABLE} names no crash point: {name}"
        raise ValueError(msg)
    return _Armed(name, int(count or 1))


_armed = _parse(os.environ.get(VARIABLE, ""))


def crash_point(name: str) -> None:
    """Die here when this place is armed. `name` is one of CRASH_POINTS."""
    if _armed is not None and _armed.name == name:
        _pass(_armed)


def _pass(armed: _Armed) -> None:
    armed.left -= 1
    if armed.left == 0:
        _die()


def _die() -> None:
    kill = getattr(signal, "SIGKILL", None)
    if kill is not None:
        os.kill(os.getpid(), kill)
    os._exit(137)
