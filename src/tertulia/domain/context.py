"""Fitting a conversation into a model's window, by tokens."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# What a chat template adds around a message: 5 tokens in ChatML and Llama 3, 4 in Gemma; rounded
# up, because a prompt that is one token too long is refused whole.
MESSAGE_OVERHEAD: Final = 8
# The opening of the answer, and the template's own beginning.
PROMPT_OVERHEAD: Final = 16
# After a cut, this share of the room is used, so that the next turns fit without another cut: the
# beginning of the prompt stays the same and models need not read it again.
FILL_AFTER_CUT: Final = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One message of the branch. A prompt begins with what the person said, after the system
    prompt: many templates know no other order."""

    tokens: int
    may_begin: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """The messages from index `first` on fit. `prompt_tokens` counts them, the system prompt and
    the template; `reply_tokens` is the room that is left."""

    first: int
    prompt_tokens: int
    reply_tokens: int


def fit(
    branch: Sequence[Piece],
    *,
    system_tokens: int,
    window_tokens: int,
    reserve_tokens: int,
    required: int = 1,
    begin_at: int | None = None,
) -> Fit | None:
    """As much of the branch (oldest first) as fits, its end first; None when not even the last
    `required` messages do.

    The system prompt and `reserve_tokens` for the reply always fit. `begin_at` is where the last
    prompt of this conversation began: it begins there again while that fits, so prompts grow at
    their end only. When it does not, the new beginning leaves room for the turns to come.
    """
    fixed = PROMPT_OVERHEAD + MESSAGE_OVERHEAD + system_tokens
    room = window_tokens - reserve_tokens - fixed
    costs = [piece.tokens + MESSAGE_OVERHEAD for piece in branch]
    least = len(branch) - min(required, len(branch))
    if sum(costs[least:]) > room:
        return None
    first = min(begin_at or 0, least)
    if sum(costs[first:]) > room:
        first = _cut(branch, costs, least, int(room * FILL_AFTER_CUT))
    prompt_tokens = fixed + sum(costs[first:])
    return Fit(first=first, prompt_tokens=prompt_tokens, reply_tokens=window_tokens - prompt_tokens)


def _cut(branch: Sequence[Piece], costs: Sequence[int], least: int, room: int) -> int:
    """The oldest message from which all fit into `room`, moved on to one that may begin."""
    first, used = least, sum(costs[least:])
    while first > 0 and used + costs[first - 1] <= room:
        first -= 1
        used += costs[first]
    return next((index for index in range(first, least) if branch[index].may_begin), least)
